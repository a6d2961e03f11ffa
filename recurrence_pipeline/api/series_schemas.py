"""What is answered about the slots of a series, and to its changes. Beside schemas.py, by the same rules.

The examples of changes are what the worker answers for a monthly series from 2024-01-31 on; a test asks it.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from recurrence_pipeline.api.schemas import HEX, ID, Id, Shape, When
from recurrence_pipeline.domain.difference import ChangeKind
from recurrence_pipeline.domain.explain import DayCode


class SlotChange(Shape):
    """What becomes of one task; `was` is when it was due, where it moves."""

    kind: Annotated[ChangeKind, Field(examples=["moves"])]
    taskId: Id
    slot: Annotated[int | None, Field(examples=[1], description="The number that it has then; an added date has none.")]
    due: When
    was: When | None
    why: Annotated[str, Field(examples=["its slot moved"])]


def _shown(kind: str, task_id: str, slot: int, due: str, why: str, was: str | None = None) -> dict[str, Any]:
    day = "2024-{}T09:00:00.000Z"
    moved = None if was is None else day.format(was)
    return {"kind": kind, "taskId": task_id, "slot": slot, "due": day.format(due), "was": moved, "why": why}


FIRST, SECOND, THIRD, FOURTH = (
    "6b046c5546a0e53591528634",
    "6b046c55413ec0447f5489a0",
    "6b046c5559be52fab5797fca",
    "6b046c556d49be315bad8019",
)
ON_IT, CONTENT, MOVED = "it is on its slot", "its content follows the original's", "its slot moved"


class ChangeData(Shape):
    """What an operation changes in a series, in the order of time; `written` says whether that was done."""

    seriesId: Id
    written: bool
    changes: list[SlotChange]


class ChangeResponse(Shape):
    """The change is made or, in a dry run, looked at."""

    success: Literal[True]
    message: Annotated[str, Field(examples=[f"Successfully processed update for task {ID}"])]
    data: ChangeData


def _example(message: str, *changes: dict[str, Any], written: bool = True) -> dict[str, Any]:
    data = {"seriesId": ID, "written": written, "changes": list(changes)}
    return {"success": True, "message": message, "data": data}


EXAMPLES = {
    "updateSeries": _example(
        f"Successfully processed update for task {ID}",
        _shown("changes", SECOND, 4, "03-31", CONTENT),
        _shown("moves", FIRST, 5, "05-31", MOVED, was="02-29"),
        _shown("moves", THIRD, 6, "07-31", MOVED, was="04-30"),
    ),
    "reopenTask": _example(
        f"Successfully processed reopen for task {ID}",
        _shown("goes", FOURTH, 4, "05-31", "made by the completion that was taken back"),
    ),
    "skipSlot": _example(
        f"Dry run: nothing was written for task {ID}",
        _shown("stays", FIRST, 1, "02-29", ON_IT),
        _shown("goes", SECOND, 2, "03-31", "skipped"),
        _shown("stays", THIRD, 3, "04-30", ON_IT),
        _shown("appears", FOURTH, 4, "05-31", "the series has a slot there"),
        written=False,
    ),
}
"""By operation. They are no part of the schemas, for the framework leaves nulls out of those."""


class Slot(Shape):
    """One date of a series; `local` and `utc` are the same instant, `note` says what is odd about it."""

    slot: Annotated[int | None, Field(examples=[1], description="Its number; an added date has none.")]
    local: Annotated[str, Field(examples=["2024-02-29T09:00:00+00:00"])]
    utc: Annotated[When, Field(examples=["2024-02-29T09:00:00.000Z"])]
    offset: Annotated[str, Field(examples=["+00:00"])]
    note: Annotated[str, Field(examples=["31 clamped to 29"])]
    state: Annotated[DayCode, Field(examples=["ahead"])]
    taskId: Annotated[str | None, Field(pattern=HEX, description="The task that stands on it.")]


class PreviewData(Shape):
    """Slots of a task's series."""

    taskId: Id
    rule: Annotated[str, Field(examples=["FREQ=MONTHLY;SKIP=BACKWARD"])]
    words: Annotated[str, Field(examples=["day 31 of every month, or its last day"])]
    slots: list[Slot]


class PreviewResponse(Shape):
    """When a task comes next."""

    success: Literal[True]
    data: PreviewData


class ExplanationData(Shape):
    """Why there is, or is not, a task of the series on a day."""

    taskId: Id
    date: Annotated[str, Field(examples=["2024-02-29"], description="On the wall clock of the series.")]
    code: DayCode
    text: Annotated[str, Field(examples=["Slot 1, Thu 2024-02-29 09:00 (31 clamped to 29): not made yet."])]
    slot: Slot | None


class ExplanationResponse(Shape):
    """A day, explained."""

    success: Literal[True]
    data: ExplanationData
