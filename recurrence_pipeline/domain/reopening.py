"""What a completion made, and what of it can be taken back when the task is open again. Pure.

It is taken back as a whole, and the cursor goes back to where it was, so that the next completion makes it anew; or it
is refused, and the reason names what stands in the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from recurrence_pipeline.domain.errors import ChangeRefused
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.series import KEPT_PASSED, SeriesState
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.domain.zones import wall_text

Maker = tuple[str, str]
"""What an event that made occurrences asked for, and of which task."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The tasks that go, and what is remembered then."""

    tasks: tuple[Task, ...]
    memory: SeriesMemory


def taken_back(
    state: SeriesState, series: Series, memory: SeriesMemory, event: TaskEvent, makers: Mapping[str, Maker]
) -> TakenBack:
    """Return what goes because tasks are open again that were completed.

    `makers` are the events that are still kept, of those that made the occurrences of the series.

    Raises:
        ChangeRefused: a person changed, completed or deleted some of it, or it is not known any more what made it.
    """
    still_open = {t.id for t in (state.original, *series.occurrences) if not t.is_completed}
    completions = {
        i for i, (operation, task) in makers.items() if operation == Operation.COMPLETE and task in still_open
    }
    tasks, obstacle = _from_above(state, series, event, completions)
    dates = [t for t in series.occurrences if t.id in state.dates and _is_late_date(state, t)]
    bound = {t.id for t in (*tasks.values(), *dates) if t is not None}
    left = [t for t in series.occurrences if t.id not in bound and _is_beyond(state, t)]
    _require_free(state, left, dates, completions, makers, obstacle)
    dates = [t for t in dates if t.created_by_event in completions]
    numbers = [number for number, task in tasks.items()]
    going = tuple(t for t in (*tasks.values(), *dates) if t is not None)
    if not numbers and not dates:
        return TakenBack((), memory)
    added = memory.added - {state.dates[t.id] for t in dates} - _announced_dates(state, memory, event)
    number = memory.number
    if numbers:
        number = min(number, max(_target(state), _highest_before(state, min(numbers))))
    at = state.cursor_at(number)
    passed = state.passed_up_to(number) | _forgotten(state, event, number)
    return TakenBack(going, replace(memory, number=number, at=at, passed=passed, added=added))


def _forgotten(state: SeriesState, event: TaskEvent, number: int) -> frozenset[int]:
    """Return the slots up to a number that are passed over, and too far behind what was completed to be remembered."""
    last = min(state.slots.get(event.task_id, 0) - KEPT_PASSED, number)
    found = state.passed_over(state.finished + 1, last) - set(state.slots.values())
    return frozenset(each for each in found if state.line.stretch_of(each) is not None)


def _from_above(
    state: SeriesState, series: Series, event: TaskEvent, completions: set[str]
) -> tuple[dict[int, Task | None], str | None]:
    """Return, by number, what can be taken back from the cursor down, and what ends that before its end."""
    by_number = {state.slots[t.id]: t for t in series.occurrences if t.id in state.slots}
    found = dict[int, Task | None]()
    target = _target(state)
    behind = [n for n in by_number if n > max(state.cursor, target)]  # a worker that died may have made some
    for number in [*sorted(behind, reverse=True), *range(state.cursor, target, -1)]:
        task = by_number.get(number)
        if task is None:
            if occurrence_id(state.original.id, number) in event.deleting:
                found[number] = None
            elif not _has_no_task(state, number):
                return found, f"slot {number} was deleted by a person"
        elif task.is_completed:
            return found, f"task {task.id} (slot {number}) is completed"
        elif task.created_by_event not in completions:
            return found, f"task {task.id} (slot {number}) was made by something else"
        elif task.is_touched is not False:
            return found, f"a person changed task {task.id} (slot {number})"
        else:
            found[number] = task
    return found, None


def _target(state: SeriesState) -> int:
    """Return the slot that the series should have reached, as if nothing of what was completed before were done."""
    if state.recurrence.from_completion:  # the one that is open again, be it before what was completed since
        still_open = [] if state.original.is_completed else [state.original_slot]
        still_open += [state.slots[i] for i in state.open if i in state.slots]
        return max(min(still_open, default=state.finished), state.finished)
    return max(state.reach().number, state.finished)


def _is_beyond(state: SeriesState, task: Task) -> bool:
    number = state.slots.get(task.id)
    return number is not None and number > _target(state)


def _is_late_date(state: SeriesState, task: Task) -> bool:
    return not task.is_completed and state.dates[task.id] not in state.reach().dates


def _require_free(
    state: SeriesState,
    left: list[Task],
    dates: list[Task],
    completions: set[str],
    makers: Mapping[str, Maker],
    obstacle: str | None,
) -> None:
    touched = [t for t in dates if t.created_by_event in completions and t.is_touched is not False]
    if touched:
        raise ChangeRefused(f"The completion cannot be taken back: a person changed task {touched[0].id}")
    if any(t.created_by_event in completions for t in left):
        raise ChangeRefused(f"The completion cannot be taken back: {obstacle}")
    unknown = [t for t in left if t.created_by_event is not None and t.created_by_event not in makers]
    if unknown:
        number = state.slots[unknown[0].id]
        what = f"what made task {unknown[0].id} (slot {number}) is no longer known"
        raise ChangeRefused(f"The completion cannot be taken back: {what}")


def _announced_dates(state: SeriesState, memory: SeriesMemory, event: TaskEvent) -> set[datetime]:
    there = set(state.dates.values())
    missing = (at for at in memory.added if at not in there)
    return {at for at in missing if occurrence_id(state.original.id, wall_text(at)) in event.deleting}


def _highest_before(state: SeriesState, number: int) -> int:
    """Return where the cursor was before a slot was made: on the one before it that is wanted, or that has a task.

    One that was passed over may be wanted by now: an edit puts the cursor on it, and it stays without a task.
    """
    there, below = set(state.slots.values()), number - 1
    while below > 0 and below not in there and _has_no_task(state, below):
        below -= 1
    between = state.line.timed(below + 1, number - 1 - below, endless=True)
    wanted = (slot.number for slot in between if slot.number < number and not state.skips(slot.at, slot.number))
    return max(wanted, default=max(below, 0))


def _has_no_task(state: SeriesState, number: int) -> bool:
    """Say whether a slot is passed over, not wanted, or void: that it has no task is nobody's doing."""
    return number in state.passed or str(number) in state.skipped or state.line.stretch_of(number) is None
