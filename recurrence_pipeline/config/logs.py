"""How the system logs: structlog over the standard library, one JSON object a line, set up by `configure` alone.

Only this package's loggers are touched: Dagster and other libraries keep theirs. A log line never holds the URL of a
database, which can hold a password, and is cut where it is longer than 16 KiB.

An error line has the keys that programs may rely on, these and no others, in this order:

    timestamp, level, service, operation, taskId, userId, error, details {originalError, retryAttempt, maxRetries}

What is not known is null. `error` is what went wrong in our words, `originalError` the cause; `retryAttempt` is the
number of the retry that failed, 0 for the first try. What else an error line was given stands in its details.
"""

import logging
import re
import sys
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from recurrence_pipeline.config.log_file import SharedRotatingFile
from recurrence_pipeline.config.log_lines import bounded
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError

SERVICE = "recurrence-pipeline"
ROOT = "recurrence_pipeline"
"""The logger above all of this package's."""

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
HIDDEN = "mongodb://***"
URL = re.compile(r"""mongodb(?:\+srv)?://(?:\S*@)?[^\s"'<>\\]*""")
"""All up to the last `@`, whatever quotes and escapes a password brings along, and then the hosts and the rest."""


def configure(settings: Settings, *, readable: bool = False) -> None:
    """Send log lines to stderr and to LOG_FILE; called again, it replaces what it set up before.

    Args:
        settings: LOG_LEVEL and LOG_FILE are what counts.
        readable: plain lines for a person at a terminal instead of JSON; the file gets JSON either way.

    Raises:
        ConfigurationError: LOG_FILE cannot be written.
    """
    handlers: list[logging.Handler] = [_Stderr()]
    handlers[0].setFormatter(_formatter(_AS_TEXT if readable else _AS_JSON))
    if settings.log_file is not None:
        handlers.append(_file_handler(settings))
        handlers[1].setFormatter(_formatter(_AS_JSON))
    _replace_handlers(handlers, settings.log_level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _for_handlers,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a module's logger must follow a second `configure`
    )


def configure_if_nobody_has(settings: Settings) -> None:
    """Set up logging as `configure` does, in a process that is not ours alone; where it is set up already, it stays.

    Raises:
        ConfigurationError: LOG_FILE cannot be written.
    """
    if not structlog.is_configured():
        configure(settings)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what is stderr at that moment: Dagster puts others in its place, and so do tests."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _with_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["service"] = SERVICE
    return event


_SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _with_service,
)


OF_AN_ERROR = ("operation", "taskId", "userId")
"""What an error line says of the work, in order."""
OF_A_TRY = ("retryAttempt", "maxRetries")
CAUSES = ("reason", "error", "exception")
"""What an error line calls its cause; the first of them that is there becomes `originalError`."""


def _shape_of_an_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if event.get("level") not in {"error", "critical"}:
        return event
    event.pop("logger", None)
    shaped: dict[str, Any] = {key: event.pop(key, None) for key in ("timestamp", "level", "service", *OF_AN_ERROR)}
    shaped["error"] = event.pop("event", None)
    cause = next((key for key in CAUSES if event.get(key) is not None), CAUSES[0])
    details = {"originalError": event.pop(cause, None), **{key: event.pop(key, None) for key in OF_A_TRY}, **event}
    return shaped | {"details": details}


class _Line(dict[str, Any]):
    """What is logged, on its way to the handlers; a handler of Dagster's, which knows nothing of it, shows the same."""

    def __str__(self) -> str:
        event: Any = dict(self)
        for processor in _AS_JSON:
            event = processor(None, "", event)
        return bounded(URL.sub(HIDDEN, event))


def _for_handlers(logger: logging.Logger, name: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    return structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, name, _Line(event))


_AS_JSON: tuple[structlog.typing.Processor, ...] = (
    structlog.processors.format_exc_info,
    _shape_of_an_error,
    structlog.processors.JSONRenderer(),
)
_AS_TEXT: tuple[structlog.typing.Processor, ...] = (
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
)
"""Writes tracebacks itself; its own way shows local variables, and those hold keys and tokens."""


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders a record as structlog does, hides the URLs of databases wherever they are, and cuts what is too long."""

    def format(self, record: logging.LogRecord) -> str:
        return bounded(URL.sub(HIDDEN, super().format(record)))


def _formatter(rendering: tuple[structlog.typing.Processor, ...]) -> logging.Formatter:
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return _Formatter(foreign_pre_chain=_SHARED, processors=[without_meta, *rendering])


def _file_handler(settings: Settings) -> logging.Handler:
    path = settings.log_file or Path()
    try:
        return SharedRotatingFile(path, size=FILE_BYTES, kept=FILES_KEPT)
    except OSError as error:
        raise ConfigurationError(f"LOG_FILE: {str(path)!r} cannot be written: {error.strerror or error}") from error


def _replace_handlers(handlers: list[logging.Handler], level: str) -> None:
    logger = logging.getLogger(ROOT)
    for handler in logger.handlers[:]:
        if isinstance(handler, _Stderr | SharedRotatingFile):  # within a run Dagster has put one of its own there
            logger.removeHandler(handler)
            handler.close()
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False  # Dagster has handlers of its own at the root: each line once
