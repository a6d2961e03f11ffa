"""How far one series is, and which slots it still lacks. Who asked, and what else a batch holds, is planning.py's.

Which slots it has, and who is on them, is series_slots.py's business, how far it should have been generated reach.py's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.memory import digest_of
from recurrence_pipeline.domain.model import Series, SeriesMemory, Task, occurrence_id
from recurrence_pipeline.domain.plan import CursorMove, NewOccurrence
from recurrence_pipeline.domain.reach import MAX_NEW_PER_SERIES, MAX_PASSED_OVER, Progress, Reach, slots_from_completion
from recurrence_pipeline.domain.recurrence import NONE, Missed
from recurrence_pipeline.domain.series_slots import SeriesSlots
from recurrence_pipeline.domain.slot_line import Slot
from recurrence_pipeline.domain.zones import wall_clock, wall_time

KEPT_PASSED = 100
"""So far behind the highest completed slot it is kept which were passed over: its completion may be taken back."""


class SeriesState(SeriesSlots):
    """How far a series is: its cursor, what is done, what is open, and how far it should be by now.

    Without `now` nothing is missed.
    """

    def __init__(
        self,
        series: Series,
        original: Task,
        timezone: str | None,
        *,
        asked_at: datetime | None = None,
        now: datetime | None = None,
    ) -> None:
        super().__init__(series, original, timezone, asked_at)
        memory = self.memory
        self.passed = memory.passed if memory is not None else frozenset[int]()
        self.wanted_again = set[int]()
        """The passed-over slots that a person wants, even if their time has come."""
        self._has_skips = bool(self._were_added or self.skipped or self.passed or not self.recurrence.is_plain)
        self._now = now
        self.finished, self._finished_id = -1, original.id
        self._finished_date: datetime | None = None
        self._finished_at: datetime | None = None
        """When the task of the highest completed slot was completed."""
        self.open = {t.id: t.parent_recurring_id for t in series.occurrences if not t.is_completed and self._has(t.id)}
        """What each open occurrence hangs on."""
        self._note_completed((original, *series.occurrences))

    def _note_completed(self, tasks: Iterable[Task]) -> None:
        self._original_is_open = not self.original.is_completed
        self._reach: Reach | None = None
        self._coming: Slot | None = None
        self._last: Slot | None = None
        for task in tasks:
            if task.is_completed:
                self._finish(task, task.completed_at or task.updated_at)

    @property
    def is_stopped(self) -> bool:
        """Whether its original did not recur when that was last followed."""
        return self.revisions[-1].rule == NONE

    @property
    def wanted(self) -> int:
        """The highest slot that should have been generated."""
        return self.reach().number

    @property
    def is_behind(self) -> bool:
        """Whether slots are still to be generated."""
        reach = self.reach()
        return self.cursor < reach.number or not self.made.issuperset(reach.dates)

    def complete(self, task: Task, moment: datetime | None = None) -> bool:
        """Count a task as completed, whatever its flag says, and say whether it is on a slot."""
        self.open.pop(task.id, None)
        self._original_is_open &= task.id != self.original.id
        self._reach = None
        return self._finish(task, task.completed_at or moment)

    def _finish(self, task: Task, moment: datetime | None) -> bool:
        date, number = self.dates.get(task.id), self.slots.get(task.id)
        if date is not None:
            if date in self.added():  # as with numbers: what is no slot any more says nothing of how far it is
                self._finished_date = max(self._finished_date or date, date)
        elif number is not None and number > self.finished and self.line.stretch_of(number) is not None:
            self.finished, self._finished_at, self._finished_id = number, moment, task.id
        return date is not None or number is not None

    def made_by(self, event_id: str) -> list[str]:
        """Return the occurrences that an earlier attempt of this event made and that are still there."""
        return [i for i, maker in self.makers.items() if maker == event_id and self._has(i)]

    def behind_cursor(self) -> list[str]:
        """Return the members that a worker which died has made: nobody may have been told of them."""
        dates = (i for i, date in self.dates.items() if date not in self.made)
        return [*(i for i, number in self.slots.items() if number > self.cursor), *dates]

    def advance(self, event_id: str) -> Iterator[tuple[NewOccurrence, bool]]:
        """Yield what the event should generate, each with whether it is there already, and move the cursor past it."""
        reach = self.reach()
        missing = self._missing(reach)
        ids = {slot.number: occurrence_id(self.original.id, slot.number) for slot in missing}
        taken = {n for task_id, n in self.slots.items() if n in ids and task_id != ids[n]}
        for slot in missing:
            self._last = slot
            if self._has_skips and self.skips(slot.at, slot.number):
                self.passed |= {slot.number}
            elif slot.number not in taken:
                yield self.take_in(self._occurrence(ids[slot.number], slot.number, slot.at, slot.due, event_id))
        for at in reach.dates:
            if at not in self.made and not self.skips(at):
                yield self.take_in(self.on_date(at, event_id))
        self.cursor = max(self.cursor, reach.number)
        if self.recurrence.from_completion:  # nothing is owed before one that is there, whatever made it
            self.cursor = max([self.cursor, *(n for n in self.slots.values() if self.line.stretch_of(n) is not None)])
        self.made |= frozenset(reach.dates)

    def _missing(self, reach: Reach) -> list[Slot]:
        """Return the slots that the cursor moves past.

        Raises:
            InvalidRecurrence: they are more than any honest history has.
        """
        missing = reach.number - self.cursor
        self._require_few(missing, MAX_NEW_PER_SERIES + (MAX_PASSED_OVER if self._has_skips else 0))
        if missing <= 0:
            return []
        if self._coming is not None:
            return [*self._made_before(self._coming.number), self._coming]
        slots = [slot for slot in self.line.timed(self.cursor + 1, missing) if slot.number <= reach.number]
        if missing > MAX_NEW_PER_SERIES:
            self._require_few(sum(not self.skips(slot.at, slot.number) for slot in slots), MAX_NEW_PER_SERIES)
        return slots

    def _require_few(self, missing: int, most: int) -> None:
        if missing > most and self.recurrence.missed is Missed.EACH:
            raise InvalidRecurrence(
                f"slot {self.finished} is completed but the cursor is {self.cursor}: refusing {missing} new tasks",
                field="occurrenceNumber",
                value=self.finished,
            )

    def _made_before(self, number: int) -> list[Slot]:
        """Return the slots behind the cursor that a worker which died has made: nobody may have been told of them."""
        places = {self.slots[i]: at for i, at in self._places.items() if self.cursor < self.slots.get(i, 0) < number}
        return [Slot(each, places[each], in_utc(places[each], self.zone)) for each in sorted(places)]

    def timed(self, first: int, count: int) -> list[Slot]:
        """Return slots from number `first` on, up to the end of the series, or as they would be completed when due."""
        if not self.recurrence.from_completion:
            return self.line.timed(first, count)
        return list(islice((slot for slot in self._as_completed() if slot.number >= first), count))

    def onward(self, first: int, size: int) -> Iterator[Slot]:
        """Yield slots from number `first` on, as `timed` has them; so many are read at once."""
        if not self.recurrence.from_completion:
            return self.line.onward(first, size)
        return (slot for slot in self._as_completed() if slot.number >= first)

    def was_missed(self, at: datetime) -> bool:
        """Say whether the task of a slot, if it was open, did not stay because its time passed."""
        if self.recurrence.missed is Missed.EACH:
            return False
        return bool(self._progress().missed([at]))

    def passed_over(self, first: int, last: int) -> set[int]:
        """Return which of these slots have no task because they are passed over, or void."""
        if last < first or not (self._has_skips or len(self.revisions) > 1):
            return set()
        if self.recurrence.from_completion:
            return {n for n in range(first, last + 1) if n in self.passed or self.line.stretch_of(n) is None}
        slots = [s for s in self.line.timed(first, last - first + 1, endless=True) if s.number <= last]
        wanted = {slot.number for slot in slots if not self.skips(slot.at, slot.number)}
        return {number for number in range(first, last + 1) if number not in wanted or number in self.passed}

    def unbroken(self) -> int:
        """Return the last slot up to which, from the cursor on, each has its task, is passed over, or void."""
        there, reached = set(self.slots.values()), self.cursor
        there |= self.passed_over(self.cursor + 1, min(max(there), self.cursor + MAX_NEW_PER_SERIES))
        while reached + 1 in there:
            reached += 1
        return reached

    def first_after(self, time: datetime) -> int:
        """Return the number of the first slot behind a time, be it past the end of the rule."""
        if self.recurrence.from_completion:
            later = (slot.number for slot in self._as_completed() if slot.due > time)
            return next(later, self.cursor + 1)
        return self.line.first_after(time, wall_clock("now", time, self.zone))

    def take_in(self, new: NewOccurrence) -> tuple[NewOccurrence, bool]:
        """Count an occurrence that is to be made as a member, and return it with whether it is one already."""
        new.is_there = is_there = self._has(new.id)
        if not is_there:
            if new.slot is None:
                self.dates[new.id] = new.at
            else:
                self.slots[new.id] = new.slot
            self._places[new.id] = new.at
            self.open[new.id] = self.original.id
        return new, is_there

    def _has(self, task_id: str) -> bool:
        return task_id in self.slots or task_id in self.dates

    def take_over(self, task_id: str, new: NewOccurrence) -> None:
        """Note that a member takes the slot of an occurrence that was to be made."""
        for each in (self.slots, self.open, self._places):
            each.pop(new.id, None)
        self.open[task_id] = self.original.id
        if new.slot is not None:
            self.slots[task_id] = new.slot
        self._places[task_id] = new.at

    def wants_again(self, slot: str) -> None:
        """Count a slot that was skipped as wanted; it is named as in the memory."""
        if slot.isdigit() and int(slot) <= self.cursor:
            self.passed |= {int(slot)}
            self.wanted_again.add(int(slot))
        elif not slot.isdigit() and (at := wall_time(slot)) is not None:
            self.made -= {at}
        self._reach = None

    def moves(self, number: int, dates: Iterable[datetime] = ()) -> list[CursorMove]:
        """Return the move that brings the memory to a slot, and to added dates; none where it has them already."""
        memory = self.memory
        made = self.made.union(dates, () if memory is not None else self.dates.values())
        if memory is not None and number <= memory.number and made == memory.added:
            return []
        reached = number if memory is None else max(number, memory.number)
        passed = self.passed_up_to(reached)
        at = self._last.at if self._last is not None and self._last.number == reached else self.cursor_at(reached)
        if memory is not None:
            moved = replace(memory, number=reached, at=at, added=made, passed=passed)
            return [CursorMove(self.original.id, moved)]
        followed = digest_of(self.original, self.original.timezone or self.timezone)
        memory = SeriesMemory(reached, self.revisions, self.original_slot, at, made, passed, followed=followed)
        return [CursorMove(self.original.id, memory, is_new=True)]

    def passed_up_to(self, number: int) -> frozenset[int]:
        """Return what is remembered of the slots that were passed over, where the cursor is at `number`."""
        return frozenset(n for n in self.passed if self.finished - KEPT_PASSED < n <= number)

    def at(self, number: int) -> datetime | None:
        """Return when a slot is on the wall clock; None past the end of the series, and where the number is void."""
        try:
            return next((slot.at for slot in self.timed(number, 1) if slot.number == number), None)
        except InvalidRecurrence as error:
            if error.field == "number":  # past the year 9999
                return None
            raise

    def cursor_at(self, number: int) -> datetime | None:
        """Return what is remembered of when a slot is: where the cursor stays there, that, be its rule at an end."""
        memory = self.memory
        return memory.at if memory is not None and memory.number == number else self.at(number)

    def next_open(self, task: Task) -> str | None:
        """Return the id of the open task with the lowest slot above that of a task which is on one."""
        if not self.dates:
            number = self.number(task) or 0
            later = ((slot, i) for i in self.open if (slot := self.slots[i]) > number)
            return min(later, default=(0, None))[1]
        at = self.place(task.id)
        places = ((place, i) for i in self.open if (place := self.place(i)) > at)
        return min(places, default=(at, None))[1]

    # What should exist

    def reach(self) -> Reach:
        """Return how far it should have been generated."""
        if self._reach is None:
            self._reach = self._find_reach()
        return self._reach

    def reach_behind(self, number: int) -> Reach:
        """Return how far a series by schedule would reach if a slot were the highest completed one."""
        if len(self.revisions) == 1 and self.recurrence.is_plain and not self.skipped:
            return Reach(number + 1 + self.recurrence.horizon)
        while number >= 0 and self.line.at(number) is None:  # void since an edit
            number -= 1
        places = [] if number < 0 else [self._wall_of(number)]
        if self._finished_date is not None:
            places.append(self._finished_date)
        return replace(self._progress(), finished=number, done=max(places, default=None)).reach()

    def missed(self) -> list[str]:
        """Return the open occurrences that should not stay, because their time passed and the next one's has come."""
        if self.recurrence.missed is Missed.EACH:
            return []
        places = {i: self.place(i) for i in self.open}
        missed = self._progress().missed(places.values())
        passed = sorted((place, i) for i, place in places.items() if place in missed)
        if self.recurrence.missed is Missed.LATEST:
            passed = passed[:-1]
        return [i for _, i in passed]

    def _find_reach(self) -> Reach:
        if self.is_stopped:
            return Reach(self.cursor, ends=True)
        if self.recurrence.from_completion:
            return self._reach_from_completion()
        if len(self.revisions) == 1 and self.recurrence.is_plain and not self.skipped:
            return self._reach_by_number()
        return self._progress().reach()

    def _reach_by_number(self) -> Reach:
        wanted, count = self.finished + 1 + self.recurrence.horizon, self.recurrence.rule.count
        if count is None or wanted < count:
            return Reach(wanted)
        return Reach(max(count - 1, self.finished), ends=True)

    def _reach_from_completion(self) -> Reach:
        if self.finished < 0:
            return Reach(0)
        still_open = [n for i in self.open if (n := self.slots.get(i)) is not None and self.line.stretch_of(n)]
        if self._original_is_open or any(number <= self.cursor for number in still_open):
            return Reach(max(self.cursor, self.finished))
        coming, count = self.counted_anew(), self.recurrence.rule.count
        if coming is None or (count is not None and coming.number - self.revisions[-1].first >= count):
            return Reach(max(self.cursor, self.finished), ends=True)
        if coming.number > self.cursor:
            self._coming = coming
        return Reach(max(coming.number, self.cursor))

    def counted_anew(self) -> Slot | None:
        """Return the slot that is counted from the last completion; None where the series ends there."""
        if self.finished < 0:
            return None
        day = wall_clock("completedAt", self._finished_at or self._now or self.original_date, self.zone)
        number = self.line.after(self.finished)
        for at in self._counted_from(day):
            if str(number) not in self.skipped:
                return Slot(number, at, in_utc(at, self.zone))
            number = self.line.after(number)
        return None

    def _counted_from(self, day: datetime) -> Iterator[datetime]:
        known, recurrence = self._were_added, self.recurrence  # as by schedule, no slot is where an added date was
        return slots_from_completion(
            recurrence, self.revisions[-1].anchor, day, lambda at: at in known or recurrence.passes_over(at)
        )

    def _as_completed(self) -> Iterator[Slot]:
        """Yield the slots of a series from completion: those known, and those that follow if each is done when due."""
        known = {self.slots[i]: at for i, at in self._places.items() if i in self.slots} | {
            self.original_slot: self.wall
        }
        for number in sorted(known):
            at = known[number]
            yield Slot(number, at, in_utc(at, self.zone))
        coming = self._coming if self.reach().number > max(known) else None
        count = self.recurrence.rule.count
        while True:
            number = self.line.after(number) if coming is None else coming.number
            if coming is None and (at := next(self._counted_from(at), None)) is None:  # type: ignore[assignment]
                return
            at = at if coming is None else coming.at
            if count is not None and number - self.revisions[-1].first >= count:
                return
            yield Slot(number, at, in_utc(at, self.zone))
            coming = None

    def _progress(self) -> Progress:
        finished = [] if self.finished < 0 else [self.place(self._finished_id)]
        if self._finished_date is not None:
            finished.append(self._finished_date)
        return Progress(
            recurrence=self.recurrence,
            line=self.line,
            zone=self.zone,
            cursor=self.cursor,
            finished=self.finished,
            done=max(finished, default=None),
            added=[at for at in self.added() if self._counts(at)],
            passes_over=lambda number, at: self.skips(at, number),
            now=self._now,
        )
