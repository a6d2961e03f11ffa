"""What a client can make the server hold before anybody has asked who it is: so many bytes, and for so long.

uvicorn on h11, which comes with it (httptools comes with other packages, and bounds nothing). A request line with its
headers is bounded in size, a request in the time it takes to arrive, an answer in the time it takes to be fetched.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, cast

import h11
from starlette.datastructures import MutableHeaders
from uvicorn.protocols.http.h11_impl import H11Protocol

from recurrence_pipeline.api.errors import ApiError, bad_request, failure
from recurrence_pipeline.api.middleware import REFUSAL, dress, new_request_id
from recurrence_pipeline.api.responses import error_response

MAX_HEAD = 16 * 1024
"""In bytes, as Node has it. What has arrived beyond it in one piece with other requests can double it."""


def bounded(patience: timedelta) -> dict[str, Any]:
    """Return the part of uvicorn's configuration that is about connections; none becomes a WebSocket."""
    protocol = cast("type[asyncio.Protocol]", partial(Connection, patience=patience))
    return {"http": protocol, "h11_max_incomplete_event_size": MAX_HEAD, "ws": "none"}


INCOMPLETE = frozenset({h11.IDLE, h11.SEND_BODY})
"""States of a client that owes the next word: a request, or the rest of one."""


class Timer:
    """Does something when it has run for so many seconds; started again meanwhile, it runs on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, then: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._then = then
        self._running: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Run, if it does not."""
        self._running = self._running or self._loop.call_later(self._seconds, self._then)

    def stop(self) -> None:
        """Run no longer."""
        if self._running is not None:
            self._running.cancel()
            self._running = None


class Connection(H11Protocol):
    """One connection. It is given up where, for as long as `patience`, the client owes it the rest of a request."""

    def __init__(self, *, patience: timedelta, **given: Any) -> None:
        super().__init__(**given)
        self._patience = patience.total_seconds()
        self._sending = Timer(self.loop, self._patience, self._give_up)
        self._fetching = Timer(self.loop, self._patience, self._abort)
        self._unread = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # whatever is not fetched at once counts as waiting
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._sending.stop()
        self._fetching.stop()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends, in pieces: the parser bounds what is incomplete, not what comes all at once."""
        self._unread += data
        self._feed()

    def on_response_complete(self) -> None:
        """Go on with what came meanwhile."""
        super().on_response_complete()
        self._feed()

    def pause_writing(self) -> None:
        """Give the client a time to fetch what waits for it."""
        super().pause_writing()
        self._fetching.start()

    def resume_writing(self) -> None:
        """Stop waiting for that."""
        super().resume_writing()
        self._fetching.stop()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or too much of it. Called while uvicorn handles the parser's error."""
        error = sys.exc_info()[1]
        too_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        self._refuse(failure("HEADERS_TOO_LARGE") if too_large else bad_request(msg))

    def _should_upgrade(self) -> bool:
        return False

    def _feed(self) -> None:
        while self._unread and self.conn.their_state in INCOMPLETE and not self.transport.is_closing():
            piece, self._unread = self._unread[:MAX_HEAD], self._unread[MAX_HEAD:]
            super().data_received(piece)
        if self._unread:
            self.flow.pause_reading()
        self._watch()

    def _watch(self) -> None:
        """Set the deadline once for each request. Between two, uvicorn waits with a time limit of its own."""
        between = self.timeout_keep_alive_task is not None and not self._has_begun()
        if self.conn.their_state not in INCOMPLETE or between:
            self._sending.stop()
        else:
            self._sending.start()

    def _has_begun(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY or bool(self.conn.trailing_data[0])

    def _give_up(self) -> None:
        if self._has_begun():
            self._refuse(failure("REQUEST_TIMEOUT", seconds=self._patience))
        else:  # it has said nothing at all
            self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()

    def _refuse(self, error: ApiError) -> None:
        """Answer instead of the application, where nobody has begun to, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.scope["state"][REFUSAL] = error
            self.cycle.disconnected = True  # nothing of what it still sends is to follow
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            response = error_response(error)
            headers = MutableHeaders(raw=[*response.raw_headers, (b"connection", b"close")])
            dress(headers, new_request_id())
            reason = error.body["error"].encode()
            for event in (
                h11.Response(status_code=error.status, headers=headers.raw, reason=reason),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
