"""Reading requests: their bodies and parameters, and the answers to what does not fit.

Says nothing of who may ask. What may stand in a request is in request_schemas.py.
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from recurrence_pipeline.api.errors import ApiError, bad_request, failure

MAX_BODY = 1024 * 1024
"""In bytes."""
DISCARDED_AT_MOST = 8 * MAX_BODY
"""How much of a body that is too large is still taken, so that the client gets to read the answer."""
MAX_DEPTH = 64
"""Objects and lists within one another. What is to be written out again must not be deeper than our stack is."""
MAX_SHOWN = 100
"""How much of a name that we do not know is said back, in characters."""
UTF = re.compile(r"utf-?(8|16|32)(-?[lb]e)?")
CALLED = {"task": "task object", "task_id": "taskId", "body": "JSON object"}
"""What messages call by another name."""


def parse(reader: TypeAdapter[Any], value: object, name: str) -> Any:
    """Return what a part of the request says; `name` is that of a part that is one value.

    Raises:
        ApiError: 400, with the message of the first field that does not fit.
    """
    try:
        return reader.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else name
    if first["type"] == "extra_forbidden":
        raise bad_request(f"Unknown field: {field[:MAX_SHOWN]}")
    raise bad_request(first["msg"] if first["type"] == "wrong" else f"Valid {CALLED.get(field, field)} is required")


def query(params: QueryParams, names: Collection[str]) -> Mapping[str, str]:
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


async def read_json(request: Request) -> Any:
    """Return what the JSON in the body says; no body is an empty object.

    Raises:
        ApiError: 413 too large, 415 not JSON, 400 malformed.
    """
    body = await read_body(request)
    if not body:
        return {}
    if not _says_json(request):
        raise failure("UNSUPPORTED_MEDIA_TYPE")
    try:
        value = json.loads(body, parse_constant=_no_number, parse_float=_finite)
    except ValueError:
        raise bad_request("Malformed JSON in request body") from None
    except RecursionError:
        raise _too_deep() from None
    if _is_deep(value):
        raise _too_deep()
    return value


def _says_json(request: Request) -> bool:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = re.search(r"charset=\"?([\w-]+)", parameters, re.IGNORECASE)
    plain = request.headers.get("content-encoding", "identity").strip().lower() == "identity"
    is_json = kind.strip().lower() == "application/json"
    return is_json and plain and (charset is None or UTF.fullmatch(charset[1].lower()) is not None)


async def read_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        ApiError: 413; it is too large.
    """
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
    error = failure("BODY_TOO_LARGE")
    error.headers["Connection"] = "close"
    return error


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
