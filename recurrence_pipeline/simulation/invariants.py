"""What must hold in every history, each as a name, a sentence and a function. What is expected is counted here anew.

The planner finds slots by number, remembers how far it was, and reads what is there. Here all slots are counted from
the first date on, by the rule alone, with nothing remembered: what both come to must be the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import count, pairwise

from recurrence_pipeline.domain.calendar import in_utc, timed
from recurrence_pipeline.domain.model import Action, Operation, Task, TaskEvent, activity_id
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.zones import time_zone
from recurrence_pipeline.simulation.history import History, Visit
from recurrence_pipeline.simulation.random_series import ORIGINAL
from recurrence_pipeline.simulation.store import Store, plan_of

FEW = 16
"""Slots that are counted at first; mostly no more are needed."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """What always holds. `broken` looks at a history after a step, and says what is wrong; None where all is well."""

    name: str
    sentence: str
    broken: Callable[[History], str | None]


# What is expected


def expected(history: History, done: datetime | None) -> Iterator[datetime]:
    """Yield the times that should have a task when everything up to `done` is completed, in order."""
    lacking = history.recurrence.horizon + 1
    for at in due_times(history):
        yield at
        lacking -= done is None or at > done
        if not lacking:
            return


def due_times(history: History) -> Iterator[datetime]:
    """Yield all times of a series: the slots that are not passed over, and the dates that are added."""
    recurrence, wall = history.recurrence, history.wall
    added = recurrence.added_at(wall)
    first = slots(history, FEW + 7 * len(added))
    dates = [at for at in added if at not in first]
    for number in count():
        known = slots(history, number + 1)
        while dates and (number >= len(known) or dates[0] < known[number]):
            yield dates.pop(0)
        if number >= len(known):
            return
        if not recurrence.passes_over(known[number]):
            yield known[number]


def slots(history: History, least: int) -> tuple[datetime, ...]:
    """Return so many slots on the wall clock, or all there are, counted from the first by the rule alone."""
    size = FEW
    while size < least:
        size *= 2
    return _slots(history.recurrence.text, history.wall, history.original.timezone, size)


@lru_cache(maxsize=16)
def _slots(rule: str, wall: datetime, zone: str | None, size: int) -> tuple[datetime, ...]:
    return tuple(at for at, _ in timed(wall, rule, 0, size, time_zone(zone)))


def place(history: History, task: Task) -> datetime:
    """Return when the slot of a task is on the wall clock."""
    return history.wall if task.occurrence_at is None else task.occurrence_at


# The invariants


def _raised(history: History) -> str | None:
    return history.raised


def _slot_twice(history: History) -> str | None:
    seen: dict[object, Task] = {}
    for task in history.store.tasks.values():
        other = seen.setdefault(place(history, task), task)
        if other is not task:
            return f"{history.name(task)} has two tasks: {other.id} and {task.id}"
    return None


def _slot_lost(history: History) -> str | None:
    if not history.is_calm:
        return None
    done = max((place(history, t) for t in history.store.tasks.values() if t.is_completed), default=None)
    had = {place(history, task) for task in history.made.values()} | {history.wall}
    return next((f"{at:%a %Y-%m-%d %H:%M} never had a task" for at in expected(history, done) if at not in had), None)


def _too_far(history: History) -> str | None:
    done = max((place(history, task) for task in history.done), default=None)
    wanted = set(expected(history, done))
    too_far = (task for task in history.made.values() if place(history, task) not in wanted)
    return next((f"{history.name(task)} has a task too early" for task in too_far), None)


def _comes_back(history: History) -> str | None:
    back = history.deleted & history.store.tasks.keys()
    return next((f"{history.name(history.store.tasks[i])} was deleted, and is there again" for i in sorted(back)), None)


def _number_moves(history: History) -> str | None:
    known = slots(history, 1 + max((task.occurrence_number or 0 for task in history.made.values()), default=0))
    for task in history.made.values():
        number, at = task.occurrence_number, task.occurrence_at
        if at is None or task.due_date != in_utc(at, history.zone):
            return f"{history.name(task)} is due at {task.due_date}"
        if number is not None and known[number] != at:
            return f"{history.name(task)} is at {known[number]:%Y-%m-%d %H:%M} by the rule alone"
    return None


def _not_in_order(history: History) -> str | None:
    numbered = {
        t.occurrence_number: place(history, t) for t in history.made.values() if t.occurrence_number is not None
    }
    walls = [history.wall, *(numbered[number] for number in sorted(numbered))]
    wrong = (late for early, late in pairwise(walls) if not early < late)
    return next((f"{at:%Y-%m-%d %H:%M} is not later than the slot before it" for at in wrong), None)


def _on_excluded(history: History) -> str | None:
    wrong = (task for task in history.made.values() if history.recurrence.excludes(place(history, task)))
    return next((f"{history.name(task)} is excluded, and has a task" for task in wrong), None)


def _touched_changed(history: History) -> str | None:
    for task_id, left in history.touched.items():
        now = history.store.tasks.get(task_id)
        if now != left and task_id not in history.deleted | history.store.removed.keys():
            return f"{history.name(left)} was changed by a person, and then by the worker: {left} is {now}"
    return None


def _untold(history: History) -> str | None:
    if not history.is_calm:
        return None
    there = ((i, task) for i, task in history.store.tasks.items() if i != ORIGINAL)
    untold = (task for i, task in there if activity_id(Action.CREATED, i) not in history.store.told)
    return next((f"nobody was told of {history.name(task)}" for task in untold), None)


def _outlives(history: History) -> str | None:
    if history.queue or ORIGINAL in history.store.tasks:
        return None
    return next((f"{history.name(t)} is there without its original" for t in history.store.tasks.values()), None)


def _miscounted(history: History) -> str | None:
    for event_id, said in history.counts.items():
        if said != (found := len(history.removed.get(event_id, ()))):
            return f"deletion {event_id} says that it removed {said}, and removed {found}"
    return None


def _not_once(history: History) -> str | None:
    visit = history.visit
    if visit is None or visit.died:
        return None
    again = plan_of(visit.after, _asking(visit), visit.now, history.planner)
    return f"the same events once more would write {written}" if (written := _written(again)) else None


def _order_matters(history: History) -> str | None:
    visit = history.visit
    if visit is None or visit.died or len(visit.events) != len(_asking(visit)):
        return None
    other = visit.before.copy()
    for event in sorted(visit.events, key=lambda event: event.id[::-1], reverse=len(visit.events) % 2 == 0):
        for write in other.writes(plan_of(other, [event], visit.now, history.planner), visit.now):
            write()
    return _difference(visit.after, other)


def _asking(visit: Visit) -> list[TaskEvent]:
    return [event for event in visit.events if event.operation is not Operation.DELETE]


def _written(plan: Plan) -> str:
    names = ("occurrences", "links", "cursors", "removals")
    counts = {name: len(getattr(plan, name)) for name in names}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _difference(one: Store, other: Store) -> str | None:
    """Say what differs between what two ways ended in, but for who made what."""
    a, b = one.tasks, other.tasks
    if a.keys() != b.keys():
        return f"one way there are {sorted(a.keys() - b.keys())}, the other way {sorted(b.keys() - a.keys())}"
    unlike = (f"{a[i]} is {b[i]} the other way" for i in a if a[i] is not b[i] and _facts(a[i]) != _facts(b[i]))
    if (found := next(unlike, None)) is not None:
        return found
    return None if one.memories == other.memories else f"{one.memories} is {other.memories} the other way"


def _facts(task: Task) -> tuple[object, ...]:
    return task.title, task.due_date, task.is_completed, task.occurrence_number, task.occurrence_at


INVARIANTS = (
    Invariant(
        "planning_never_fails",
        "Whatever happens, planning ends in a plan.",
        _raised,
    ),
    Invariant(
        "no_slot_twice",
        "No slot ever has two tasks.",
        _slot_twice,
    ),
    Invariant(
        "no_slot_lost",
        "Once all events are processed, every slot up to the horizon has had its task.",
        _slot_lost,
    ),
    Invariant(
        "nothing_too_early",
        "No task is made beyond the horizon behind what was completed.",
        _too_far,
    ),
    Invariant(
        "deleted_stays_deleted",
        "What a person deleted is not made again.",
        _comes_back,
    ),
    Invariant(
        "excluded_changes_no_other_slot",
        "A number is the slot that the rule alone puts there, whatever is excluded or added.",
        _number_moves,
    ),
    Invariant(
        "slots_increase_on_the_wall_clock",
        "A slot with a higher number is later on the wall clock, whatever the clocks do.",
        _not_in_order,
    ),
    Invariant(
        "nothing_on_excluded_dates",
        "An excluded date has no task.",
        _on_excluded,
    ),
    Invariant(
        "touched_is_never_changed",
        "What a person changed, no worker changes.",
        _touched_changed,
    ),
    Invariant(
        "every_task_is_told_of",
        "The user's activity log has a line for every task that was made.",
        _untold,
    ),
    Invariant(
        "nothing_outlives_its_original",
        "Once the deletion of an original is processed, none of its occurrences is left.",
        _outlives,
    ),
    Invariant(
        "a_deletion_counts_what_it_removed",
        "A deletion says how many tasks it removed, in all its tries together.",
        _miscounted,
    ),
    Invariant(
        "plan_twice_is_once",
        "The same events once more have nothing left to do.",
        _not_once,
    ),
    Invariant(
        "order_does_not_matter",
        "Events in any order, together or one by one, come to the same tasks.",
        _order_matters,
    ),
)
"""All of them; docs/explanation/guarantees.md has the same table."""
