"""What a deletion looks like when it is put back: which task hangs on what, and which becomes the original. Pure.

The application deletes an original itself, before it says so, and nobody has a copy of that one. Its occurrences
cannot come back under it: they would be orphans. So the earliest open one takes its place, and the series goes on as if
nothing had happened: every task keeps its slot number, the new original too (`original_slot`), and the anchor is the
one that is remembered of the series or, where nothing is, worked out from the numbers and dates, so that the slots to
come are where they would have been.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime

from recurrence_pipeline.domain.calendar import anchor_of, slot_number
from recurrence_pipeline.domain.errors import InvalidRecurrence, RestoreRefused
from recurrence_pipeline.domain.memory import anchor_of_memory
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import RETIRED
from recurrence_pipeline.domain.recurrence import read_recurrence
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.domain.zones import UTC, time_zone, wall_clock

FIRST = datetime.min.replace(tzinfo=UTC)

NAMED_AT_MOST = 5
"""Task ids in the text of a refusal."""

UNFINISHED = {EventStatus.PENDING.value, EventStatus.PROCESSING.value}

SeriesOfUser = tuple[str, str | None]
"""An original's id and a user: what hangs on one original belongs together where it is one user's."""


@dataclass(frozen=True, slots=True)
class DeletedTask:
    """What is known of one deleted task, without its content.

    `original` is what it was to hang on when a restoration began; `is_restored` says that this one is done.
    """

    task: Task
    deleted_at: datetime
    deleted_by: str | None
    reason: str
    original: str | None = None
    is_restored: bool = False

    @property
    def series(self) -> SeriesOfUser | None:
        """What it hung on; None for a sub-task."""
        parent = self.task.parent_recurring_id
        return None if parent is None else (parent, self.task.user_id)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion took, and what is there of that now: all that its restoration depends on."""

    id: str
    copies: tuple[DeletedTask, ...]
    status: str | None
    """Of its event, where it has one."""
    there: frozenset[str]
    """Which of its tasks are there."""
    differing: frozenset[str]
    """Which of those were never put back and are not what was deleted."""
    standing: Mapping[SeriesOfUser, str]
    memories: Mapping[str, SeriesMemory]


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


@dataclass(frozen=True, slots=True)
class Restoration:
    """By task, the original that it is to hang on (its own id where it is one); and the originals that are new."""

    parents: Mapping[str, str] = field(default_factory=dict)
    originals: Mapping[str, NewOriginal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What is to be written; tasks are named by their ids."""

    hanging: Restoration
    marks: Mapping[str, str]
    """What copies are to say of the originals that their tasks are put back under, before any is."""
    originals: Mapping[str, NewOriginal]
    """The new originals that are to be inserted; they come first."""
    occurrences: AbstractSet[str]
    """Those to be inserted."""
    subtasks: Mapping[str, str]
    """Those to be inserted, and the task that each hangs on."""
    done: AbstractSet[str]
    """Of which copies are to say in the end that they are back: they were inserted now, or found."""
    gone: AbstractSet[str]
    """What was put back before and has gone since, and is left alone."""
    to_stay: bool
    """Whether the worker itself retired it, and would again, were it not for the person who wants it back."""

    @property
    def missing(self) -> AbstractSet[str]:
        """All that is to be inserted."""
        return self.originals.keys() | self.occurrences | self.subtasks.keys()


def plan_restore(deletion: Deletion, *, again: bool, timezone: str | None) -> RestorePlan:
    """Plan to put back what a deletion took; what went once more since then, only where asked for `again`.

    Raises:
        RestoreRefused: nothing of it is kept, it is not over, or a task is there again and differs.
    """
    _require_restorable(deletion)
    gone = {copy.task.id for copy in deletion.copies if copy.is_restored} - deletion.there
    begun = [copy for copy in deletion.copies if not copy.is_restored or (again and copy.task.id in gone)]
    asked = {copy.series for copy in begun if copy.series is not None}
    tasks = [copy.task for copy in deletion.copies if copy.series in asked]
    hanging = plan_restoration(tasks, deletion.standing, deletion.memories, timezone=timezone)
    ids = {copy.task.id for copy in begun}
    missing = ids - deletion.there
    originals = {i: new for i, new in hanging.originals.items() if i in missing}
    above = ((copy.task.id, copy.task.parent_task_id) for copy in begun if copy.task.id in missing)
    subtasks = {i: parent for i, parent in above if parent is not None and i not in originals}
    marks = ((copy, parent) for copy in begun if (parent := hanging.parents.get(copy.task.id)) is not None)
    return RestorePlan(
        hanging,
        marks={copy.task.id: parent for copy, parent in marks if parent != copy.original},
        originals=originals,
        occurrences=missing - originals.keys() - subtasks.keys(),
        subtasks=subtasks,
        done=ids,
        gone=set() if again else gone,
        to_stay=deletion.copies[0].reason in RETIRED,
    )


def _require_restorable(deletion: Deletion) -> None:
    if not deletion.copies:
        raise RestoreRefused(f"deletion {deletion.id} took nothing that is still kept (see KEEP_DELETED_DAYS)")
    if deletion.status in UNFINISHED:
        raise RestoreRefused(f"deletion {deletion.id} is not over: its event is {deletion.status}")
    if taken := sorted(deletion.differing):
        names = ", ".join(taken[:NAMED_AT_MOST]) + (" ..." if len(taken) > NAMED_AT_MOST else "")
        raise RestoreRefused(f"{len(taken)} of its tasks are there again and differ: {names}; nothing was restored")


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
    parents: dict[str, str] = {}
    originals: dict[str, NewOriginal] = {}
    by_series: dict[SeriesOfUser, list[Task]] = {}
    for task in tasks:
        if task.parent_recurring_id is not None:
            by_series.setdefault((task.parent_recurring_id, task.user_id), []).append(task)
    for series, members in by_series.items():
        head = standing.get(series) or _earliest(members).id
        parents.update((task.id, head) for task in members)
        new = next((task for task in members if task.id == head), None)
        if new is not None:
            originals[head] = _new_original(new, series[0], members, memories.get(series[0]), timezone)
    return Restoration(parents, originals)


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
