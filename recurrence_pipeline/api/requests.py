"""What a request says, read strictly: its schemas, the messages for what does not fit them, and the reading of bodies.

Says nothing of who may ask. Ids are strings of 24 hex digits and nothing else: `{"$ne": null}` in a query would select
every task.
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from datetime import date as day
from datetime import datetime, timezone
from functools import partial
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from recurrence_pipeline.api.errors import ApiError, bad_request, failure
from recurrence_pipeline.api.schemas import HEX, USER, Id
from recurrence_pipeline.domain.model import CONTRACT, EventStatus, Operation

MAX_BODY = 1024 * 1024
"""In bytes."""
DISCARDED_AT_MOST = 8 * MAX_BODY
"""How much of a body that is too large is still taken, so that the client gets to read the answer."""
MAX_DEPTH = 64
"""Objects and lists within one another. What is to be written out again must not be deeper than our stack is."""
MAX_EVENTS = 500
MAX_PREVIEW = 1000
MAX_SHOWN = 100
"""How much of a name that we do not know is said back, in characters."""
HEX_OR_NOTHING = r"^([0-9a-fA-F]{24})?$"
UTF = re.compile(r"utf-?(8|16|32)(-?[lb]e)?")


def wrong(message: str) -> PydanticCustomError:
    """Return the error of a value that has a message of its own; that of any other is "Valid ... is required"."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


def _known_operation(value: object) -> object:
    if isinstance(value, str) and value and value not in CONTRACT:
        raise wrong("Invalid operation. Must be one of: create, complete, delete")
    return value


def _known_status(value: object) -> object:
    if value not in set(EventStatus):
        raise wrong(f"Invalid status. Must be one of: {', '.join(status.value for status in EventStatus)}")
    return value


def _whole_number(text: str, info: ValidationInfo, *, at_most: int) -> int:
    """Read digits alone: pydantic would take `+1`, `1_0` and `1.0` as well."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= at_most):
        raise wrong(f"{info.field_name} must be a whole number from 1 to {at_most}")
    return int(text)


def _time(text: str, info: ValidationInfo) -> datetime:
    """Read a time as ISO 8601 writes it; one without an offset is in UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise wrong(f"{info.field_name} must be a time such as 2027-01-31T09:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _date(text: str, info: ValidationInfo) -> day:
    try:
        return day.fromisoformat(text)
    except ValueError:
        raise wrong(f"{info.field_name} must be a date such as 2027-01-31") from None


def _flag(text: str, info: ValidationInfo) -> bool:
    if text not in {"true", "false"}:
        raise wrong(f"{info.field_name} must be true or false")
    return text == "true"


LowerCaseId = Annotated[Id, AfterValidator(str.lower)]
"""As the database gives it back."""


class RequestSchema(BaseModel):
    """A part of a request, camelCase outside."""

    model_config = ConfigDict(alias_generator=to_camel)


class ContractRequest(RequestSchema):
    """A body as the previous worker read it: what is no JSON object says nothing."""

    @model_validator(mode="before")
    @classmethod
    def _object(cls, value: object) -> object:
        return value if isinstance(value, dict) else {}


class RecurrenceRequest(ContractRequest):
    """What happened to a task; `delete` needs `userId`: whose occurrences are to go. Other fields are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"operation": {"const": "delete"}}},
            "then": {"required": ["userId"], "properties": {"userId": {"type": "string", "pattern": HEX}}},
        }
    )

    task_id: Id
    operation: Annotated[
        Literal[Operation.CREATE, Operation.COMPLETE, Operation.DELETE], BeforeValidator(_known_operation)
    ] = Field(examples=["create"])
    user_id: Annotated[str, Field(pattern=HEX_OR_NOTHING)] | None = Field(None, validate_default=True, examples=[USER])

    @field_validator("user_id", mode="before")
    @classmethod
    def _needed_for_delete(cls, value: object, info: ValidationInfo) -> object:
        absent = value is None or value == "" or (isinstance(value, (int, float)) and value == 0)  # as JavaScript says
        if absent and info.data.get("operation") is Operation.DELETE:
            raise wrong("userId is required for delete operation")
        return value


class ValidationRequest(ContractRequest):
    """A task as the application is about to store it."""

    task: dict[Any, Any] = Field(
        examples=[
            {"title": "Pay rent", "repeatType": "monthly", "dueDate": "2099-01-31T09:00:00.000Z"},
            {
                "title": "Water the plants",
                "repeatType": "custom",
                "recurrence": {"rule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "excluded": ["2099-02-02"]},
                "dueDate": "2099-01-29T09:00:00.000Z",
            },
        ],
    )


CALLED = {"task": "task object", "task_id": "taskId", "body": "JSON object"}
"""What messages call by another name."""


class StatsQuery(RequestSchema):
    """Whose tasks are counted."""

    user_id: Annotated[str, Field(pattern=HEX_OR_NOTHING), AfterValidator(str.lower)] = Field(
        "", description="Count this user's tasks only; nothing: everybody's."
    )


class CalendarQuery(RequestSchema):
    """Whose series a calendar has, and who asks for it where a program cannot say so in a header."""

    user_id: Annotated[str, Field(pattern=HEX_OR_NOTHING), AfterValidator(str.lower)] = Field(
        "", description="This user's series only; nothing: everybody's, or those of the token's user."
    )
    token: str = Field("", description="A user's token, for calendar programs: they send no headers.")


class EventsQuery(RequestSchema):
    """Which events are listed."""

    status: Annotated[EventStatus, BeforeValidator(_known_status)] | SkipJsonSchema[None] = Field(
        None, description="Only events with this status."
    )
    task_id: LowerCaseId | SkipJsonSchema[None] = Field(None, description="Only events that name this task.")
    limit: Annotated[int, BeforeValidator(partial(_whole_number, at_most=MAX_EVENTS))] = Field(
        50, ge=1, le=MAX_EVENTS, description="At most so many."
    )


class PreviewQuery(RequestSchema):
    """Which slots are shown."""

    task_id: LowerCaseId = Field(description="An original or an occurrence.")
    count: Annotated[int, BeforeValidator(partial(_whole_number, at_most=MAX_PREVIEW))] = Field(
        10, ge=1, le=MAX_PREVIEW, description="How many slots to show."
    )
    since: Annotated[AwareDatetime, BeforeValidator(_time)] | SkipJsonSchema[None] = Field(
        None, alias="from", description="Only slots behind this time, such as 2027-01-31T09:00:00Z; not given: now."
    )
    all: Annotated[bool, BeforeValidator(_flag)] = Field(
        default=False, description="Begin with slot 0, the first of all."
    )


class ExplainQuery(RequestSchema):
    """Which day of which series is explained."""

    task_id: LowerCaseId = Field(description="An original or an occurrence.")
    date: Annotated[day, BeforeValidator(_date)] = Field(
        description="On the wall clock of the series, such as 2027-01-31."
    )


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
