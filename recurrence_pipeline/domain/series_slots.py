"""Which slots one series has, and which member is on which: read once, from documents. How far it is, series.py says.

Where slots lie is slot_line.py's business, what documents are believed of it members.py's.
"""

from collections.abc import Collection
from datetime import datetime, tzinfo

from recurrence_pipeline.domain.calendar import in_utc, slot_number
from recurrence_pipeline.domain.errors import WrongType
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.instances import days_after
from recurrence_pipeline.domain.members import added_dates, first_revision, recurrence_of, slot_line
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plan import NewOccurrence, SubtaskCopies
from recurrence_pipeline.domain.recurrence import as_written
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.slot_line import Slot
from recurrence_pipeline.domain.validation import creation_time, require_date
from recurrence_pipeline.domain.zones import time_zone, wall_text


class SeriesSlots:
    """The slots of a series: where they lie, which are not wanted, and which member is on which.

    A series that we remember goes on by the rule and from the anchor that it is remembered with, wherever its
    original's dates were moved; an edit counts once it is followed (changes.py). One of which nothing was made yet is
    validated as of `asked_at`, or else as of the original's creation.
    """

    def __init__(self, series: Series, original: Task, timezone: str | None, asked_at: datetime | None) -> None:
        self.original = original
        self.memory = memory = series.memory
        if original.misread is not None:
            raise WrongType(original.misread)
        reached = series.recalled if memory is None else Cursor(memory.number, memory.current.rule)
        self.recurrence = recurrence_of(original, reached, memory)
        zone = original.timezone or timezone
        if reached is None and not series.occurrences:
            require_date(original, self.recurrence, asked_at=asked_at or creation_time(original), timezone=zone)
        self.revisions = (first_revision(original, self.recurrence, zone),) if memory is None else memory.revisions
        time_zone(zone)  # one that is none is refused, even where another one is remembered
        self.timezone = zone if memory is None else memory.current.timezone
        self.zone = time_zone(self.timezone)
        self.wall = self.revisions[0].anchor
        """The anchor on the wall clock."""
        self.original_slot = original.original_slot if memory is None else memory.original_slot
        self.line = slot_line(series, self.revisions, self.recurrence)
        self.skipped = dict(memory.skipped) if memory is not None else {}
        self.dates = added_dates(series)
        """The added date that each member without a number is on."""
        self.slots = {task.id: number for task in series.occurrences if (number := self.number(task)) is not None}
        self.slots[original.id] = self.original_slot
        self.makers = {task.id: task.created_by_event for task in series.occurrences}
        self.cursor = 0 if reached is None else reached.number
        if memory is None:  # what the previous worker made has no number
            older = (self.slots.get(t.id, 0) for t in series.occurrences if t.occurrence_number is None)
            self.cursor = max(self.cursor, 0, *older)
        places = {task.id: task.occurrence_at for task in series.occurrences if task.occurrence_at is not None}
        self._places = {original.id: self.wall, **places}
        self.made = memory.added if memory is not None else frozenset[datetime]()
        """The added dates that were ever generated, as far as that is remembered."""
        if memory is None and reached is not None and original.cursor is None:  # forgotten: as with numbers
            passed = self._wall_of(self.cursor)
            self.made = frozenset(at for at in self._dates_beside(self.dates.values()) if at <= passed)
        self._were_added = self.made.union(self.dates.values())
        self._added: list[datetime] | None = None

    def number(self, task: Task) -> int | None:
        """Return the slot of a member; None where it has neither a number nor a date, or is on an added date."""
        if task.id == self.original.id:
            return self.original_slot
        if task.occurrence_number is not None:
            return task.occurrence_number
        if task.id in self.dates or not isinstance(task.anchor, datetime):
            return None
        first = self.revisions[0]
        return slot_number(in_utc(first.anchor, time_zone(first.timezone)), first.rule, task.anchor, first.timezone)

    def occurrence(self, slot: Slot, event_id: str) -> NewOccurrence:
        """Return the occurrence of a slot."""
        new_id = occurrence_id(self.original.id, slot.number)
        return self._occurrence(new_id, slot.number, slot.at, slot.due, event_id)

    def on_date(self, at: datetime, event_id: str) -> NewOccurrence:
        """Return the occurrence of an added date."""
        new_id = occurrence_id(self.original.id, wall_text(at))
        return self._occurrence(new_id, None, at, in_utc(at, self.zone), event_id)

    def _occurrence(self, new_id: str, number: int | None, at: datetime, due: datetime, event_id: str) -> NewOccurrence:
        moved = self.recurrence.moved(at) or at
        new = NewOccurrence(new_id, self.original, number, due, event_id, at)
        if moved != at:
            new.due, new.shifted_to = in_utc(moved, self._zone_of(number)), moved
        if self.original.timezone not in {None, self.timezone}:  # an edit that is not followed yet
            new.timezone = self.timezone
        if self.recurrence.subtasks:
            new.subtasks = SubtaskCopies(self.zone, moved - self.wall)
        return new

    def _zone_of(self, number: int | None) -> tzinfo:
        """Return on whose clocks a slot is: one of an earlier rule may be on others."""
        stretch = self.line.stretch_of(number) if number is not None and len(self.revisions) > 1 else None
        return self.zone if stretch is None else stretch.zone

    def skips(self, at: datetime, number: int | None = None) -> bool:
        """Say whether a slot is passed over: it is not wanted, or was there before as an added date."""
        if self.skipped and self.is_skipped(at, number):
            return True
        return (number is not None and at in self._were_added) or self.recurrence.passes_over(at)

    def is_skipped(self, at: datetime, number: int | None) -> bool:
        """Say whether somebody asked for a slot to be skipped."""
        return (wall_text(at) if number is None else str(number)) in self.skipped

    def has_date(self, at: datetime) -> bool:
        """Say whether an added date was generated."""
        return at in self.made or at in self.dates.values()

    def _counts(self, at: datetime) -> bool:
        """Say whether an added date is one of those kept ahead: one that was made is, unless it was skipped."""
        return not self.skips(at) or (at in self.made and not self.is_skipped(at, None))

    def in_order(self, task_ids: Collection[str]) -> list[str]:
        """Return members in the order of their slots, each slot once."""
        if self.dates:
            return sorted(task_ids, key=self.place)
        return [i for _, i in sorted({self.slots[i]: i for i in task_ids}.items())]

    def place(self, task_id: str) -> datetime:
        """Return where a member stands on the wall clock, be it past the end of the rule."""
        if task_id in self.dates:
            return self.dates[task_id]
        return self._wall_of(self.slots[task_id], self._places.get(task_id))

    def _wall_of(self, number: int, known: datetime | None = None) -> datetime:
        at = self.line.at(max(number, 0))
        return at or known or datetime.max.replace(tzinfo=self.wall.tzinfo)

    @property
    def original_date(self) -> datetime:
        """The instant of the anchor."""
        return in_utc(self.wall, self.zone)

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
        if len(self.revisions) == 1:
            day, rule = at.toordinal(), self.recurrence.rule
            clocks = {each.time() for each in as_written(self.wall)}
            if at.time() not in clocks or next(days_after(rule, self.wall.date(), day - 1), None) != day:
                return False
            if at <= reached or not rule.ends:
                return True
        begin = self.line.before(self.line.before(self.line.first_after(in_utc(at, self.zone), at)))
        return any(at in as_written(slot.at) for slot in self.line.timed(begin, 4))
