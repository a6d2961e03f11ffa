"""What a deletion looks like when it is put back: which task hangs on what, and which becomes the original. Pure.

The application deletes an original itself, before it says so, and nobody has a copy of that one. Its occurrences
cannot come back under it: they would be orphans. So the earliest open one takes its place, and the series goes on as if
nothing had happened: every task keeps its slot number, the new original too (`original_slot`), and the anchor is the
one that is remembered of the series or, where nothing is, worked out from the numbers and dates, so that the slots to
come are where they would have been.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from recurrence_pipeline.domain.calendar import anchor_of, slot_number
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.memory import anchor_of_memory
from recurrence_pipeline.domain.model import SeriesMemory, Task
from recurrence_pipeline.domain.recurrence import read_recurrence
from recurrence_pipeline.domain.zones import UTC, time_zone, wall_clock

FIRST = datetime.min.replace(tzinfo=UTC)

SeriesOfUser = tuple[str, str | None]
"""An original's id and a user: what hangs on one original belongs together where it is one user's."""


@dataclass(frozen=True, slots=True)
class NewOriginal:
    """A task that takes the place of an original that is gone, and what is then known of its series.

    `anchor` is the instant it is counted from, and None, as `memory` is, where no date gives one.
    """

    task_id: str
    replaces: str
    slot: int
    anchor: datetime | None
    memory: SeriesMemory | None


@dataclass(slots=True)
class Restoration:
    """By task, the original that it is to hang on (its own id where it is one); and the originals that are new."""

    parents: dict[str, str] = field(default_factory=dict)
    originals: dict[str, NewOriginal] = field(default_factory=dict)


def plan_restoration(
    tasks: Iterable[Task],
    standing: Mapping[SeriesOfUser, str],
    memories: Mapping[str, SeriesMemory],
    *,
    timezone: str | None,
) -> Restoration:
    """Plan how the tasks of one deletion hang together again. `memories` are those of the series that they were of.

    `standing` names the original to hang on where there is one: the same as before, one that took its place in an
    earlier restoration, or the one that an interrupted restoration of these very tasks has put back already.
    """
    restoration = Restoration()
    by_series: dict[SeriesOfUser, list[Task]] = {}
    for task in tasks:
        if task.parent_recurring_id is not None:
            by_series.setdefault((task.parent_recurring_id, task.user_id), []).append(task)
    for series, members in by_series.items():
        head = standing.get(series) or _earliest(members).id
        restoration.parents.update((task.id, head) for task in members)
        new = next((task for task in members if task.id == head), None)
        if new is not None:
            restoration.originals[head] = _new_original(new, series[0], members, memories.get(series[0]), timezone)
    return restoration


def _earliest(members: Sequence[Task]) -> Task:
    """Return the open task with the earliest date; where none is open, the earliest of all. Added dates come last."""
    return min(_by_date(members), key=lambda task: (_is_added(task), task.is_completed))


def _new_original(
    new: Task, replaces: str, members: Sequence[Task], known: SeriesMemory | None, timezone: str | None
) -> NewOriginal:
    zone = new.timezone or timezone or "UTC"
    rule = _rule(new, known)
    anchor, wall = _anchor(members, rule, known, zone)
    numbers = {task.id: _number(task, anchor, rule, zone) for task in members}
    reached = max([*numbers.values(), *([known.number] if known else [])])
    slot = numbers[new.id]
    memory = None
    if wall is not None and known is not None:
        revisions = (*known.revisions[:-1], replace(known.current, anchored_at=anchor))
        at = known.at if reached == known.number else None
        memory = replace(known, number=reached, revisions=revisions, original_slot=slot, at=at)
    elif wall is not None:
        memory = SeriesMemory.begun(reached, rule, wall, zone, anchor, slot)
    return NewOriginal(new.id, replaces, slot, anchor, memory)


def _rule(new: Task, known: SeriesMemory | None) -> str:
    if known is not None:
        return known.current.rule
    try:
        return read_recurrence(new.repeat_type, new.recurrence).text
    except InvalidRecurrence:  # it did not go on before either
        return new.repeat_type


def _anchor(
    members: Sequence[Task], rule: str, known: SeriesMemory | None, zone: str
) -> tuple[datetime, datetime] | tuple[None, None]:
    """Return what the series was counted from, as an instant and on the wall.

    Of one that the previous worker wrote, without numbers, it is its earliest.
    """
    dated = [(task, date) for task in _by_date(members) if (date := _date(task)) is not None]
    numbered = [(task.occurrence_number, date) for task, date in dated if task.occurrence_number is not None]
    try:
        if known is not None:
            anchor: datetime | None = anchor_of_memory(known)
        elif dated and not numbered:
            anchor = anchor_of([(slot_number(dated[0][1], rule, d, zone), d) for _, d in dated], rule, zone)
        else:
            anchor = anchor_of(numbered, rule, zone)
        return (None, None) if anchor is None else (anchor, wall_clock("anchor", anchor, time_zone(zone)))
    except InvalidRecurrence:  # an unknown rule or zone: it did not go on before either
        return None, None


def _number(task: Task, anchor: datetime | None, rule: str, zone: str | None) -> int:
    date = _date(task)
    if task.occurrence_number is not None or anchor is None or date is None:
        return task.occurrence_number or 0
    return slot_number(anchor, rule, date, zone)


def _is_added(task: Task) -> bool:
    return task.occurrence_number is None and task.occurrence_at is not None


def _date(task: Task) -> datetime | None:
    return task.anchor if isinstance(task.anchor, datetime) else None


def _by_date(tasks: Iterable[Task]) -> list[Task]:
    """Return tasks by date, those without one last."""
    return sorted(tasks, key=lambda task: (_date(task) is None, _date(task) or FIRST, task.id))
