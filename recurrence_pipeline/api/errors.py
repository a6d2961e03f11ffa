"""What goes wrong, as answers: one class that carries an answer, and the table from the system's errors to statuses.

Bodies: 400 and 403 are `{error, message}`, an unknown path is `{success, error, message}`, as the application knows
them; all others are `{success, error, code, message, retryable}`. `retryable` says whether to send it again.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from recurrence_pipeline.api.schemas import Shape
from recurrence_pipeline.domain.errors import (
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


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body.get("message")))
        self.status = status
        self.body = dict(body)
        self.headers = dict(headers or {})


def bad_request(message: str) -> ApiError:
    """Return the answer to a request that cannot be right."""
    return ApiError(400, {"error": "Bad Request", "message": message})


def forbidden(message: str) -> ApiError:
    """Return the answer to somebody who may not ask this."""
    return ApiError(403, {"error": "Forbidden", "message": message})


def no_such_path() -> ApiError:
    """Return the answer to an unknown path or method."""
    return ApiError(404, {"success": False, "error": "Not Found", "message": "Internal API endpoint not found"})


def failure(status: int, code: str, message: str, *, retry_after: int | None = None) -> ApiError:
    """Return an answer of our own kind; `retry_after` is in seconds, and makes it retryable."""
    body = {
        "success": False,
        "error": WORDS[status],
        "code": code,
        "message": message,
        "retryable": retry_after is not None,
    }
    return ApiError(status, body, None if retry_after is None else {"Retry-After": str(retry_after)})


def headers_too_large() -> ApiError:
    """Return the answer to a request whose line and headers are too many."""
    return failure(431, "HEADERS_TOO_LARGE", "A request has at most 100 headers and 16 KiB of them")


def client_gone() -> ApiError:
    """Return what stands in the log for a request whose client went away before all of it was there."""
    return failure(499, "CLIENT_GONE", "The client went away before its request was complete")


def invalid_recurrence(reason: str) -> ApiError:
    """Return the answer of the validation to a task that may not recur."""
    message = f"Recurrence validation failed: {reason}"
    return ApiError(400, {"success": False, "error": "Validation Error", "message": message})


def answer_to(error: RecurrenceError, *, operation: str | None = None) -> ApiError:
    """Return the answer to one of the system's errors; an `operation` is named in its message."""
    match error:
        case ProcessingFailed():
            return _processing_failed(error)
        case InvalidInput():
            return bad_request(str(error))
        case PermissionDenied():
            return forbidden(str(error))
    text = next((text for kind, text in _HIDDEN.items() if isinstance(error, kind)), str(error))
    message = f"Worker processing failed for operation: {operation}: {text}" if operation else text
    return _failure(_status(type(error)), error.code, message)


def _processing_failed(error: ProcessingFailed) -> ApiError:
    message = str(error)
    if error.cause_code == InternalError.code:
        message = message.removesuffix(error.cause) + NO_CAUSE
    kinds = {kind.code: kind for kind in _all_below(RecurrenceError)}
    return _failure(_status(kinds.get(error.cause_code, Transient)), error.cause_code, message)


def _status(kind: type[RecurrenceError]) -> int:
    return next((status for each, status in _STATUS.items() if issubclass(kind, each)), 409)


def _failure(status: int, code: str, message: str) -> ApiError:
    return failure(status, code, message, retry_after=RETRY_AFTER if status == 503 else None)


def _all_below(kind: type[RecurrenceError]) -> set[type[RecurrenceError]]:
    return {kind}.union(*(_all_below(below) for below in kind.__subclasses__()))


class BadRequest(Shape):
    """The request cannot be right."""

    error: Literal["Bad Request"]
    message: str = Field(examples=["Valid taskId is required"])


class NotValid(Shape):
    """The task may not recur."""

    success: Literal[False]
    error: Literal["Validation Error"]
    message: str = Field(examples=["Recurrence validation failed: Invalid repeat type: yearly"])


class Forbidden(Shape):
    """Whoever asks may not."""

    error: Literal["Forbidden"]
    message: str = Field(examples=["Invalid internal API key"])


class NoSuchPath(Shape):
    """There is no such path, or not with this method."""

    success: Literal[False]
    error: Literal["Not Found"]
    message: Literal["Internal API endpoint not found"]


class Failure(Shape):
    """It was not done; `retryable` says whether to send it again."""

    success: Literal[False]
    error: str = Field(examples=["Not Found"])
    code: str = Field(examples=["ORIGINAL_NOT_FOUND"])
    message: str = Field(
        examples=["Worker processing failed for operation: create: Original task not found"],
    )
    retryable: bool


Responses = dict[int | str, dict[str, Any]]

EVERYWHERE: Responses = {
    400: {"model": BadRequest, "description": "The request cannot be right: a parameter, the body, or HTTP itself"},
    403: {
        "model": Forbidden,
        "description": "Whoever asks may not: the key is missing or wrong, or may not ask this; where no key is set, "
        "another machine, or a web page",
    },
    408: {"model": Failure, "description": "The request was not complete within REQUEST_TIMEOUT"},
    429: {"model": Failure, "description": "Too many requests of one caller; `Retry-After` says when to come back"},
    431: {"model": Failure, "description": "More than 100 headers, or more than 16 KiB of them"},
    500: {"model": Failure, "description": "A defect of this system; the log has the cause"},
    503: {"model": Failure, "description": "The database is away or busy: try again after `Retry-After` seconds"},
}
"""What every path can answer."""

BODY: Responses = {
    413: {"model": Failure, "description": "The body is larger than 1 MB"},
    415: {"model": Failure, "description": "The body is not JSON"},
}
"""What a path that takes a body can answer, too."""

_REFUSED: Responses = {
    404: {"model": Failure | NoSuchPath, "description": "There is no such thing, or no such path"},
    409: {"model": Failure, "description": "Not in the state that things are in"},
    422: {"model": Failure, "description": "The recurrence is refused"},
}


def refused(*statuses: int, body: bool = False) -> Responses:
    """Return the answers of a path beside its success: those with these statuses, and what every path can answer."""
    return {status: _REFUSED[status] for status in statuses} | (BODY if body else {}) | EVERYWHERE
