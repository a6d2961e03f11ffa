"""How far one series is, and which slots it still lacks. Who asked, and what else a batch holds, is planning.py's.

How far it should have been generated is series_reach.py's business.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.memory import digest_of
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import CursorMove, NewOccurrence
from recurrence_pipeline.domain.reach import MAX_NEW_PER_SERIES, MAX_PASSED_OVER, Reach
from recurrence_pipeline.domain.recurrence import Missed
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.domain.series_reach import SeriesReach
from recurrence_pipeline.domain.slot_line import Slot
from recurrence_pipeline.domain.zones import wall_time

KEPT_PASSED = 100
"""So far behind the highest completed slot it is kept which were passed over: its completion may be taken back."""


class SeriesState(SeriesReach):
    """How far a series is: its cursor, and what moves it on to where it should be by now."""

    @property
    def is_behind(self) -> bool:
        """Whether slots are still to be generated."""
        reach = self.reach()
        return self.cursor < reach.number or not self.made.issuperset(reach.dates)

    def made_by(self, event_id: str) -> list[str]:
        """Return the occurrences that an earlier attempt of this event made and that are still there."""
        return [i for i, maker in self.makers.items() if maker == event_id and self._has(i)]

    def perhaps_untold(self) -> list[str]:
        """Return the members that nobody may have been told of: a worker which died has made them.

        They are behind the cursor, or on slots that were passed over before.
        """
        dates = (i for i, date in self.dates.items() if date not in self.made)
        return [*(i for i, number in self.slots.items() if number > self.cursor or number in self.passed), *dates]

    def advance(self, event_id: str) -> Iterator[tuple[NewOccurrence, bool]]:
        """Yield what the event should generate, each with whether it is there already, and move the cursor past it."""
        reach, begun = self.reach(), self.cursor
        missing = self._missing(reach)
        ids = {slot.number: occurrence_id(self.original.id, slot.number) for slot in missing}
        taken = {n for task_id, n in self.slots.items() if n in ids and task_id != ids[n]}
        for slot in missing:
            self._last = slot
            if slot.number not in taken and not (self._has_skips and self.skips(slot.at, slot.number)):
                yield self.take_in(self._occurrence(ids[slot.number], slot.number, slot.at, slot.due, event_id))
        for at in reach.dates:
            if at not in self.made and not self.skips(at):
                yield self.take_in(self.on_date(at, event_id))
        self.cursor = max(self.cursor, reach.number)
        if self.recurrence.from_completion:  # nothing is owed before one that is there, whatever made it
            self.cursor = max([self.cursor, *(n for n in self.slots.values() if self.line.stretch_of(n) is not None)])
        if self.cursor > begun:
            self.passed |= self._without_task(begun + 1, self.cursor)
        self.made |= frozenset(reach.dates)

    def _without_task(self, first: int, last: int) -> set[int]:
        """Return which of these slots nobody is on: they are passed over, or behind the end of the rule."""
        lacking = set(range(first, last + 1)).difference(self.slots.values())
        return {number for number in lacking if self.line.stretch_of(number) is not None}

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

    def moves_past_what_is_there(self) -> list[CursorMove]:
        """Return the move of a cursor that stayed behind tasks, up to where it is `unbroken`."""
        reached = self.unbroken()
        self.passed |= self._without_task(self.cursor + 1, reached)
        return self.moves(reached)

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
        reached = max(number, self.unbroken()) if memory is None else max(number, memory.number)
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
