"""What a request says, read strictly. Pure, but for the reading of the body; says nothing of who may ask.

Ids are strings of 24 hex digits and nothing else: `{"$ne": null}` in a query would select every task.
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from starlette.datastructures import QueryParams
from starlette.requests import Request

from recurrence_pipeline.api.errors import ApiError, bad_request, failure
from recurrence_pipeline.domain.model import EventStatus, Operation

MAX_BODY = 1024 * 1024
"""In bytes."""
DISCARDED_AT_MOST = 8 * MAX_BODY
"""How much of a body that is too large is still taken, so that the client gets to read the answer."""

ID = re.compile(r"[0-9a-fA-F]{24}")
MAX_EVENTS = 500
DEFAULT_EVENTS = 50
MAX_SHOWN = 100
"""How much of a name that we do not know is said back, in characters."""
MAX_PREVIEW = 1000
DEFAULT_PREVIEW = 10
UTF = re.compile(r"utf-?(8|16|32)(-?[lb]e)?")

MAX_DEPTH = 64
"""Objects and lists within one another. What is to be written out again must not be deeper than our stack is."""

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """One operation on one task."""

    task_id: str
    operation: str
    user_id: str | None


async def read_json(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; no body, or another JSON value, is an empty one.

    Raises:
        ApiError: 413 too large, 415 not JSON, 400 malformed.
    """
    body = await _body(request)
    if not body:
        return {}
    _require_json(request)
    try:
        value = json.loads(body, parse_constant=_no_number, parse_float=_finite)
    except ValueError:
        raise bad_request("Malformed JSON in request body") from None
    except RecursionError:
        raise _too_deep() from None
    if _is_deep(value):
        raise _too_deep()
    return value if isinstance(value, dict) else {}


def recurrence(body: Mapping[str, Any]) -> Recurrence:
    """Read what the application says happened to a task."""
    task_id, operation, user_id = body.get("taskId"), body.get("operation"), body.get("userId")
    if not is_id(task_id):
        raise bad_request("Valid taskId is required")
    if not isinstance(operation, str) or not operation:
        raise bad_request("Valid operation is required")
    if operation not in {known.value for known in Operation}:
        raise bad_request("Invalid operation. Must be one of: create, complete, delete")
    if operation == Operation.DELETE.value and _absent(user_id):
        raise bad_request("userId is required for delete operation")
    if user_id is None or user_id == "":
        return Recurrence(str(task_id), operation, None)
    if not is_id(user_id):
        raise bad_request("Valid userId is required")
    return Recurrence(str(task_id), operation, str(user_id))


def task_to_validate(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read the task whose recurrence is to be validated."""
    task = body.get("task")
    if not isinstance(task, dict):
        raise bad_request("Valid task object is required")
    return task


def query(params: QueryParams, names: Collection[str]) -> Query:
    """Return the parameters that are there.

    Raises:
        ApiError: 400; one is none of the names, is there more than once, or as an object (`userId[$ne]=`).
    """
    found: dict[str, str] = {}
    for key, value in params.multi_items():
        name = key.partition("[")[0]
        if name not in names:
            raise bad_request(f"Unknown query parameter: {name[:MAX_SHOWN]}")
        if name in found or name != key:
            raise bad_request(f"{name} must be one plain value")
        found[name] = value
    return found


class Parameters:
    """The query parameters that a route knows, as a dependency of it; `given` hands them on to what it does."""

    def __init__(self, *names: str) -> None:
        self._names = names

    async def __call__(self, request: Request) -> None:
        """Read them.

        Raises:
            ApiError: 400.
        """
        request.state.given = query(request.query_params, self._names)


async def given(request: Request) -> Query:
    """Return the query parameters that the route knows."""
    found: Query = request.state.given
    return found


def optional_id(given: Query, name: str) -> str | None:
    """Return the id of a parameter, None where it is not there."""
    return required_id(given, name) if name in given else None


def optional_user(given: Query) -> str | None:
    """Return the user asked for; `userId=` with nothing behind it is nobody in particular."""
    return optional_id(given, "userId") if given.get("userId") else None


def required_id(given: Query, name: str) -> str:
    """Return the id of a parameter, in lower case as the database gives it back."""
    if not is_id(given.get(name)):
        raise bad_request(f"Valid {name} is required")
    return given[name].lower()


def optional_status(given: Query) -> EventStatus | None:
    """Return the status asked for."""
    if "status" not in given:
        return None
    try:
        return EventStatus(given["status"])
    except ValueError:
        known = ", ".join(status.value for status in EventStatus)
        raise bad_request(f"Invalid status. Must be one of: {known}") from None


def number(given: Query, name: str, *, default: int, at_most: int) -> int:
    """Return a whole number from 1 up to `at_most`."""
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= at_most):
        raise bad_request(f"{name} must be a whole number from 1 to {at_most}")
    return int(text)


def is_id(value: object) -> bool:
    """Say whether a value is a string of 24 hex digits."""
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _absent(value: object) -> bool:
    """Say whether JavaScript would take a value for none."""
    return value is None or value is False or value == "" or (isinstance(value, (int, float)) and value == 0)


def _require_json(request: Request) -> None:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = re.search(r"charset=\"?([\w-]+)", parameters, re.IGNORECASE)
    plain = request.headers.get("content-encoding", "identity").strip().lower() == "identity"
    if kind.strip().lower() != "application/json" or not plain or (charset and not UTF.fullmatch(charset[1].lower())):
        raise failure(
            415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json in a Unicode encoding, not compressed"
        )


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > DISCARDED_AT_MOST:
        raise _too_large()
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY:
            body += chunk
        elif size > DISCARDED_AT_MOST:
            break
    if size > MAX_BODY:
        raise _too_large()
    return bytes(body)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [each for each in level if isinstance(each, (dict, list))]
        if not level:
            return False
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
    return True


def _too_deep() -> ApiError:
    return bad_request(f"The JSON in the request body is nested more than {MAX_DEPTH} levels deep")


def _too_large() -> ApiError:
    error = failure(413, "BODY_TOO_LARGE", "The body must not be larger than 1 MB")
    error.headers["Connection"] = "close"
    return error


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
