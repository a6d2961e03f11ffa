"""What should exist, compared with what does: events + snapshot + now -> Plan. Pure: nothing is read or written here.

The plan of a series does not depend on which event asked ("level-triggered"), so an event may come twice, late, out of
order or in two workers at once, and every path ends in the same documents. A plan is applied by worker/plan_writer.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from recurrence_pipeline.domain.errors import (
    InvalidInput,
    OriginalNotFound,
    Permanent,
    RecurrenceError,
    TaskNotVisibleYet,
    WrongType,
)
from recurrence_pipeline.domain.ids import time_of
from recurrence_pipeline.domain.members import require_member
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.plan import (
    MISSED,
    ORIGINAL_GONE,
    Answer,
    CursorMove,
    NewActivity,
    Plan,
    Removal,
    Reparent,
    Retirement,
)
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.validation import creation_time
from recurrence_pipeline.domain.vocabulary import Action, Operation, Source

PATIENCE = timedelta(seconds=30)
"""How long a task that an outbox event names may take to become visible."""


def plan_batch(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime, timezone: str | None = None) -> Plan:
    """Plan creations and completions; events that name one series are answered in the order they were created.

    `timezone` is the IANA name for series that have none of their own (None: UTC).
    """
    plan = Plan()
    for series, asking in grouped(events, snapshot, plan):
        present = refuse_absent(plan, series, asking, snapshot, now)
        if series.original is None:
            plan.removals += _leftovers(series, asking, plan)
        elif series.original.repeat_type == "none":
            plan.answers.update((event.id, Answer()) for event in present)
        elif present:
            asked_at = _asked_at(present, series.original, now)
            progress = partial(SeriesState, series, series.original, timezone, asked_at=asked_at, now=now)
            _plan_series(plan, progress, present, snapshot)
    return plan


def grouped(events: Sequence[TaskEvent], snapshot: Snapshot, plan: Plan) -> Iterable[tuple[Series, list[TaskEvent]]]:
    """Return the series that events speak of, each with its events in the order they were created."""
    by_series: dict[str, tuple[Series, list[TaskEvent]]] = {}
    for event in sorted(events, key=lambda e: (e.created_at, e.id)):
        series = snapshot.series_of(event.task_id)
        by_series.setdefault(series.id, (series, []))[1].append(event)
        plan.series_of_event[event.id] = series.id
    return by_series.values()


def refuse_absent(
    plan: Plan, series: Series, asking: Sequence[TaskEvent], snapshot: Snapshot, now: datetime
) -> list[TaskEvent]:
    """Refuse the events whose tasks, or whose original, are not there, or are none of the series; return the others."""
    present = [event for event in asking if event.task_id in snapshot.tasks]
    for event in asking:
        if event.task_id not in snapshot.tasks:
            plan.refusals[event.id] = _not_found(event, now)
    plan.refusals |= _not_members(series, present, snapshot.tasks)
    present = [event for event in present if event.id not in plan.refusals]
    if series.original is None:
        plan.refuse(present, OriginalNotFound("Original task not found"))
        return []
    return present


def plan_deletions(events: Sequence[TaskEvent], snapshot: Snapshot, *, timezone: str | None = None) -> Plan:
    """Plan cascades: all tasks of the user that hang on the named task, or on the original of the named occurrence.

    What an earlier attempt has announced on the event counts as deleted by it, whether or not it is still there.
    """
    plan = Plan()
    taken = {task_id for event in events for task_id in event.deleting}
    for event in sorted(events, key=lambda e: (e.created_at, e.id)):
        if event.user_id is None:
            plan.refuse([event], InvalidInput("userId is required for delete operation"))
            continue
        named = snapshot.tasks.get(event.task_id)
        if named is not None and named.misread is not None:
            plan.refuse([event], WrongType(named.misread))
            continue
        if named is not None and event.source is Source.RECONCILE and not event.deleting:  # seen to be gone, and back
            plan.answers[event.id] = Answer(deleted=0)
            plan.series_of_event[event.id] = snapshot.series_of(event.task_id).id
            continue
        series = _series_to_delete(event, snapshot)
        found = [t.id for t in series.hanging if t.user_id == event.user_id and t.id not in taken]
        ids = (*event.deleting, *found)
        taken.update(found)
        plan.answers[event.id] = Answer(deleted=len(ids))
        plan.series_of_event[event.id] = series.id
        if not ids:
            continue
        plan.removals.append(Removal(event, ids, "cascade"))
        plan.activities.append(NewActivity.of(Action.DELETED, event.user_id, event.task_id, subject=event.id))
        gone = set(ids)
        deleted = [t for t in series.occurrences if t.id in gone]
        plan.cursors += _cursor_past(snapshot.series_of(event.task_id), deleted, timezone)
    return plan


def removal_of_subtasks(removal: Removal, below: Mapping[str, Sequence[Task]]) -> Removal:
    """Return the removal of the sub-tasks, of the same user, that hang `below` what is removed."""
    hanging = (task for task_id in removal.task_ids for task in below.get(task_id, ()))
    return replace(removal, task_ids=tuple(t.id for t in hanging if t.user_id == removal.event.user_id))


FAILURE_ACTIONS: Mapping[Operation, Action] = {
    Operation.CREATE: Action.CREATE_FAILED,
    Operation.COMPLETE: Action.COMPLETE_FAILED,
    Operation.DELETE: Action.DELETE_FAILED,
    Operation.UPDATE: Action.UPDATE_FAILED,
    Operation.REOPEN: Action.REOPEN_FAILED,
    Operation.SKIP: Action.SKIP_FAILED,
}


def failure_activity(event: TaskEvent, task: Task | None, error: str) -> NewActivity | None:
    """Return the line that tells a user what could not be done; None where it is not known whose it is."""
    user_id = event.user_id or (task.user_id if task else None)
    return NewActivity.of(FAILURE_ACTIONS[event.operation], user_id, event.task_id, error=error) if user_id else None


def _plan_series(plan: Plan, begin: Callable[[], SeriesState], events: Sequence[TaskEvent], snapshot: Snapshot) -> None:
    part = Plan()
    try:
        progress = begin()
        for event in events:
            _answer(part, progress, event, snapshot.tasks[event.task_id], counts=_completes(event, snapshot))
        if missed := progress.missed():
            slots = {i: progress.slots.get(i) for i in missed}
            part.retirements.append(
                Retirement(events[-1], tuple(missed), MISSED, Action.MISSED, progress.original, slots)
            )
            part.leave_out(missed)
        part.cursors += progress.moves(progress.cursor)
    except Permanent as error:
        plan.refuse(events, error)
        return
    plan.add(part)


def _answer(part: Plan, progress: SeriesState, event: TaskEvent, task: Task, *, counts: bool) -> None:
    """Plan what one event adds to its series, and what it is told; it `counts` as a completion, or does not."""
    original = progress.original
    is_completed = counts and progress.complete(task, event.created_at)
    created = progress.made_by(event.id)
    told = dict.fromkeys(created)  # another event may have moved the cursor past what a try of this one has made
    for new, exists in progress.advance(event.id):
        if not exists:
            created.append(new.id)
        if not exists or new.subtasks is not None:  # an earlier attempt may not have come to all of those
            part.occurrences.append(new)
        told[new.id] = None
    made = [NewActivity.of(Action.CREATED, original.user_id, task_id) for task_id in told if original.user_id]
    following = progress.next_open(task) if is_completed else None
    if following is not None:
        seen = progress.open[following]
        if seen is not None and seen != original.id:
            part.links.append(Reparent(following, seen, original.id))
        if original.user_id:
            part.activities.append(NewActivity.of(Action.UPDATED, original.user_id, task.id))
    part.activities += made  # a completion comes before what it makes
    part.answers[event.id] = Answer(tuple(progress.in_order(created)), following)


def _completes(event: TaskEvent, snapshot: Snapshot) -> bool:
    """Say whether an event completes its task, whatever the task says: unless it was told since that it is open."""
    taken_back = snapshot.reopened.get(event.task_id)
    return event.operation is Operation.COMPLETE and (taken_back is None or taken_back < event.created_at)


def _not_members(series: Series, events: Iterable[TaskEvent], tasks: Mapping[str, Task]) -> dict[str, RecurrenceError]:
    """Return why events are refused whose tasks hang on a series, and are none of it."""
    refusals: dict[str, RecurrenceError] = {}
    for event in events:
        try:
            require_member(tasks[event.task_id], series)
        except Permanent as error:
            refusals[event.id] = error
    return refusals


def _asked_at(events: Sequence[TaskEvent], original: Task, now: datetime) -> datetime:
    """Return when it was first asked that a task recur; a completion is never too late for one that once could.

    An event of reconciliation has the time of the change that it asks about in its id. A clock that was ahead does not
    make a date too old.
    """
    times = (_asked_by(event, original) for event in events)
    return min(now, *times)


def _asked_by(event: TaskEvent, original: Task) -> datetime:
    if event.operation is not Operation.CREATE:
        return creation_time(original)
    asked = time_of(event.id) if event.source is Source.RECONCILE else event.created_at
    return max(asked, creation_time(original))  # nobody asks for what is not there: that clock was behind


def _not_found(event: TaskEvent, now: datetime) -> RecurrenceError:
    # A clock that was ahead may have dated the event: then its first failed try says how long it has been waited for.
    until = min(event.created_at, now, *(error.at for error in event.errors)) + PATIENCE
    if event.source is Source.OUTBOX and now < until:
        return TaskNotVisibleYet(f"Task {event.task_id} is not there yet", until=until)
    return OriginalNotFound("Original task not found")


def _leftovers(series: Series, events: Sequence[TaskEvent], plan: Plan) -> list[Removal]:
    """Return what earlier attempts of these very events made before the original went away.

    Whatever else hangs on a missing original is left to the orphan cleanup, and to its guard.
    """
    refused = [e for e in events if isinstance(plan.refusals[e.id], Permanent)]
    made = {e.id: [t for t in series.occurrences if t.created_by_event == e.id] for e in refused}
    return [
        Removal(replace(e, user_id=made[e.id][0].user_id), tuple(t.id for t in made[e.id]), ORIGINAL_GONE)
        for e in refused
        if made[e.id]
    ]


def _series_to_delete(event: TaskEvent, snapshot: Snapshot) -> Series:
    """Return the tasks hanging on the named task or, where there are none, on what the named occurrence hangs on."""
    series = snapshot.series.get(event.task_id) or Series(event.task_id, None)
    task = snapshot.tasks.get(event.task_id)
    if task is not None and task.created_by_event and task.created_at and task.created_at > event.created_at:
        # Deleted by a person, and made again by a worker that did not know yet: it goes, and its siblings stay.
        return Series(event.task_id, None, (task,))
    if any(t.user_id == event.user_id for t in series.hanging) or task is None or task.parent_recurring_id is None:
        return series
    siblings = snapshot.series.get(task.parent_recurring_id) or Series(task.parent_recurring_id, None)
    # What hung on the task may be gone only because an earlier attempt removed it: that attempt did not mean the rest.
    meant = not event.deleting or not {t.id for t in siblings.hanging}.isdisjoint(event.deleting)
    return siblings if meant else series


def _cursor_past(series: Series, deleted: Sequence[Task], timezone: str | None) -> list[CursorMove]:
    """Return the move that keeps what is deleted from being generated again; none where no series goes on."""
    original = series.original
    if original is None or original.repeat_type == "none":
        return []
    try:
        progress = SeriesState(series, original, timezone)
        numbers = [number for task in deleted if (number := progress.number(task)) is not None]
        dates = {progress.dates[task.id] for task in deleted if task.id in progress.dates}
        return progress.moves(max([progress.cursor, *numbers]), dates)
    except Permanent:
        return []
