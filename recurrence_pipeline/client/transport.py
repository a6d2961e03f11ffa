"""What the two clients have in common: their configuration, and what is said to and heard from httpx."""

import asyncio
import random
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

import httpx
import structlog

from recurrence_pipeline.client.messages import RETRIES, Call, Lost, NoReply, Reply, Trigger
from recurrence_pipeline.client.outbox import DatabaseOutbox, Outbox
from recurrence_pipeline.client.protocol import Conversations
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.secrets import read_secret_files
from recurrence_pipeline.config.settings import SECRET, Settings
from recurrence_pipeline.domain.errors import ConfigurationError, RecurrenceError
from recurrence_pipeline.domain.retries import RetryPolicy

T = TypeVar("T")

log = structlog.get_logger(__name__)

PATH = "/internal/worker"
MAX_BODY = 16 * 1024 * 1024
"""Far above any answer of the worker's; what is longer comes from something else, and is cut."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Time and chance, and how long and how often something is tried."""

    timeout: timedelta = timedelta(seconds=10)
    """Of one attempt."""
    retries: RetryPolicy = RETRIES
    clock: Callable[[], datetime] = utc_now
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
    async_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


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
            outbox = DatabaseOutbox(Settings.from_environment({"MONGODB_URL": database_url}))
        self._url = _checked_url(base_url)
        self._key = _checked_key(key)
        self._outbox = outbox
        self._options = options or ClientOptions()
        self._talk = Conversations(
            self._options.retries, self._options.clock, self._options.chance, self._key, has_outbox=outbox is not None
        )
        self._open(
            timeout=self._options.timeout.total_seconds(),
            headers={"x-internal-api-key": self._key} if self._key else {},
            follow_redirects=False,  # a redirect would show the key to anybody
            trust_env=False,  # and HTTP_PROXY to a proxy
            verify=ssl.create_default_context(),  # the system's authorities, a company's own among them
        )

    @abstractmethod
    def _open(self, **options: Any) -> None:
        """Make the client of httpx with these options."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, base_url: str | None = None) -> Self:
        """Read PORT, INTERNAL_API_KEY (of several, the first), WORKER_TIMEOUT and, where it is set, MONGODB_URL.

        Raises:
            ConfigurationError: naming the variable.
        """
        environment = read_secret_files(environment, SECRET)
        settings = Settings.from_environment(environment)
        return cls(
            base_url or f"http://localhost:{settings.port}",
            key=next((key.decode() for key in settings.api_keys()), None),
            outbox=DatabaseOutbox(settings) if environment.get("MONGODB_URL", "").strip() else None,
            options=ClientOptions(timeout=settings.worker_timeout),
        )

    def _request(self, call: Call) -> dict[str, Any]:
        content = call.content()
        headers = {} if content is None else {"content-type": "application/json"}
        return {"method": call.method, "url": self._url + PATH + call.path, "content": content, "headers": headers}

    def _body(self) -> "Body":
        return Body(time.monotonic() + self._options.timeout.total_seconds())

    def _no_reply(self, error: httpx.HTTPError) -> NoReply:
        if isinstance(error, httpx.TimeoutException):
            return NoReply(f"no answer within {self._options.timeout.total_seconds():g} s")
        reason = f"{type(error).__name__}: {error}"
        return NoReply(reason, worth_repeating=not isinstance(error, httpx.DecodingError))

    def _write_down(self, trigger: Trigger) -> str | RecurrenceError:
        assert self._outbox is not None, "a conversation knows whether there is one"  # noqa: S101
        try:
            return self._outbox.enqueue(trigger.task_id, trigger.operation.value, trigger.user_id)
        except RecurrenceError as error:
            return error


class Body:
    """What arrives, until a deadline: httpx bounds each wait for a byte, not their sum."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._bytes = bytearray()

    def takes(self, chunk: bytes) -> bool:
        """Add a chunk, and say whether there is room for more."""
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("the answer trickles")
        self._bytes += chunk
        return len(self._bytes) <= MAX_BODY

    def reply(self, response: httpx.Response) -> Reply:
        """Return what has arrived."""
        return Reply(response.status_code, bytes(self._bytes), response.headers.get("retry-after"))


def unless_lost(answer: T) -> T | None:
    """Return an answer, or None where it says that something was lost."""
    return None if isinstance(answer, Lost) else answer


def log_failure(function: Callable[..., object], error: Exception) -> None:
    """Log why a function of a client answered None; an error that nobody foresaw with its traceback."""
    name = getattr(function, "__name__", str(function))
    if isinstance(error, RecurrenceError):
        log.warning("trigger failed", function=name, error=str(error), code=error.code)
    else:
        log.exception("trigger failed unexpectedly", function=name)


def _checked_url(url: str) -> str:
    """Return the URL without a slash at its end; an error does not quote it, as it can hold a password."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError("base_url: the value is not an http:// or https:// URL with a host")
    return url.rstrip("/")


def _checked_key(key: str | None) -> str | None:
    """Return the key; what no header can hold would be quoted in errors of the connection."""
    if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
        raise ConfigurationError("INTERNAL_API_KEY: the value has characters that a header cannot hold")
    return key or None
