"""What both clients have in common: how they are configured, and what they know. All but the sending."""

import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypeVar

from recurrence_pipeline.client.messages import RETRIES, Lost, Trigger
from recurrence_pipeline.client.outbox import DatabaseOutbox, Outbox
from recurrence_pipeline.client.protocol import WorkerProtocol
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import ConfigurationError, RecurrenceError
from recurrence_pipeline.domain.retries import RetryPolicy

T = TypeVar("T")

log = logging.getLogger(__name__)


async def _async_sleep(seconds: float) -> None:
    import asyncio  # whoever waits here has it already; a program with threads need not load it

    await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Time and chance, and how long and how often something is tried."""

    timeout: timedelta = timedelta(seconds=10)
    """Of one attempt."""
    retries: RetryPolicy = RETRIES
    clock: Callable[[], datetime] = utc_now
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
    async_sleep: Callable[[float], Awaitable[None]] = _async_sleep


class Client(ABC):
    """What both clients have in common: all but the I/O."""

    def __init__(
        self,
        base_url: str = "http://localhost:3000",
        *,
        key: str | None = None,
        database_url: str | None = None,
        outbox: Outbox | None = None,
        options: ClientOptions | None = None,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            base_url: where the worker, or what passes on to it, listens.
            key: goes along as `x-internal-api-key`, and appears in no log and no error.
            database_url: the database that keeps what could not be delivered.
            outbox: what keeps it instead.
            options: timeout, retries, clock.

        Raises:
            ConfigurationError: one of the URLs or the key cannot be used.
        """
        if outbox is None and database_url is not None:
            from recurrence_pipeline.config.settings import Settings

            outbox = DatabaseOutbox(Settings.from_environment({"MONGODB_URL": database_url}))
        key = _checked_key(key)
        self._outbox = outbox
        self._options = options or ClientOptions()
        self._protocol = WorkerProtocol(
            self._options.retries, self._options.clock, self._options.chance, key, has_outbox=outbox is not None
        )
        self._open(base_url, key)

    @abstractmethod
    def _open(self, base_url: str, key: str | None) -> None:
        """Make what sends."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, base_url: str | None = None) -> Self:
        """Read PORT, INTERNAL_API_KEY (of several, the first), WORKER_TIMEOUT and, where it is set, MONGODB_URL.

        Raises:
            ConfigurationError: naming the variable.
        """
        from recurrence_pipeline.config.secrets import read_secret_files
        from recurrence_pipeline.config.settings import SECRET, Settings

        environment = read_secret_files(environment, SECRET)
        settings = Settings.from_environment(environment)
        return cls(
            base_url or f"http://localhost:{settings.port}",
            key=next((key.decode() for key in settings.api_keys()), None),
            outbox=DatabaseOutbox(settings) if environment.get("MONGODB_URL", "").strip() else None,
            options=ClientOptions(timeout=settings.worker_timeout),
        )

    def _write_down(self, trigger: Trigger) -> str | RecurrenceError:
        assert self._outbox is not None, "the protocol knows whether there is one"  # noqa: S101
        try:
            return self._outbox.enqueue(
                trigger.task_id, trigger.operation.value, trigger.user_id, slot=trigger.slot, undo=trigger.undo
            )
        except RecurrenceError as error:
            return error


def _checked_key(key: str | None) -> str | None:
    """Return the key; what no header can hold would be quoted in errors of the connection."""
    if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
        raise ConfigurationError("INTERNAL_API_KEY: the value has characters that a header cannot hold")
    return key or None


def unless_lost(answer: T) -> T | None:
    """Return an answer, or None where it says that something was lost."""
    return None if isinstance(answer, Lost) else answer


def log_failure(function: Callable[..., object], error: Exception) -> None:
    """Log why a function of a client answered None; an error that nobody foresaw with its traceback."""
    name = getattr(function, "__name__", str(function))
    if isinstance(error, RecurrenceError):
        log.warning("trigger failed: %s: %s", name, error, extra={"function": name, "code": error.code})
    else:
        log.exception("trigger failed unexpectedly: %s", name, extra={"function": name})
