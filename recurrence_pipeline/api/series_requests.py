"""What a request says that changes a series. Beside request_schemas.py, by the same rules."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

from recurrence_pipeline.api.request_schemas import RequestSchema, wrong
from recurrence_pipeline.domain.members import MAX_NUMBER


def _slot_number(value: object, info: ValidationInfo) -> object:
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    if value is None or (type(value) is int and 0 <= value <= MAX_NUMBER):
        return value
    raise wrong(f"{to_camel(str(info.field_name))} must be a whole number from 0 to {MAX_NUMBER}")


def _yes_or_no(value: object, info: ValidationInfo) -> object:
    if isinstance(value, bool):
        return value
    raise wrong(f"{to_camel(str(info.field_name))} must be true or false")


SlotNumber = Annotated[int, Field(ge=0, le=MAX_NUMBER)] | None
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]


class ReopenRequest(RequestSchema):
    """A completed task is open again. What is misspelt is refused: it could be the `dryRun`."""

    model_config = ConfigDict(extra="forbid")

    dry_run: YesOrNo = Field(default=False, description="Only answer what would change, and write nothing.")


class UpdateRequest(ReopenRequest):
    """The original of a series was edited."""

    from_slot: Annotated[SlotNumber, BeforeValidator(_slot_number)] = Field(
        default=None,
        description="The first slot to change: this and all following. Not given: all that are ahead.",
        examples=[4],
    )


class SkipRequest(ReopenRequest):
    """A slot is not wanted."""

    slot: Annotated[SlotNumber, BeforeValidator(_slot_number)] = Field(
        default=None, description="Which slot; not given: that of the task.", examples=[2]
    )
    undo: YesOrNo = Field(default=False, description="The slot is wanted again.")
