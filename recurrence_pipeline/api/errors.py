"""What goes wrong, as responses: the class that carries one, its schemas, and the status of each error of the system.

Bodies: 400 and 403 are `{error, message}`, an unknown path is `{success, error, message}`, as the application knows
them; all others are `{success, error, code, message, retryable}`. `retryable` says whether to send it again.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, with_config

from recurrence_pipeline.api.schemas import Shape
from recurrence_pipeline.domain.errors import (
    ChangeRefused,
    DatabaseUnavailable,
    InternalError,
    InvalidInput,
    LeaseLost,
    OriginalNotFound,
    Permanent,
    PermissionDenied,
    ProcessingFailed,
    RecurrenceError,
    Transient,
)

RETRY_AFTER = 2
"""In seconds: a server that is being restarted, or a primary being elected, is back after some."""

_STATUS: Mapping[type[RecurrenceError], int] = {
    OriginalNotFound: 404,
    ChangeRefused: 409,
    Permanent: 422,
    Transient: 503,
    LeaseLost: 503,
    DatabaseUnavailable: 503,
}
"""The first that fits counts; anything else is in the way of what was asked: 409."""

WORDS: Mapping[int, str] = {
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    499: "Client Closed Request",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""Part of the contract, and so written down: `http.HTTPStatus` says other words in Python 3.13 than in 3.12."""

NO_CAUSE = "the log of the worker has the cause"
UNREACHABLE = "the database cannot be worked with at the moment"
_HIDDEN = {DatabaseUnavailable: UNREACHABLE, InternalError: NO_CAUSE}
"""What stands in place of texts that name hosts and insides of ours; the log has them."""


FAILURES: Mapping[str, tuple[int, str]] = {
    "EVENT_NOT_FOUND": (404, "There is no event {event_id}"),
    "REQUEST_TIMEOUT": (408, "The request was not complete within {seconds:g} s"),
    "BODY_TOO_LARGE": (413, "The body must not be larger than 1 MB"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "The body must be application/json in a Unicode encoding, not compressed"),
    "RATE_LIMITED": (429, "More than {per_minute} requests in a minute"),
    "HEADERS_TOO_LARGE": (431, "A request has at most 100 headers and 16 KiB of them"),
    "CLIENT_GONE": (499, "The client went away before its request was complete"),  # for the log: nobody reads it
    "BUSY": (503, "The worker is busy with other requests: nothing of this one has begun"),
    "UNEXPECTED": (500, "The log has the cause, under this answer's X-Request-ID"),
}
"""What the API itself refuses, or fails at: status and message by code."""


_on_the_page = with_config(ConfigDict(extra="forbid", defer_build=True))
"""Every path has most of these errors: what FastAPI describes them by is made when somebody reads the page."""


@_on_the_page
class BadRequest(Shape):
    """The request cannot be right."""

    error: Literal["Bad Request"]
    message: str


@_on_the_page
class NotValid(Shape):
    """The task may not recur."""

    success: Literal[False]
    error: Literal["Validation Error"]
    message: str


@_on_the_page
class Forbidden(Shape):
    """Whoever asks may not."""

    error: Literal["Forbidden"]
    message: str


@_on_the_page
class NoSuchPath(Shape):
    """There is no such path, or not with this method."""

    success: Literal[False]
    error: Literal["Not Found"]
    message: Literal["Internal API endpoint not found"]


@_on_the_page
class Failure(Shape):
    """It was not done; `code` is for programs, `retryable` says whether to send it again."""

    success: Literal[False]
    error: str
    code: str
    message: str
    retryable: bool


class ApiError(Exception):
    """A response that is not a success."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body.get("message")))
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


class CutOff(Exception):
    """An answer that has begun cannot be completed: all that is left is to close the connection in its midst."""


def bad_request(message: str) -> ApiError:
    """Return the response to a request that cannot be right."""
    return ApiError(400, BadRequest(error="Bad Request", message=message))


def forbidden(message: str) -> ApiError:
    """Return the response to somebody who may not ask this."""
    return ApiError(403, Forbidden(error="Forbidden", message=message))


def no_such_path() -> ApiError:
    """Return the response to an unknown path or method."""
    return ApiError(404, NoSuchPath(success=False, error="Not Found", message="Internal API endpoint not found"))


def invalid_recurrence(reason: str) -> ApiError:
    """Return the response of the validation to a task that may not recur."""
    message = f"Recurrence validation failed: {reason}"
    return ApiError(400, NotValid(success=False, error="Validation Error", message=message))


def failure(code: str, *, retry_after: int | None = None, **values: object) -> ApiError:
    """Return the response that FAILURES has for a code; `retry_after` is in seconds, and makes it retryable."""
    status, message = FAILURES[code]
    return _failure(status, code, message.format(**values), retry_after)


def error_from(error: RecurrenceError, *, operation: str | None = None) -> ApiError:
    """Return the response to one of the system's errors; an `operation` is named in its message."""
    match error:
        case ProcessingFailed():
            return _processing_failed(error)
        case InvalidInput():
            return bad_request(str(error))
        case PermissionDenied():
            return forbidden(str(error))
    text = next((text for kind, text in _HIDDEN.items() if isinstance(error, kind)), str(error))
    message = f"Worker processing failed for operation: {operation}: {text}" if operation else text
    return _failure_of(type(error), error.code, message)


def _processing_failed(error: ProcessingFailed) -> ApiError:
    message = str(error)
    if error.cause_code == InternalError.code:
        message = message.removesuffix(error.cause) + NO_CAUSE
    kinds = {kind.code: kind for kind in all_below(RecurrenceError)}
    return _failure_of(kinds.get(error.cause_code, Transient), error.cause_code, message)


def _failure_of(kind: type[RecurrenceError], code: str, message: str) -> ApiError:
    status = next((status for each, status in _STATUS.items() if issubclass(kind, each)), 409)
    return _failure(status, code, message, RETRY_AFTER if status == 503 else None)


def _failure(status: int, code: str, message: str, retry_after: int | None) -> ApiError:
    retryable = retry_after is not None
    body = Failure(success=False, error=WORDS[status], code=code, message=message, retryable=retryable)
    return ApiError(status, body, {"Retry-After": str(retry_after)} if retryable else None)


def all_below(kind: type[RecurrenceError]) -> set[type[RecurrenceError]]:
    """Return a kind of error with all kinds of it."""
    return {kind}.union(*(all_below(below) for below in kind.__subclasses__()))
