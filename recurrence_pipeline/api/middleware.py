"""What every request and answer goes through: an id, security headers, one log line, and an answer whatever happens.

Plain ASGI: an answer is passed on as it comes. Paths are matched as Express does: whatever their case, with or without
a slash at the end, undecoded; and what answers GET answers HEAD.
"""

import re
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recurrence_pipeline.api.errors import CutOff, failure
from recurrence_pipeline.api.responses import error_response

REQUEST_ID = "X-Request-ID"
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
REFUSAL = "refusal"
"""Where a request's state has the answer that was given before its body was complete."""
MAX_HEADERS = 100
SHOWN_PATH = 100
"""How many characters of a path nobody knows are worth logging."""

log = structlog.get_logger(__name__)


class RequestMiddleware:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        with structlog.contextvars.bound_contextvars(requestId=request_id):
            await self._handle(scope, receive, send, request_id)

    async def _handle(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        begun = perf_counter()
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                dress(MutableHeaders(scope=message), request_id)
            await send(message)

        method = scope["method"]
        scope = _as_express(scope)
        try:
            app = self._app if len(scope["headers"]) <= MAX_HEADERS else error_response(failure("HEADERS_TOO_LARGE"))
            await app(scope, receive, send_dressed)
        except CutOff as error:
            log.warning("answer cut off", path=_shown(scope), error=str(error.__cause__))
        except Exception:
            log.exception("unexpected error", path=_shown(scope))
            if not status:
                await error_response(failure("UNEXPECTED"))(scope, receive, send_dressed)
        finally:
            log.info(
                "request",
                method=method,
                path=_shown(scope),
                status=status,
                durationMs=round((perf_counter() - begun) * 1000, 1),
                caller=getattr(scope["state"].get("caller"), "name", None),
            )


def dress(headers: MutableHeaders, request_id: str) -> None:
    """Give an answer the headers that every answer has."""
    headers[REQUEST_ID] = request_id
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)


def new_request_id() -> str:
    """Return an id that no request has yet."""
    return uuid4().hex


def _request_id(headers: Headers) -> str:
    """Return the id that the client gave its request, or a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if ACCEPTED_ID.fullmatch(given) else new_request_id()


def _as_express(scope: Scope) -> Scope:
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").lower()
    path = path[:-1] if path.endswith("/") and len(path) > 1 else path
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "path": path, "method": method, "state": scope.get("state", {})}


def _shown(scope: Scope) -> str:
    """Return the path for the log: of a known one its template, which nobody outside can choose."""
    route = scope.get("route")
    return str(getattr(route, "path", scope["path"][:SHOWN_PATH]))
