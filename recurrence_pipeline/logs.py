"""How the system logs: structlog over the standard library, one JSON object a line, set up by `configure` alone.

Only this package's loggers are touched: Dagster and other libraries keep theirs. A log line never holds the URL of a
database, which can hold a password.
"""

import logging
import re
import sys
from logging.handlers import RotatingFileHandler
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.settings import Settings

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
    as_json = structlog.processors.JSONRenderer()
    as_text = structlog.dev.ConsoleRenderer(colors=False)
    handlers: list[logging.Handler] = [_Stderr()]
    handlers[0].setFormatter(_formatter(as_text if readable else as_json))
    if settings.log_file is not None:
        handlers.append(_file_handler(settings))
        handlers[1].setFormatter(_formatter(as_json))
    _replace_handlers(handlers, settings.log_level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a module's logger must follow a second `configure`
    )


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


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders a record as structlog does, then hides the URLs of databases, wherever in the line they are."""

    def format(self, record: logging.LogRecord) -> str:
        return URL.sub(HIDDEN, super().format(record))


def _formatter(renderer: structlog.typing.Processor) -> logging.Formatter:
    processors: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if isinstance(renderer, structlog.processors.JSONRenderer):
        processors.append(structlog.processors.format_exc_info)  # the other renderer writes tracebacks itself
    return _Formatter(foreign_pre_chain=_SHARED, processors=[*processors, renderer])


def _file_handler(settings: Settings) -> logging.Handler:
    path = settings.log_file
    try:
        return RotatingFileHandler(str(path), maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"LOG_FILE: {str(path)!r} cannot be written: {error.strerror or error}") from error


def _replace_handlers(handlers: list[logging.Handler], level: str) -> None:
    logger = logging.getLogger(ROOT)
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False  # Dagster has handlers of its own at the root: each line once
