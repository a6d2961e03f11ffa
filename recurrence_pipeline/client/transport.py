"""How a client sends: once with a blocking client of httpx, once with one for asyncio. No answer is understood here.

It is imported when the first client is made: httpx takes longer to load than all the rest.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import httpx

from recurrence_pipeline.client.messages import Call, NoReply, Reply
from recurrence_pipeline.domain.errors import ConfigurationError

P = ParamSpec("P")
T = TypeVar("T")

PATH = "/internal/worker"
MAX_BODY = 16 * 1024 * 1024
"""Far above any answer of the worker's; what is longer comes from something else, and is cut."""


class _Transport:
    """What both have in common: the options of httpx, a request, and what it means that nothing came back."""

    def __init__(self, base_url: str, key: str | None, timeout: timedelta) -> None:
        self._url = _checked_url(base_url)
        self._timeout = timeout
        self._options: dict[str, Any] = {
            "timeout": timeout.total_seconds(),
            "headers": {"x-internal-api-key": key} if key else {},
            "follow_redirects": False,  # a redirect would show the key to anybody
            "trust_env": False,  # and HTTP_PROXY to a proxy
            "verify": _authorities(self._url),
        }

    def _request(self, call: Call) -> dict[str, Any]:
        content = call.content()
        headers = {} if content is None else {"content-type": "application/json"}
        return {"method": call.method, "url": self._url + PATH + call.path, "content": content, "headers": headers}

    def _body(self) -> "Body":
        return Body(time.monotonic() + self._timeout.total_seconds())

    def _no_reply(self, error: httpx.HTTPError) -> NoReply:
        if isinstance(error, httpx.TimeoutException):
            return NoReply(f"no answer within {self._timeout.total_seconds():g} s")
        reason = f"{type(error).__name__}: {error}"
        return NoReply(reason, worth_repeating=not isinstance(error, httpx.DecodingError))


class Transport(_Transport):
    """Sends, and blocks."""

    def __init__(self, base_url: str, key: str | None, timeout: timedelta) -> None:
        super().__init__(base_url, key, timeout)
        self._http = httpx.Client(**self._options)

    def send(self, call: Call) -> Reply | NoReply:
        """Send a call and return what came back."""
        body = self._body()
        try:
            with self._http.stream(**self._request(call)) as response:
                for chunk in response.iter_bytes():
                    if not body.takes(chunk):
                        break
                return body.reply(response)
        except httpx.HTTPError as error:
            return self._no_reply(error)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncTransport(_Transport):
    """Sends, and is awaited."""

    def __init__(self, base_url: str, key: str | None, timeout: timedelta) -> None:
        super().__init__(base_url, key, timeout)
        self._http = httpx.AsyncClient(**self._options)

    async def send(self, call: Call) -> Reply | NoReply:
        """See `Transport`."""
        body = self._body()
        try:
            async with self._http.stream(**self._request(call)) as response:
                async for chunk in response.aiter_bytes():
                    if not body.takes(chunk):
                        break
                return body.reply(response)
        except httpx.HTTPError as error:
            return self._no_reply(error)

    async def in_a_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what blocks without holding up the others."""
        return await asyncio.to_thread(function, *args, **kwargs)

    async def close(self) -> None:
        """See `Transport`."""
        await self._http.aclose()


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


def _authorities(url: str) -> ssl.SSLContext:
    """Return the system's authorities, a company's own among them; none for http://, where reading them takes longest.

    A context without any trusts nobody.
    """
    encrypted = httpx.URL(url).scheme == "https"
    return ssl.create_default_context() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _checked_url(url: str) -> str:
    """Return the URL without a slash at its end; an error does not quote it, as it can hold a password."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError("base_url: the value is not an http:// or https:// URL with a host")
    return url.rstrip("/")
