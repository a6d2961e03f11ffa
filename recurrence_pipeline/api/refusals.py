"""What answers that are no success look like, and what each status means, for the OpenAPI page."""

from typing import Any, Literal

from pydantic import Field

from recurrence_pipeline.api.models import Shape


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
