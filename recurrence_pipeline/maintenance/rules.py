"""Which checks a task or a series fails, and what would repair it. Pure: nothing is read or repaired here."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from recurrence_pipeline.domain.errors import Permanent, RuleChanged
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.memory import anchor_of_memory, is_moved
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.plan import CastId, CursorMove, DateFromDue, Reparent
from recurrence_pipeline.domain.reach import MAX_NEW_PER_SERIES
from recurrence_pipeline.domain.revising import is_edited
from recurrence_pipeline.domain.scan import TaskVersion
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.time_zone_changes import TimeZoneChange
from recurrence_pipeline.domain.validation import creation_time
from recurrence_pipeline.domain.zones import wall_text
from recurrence_pipeline.maintenance.checks import (
    CURSOR_AHEAD,
    CURSOR_BEHIND,
    FIRST_DATE_MOVED,
    INSTANTS_OUTDATED,
    MEMORY_MISSING,
    NESTED,
    NO_ORIGINAL_DUE_DATE,
    ORPHANS,
    OWNER_DIFFERS,
    OWNER_MISSING,
    RECURRING_SUBTASKS,
    REPEAT_TYPE_DIFFERS,
    SERIES_BEHIND,
    SERIES_STOPPED,
    SERIES_UNWORKABLE,
    SLOT_CLASHES,
    SUBTASKS_LEFT,
    WRONG_ID_TYPES,
    Check,
)
from recurrence_pipeline.reconciliation.rules import Reason, request
from recurrence_pipeline.storage.database_checks import Sample

Fix = Reparent | DateFromDue | CastId | CursorMove | TaskEvent
"""What repairs one issue; a TaskEvent has the worker do it."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that a check finds. `unless_made`: it is none where that occurrence has been there once."""

    check: Check
    sample: Sample
    fix: Fix | None = None
    unless_made: str | None = None


@dataclass(frozen=True, slots=True)
class CheckContext:
    """From where the data are judged: now, the zone of series that have none, and since when series are ours."""

    now: datetime
    timezone: str | None
    watermark: datetime | None


BY_TASK = frozenset({WRONG_ID_TYPES.name, OWNER_MISSING.name, RECURRING_SUBTASKS.name, NO_ORIGINAL_DUE_DATE.name})
BY_PARENT = frozenset({ORPHANS.name, NESTED.name, REPEAT_TYPE_DIFFERS.name})
BY_PARENT_TASK = frozenset({SUBTASKS_LEFT.name})
BY_CLOCK = frozenset({INSTANTS_OUTDATED.name})
BY_SERIES = frozenset(
    check.name
    for check in (
        OWNER_DIFFERS, REPEAT_TYPE_DIFFERS, SLOT_CLASHES, MEMORY_MISSING, FIRST_DATE_MOVED, CURSOR_BEHIND, CURSOR_AHEAD,
        SERIES_BEHIND, SERIES_STOPPED, SERIES_UNWORKABLE,
    )
)  # fmt: skip
"""What has to be read beside the tasks themselves: nothing, what they hang on, or their whole series; of what seems to
lie at another hour than its clock says, all that is stored."""

FOLLOWED_WITHIN = timedelta(hours=1)
"""How long an edited rule may wait to be followed."""

PASSING = frozenset({ORPHANS, MEMORY_MISSING, CURSOR_BEHIND, CURSOR_AHEAD, SERIES_BEHIND, SERIES_STOPPED})
"""What a series may fail while an event of it is being worked on, or waits to be."""


def judge_task(task: Task) -> Iterator[Issue]:
    """Yield what is wrong with a task by itself."""
    odd_ids = task.odd_ids or {}
    for name, value in odd_ids.items():
        meant = None if "_id" in odd_ids else _meant(value)
        cast = CastId(task.id, name, value, meant) if meant is not None else None
        yield Issue(WRONG_ID_TYPES, _of(task) | {"field": name, "value": f"{value!r:.100}"}, cast)
    if task.repeat_type == "none" or task.misread is not None:
        return
    if task.user_id is None and task.parent_recurring_id is None:
        yield Issue(OWNER_MISSING, _of(task))
    if task.parent_task_id is not None:
        yield Issue(RECURRING_SUBTASKS, _of(task) | {"parentTaskId": task.parent_task_id})
    if not isinstance(task.original_due_date, datetime):
        due = task.due_date if isinstance(task.due_date, datetime) and task.original_due_date is None else None
        yield Issue(NO_ORIGINAL_DUE_DATE, _of(task) | {"dueDate": due}, DateFromDue(task.id, due) if due else None)


def _meant(value: object) -> str | None:
    """Return the id that text of 24 hex digits means, or an export that was read as plain JSON."""
    text = value.get("$oid") if isinstance(value, Mapping) else value
    return text.lower() if isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{24}", text) else None


def judge_hanging(task: Task, parent: Task | None, head: Task | None) -> Iterator[Issue]:
    """Yield what is wrong with what a task hangs on. `head` is where the way up from there ends."""
    parent_id = task.parent_recurring_id or ""
    sample = _of(task) | {"parentRecurringId": parent_id}
    if parent is None:
        yield Issue(ORPHANS, sample)
    elif parent.parent_recurring_id is not None:
        mendable = head is not None and head.parent_recurring_id is None and head.user_id == task.user_id
        yield Issue(NESTED, sample, Reparent(task.id, parent_id, head.id) if head and mendable else None)
    elif parent.repeat_type == "none" and task.repeat_type != "none":
        yield Issue(REPEAT_TYPE_DIFFERS, sample | {"repeatType": task.repeat_type, "ofOriginal": "none"})


def judge_subtask(task: Task) -> Issue:
    """Return what is wrong with a sub-task of which the task that it hangs on is not there."""
    return Issue(SUBTASKS_LEFT, _of(task) | {"parentTaskId": task.parent_task_id})


def judge_clock(change: TimeZoneChange) -> Iterator[Issue]:
    """Yield what is wrong with a task that does not lie where its wall clock says, where it is to be moved."""
    if change.stays is None and change.wall is not None:
        shown = {"timezone": change.timezone, "wallClock": wall_text(change.wall)}
        yield Issue(INSTANTS_OUTDATED, _of(change.task) | shown | {"dueDate": change.was, "shouldBe": change.due})


def judge_series(series: Series, original: Task, at: CheckContext) -> Iterator[Issue]:
    """Yield what is wrong between the tasks of a series.

    A series of the previous worker has neither cursor nor slot numbers, and that is no issue.
    """
    for task in series.hanging:
        yield from _judge_likeness(task, original, is_edited=_may_say_otherwise(task, series))
    try:
        progress = SeriesState(series, original, at.timezone, asked_at=original.updated_at)
        progress.timed(progress.cursor + 1, 1)  # what would come next
        if (memory := series.memory) is not None and _is_unfollowed(original, memory, at):
            yield Issue(REPEAT_TYPE_DIFFERS, _of(original) | _rules(memory.current.rule, original.repeat_type))
            return
    except RuleChanged as error:
        yield Issue(REPEAT_TYPE_DIFFERS, _of(original) | _rules(error.counted_as, error.says))
    except Permanent as error:
        if series.occurrences or series.memory is not None:  # else it never ran, and its event says why
            yield Issue(SERIES_UNWORKABLE, _of(original) | {"reason": str(error)})
    else:
        yield from _clashes(series, progress)
        yield from _judge_memory(series, progress)
        yield from _judge_cursor(progress)
        if _is_ours(series, original, at.watermark):
            yield from _judge_reach(series, progress, at)


def _is_unfollowed(original: Task, memory: SeriesMemory, at: CheckContext) -> bool:
    """Say whether an edit of the rule should have been followed long ago."""
    changed = original.updated_at or creation_time(original)
    return at.now - changed >= FOLLOWED_WITHIN and is_edited(original, replace(memory, followed=None), at.timezone)


def _may_say_otherwise(task: Task, series: Series) -> bool:
    """Say whether a task may have stayed as it was when its series was edited: it was done, past, or a person's."""
    return series.memory is not None and (task.is_completed or len(series.memory.revisions) > 1)


def _judge_likeness(task: Task, original: Task, *, is_edited: bool) -> Iterator[Issue]:
    """Yield what is unlike its original; what stayed when the rule was edited says what that was before."""
    sample = _of(task) | {"seriesId": original.id}
    if task.user_id != original.user_id:
        yield Issue(OWNER_DIFFERS, sample | {"ownerOfOriginal": original.user_id})
    if task.repeat_type != original.repeat_type and not is_edited:
        yield Issue(REPEAT_TYPE_DIFFERS, sample | _rules(task.repeat_type, original.repeat_type))


def _clashes(series: Series, progress: SeriesState) -> Iterator[Issue]:
    on_slot: dict[int, list[str]] = defaultdict(list)
    for task_id, number in progress.slots.items():
        on_slot[number].append(task_id)
    for number, tasks in sorted(on_slot.items()):
        if len(tasks) > 1:
            sample = {"seriesId": series.id, "slot": number, "tasks": len(tasks), "taskIds": ", ".join(sorted(tasks))}
            yield Issue(SLOT_CLASHES, sample | {"title": progress.original.title})


def _judge_memory(series: Series, progress: SeriesState) -> Iterator[Issue]:
    original = progress.original
    if series.recalled is not None:
        yield Issue(
            MEMORY_MISSING, _of(original) | {"cursor": progress.cursor}, _first(progress.moves(progress.cursor))
        )
    elif series.memory is not None and is_moved(original, series.memory):
        sample = {"began": anchor_of_memory(series.memory), "originalDueDate": original.anchor}
        yield Issue(FIRST_DATE_MOVED, _of(original) | sample)


def _judge_cursor(progress: SeriesState) -> Iterator[Issue]:
    original = progress.original
    if progress.memory is None:
        return
    there = set(progress.slots.values())
    cursor, highest = progress.memory.number, max(there)
    sample = _of(original) | {"cursor": cursor, "highestSlot": highest}
    if highest > cursor:
        yield Issue(CURSOR_BEHIND, sample, _first(progress.moves_past_what_is_there()))
    elif cursor > max(highest, progress.wanted) and progress.original_slot == 0 and cursor not in progress.passed:
        yield Issue(CURSOR_AHEAD, sample, unless_made=occurrence_id(original.id, cursor))


def _first(moves: Iterable[CursorMove]) -> CursorMove | None:
    return next(iter(moves), None)


def _judge_reach(series: Series, progress: SeriesState, at: CheckContext) -> Iterator[Issue]:
    """Yield what keeps a series from going on: slots it should have and has not, or nothing left to complete."""
    original = progress.original
    sample = _of(original) | {"cursor": progress.cursor, "highestCompleted": progress.finished}
    if progress.wanted - progress.cursor > MAX_NEW_PER_SERIES:
        reason = f"slot {progress.finished} is completed but the cursor is {progress.cursor}"
        yield Issue(SERIES_UNWORKABLE, _of(original) | {"reason": reason})
        return
    there = set(progress.slots.values()) | progress.passed_over(progress.cursor + 1, progress.wanted)
    missing = [str(number) for number in range(progress.cursor + 1, progress.wanted + 1) if number not in there]
    missing += [wall_text(date) for date in progress.reach().dates if not progress.has_date(date)]
    if missing:
        yield Issue(SERIES_BEHIND, sample | {"missing": ", ".join(missing)}, _ask(series, progress, at.now))
    elif not progress.reach().ends and all(task.is_completed for task in (original, *series.occurrences)):
        yield Issue(SERIES_STOPPED, sample)


def _ask(series: Series, progress: SeriesState, now: datetime) -> TaskEvent:
    """Return the event that nobody wrote: of the task completed last, or of the original's creation."""
    on_slot = progress.slots.keys() | progress.dates.keys()
    done = {t.id: t for t in (progress.original, *series.occurrences) if t.is_completed and t.id in on_slot}
    if done:
        last = done[progress.in_order(sorted(done))[-1]]
        return request(TaskVersion(last, None), Reason.BEHIND, now)
    return request(TaskVersion(progress.original, progress.original.updated_at), Reason.NEW, now)


def _is_ours(series: Series, original: Task, watermark: datetime | None) -> bool:
    """Say whether this worker has a duty here: it has begun the series, or was there when it was created."""
    begun = series.memory is not None or any(task.occurrence_number is not None for task in series.occurrences)
    return begun or watermark is None or creation_time(original) >= watermark


def _of(task: Task) -> dict[str, object]:
    return {"taskId": task.id, "userId": task.user_id, "title": task.title}


def _rules(found: str, of_original: str) -> dict[str, object]:
    return {"repeatType": found, "ofOriginal": of_original}


def change(fix: Fix) -> str:
    """Say what a repairing changes."""
    if isinstance(fix, Reparent):
        return f"parentRecurringId: {fix.original_id}"
    if isinstance(fix, CastId):
        return f"{fix.field}: ObjectId {fix.id}"
    if isinstance(fix, DateFromDue):
        return f"originalDueDate: {fix.due.isoformat()}"
    if isinstance(fix, CursorMove):
        return f"cursor.number: {fix.memory.number}"
    return f"event: {fix.operation.value} of task {fix.task_id}"
