"""What a series of which people changed their minds should come to, counted anew over all the rules that it had. Pure.

Where a rule begins, and which slots it takes from the one before, the worker's memory says; where its slots lie, and
which of them should have a task by now, is worked out here, slot by slot. Of one rule alone expected.py knows more.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from functools import partial
from heapq import merge
from itertools import chain, takewhile
from typing import NamedTuple

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.instances import instances, last_moment
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.recurrence import NONE, read_rule
from recurrence_pipeline.domain.rules import Rule
from recurrence_pipeline.domain.series_memory import Revision, SeriesMemory
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.domain.zones import time_zone, wall_text
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.past import Visit
from recurrence_pipeline.simulation.random_series import ORIGINAL


class Slot(NamedTuple):
    """A slot, and on whose clocks it is."""

    number: int
    at: datetime
    zone: tzinfo


Wanted = tuple[datetime, int | None]
"""A slot's time on the wall clock, and its number; an added date has none."""
FAR = 60
"""So many slots behind the last one that has a task are looked at: a pause without an end has no last one."""


def ahead(history: History) -> list[Task]:
    """Return the tasks that the worker answers for: open, untouched, to come, and never completed."""
    return [
        task
        for task in history.open_tasks()
        if task.id != ORIGINAL
        and task.is_touched is False
        and task.id not in history.reopened
        and isinstance(task.due_date, datetime)
        and task.due_date > history.now
    ]


def wanted(history: History) -> Iterator[Wanted]:
    """Yield what should have a task, in order, from the highest completed slot on."""
    slots, dates = list(line(history)), added(history)
    numbers = {task.id: 0 if task.id == ORIGINAL else task.occurrence_number for task in history.store.tasks.values()}
    done = [task for task in history.store.tasks.values() if task.is_completed]
    places = {slot.number: slot.at for slot in slots}
    memory = history.memory  # what is done counts past the end of its rule, too, where no other took its slot
    counted = (numbers[t.id] for t in done if memory is None or not is_void(memory, numbers[t.id] or 0))
    finished = max((number for number in counted if number is not None), default=-1)
    behind = [places.get(finished, task.occurrence_at) for task in done if numbers[task.id] == finished]
    behind += [task.occurrence_at for task in done if numbers[task.id] is None and task.occurrence_at in dates]
    last = max((at for at in behind if at is not None), default=None)
    lacking, known = history.recurrence.horizon + 1, set(places.values())
    made = memory.added if memory is not None else frozenset[datetime]()
    numbered = ((slot.at, slot.number) for slot in slots if slot.number >= max(finished, 0))
    for at, number in merge(
        numbered, ((at, None) for at in dates if at not in known or at in made), key=lambda each: each[0]
    ):
        if is_unwanted(history, at, number):
            continue
        yield at, number
        lacking -= last is None or at > last
        if not lacking:
            return


def is_unwanted(history: History, at: datetime, number: int | None) -> bool:
    """Say whether a slot is passed over, by what the original says or because somebody asked for that."""
    skipped = history.memory.skipped if history.memory is not None else {}
    if history.memory is not None and number is not None and at in history.memory.added:
        return True  # it was there before, as an added date
    return (wall_text(at) if number is None else str(number)) in skipped or history.recurrence.passes_over(at)


def is_void(memory: SeriesMemory, number: int) -> bool:
    """Say whether no rule of a series has a slot of a number any more."""
    lasts = [min((r.replaces for r in memory.revisions[i:]), default=None) for i in range(1, len(memory.revisions) + 1)]
    spans = zip(memory.revisions, lasts, strict=True)
    return not any(each.first <= number and (last is None or number < last) for each, last in spans)


def line(history: History) -> Iterator[Slot]:
    """Yield the slots of a series, each rule up to where a later one takes its place; from completion, those known."""
    revisions = history.memory.revisions if history.memory is not None else ()
    top = FAR + max((task.occurrence_number or 0 for task in history.store.tasks.values()), default=0)
    for index, revision in enumerate(revisions):
        last = min((later.replaces - 1 for later in revisions[index + 1 :]), default=None)
        if revision.from_completion:
            slots: Iterable[tuple[int, datetime]] = _known(history, revision)
        elif revision.rule == NONE:
            continue
        else:
            rule = read_rule(revision.rule).rule if index + 1 < len(revisions) else history.recurrence.rule
            slots = _slots(revision, rule, top)
        zone = time_zone(revision.timezone)
        yield from (Slot(n, at, zone) for n, at in takewhile(partial(_is_before, last), slots))


def _is_before(last: int | None, slot: tuple[int, datetime]) -> bool:
    return last is None or slot[0] <= last


def _known(history: History, revision: Revision) -> list[tuple[int, datetime]]:
    tasks = history.store.tasks.values()
    numbered = {t.occurrence_number: t.occurrence_at for t in tasks if t.occurrence_number is not None}
    found = {n: at for n, at in numbered.items() if n >= revision.first and at is not None}
    return sorted((found if revision.first else {0: revision.anchor} | found).items())


def _slots(revision: Revision, rule: Rule, top: int) -> Iterator[tuple[int, datetime]]:
    times: Iterator[datetime]
    if revision.start is None:
        times = chain([revision.anchor], instances(rule, revision.anchor))
    else:
        times = instances(rule, revision.anchor, revision.start - datetime.resolution)
    end, last = last_moment(rule, revision.anchor), top if rule.count is None else revision.first + rule.count
    for number, at in zip(range(revision.first, last), times, strict=False):
        if end is not None and at > end and number > 0:
            return
        yield number, at


def added(history: History) -> list[datetime]:
    """Return the added dates, in order."""
    memory = history.memory
    made = memory.added if memory is not None else ()
    wall = memory.revisions[0].anchor if memory is not None else history.wall
    return history.recurrence.added_at(wall, made)


def due_of(history: History, at: datetime, zone: tzinfo | None = None) -> datetime:
    """Return when a slot is due, shifted as the original says; that of another rule may be on other clocks."""
    return in_utc(history.recurrence.moved(at) or at, zone or history.zone)


def off_the_line(history: History) -> str | None:
    """Say which untouched task ahead is on no slot that is wanted now."""
    if not _is_in_line(history):
        return None
    slots, dates = {slot.number: slot for slot in line(history)}, added(history)
    for task in ahead(history):
        at, number = task.occurrence_at, task.occurrence_number
        slot = slots.get(number) if number is not None else None
        if at is None or (at not in dates if number is None else slot is None or slot.at != at):
            return f"{history.name(task)} is on no slot: {slot}"
        if is_unwanted(history, at, number):
            return f"{history.name(task)} is not wanted"
        if task.due_date != due_of(history, at, slot.zone if slot is not None else None) and not _is_back(
            history, task
        ):
            return f"{history.name(task)} is due at {task.due_date}"
    return None


def _is_back(history: History, task: Task) -> bool:
    """Say whether a task was put back where it was: counted from completion, nothing else says where its slot is."""
    revisions = history.memory.revisions if history.memory is not None else ()
    before = [each for each in revisions if each.first <= (task.occurrence_number or 0)]
    copies = [kept for (_, task_id), kept in history.store.kept.items() if task_id == task.id]
    return bool(before) and before[-1].from_completion and any(kept.due_date == task.due_date for kept in copies)


def lacks_slots(history: History) -> str | None:
    """Say which slot ahead, as far as the horizon, has no task; none is owed before one that was ever completed."""
    if not _is_in_line(history) or {t.id for t in history.done} - history.store.tasks.keys():
        return None  # where what was completed is gone, nobody knows how far it was
    if not history.is_over and history.is_behind:
        return None  # a completion taken back and a skip at once may leave one to reconciliation
    numbers = {task.occurrence_number for task in history.store.tasks.values()} | history.deleted_slots | {0}
    for at, number in wanted(history):
        if (
            number is not None
            and number > history.once_done
            and number not in numbers
            and due_of(history, at) > history.now
        ):
            return f"slot {number} ({at:%a %Y-%m-%d %H:%M}) has no task"
    return None


def many_ahead(history: History) -> str | None:
    """Say which untouched tasks are ahead together, where completions are counted from."""
    if not history.is_changed or not history.is_calm or not history.is_followed or history.is_untraced:
        return None
    if not history.recurrence.from_completion:
        return None
    first = history.memory.current.first if history.memory is not None else 0
    found = [task for task in ahead(history) if (task.occurrence_number or 0) >= first]
    return f"{len(found)} are open: {', '.join(map(history.name, found))}" if len(found) > 1 else None


def _is_in_line(history: History) -> bool:
    """Say whether a series that was changed by people should be as it says now."""
    is_rest = history.is_changed and history.is_calm and _has_ended(history.visit)
    is_known = history.is_followed and not history.is_untraced
    return is_rest and is_known and not history.recurrence.from_completion


def _has_ended(visit: Visit | None) -> bool:
    return visit is not None and not visit.died


def unfollowed(history: History) -> str | None:
    """Say what edit is not followed in the end, and was not refused either; an end that was told of never is."""
    if not (history.is_over and history.is_calm) or history.is_followed or history.memory is None:
        return None
    if history.head.repeat_type == NONE:
        goes_on = history.memory.current.rule != NONE and _was_told(history)
        return f"it was told to end, and goes on by {history.memory.current.rule}" if goes_on else None
    if any(e.operation is Operation.UPDATE for e in _refused(history)):
        return None
    return f"{history.head.recurrence or history.head.repeat_type} is not followed, and no event says why"


def _was_told(history: History) -> bool:
    """Say whether anybody told of the original as it is now."""
    since = history.head.updated_at
    told = (event.created_at for event in history.finished if event.operation is Operation.UPDATE)
    return since is not None and any(at > since for at in told)


def _refused(history: History) -> list[TaskEvent]:
    return [event for event in history.finished if event.id in history.refusals]
