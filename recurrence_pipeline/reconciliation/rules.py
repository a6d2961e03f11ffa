"""What was never queued, and how the tasks are walked to find it. Pure: reading is storage/task_changes.py's business.

Two walks follow one order, that of the index on (updatedAt, _id). The **recent** one looks at what changed lately, so
that a new task is found at the next look. The **sweep** goes over all tasks, piece by piece and without end. It finds
what the other cannot: a change that left `updatedAt` alone or dated it back, and what came while nobody looked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from recurrence_pipeline.domain.errors import Permanent
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.recurrence import Missed
from recurrence_pipeline.domain.revising import is_edited
from recurrence_pipeline.domain.scan import (
    EPOCH,
    HIGHEST,
    LOWEST,
    DeletedOriginal,
    KeysetPosition,
    TaskVersion,
    _seconds,
)
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.domain.validation import creation_time
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.domain.zones import UTC

OVERLAP = timedelta(minutes=1)
"""How much of the past the recent walk reads again, and how far it reads ahead: clocks differ, and writes take time."""

TOLD_WITHIN = timedelta(seconds=30)
"""How long an edit may wait for the event that tells of it, and may say from which slot on it is meant."""

NARROWEST = timedelta(seconds=1)
WIDER = 4


class Reason(str, Enum):
    """Why a task is asked for."""

    NEW = "new"  # an original for which nothing was ever generated
    BEHIND = "behind"  # it is completed, and its series does not reach as far as it should
    EDITED = "edited"  # an original that says something else of its rule and options than is followed
    DUE = "due"  # an original of which missed slots do not stay, and the time of its next one has come


# The order of the walks


START = KeysetPosition()
EARLIEST = datetime.min.replace(tzinfo=UTC)
FIRST_DATE = KeysetPosition(EARLIEST)


@dataclass(frozen=True, slots=True)
class ScanState:
    """How far both walks are. `width` is the time that the next piece of the sweep spans; None for no end.

    A piece has an end in time as well as in number: some servers sort and cut only what they have read as a whole.
    So a round of the sweep remembers the date of the first task that has one, and the next round begins anew there
    (`begins`), once it has seen that nothing is older; `first` is that date in this round.
    """

    recent: KeysetPosition
    sweep: KeysetPosition = START
    width: timedelta | None = None
    begins: datetime | None = None
    first: datetime | None = None

    @classmethod
    def beginning(cls, now: datetime) -> "ScanState":
        """Return the position of the first look."""
        return cls(KeysetPosition.before(now - OVERLAP))

    @classmethod
    def parse(cls, text: str | None, now: datetime) -> "ScanState":
        """Read what `text` wrote; where that is none, or lies ahead of `now`, begin anew. Nothing is lost by that."""
        try:
            kept = json.loads(text or "{}")
            width = None if kept["width"] is None else timedelta(seconds=float(kept["width"]))
            dates = (_time(kept.get("begins")), _time(kept.get("first")))
            position = cls(_place(*kept["recent"]), _place(*kept["sweep"]), width, *dates)
        except (ValueError, TypeError, KeyError, OverflowError):
            return cls.beginning(now)
        known = position.recent.time is not None and position.recent.time <= now
        return position if known else replace(position, recent=cls.beginning(now).recent)

    def text(self) -> str:
        """Return the position as text, for `parse`."""
        width = None if self.width is None else self.width.total_seconds()
        places = {name: [_text(p.time), p.id] for name, p in self._places().items()}
        return json.dumps({**places, "width": width, "begins": _text(self.begins), "first": _text(self.first)})

    def recent_until(self, now: datetime) -> datetime:
        """Return up to which `updatedAt` the recent walk reads."""
        return now + OVERLAP

    def sweep_until(self, now: datetime) -> datetime | None:
        """Return up to which `updatedAt` the next piece of the sweep reads; None for all the rest."""
        if self.sweep == FIRST_DATE and self.begins is not None:
            return EARLIEST if self.begins == EARLIEST else self.begins - MILLISECOND
        if self.sweep.time is None or self.width is None or now - self.sweep.time <= self.width:
            return None
        return self.sweep.time + self.width

    def after_recent(self, seen: Sequence[KeysetPosition], limit: int, now: datetime) -> "ScanState":
        """Return the position after the recent walk has read `seen`, of `limit` at most."""
        caught_up = len(seen) < limit
        if caught_up:
            return replace(self, recent=KeysetPosition.before(now - OVERLAP))
        time = seen[-1].time
        return replace(self, recent=seen[-1] if time is not None and time <= now else KeysetPosition.before(now))

    def after_sweep(self, seen: Sequence[KeysetPosition], limit: int, now: datetime) -> "ScanState":
        """Return the position after the sweep has read the piece `seen`, of `limit` at most.

        The next piece is as wide as `limit` tasks have been here, twice for good measure, or wider where there were
        fewer. Behind the last one the sweep starts again.
        """
        until = self.sweep_until(now)
        came_by = replace(self, first=self.first or next((place.time for place in seen), None))
        if len(seen) >= limit:
            first, last = seen[0].time, seen[-1].time
            span = None if first is None or last is None else max(2 * (last - first), NARROWEST)
            return replace(came_by, sweep=seen[-1], width=span)
        if self.sweep.time is None:
            return replace(came_by, sweep=FIRST_DATE, width=None)
        if until is None:
            in_one_piece = self.sweep == FIRST_DATE
            return ScanState(self.recent, begins=None if in_one_piece else came_by.first)
        width = NARROWEST if self.width is None else WIDER * self.width
        return replace(came_by, sweep=KeysetPosition(until, HIGHEST), width=width)

    def _places(self) -> dict[str, KeysetPosition]:
        return {"recent": self.recent, "sweep": self.sweep}


# What is asked for


def is_suspect(task: Task) -> bool:
    """Say whether a task is worth a look at its series: an original, or a completed occurrence."""
    if task.misread is not None:
        return False
    return task.is_completed if task.parent_recurring_id is not None else task.repeat_type != "none"


def may_have_begun_since(sighting: TaskVersion, watermark: datetime | None) -> bool:
    """Say whether an original from before the watermark was changed after it: it may have been made recurring then."""
    task, changed = sighting.task, sighting.updated_at
    return (
        watermark is not None
        and task.parent_recurring_id is None
        and creation_time(task) < watermark
        and changed is not None
        and changed >= watermark
    )


@dataclass(frozen=True, slots=True)
class Looking:
    """What a look goes by: `follow_edits` says whether edits of content are followed too."""

    watermark: datetime | None
    timezone: str | None
    now: datetime
    follow_edits: bool = False


def reason_to_ask(sighting: TaskVersion, series: Series, by: Looking, *, began_since: bool) -> Reason | None:
    """Return why a suspect should be asked for; None where it should not.

    A series whose original is gone belongs to the orphan cleanup. One that we know nothing of and that was created
    before the watermark goes on when an event asks, and only then: what its past means is not for us to guess. It has
    no past where it `began_since`: it was made recurring after the watermark.
    """
    task, original = sighting.task, series.original
    if original is None or original.repeat_type == "none" or original.misread is not None:
        return None
    if task.user_id != original.user_id:
        return None
    if series.memory is not None:
        return _reason_of_known(sighting, series, original, series.memory, by)
    if by.watermark is not None and creation_time(original) < by.watermark and not began_since:
        return None
    return Reason.NEW if task.id == original.id else Reason.BEHIND


def request(sighting: TaskVersion, reason: Reason, now: datetime, *, due: tuple[object, ...] = ()) -> TaskEvent:
    """Return the event that asks. Its id follows from (task, reason, updatedAt): the same change is asked for once.

    What time alone makes `due` is asked for once for each step. The time in the id is that of the change, and not the
    task's: events are listed by the time in their ids.
    """
    task = sighting.task
    changed = (sighting.changed_at - EPOCH) // MILLISECOND
    event_id = derived_id(f"{_seconds(sighting.changed_at):08x}{task.id}", "reconcile", reason.value, changed, *due)
    operation = Operation.COMPLETE if task.is_completed else Operation.CREATE
    if reason is Reason.EDITED:
        operation = Operation.UPDATE
    return TaskEvent(event_id, operation, task.id, now, task.user_id, Source.RECONCILE)


def request_deletion(original: DeletedOriginal, now: datetime) -> TaskEvent:
    """Return the event that asks for what hangs on a deleted original to go. The same deletion is asked for once."""
    base = f"{original.seconds:08x}{original.task_id}"
    event_id = derived_id(base, "reconcile", "deleted", original.seconds, original.number)
    return TaskEvent(event_id, Operation.DELETE, original.task_id, now, original.user_id, Source.RECONCILE)


def due(series: Series, by: Looking) -> tuple[object, ...]:
    """Return what the time alone asks for in a series: how far it should reach, and the first task that is missed.

    Nothing where it asks for nothing.
    """
    if series.original is None or series.memory is None or not may_miss(series.original):
        return ()
    try:
        state = SeriesState(series, series.original, by.timezone, now=by.now)
        missed = state.missed()[:1]
        return (state.reach().number, *missed) if missed or state.is_behind else ()
    except Permanent:
        return ()


def _reason_of_known(
    sighting: TaskVersion, series: Series, original: Task, memory: SeriesMemory, by: Looking
) -> Reason | None:
    task = sighting.task
    try:
        is_head = task.id == original.id and by.now - sighting.changed_at >= TOLD_WITHIN
        if is_head and is_edited(original, memory, by.timezone, content=by.follow_edits):
            return Reason.EDITED
        if task.is_completed and _is_behind(task, series, original, by):
            return Reason.BEHIND
    except Permanent:  # it has been worked on, and was spoiled since: it is left alone, and found by the checks
        return None
    return Reason.DUE if task.id == original.id and due(series, by) else None


def may_miss(original: Task) -> bool:
    """Say whether missed slots of a series do not stay."""
    options = original.recurrence
    return isinstance(options, Mapping) and options.get("missed") in {Missed.LATEST.value, Missed.NEXT.value}


def _is_behind(task: Task, series: Series, original: Task, by: Looking) -> bool:
    members = () if task.id == series.id else (task,)
    state = SeriesState(replace(series, occurrences=members), original, by.timezone)
    return state.is_behind


def _place(time: str | None, task_id: str) -> KeysetPosition:
    """Read a place.

    Raises:
        ValueError, TypeError: it is none.
    """
    if len(bytes.fromhex(task_id)) != len(LOWEST) // 2:
        raise ValueError(task_id)
    return KeysetPosition(_time(time), task_id)


def _time(text: str | None) -> datetime | None:
    """Read what `_text` wrote.

    Raises:
        ValueError, TypeError: it is no time.
    """
    time = None if text is None else datetime.fromisoformat(text)
    if time is not None and time.tzinfo is None:
        raise ValueError(text)
    return time


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
