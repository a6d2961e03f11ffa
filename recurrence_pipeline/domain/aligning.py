"""Bringing the open tasks ahead in line with what a series says now. Pure.

Only what is open, to come and untouched is changed. A task on a slot of an earlier rule takes the place of one that
appears, so that it keeps its id and its number: its own slot never comes again, and nobody else will have its id. What
has no slot otherwise goes. Everything else stays, and it is said why.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import takewhile

from recurrence_pipeline.domain.content import content_for
from recurrence_pipeline.domain.difference import ChangeKind, SlotChange
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plan import NewOccurrence, SlotEdit
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.slot_line import Slot

TOUCHED = "a person changed it"
ON_ITS_SLOT = "it is on its slot"
NO_SLOT = "the series has no slot there any more"
BEYOND = "further ahead than the series is kept"


@dataclass(slots=True)
class Alignment:
    """What brings a series in line.

    `begun` are occurrences that a worker which died may have told nobody of, nor given all their sub-tasks; `vacated`
    the slots that lose their tasks and have a place in the series still, `lowered` what is remembered in the end, where
    that is less.
    """

    new: list[NewOccurrence] = field(default_factory=list)
    begun: list[NewOccurrence] = field(default_factory=list)
    edits: list[SlotEdit] = field(default_factory=list)
    going: list[Task] = field(default_factory=list)
    changes: list[SlotChange] = field(default_factory=list)
    vacated: frozenset[int] = frozenset()
    lowered: SeriesMemory | None = None

    @property
    def is_change(self) -> bool:
        """Whether anything is written."""
        return bool(self.new or self.edits or self.going)


def is_ahead(task: Task, now: datetime) -> bool:
    """Say whether a task is open and to come."""
    return not task.is_completed and isinstance(task.due_date, datetime) and task.due_date > now


def align(
    state: SeriesState, series: Series, event_id: str, now: datetime, *, content: bool, only_new: bool = False
) -> Alignment:
    """Compare a series with what it should be; with `only_new`, slots that appear are all that is looked for."""
    done = Alignment()
    ahead = [t for t in series.occurrences if is_ahead(t, now) and t.id in state.open]
    free = [] if only_new else [t for t in ahead if t.is_touched is False]
    doubles = _doubles(state, series, free)
    going = [t for t in free if t.id in doubles or not _has_slot(state, t)]
    for task in going:  # the horizon is not counted from what goes
        state.open.pop(task.id)
    kept = [state.slots[t.id] for t in series.occurrences if t.id in state.slots and t not in free]
    passed = _passed_over(state)
    kept += _deleted(state) if passed else ()  # the cursor stays behind those, too
    not_gone_by = {n: slot for n, slot in passed.items() if slot.due > now or n in state.wanted_again}
    limit = partial(_limit, state, passed.keys() - not_gone_by.keys() - {*state.slots.values()})
    appearing = list(_appearing(state, event_id, not_gone_by, limit, behind=max(kept, default=0), only_new=only_new))
    wanted = sorted((new for new, exists in appearing if not exists), key=lambda new: new.at)
    done.begun = [new for new, exists in appearing if exists]
    to_come = [new for new in wanted if new.slot is not None and new.due > now]
    moving = dict(_paired([t for t in going if _is_void(state, t)], to_come))
    done.new = [new for new in wanted if new.id not in {each.id for each in moving.values()}]
    done.going = [t for t in going if t.id not in moving]
    state.passed |= vacated(state, (t for t in going if t.id not in doubles))
    for task_id, new in moving.items():
        state.take_over(task_id, new)
    wished = content_for(state.original)
    for task in free:
        if task in done.going:
            continue
        slot = moving.get(task.id) or _expected(state, task, event_id)
        is_moved = slot is not None and (slot.due != task.due_date or slot.slot != task.occurrence_number)
        new_content = wished if content and wished != dict(task.content) else None
        if is_moved or new_content is not None:
            done.edits.append(SlotEdit(task.id, state.original.id, slot if is_moved else None, new_content))
    _trim(done, state, series, free, limit())
    done.vacated = vacated(state, (t for t in done.going if t.id not in doubles))
    state.passed |= done.vacated  # whatever is remembered next: a try that dies before the cursor goes back needs it
    done.changes = sorted(_told(done, state, ahead), key=lambda change: (change.due, change.task_id))
    return done


def _has_slot(state: SeriesState, task: Task) -> bool:
    if task.id in state.dates:
        date = state.dates[task.id]
        return date in state.added() and not state.skips(date)
    number = state.slots[task.id]
    if _is_void(state, task):
        return False
    if state.recurrence.from_completion:  # the one open task stays, wherever its day is now
        return True
    at = state.at(number)
    return at is not None and not state.skips(at, number)


def _doubles(state: SeriesState, series: Series, free: Iterable[Task]) -> set[str]:
    """Return the tasks on whose slot is another one: two workers put them there at the same moment."""
    movable, taken, doubles = {t.id for t in free}, set[int](), set[str]()
    for task in sorted(series.occurrences, key=lambda t: (t.id in movable, t.id)):
        number = state.slots.get(task.id)
        if number in taken and task.id in movable:
            doubles.add(task.id)
        elif number is not None:
            taken.add(number)
    return doubles


def _is_void(state: SeriesState, task: Task) -> bool:
    return task.id in state.slots and state.line.stretch_of(state.slots[task.id]) is None


def vacated(state: SeriesState, going: Iterable[Task]) -> frozenset[int]:
    """Return the slots of tasks that go, as far as they are slots still: they are passed over, and nobody's doing."""
    numbers = (state.slots[task.id] for task in going if task.id in state.slots)
    return frozenset(number for number in numbers if state.line.stretch_of(number) is not None)


def _passed_over(state: SeriesState) -> dict[int, Slot]:
    """Return the slots behind the last completed one that were passed over, by number."""
    numbers = [number for number in state.passed if number > state.finished]
    if not numbers:
        return {}
    first, last = min(numbers), max(numbers)
    found = takewhile(lambda slot: slot.number <= last, state.onward(first, last - first + 1))
    return {slot.number: slot for slot in found if slot.number in state.passed}


def _deleted(state: SeriesState) -> Iterator[int]:
    """Yield the slots behind the last completed one that have no task by what somebody did."""
    there = {*state.slots.values()}
    for number in range(state.finished + 1, state.cursor + 1):
        if number not in there and str(number) not in state.skipped and not _has_no_task(state, number):
            yield number


def _appearing(
    state: SeriesState,
    event_id: str,
    not_gone_by: Mapping[int, Slot],
    limit: Callable[[], int | None],
    *,
    behind: int,
    only_new: bool,
) -> Iterator[tuple[NewOccurrence, bool]]:
    """Yield the occurrences to make: of slots that were passed over and are wanted again, then of those to come.

    Each with whether an earlier try of the event has made it. No slot up to `behind` is too far ahead: the cursor stays
    there.
    """
    there, last = {number: task_id for task_id, number in state.slots.items()}, limit()
    for number in sorted(state.passed):
        if number in there and state.makers.get(there[number]) != event_id:
            if not only_new or number in state.wanted_again:  # else another event may be about to retire it
                state.passed -= {number}
            continue
        slot, is_near = not_gone_by.get(number), last is not None and number <= max(last, behind)
        again = is_near or number in state.wanted_again
        if again and slot is not None and not state.skips(slot.at, number):
            state.passed -= {number}
            yield state.take_in(state.occurrence(slot, event_id))
            last = limit()  # counted behind the first open one, which this may be
    yield from state.advance(event_id)


def _limit(state: SeriesState, gone_by: Collection[int]) -> int | None:
    """Return the last slot that should be there as things stand; None where none is known before its time.

    What was passed over and has `gone_by` is not made any more, wanted as it may be: more lies ahead instead.
    """
    if state.recurrence.from_completion or state.is_stopped:
        return None
    open_slots = [state.slots[i] for i in state.open if i in state.slots]
    if not state.original.is_completed:
        open_slots.append(state.original_slot)
    return state.reach_behind(max(state.finished, min(open_slots, default=0) - 1), gone_by).number


def _paired(going: Iterable[Task], wanted: Iterable[NewOccurrence]) -> Iterator[tuple[str, NewOccurrence]]:
    """Yield which task takes which slot: first those that stay at their time, then the others in order."""
    left = sorted(going, key=lambda task: (str(task.due_date), task.id))
    others = list[NewOccurrence]()
    for new in wanted:
        same = next((task for task in left if task.due_date == new.due), None)
        if same is None:
            others.append(new)
        else:
            left.remove(same)
            yield same.id, new
    yield from ((task.id, new) for task, new in zip(left, others, strict=False))


def _expected(state: SeriesState, task: Task, event_id: str) -> NewOccurrence | None:
    """Return where a task should be that keeps its slot."""
    if task.id in state.dates:
        return state.on_date(state.dates[task.id], event_id)
    number = state.slots[task.id]
    if state.recurrence.from_completion and number >= state.revisions[-1].first:
        coming = state.counted_anew()
        return None if coming is None or coming.number != number else state.occurrence(coming, event_id)
    return next((state.occurrence(s, event_id) for s in state.timed(number, 1) if s.number == number), None)


def _trim(done: Alignment, state: SeriesState, series: Series, free: Iterable[Task], limit: int | None) -> None:
    """Let go of what lies further ahead than the horizon, and take the cursor back, so that it is made in its time."""
    memory = series.memory
    if memory is None or state.cursor > memory.number:  # then the cursor goes on
        return
    there = {number: task_id for task_id, number in state.slots.items()}
    by_id = {task.id: task for task in free}
    gone = {task.id for task in done.going}
    top = max([state.cursor, *there])  # a worker that died may have made some behind the cursor
    while limit is not None and top > limit:
        task = by_id.get(there.get(top, ""))
        if task is not None:
            done.going += [task] if task.id not in gone else []
        elif top in there or (top <= state.cursor and not _has_no_task(state, top)):
            break
        top -= 1
    top = min(top, state.cursor)
    done.lowered = replace(memory, number=top, at=state.cursor_at(top), passed=state.passed_up_to(top))
    trimmed = {task.id for task in done.going} - gone
    done.edits = [edit for edit in done.edits if edit.task_id not in trimmed]


def _has_no_task(state: SeriesState, number: int) -> bool:
    return number in state.passed or state.line.stretch_of(number) is None


def _told(done: Alignment, state: SeriesState, ahead: Iterable[Task]) -> Iterator[SlotChange]:
    edits = {edit.task_id: edit for edit in done.edits}
    gone = {task.id for task in done.going}
    for new in done.new:
        yield SlotChange(ChangeKind.APPEARS, new.id, new.slot, new.due, "the series has a slot there")
    for task in ahead:
        edit, number = edits.get(task.id), state.slots.get(task.id)
        due = task.due_date if isinstance(task.due_date, datetime) else state.original_date
        if task.id in gone:
            why = NO_SLOT if not _has_slot(state, task) else BEYOND
            yield SlotChange(ChangeKind.GOES, task.id, number, due, why)
        elif edit is None:
            why = TOUCHED if task.is_touched is not False else ON_ITS_SLOT
            yield SlotChange(ChangeKind.STAYS, task.id, number, due, why)
        elif edit.slot is None or edit.slot.due == due:
            at = edit.slot.slot if edit.slot else number
            yield SlotChange(ChangeKind.CHANGES, task.id, at, due, "its content follows the original's")
        else:
            why = "its slot moved"
            yield SlotChange(ChangeKind.MOVES, task.id, edit.slot.slot, edit.slot.due, why, due)
