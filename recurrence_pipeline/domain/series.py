"""How far one series is, and which slots it still lacks. Who asked, and what else a batch holds, is planning.py's."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from recurrence_pipeline.domain.calendar import in_utc, is_counted, next_number, slot_number, timed
from recurrence_pipeline.domain.errors import InvalidRecurrence, WrongType
from recurrence_pipeline.domain.families import Known
from recurrence_pipeline.domain.instances import days_after
from recurrence_pipeline.domain.members import added_dates, known_slots, recurrence_of, wall_anchor
from recurrence_pipeline.domain.model import Cursor, Series, SeriesMemory, Task, occurrence_id
from recurrence_pipeline.domain.plan import CursorMove, NewOccurrence
from recurrence_pipeline.domain.recurrence import as_written
from recurrence_pipeline.domain.rules import Rule
from recurrence_pipeline.domain.validation import creation_time, require_date
from recurrence_pipeline.domain.zones import time_zone, wall_clock, wall_text

MAX_NEW_PER_SERIES = 1000
"""No honest history asks for more in one go; a tampered slot number would."""


class Reach(NamedTuple):
    """What should have been generated: every slot up to a number that is not excluded, and added dates."""

    number: int
    dates: tuple[datetime, ...] = ()
    ends: bool = False
    """Whether nothing more comes behind it."""


class SeriesState:
    """How far a series is: which slot each member has, the cursor, and the highest completed slot.

    A series that we remember goes on from the anchor that it began with, wherever its original's dates were moved.
    One of which nothing was made yet is validated as of `asked_at`, or else as of the original's creation.
    """

    def __init__(
        self, series: Series, original: Task, timezone: str | None, *, asked_at: datetime | None = None
    ) -> None:
        self.original = original
        self.timezone = original.timezone or timezone
        self.memory = memory = series.memory
        if original.misread is not None:
            raise WrongType(original.misread)
        reached = series.recalled if memory is None else Cursor(memory.number, memory.rule)
        self.recurrence = recurrence_of(original, reached, memory)
        self.rule = self.recurrence.text
        if reached is None and not series.occurrences:
            require_date(original, self.recurrence, asked_at=asked_at or creation_time(original), timezone=timezone)
        self.zone = time_zone(self.timezone)
        self.wall = wall_anchor(original, memory, self.zone)
        """The anchor on the wall clock."""
        self.original_slot = original.original_slot if memory is None else memory.original_slot
        self._known = known_slots(series, self.wall, self.zone) if is_counted(self.rule) else {}
        self.dates = added_dates(series)
        """The added date that each member without a number is on."""
        self.slots = {task.id: number for task in series.occurrences if (number := self.number(task)) is not None}
        self.slots[original.id] = self.original_slot
        self.makers = {task.id: task.created_by_event for task in series.occurrences}
        self.cursor = 0 if reached is None else reached.number
        if memory is None:  # what the previous worker made has no number
            older = (self.slots.get(t.id, 0) for t in series.occurrences if t.occurrence_number is None)
            self.cursor = max(self.cursor, 0, *older)
        self.made = memory.added if memory is not None else frozenset[datetime]()
        """The added dates that were ever generated, as far as that is remembered."""
        if memory is None and reached is not None and original.cursor is None:  # forgotten: as with numbers
            passed = self._wall_of(self.cursor)
            self.made = frozenset(at for at in self._dates_beside(self.dates.values()) if at <= passed)
        self._were_added = self.made.union(self.dates.values())
        self._added: list[datetime] | None = None
        done = [t.id for t in (original, *series.occurrences) if t.is_completed]
        self.finished = max([-1, *(self.slots[i] for i in done if i in self.slots)])
        self._finished_date = max((self.dates[i] for i in done if i in self.dates), default=None)
        self._reach: Reach | None = None
        self._last: Known | None = None
        self.open = {t.id: t.parent_recurring_id for t in series.occurrences if not t.is_completed and self._has(t.id)}
        """What each open occurrence hangs on."""

    @property
    def anchor(self) -> datetime:
        """The instant of slot 0, as today's time zone data have it."""
        return in_utc(self.wall, self.zone)

    @property
    def _endless(self) -> str | Rule:
        """The rule as it would go on for ever."""
        return self.recurrence.rule.without_end() if self.recurrence.rule.ends else self.rule

    @property
    def wanted(self) -> int:
        """The highest slot that should have been generated."""
        return self.reach().number

    @property
    def is_behind(self) -> bool:
        """Whether slots are still to be generated."""
        reach = self.reach()
        return self.cursor < reach.number or not self.made.issuperset(reach.dates)

    def number(self, task: Task) -> int | None:
        """Return the slot of a member; None where it has neither a number nor a date, or is on an added date."""
        if task.id == self.original.id:
            return self.original_slot
        if task.occurrence_number is not None:
            return task.occurrence_number
        if task.id in self.dates or not isinstance(task.anchor, datetime):
            return None
        return slot_number(self.anchor, self.rule, task.anchor, self.timezone)

    def complete(self, task: Task) -> bool:
        """Count a task as completed, whatever its flag says, and say whether it is on a slot."""
        self.open.pop(task.id, None)
        self._reach = None
        date, number = self.dates.get(task.id), self.number(task)
        if date is not None:
            self._finished_date = max(self._finished_date or date, date)
        elif number is not None:
            self.finished = max(self.finished, number)
        return date is not None or number is not None

    def made_by(self, event_id: str) -> list[str]:
        """Return the occurrences that an earlier attempt of this event made and that are still there."""
        return [i for i, maker in self.makers.items() if maker == event_id and self._has(i)]

    def advance(self, event_id: str) -> Iterator[tuple[NewOccurrence, bool]]:
        """Yield what the event should generate, each with whether it is there already, and move the cursor past it."""
        reach = self.reach()
        if (missing := reach.number - self.cursor) > MAX_NEW_PER_SERIES + len(self.recurrence.excluded):
            raise InvalidRecurrence(
                f"slot {self.finished} is completed but the cursor is {self.cursor}: refusing {missing} new tasks",
                field="occurrenceNumber",
                value=self.finished,
            )
        first = self.cursor + 1
        ids = {number: occurrence_id(self.original.id, number) for number in range(first, reach.number + 1)}
        taken = {n for task_id, n in self.slots.items() if n in ids and task_id != ids[n]}
        skips = self.skips if self.recurrence.excluded or self._were_added else None
        for number, (at, due) in enumerate(self.timed(first, len(ids)) if ids else (), first):
            self._last = Known(number, at)
            if number in taken or (skips is not None and skips(at)):
                continue
            yield self._new(NewOccurrence(ids[number], self.original, number, due, event_id, at))
        for at in reach.dates:
            if at not in self.made:
                new_id = occurrence_id(self.original.id, wall_text(at))
                yield self._new(NewOccurrence(new_id, self.original, None, in_utc(at, self.zone), event_id, at))
        self.cursor = max(self.cursor, reach.number)
        self.made |= frozenset(reach.dates)

    def timed(self, first: int, count: int) -> list[tuple[datetime, datetime]]:
        """Return slots from number `first` on, up to the end of the rule, each on the wall clock and in UTC."""
        return timed(self.wall, self.rule, first, count, self.zone, known=self.known(first))

    def onward(self, first: int, size: int) -> Iterator[tuple[int, datetime]]:
        """Yield slots from number `first` on, up to the end of the rule; so many are read at once."""
        while True:
            try:
                found = self.timed(first, size)
            except InvalidRecurrence:  # some of these lie outside of the calendar
                if size == 1:
                    raise
                size = 1
                continue
            yield from ((number, at) for number, (at, _) in enumerate(found, first))
            if len(found) < size:
                return
            first += size

    def skips(self, at: datetime) -> bool:
        """Say whether a slot with a number is passed over: it is excluded, or was there before as an added date."""
        return at in self._were_added or self.recurrence.excludes(at)

    def skipped(self, first: int, last: int) -> set[int]:
        """Return which of these slots are passed over."""
        if last < first or not (self.recurrence.excluded or self._were_added):
            return set()
        slots = timed(self.wall, self._endless, first, last - first + 1, self.zone, known=self.known(first))
        return {number for number, (at, _) in enumerate(slots, first) if self.skips(at)}

    def known(self, number: int) -> Known | None:
        """Return the highest slot below a number that is known, where the rule is counted from one."""
        below = [each for each in self._known if each < number]
        return Known(highest := max(below), self._known[highest]) if below else None

    def first_after(self, time: datetime) -> int:
        """Return the number of the first slot behind a time, be it past the end of the rule."""
        wall = wall_clock("now", time, self.zone)
        below = [number for number, at in self._known.items() if at <= wall]
        known = Known(highest := max(below), self._known[highest]) if below else None
        return next_number(time, self.rule, self.timezone, self.anchor, known=known)

    def _new(self, new: NewOccurrence) -> tuple[NewOccurrence, bool]:
        is_there = self._has(new.id)
        if not is_there:
            if new.slot is None:
                self.dates[new.id] = new.at
            else:
                self.slots[new.id] = new.slot
            self.open[new.id] = self.original.id
        return new, is_there

    def has_date(self, at: datetime) -> bool:
        """Say whether an added date was generated."""
        return at in self.made or at in self.dates.values()

    def _has(self, task_id: str) -> bool:
        return task_id in self.slots or task_id in self.dates

    def moves(self, number: int, dates: Iterable[datetime] = ()) -> list[CursorMove]:
        """Return the move that brings the memory to a slot, and to added dates; none where it has them already."""
        memory = self.memory
        made = self.made.union(dates, () if memory is not None else self.dates.values())
        if memory is not None and number <= memory.number and made == memory.added:
            return []
        reached = number if memory is None else max(number, memory.number)
        if self._last is not None and self._last.number == reached:
            at: datetime | None = self._last.wall
        else:
            at = next((at for at, _ in self.timed(reached, 1)), None)
        if memory is not None:
            return [CursorMove(self.original.id, replace(memory, number=reached, at=at, added=made))]
        anchored_at = self.original.anchor if isinstance(self.original.anchor, datetime) else None
        zone = self.timezone or "UTC"
        memory = SeriesMemory(reached, self.rule, self.wall, zone, anchored_at, self.original_slot, at, made)
        return [CursorMove(self.original.id, memory, is_new=True)]

    def next_open(self, task: Task) -> str | None:
        """Return the id of the open task with the lowest slot above that of a task which is on one."""
        if not self.dates:
            number = self.number(task) or 0
            later = ((slot, i) for i in self.open if (slot := self.slots[i]) > number)
            return min(later, default=(0, None))[1]
        at = self.place(task.id)
        places = ((place, i) for i in self.open if (place := self.place(i)) > at)
        return min(places, default=(at, None))[1]

    def in_order(self, task_ids: Collection[str]) -> list[str]:
        """Return members in the order of their slots, each slot once."""
        if self.dates:
            return sorted(task_ids, key=self.place)
        return [i for _, i in sorted({self.slots[i]: i for i in task_ids}.items())]

    def place(self, task_id: str) -> datetime:
        """Return where a member stands on the wall clock, be it past the end of the rule."""
        if task_id in self.dates:
            return self.dates[task_id]
        return self._wall_of(self.slots[task_id])

    def _wall_of(self, number: int) -> datetime:
        if number in self._known:
            return self._known[number]
        end = datetime.max.replace(tzinfo=self.wall.tzinfo)
        first = max(number, 0)
        found = timed(self.wall, self._endless, first, 1, self.zone, known=self.known(first))
        return next((at for at, _ in found), end)

    # What should exist

    def reach(self) -> Reach:
        """Return how far it should have been generated: the horizon, behind what follows on the highest completed."""
        if self._reach is None:
            self._reach = self._reach_by_number() if self.recurrence.is_plain else self._reach_of_all()
        return self._reach

    def _reach_by_number(self) -> Reach:
        wanted, count = self.finished + 1 + self.recurrence.horizon, self.recurrence.rule.count
        if count is None or wanted < count:
            return Reach(wanted)
        return Reach(max(count - 1, self.finished), ends=True)

    def _reach_of_all(self) -> Reach:
        done = self._finished_wall()
        lacking, number, dates = self.recurrence.horizon + 1, self.finished, list[datetime]()
        numbered, added = self._numbered(), iter(self.added())
        at, date = next(numbered, None), next(added, None)
        while lacking and (at is not None or date is not None) and number - self.cursor <= MAX_NEW_PER_SERIES:
            if date is not None and (at is None or date < at[1]):
                dates.append(date)
                place, date = date, next(added, None)
            elif at is not None:
                number, place = at
                at = next(numbered, None)
            lacking -= done is None or place > done
        return Reach(max(number, self.finished), tuple(dates), ends=bool(lacking))

    def _finished_wall(self) -> datetime | None:
        walls = [] if self.finished < 0 else [self._wall_of(self.finished)]
        return max([*walls, *([self._finished_date] if self._finished_date else [])], default=None)

    def _numbered(self) -> Iterator[tuple[int, datetime]]:
        """Yield the slots that are not excluded, from the highest completed one on, up to the end of the rule."""
        for number, at in self.onward(max(self.finished, 0), self.recurrence.horizon + 2):
            if not self.skips(at):
                yield number, at

    def added(self) -> list[datetime]:
        """Return the added dates that are no slots with a number, in order."""
        if self._added is None:
            self._added = self._dates_beside(self._were_added)
        return self._added

    def _dates_beside(self, made: Collection[datetime]) -> list[datetime]:
        dates = self.recurrence.added_at(self.wall, made)
        reached = self._wall_of(self.cursor) if dates else self.wall
        return [at for at in dates if at in made or not self._is_numbered(at, reached)]

    def _is_numbered(self, at: datetime, reached: datetime) -> bool:
        """Say whether a time is that of a slot with a number: before the end of the rule, or before where it was."""
        if at in as_written(self.wall):
            return True
        day = at.toordinal()
        clocks = {each.time() for each in as_written(self.wall)}
        if at.time() not in clocks or next(days_after(self.recurrence.rule, self.wall.date(), day - 1), None) != day:
            return False
        if at <= reached or not self.recurrence.rule.ends:
            return True
        number = self.first_after(in_utc(at, self.zone))
        return any(at in as_written(slot) for slot, _ in self.timed(max(number - 2, 0), 4))
