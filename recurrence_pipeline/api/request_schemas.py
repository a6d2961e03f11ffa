"""What requests look like, read strictly, and the messages for what does not fit. How they are read is in requests.py.

Ids are strings of 24 hex digits and nothing else: `{"$ne": null}` in a query would select every task.
"""

from datetime import date as day
from datetime import datetime, timezone
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from recurrence_pipeline.api.schemas import HEX, USER, Id
from recurrence_pipeline.domain.vocabulary import CONTRACT, EventStatus, Operation
from recurrence_pipeline.queries.tasks import MAX_PREVIEW

MAX_EVENTS = 500
HEX_OR_NOTHING = r"^([0-9a-fA-F]{24})?$"


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
