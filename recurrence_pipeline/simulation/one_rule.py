"""What holds of a series that nobody changed, whose tasks are all on one rule. Each says what is wrong, or None."""

from collections.abc import Callable
from itertools import pairwise
from operator import itemgetter

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.recurrence import Missed
from recurrence_pipeline.simulation.expected import counted_from, due_of, expected, place, slots, time_has_come
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.random_series import ORIGINAL


def _unchanged(broken: Callable[[History], str | None]) -> Callable[[History], str | None]:
    """Look at histories in which nobody changed the series itself: there all that was ever made is on one rule."""
    return lambda history: None if history.is_changed else broken(history)


@_unchanged
def slot_lost(history: History) -> str | None:
    """Say which slot within the horizon never had a task."""
    if not history.is_calm or history.recurrence.from_completion:
        return None
    if history.recurrence.missed is not Missed.EACH and not _was_visited(history):
        return None
    done = max((place(history, t) for t in history.store.tasks.values() if t.is_completed), default=None)
    had = {place(history, task) for task in history.made.values()} | {history.wall}
    lost = (at for at in expected(history, done) if at not in had)
    return next((f"{at:%a %Y-%m-%d %H:%M} never had a task" for at in lost), None)


@_unchanged
def too_far(history: History) -> str | None:
    """Say which task was made before its slot was within the horizon."""
    if history.recurrence.from_completion:
        return None
    done = max((place(history, task) for task in history.done), default=None)
    wanted = set(expected(history, done))
    too_far = (task for task in history.made.values() if place(history, task) not in wanted)
    return next((f"{history.name(task)} has a task too early" for task in too_far), None)


@_unchanged
def number_moves(history: History) -> str | None:
    """Say which task is on another slot than its number has by the rule alone."""
    known = slots(history, 1 + max((task.occurrence_number or 0 for task in history.made.values()), default=0))
    for task in history.made.values():
        number, at = task.occurrence_number, task.occurrence_at
        if at is None or task.due_date != in_utc(task.shifted_to or at, history.zone):
            return f"{history.name(task)} is due at {task.due_date}"
        if history.recurrence.from_completion:
            continue
        if number is not None and known[number] != at:
            return f"{history.name(task)} is at {known[number]:%Y-%m-%d %H:%M} by the rule alone"
    return None


@_unchanged
def not_in_order(history: History) -> str | None:
    """Say which slot is not later than the one before it."""
    if history.recurrence.from_completion:  # who is early may have the same day again
        return None
    numbered = {
        t.occurrence_number: place(history, t) for t in history.made.values() if t.occurrence_number is not None
    }
    walls = [history.wall, *(numbered[number] for number in sorted(numbered))]
    wrong = (late for early, late in pairwise(walls) if not early < late)
    return next((f"{at:%Y-%m-%d %H:%M} is not later than the slot before it" for at in wrong), None)


@_unchanged
def on_excluded(history: History) -> str | None:
    """Say which task is on an excluded slot."""
    wrong = (task for task in history.made.values() if history.recurrence.excludes(place(history, task)))
    return next((f"{history.name(task)} is excluded, and has a task" for task in wrong), None)


@_unchanged
def paused(history: History) -> str | None:
    """Say which task lies in a pause."""
    wrong = (task for task in history.made.values() if history.recurrence.pause_at(place(history, task)))
    return next((f"{history.name(task)} lies in a pause, and has a task" for task in wrong), None)


@_unchanged
def on_a_day_off(history: History) -> str | None:
    """Say which task is not where its day off moves it."""
    for task in history.made.values():
        at = place(history, task)
        if history.recurrence.moved(at) != (task.shifted_to or at):
            return f"{history.name(task)} is at {task.shifted_to or at:%a %Y-%m-%d}"
    return None


@_unchanged
def two_open(history: History) -> str | None:
    """Say which tasks are open together, where completions are counted from."""
    if not history.recurrence.from_completion:
        return None
    found = history.open_tasks()
    return f"{len(found)} are open: {', '.join(map(history.name, found))}" if len(found) > 1 else None


@_unchanged
def not_from_completion(history: History) -> str | None:
    """Say which task was not counted from the completion before it."""
    if not history.recurrence.from_completion:
        return None
    done = {task.occurrence_number or 0: task for task in history.done}
    for task in history.made.values():
        before = done.get((task.occurrence_number or 0) - 1)
        if before is None or before.completed_at is None:
            return f"{history.name(task)} was made, and the one before it was not completed"
        if (at := counted_from(history, before.completed_at)) != task.occurrence_at:
            return f"{history.name(task)}, counted from {before.completed_at}, is {at}"
    return None


@_unchanged
def missed_stays(history: History) -> str | None:
    """Say which task was missed, and stays open although it should not."""
    missed = history.recurrence.missed
    if not history.is_calm or missed is Missed.EACH or not _was_visited(history):
        return None
    beginning = time_has_come(history)
    if beginning is None:
        return None
    others = [(place(history, task), task) for task in history.open_tasks() if task.id != ORIGINAL]
    others.sort(key=itemgetter(0))  # of those that days off move to one time, the latest is the one of the last slot
    passed = [task for at, task in others if at < beginning and due_of(history, at) <= history.now]
    stays = [task for task in (passed[:-1] if missed is Missed.LATEST else passed) if not task.is_touched]
    return next((f"{history.name(task)} was missed, and is still open" for task in stays), None)


def _was_visited(history: History) -> bool:
    visit = history.visit
    return visit is not None and not visit.died and any(e.id not in history.refusals for e in visit.asking)
