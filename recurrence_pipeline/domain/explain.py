"""What a person would want to know of a slot, or of any day of a series: one code and one line. Pure.

A preview lists slots, an explanation answers for a day; both say the same of the same slot, and what they say is what
the worker does, for they ask the same `SeriesState`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.days_off import MAX_DAYS, ShiftTo
from recurrence_pipeline.domain.english import read
from recurrence_pipeline.domain.instances import days_after, filled
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.reach import MAX_PASSED_OVER
from recurrence_pipeline.domain.recurrence import Pause
from recurrence_pipeline.domain.rules import Rule
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.slot_notes import note_of

_PAGE = 64
_NEAR = timedelta(days=MAX_DAYS)
MAX_NOTE = 200
"""How much is said of what a person wrote about a pause."""


class DayCode(str, Enum):
    """What can be said of a day of a series."""

    NOT_ON_RULE = "not_on_rule"
    BEFORE_START = "before_start"
    PAST_END = "past_end"
    EXCLUDED = "excluded"
    PAUSED = "paused"
    DAY_OFF = "day_off"
    """Passed over: the shift of the series skips days off."""
    DONE = "done"
    OPEN = "open"
    OVERDUE = "overdue"
    SKIPPED = "skipped"
    MISSED = "missed"
    DELETED = "deleted"
    TO_BE_MADE = "to_be_made"
    AHEAD = "ahead"
    REFUSED = "refused"
    """Nothing is made: the series cannot be worked on."""


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot, and what became of it. `number` is None on an added date; a plain slot has an empty `note`.

    `at` is what the rule says, on the wall clock. `local`, in the zone of the series, and `utc`, the same instant, are
    when its task is due: DST, or a day off, may have moved it.
    """

    number: int | None
    at: datetime
    local: datetime
    utc: datetime
    code: DayCode
    note: str = ""
    task_id: str | None = None

    @property
    def offset(self) -> str:
        """The distance from UTC, such as `+05:30`."""
        return self.local.isoformat()[-6:]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why there is, or is not, a task of a series on a day; `slot` where the rule or an added date names the day."""

    day: date
    code: DayCode
    text: str
    slot: SlotView | None = None


class SlotViews:
    """Looks at the slots of one series as of `now`."""

    def __init__(self, series: Series, progress: SeriesState, now: datetime) -> None:
        self._progress = progress
        self._now = now
        tasks = (progress.original, *series.occurrences)
        self._by_number = {progress.slots[t.id]: t for t in tasks if t.id in progress.slots}
        self._by_date = {progress.dates[t.id]: t for t in tasks if t.id in progress.dates}

    @property
    def rule(self) -> str:
        """The rule as RFC 5545 writes it."""
        return str(self._progress.recurrence.rule)

    @property
    def words(self) -> str:
        """The rule in English where there is a sentence for it, with what its first date implies."""
        return words_of(self._progress.recurrence.rule, self._progress.wall)

    def since(self, time: datetime | None) -> Iterator[SlotView]:
        """Yield slots that have a task, or will have one: those behind a time, or all from slot 0 on."""
        if time is None or self._progress.recurrence.shift is None:
            yield from self._behind(time)
        else:  # what was before may have been moved behind it, and the other way round
            before = time - _NEAR if time.year > 2 else None
            yield from (slot for slot in self._behind(before) if slot.utc > time)

    def _behind(self, time: datetime | None) -> Iterator[SlotView]:
        progress = self._progress
        added = [(at, None) for at in progress.added() if time is None or in_utc(at, progress.zone) > time]
        first = max(progress.original_slot, 0 if time is None else progress.first_after(time))
        for number, at in self._numbered(first):
            while added and added[0][0] < at:
                yield self._view(*added.pop(0))
            yield self._view(at, number)
        for place in added:
            yield self._view(*place)

    def _numbered(self, first: int) -> Iterator[tuple[int, datetime]]:
        """Yield the slots from a number on that have a task, or are not passed over, as far as the series goes on."""
        recurrence, passed_over, last = self._progress.recurrence, 0, max(self._by_number)
        for number, at, _ in self._progress.onward(first, _PAGE):
            if number in self._by_number or not self._progress.skips(at, number):
                passed_over = 0
                yield number, at
            elif number > last and (passed_over >= MAX_PASSED_OVER or _is_endless(recurrence.pause_at(at))):
                return
            else:
                passed_over += 1

    def slots_on(self, day: date) -> list[SlotView]:
        """Return the slots that are on a day by the rule, or as added dates, or moved there: the one to tell first."""
        own, moved = ([self._view(*place) for place in found] for found in (self._on(day), self._moved_to(day)))
        return sorted(
            [*own, *moved], key=lambda each: (each.code in _NOTHING_COMES, each in moved, each.task_id is None)
        )

    def on(self, day: date) -> Explanation:
        """Explain a day of the wall clock of the series."""
        progress = self._progress
        if slots := self.slots_on(day):
            slot = slots[0]
            others = [f"{_what(each)} of {_named(each.at.date())}" for each in slots[1:] if each.at.date() != day]
            more = f" Moved to that day, too: {', '.join(others)}." if others else ""
            return Explanation(day, slot.code, self.line(slot) + more, slot)
        if day < progress.wall.date():
            text = f"The series begins on {progress.wall:%Y-%m-%d}."
            return Explanation(day, DayCode.BEFORE_START, text)
        rule = progress.recurrence.rule
        if rule.ends and any(self._on(day, endless=True)):
            return Explanation(day, DayCode.PAST_END, f"{_named(day)} lies past the end of the rule: {self.words}.")
        return Explanation(day, DayCode.NOT_ON_RULE, f"{_named(day)} is not on the rule: {self.words}.")

    def _on(self, day: date, *, endless: bool = False) -> Iterator[tuple[datetime, int | None]]:
        """Yield the slots of a day: the one with a number, then added ones."""
        progress = self._progress
        added = [at for at in progress.added() if at.date() == day]
        begin = datetime.combine(day, datetime.min.time(), progress.wall.tzinfo)
        if self._is_named(day):
            first = progress.line.before(progress.first_after(in_utc(begin, progress.zone)))
            found = progress.line.timed(first, 3, endless=True) if endless else progress.timed(first, 3)
            yield from ((at, number) for number, at, _ in found if at.date() == day and at not in added)
        yield from ((at, None) for at in added)

    def _moved_to(self, day: date) -> Iterator[tuple[datetime, int | None]]:
        """Yield the slots of other days that are due on this one: by their tasks, or as days off are said to be now."""
        for number, task in (*self._by_number.items(), *((None, task) for task in self._by_date.values())):
            if task.shifted_to is not None and task.shifted_to.date() == day:
                at = self._progress.place(task.id)
                if at.date() != day:
                    yield at, number
        yield from self._will_move_to(day)

    def _will_move_to(self, day: date) -> Iterator[tuple[datetime, int | None]]:
        shift = self._progress.recurrence.shift
        if shift is None or shift.to is ShiftTo.SKIP or shift.is_off(day):
            return
        step = -1 if shift.to is ShiftTo.NEXT else 1
        for distance in range(step, step * MAX_DAYS, step):
            ordinal = day.toordinal() + distance
            if not 1 <= ordinal <= date.max.toordinal() or not shift.is_off(off := date.fromordinal(ordinal)):
                return
            for at, number in self._on(off):
                place = self._place(at, number)
                if place is not None and place.date() == day and self._task(at, number) is None:
                    yield at, number

    def _is_named(self, day: date) -> bool:
        """Say whether the rule names a day, its end aside. Which number it has, may take a walk to it."""
        if len(self._progress.revisions) > 1 or self._progress.recurrence.from_completion:
            return True
        begin, rule = self._progress.wall.date(), self._progress.recurrence.rule
        return day == begin or (
            day > begin and next(days_after(rule, begin, day.toordinal() - 1), 0) == day.toordinal()
        )

    def _view(self, at: datetime, number: int | None) -> SlotView:
        progress = self._progress
        place = self._place(at, number) or at
        utc = in_utc(place, progress.zone)
        local = utc.astimezone(progress.zone)
        task = self._task(at, number)
        odd = note_of(progress.recurrence.rule, progress.wall, at, local) if number else ""
        shifted = "" if place == at else f"moved from {_named(at.date())}, a day off"
        note = "; ".join(each for each in (odd, shifted) if each)
        return SlotView(number, at, local, utc, self._code(at, number, utc, task), note, task.id if task else None)

    def _task(self, at: datetime, number: int | None) -> Task | None:
        return self._by_date.get(at) if number is None else self._by_number.get(number)

    def _place(self, at: datetime, number: int | None) -> datetime | None:
        """Return when a slot is due on the wall clock, by its task where there is one; None where it is passed over."""
        task = self._task(at, number)
        if task is not None:
            return task.shifted_to or at
        return None if self._progress.recurrence.passes_over(at) else self._progress.recurrence.moved(at)

    def _code(self, at: datetime, number: int | None, utc: datetime, task: Task | None) -> DayCode:
        progress = self._progress
        if task is not None:
            if task.is_completed:
                return DayCode.DONE
            due = task.due_date if isinstance(task.due_date, datetime) else utc
            return DayCode.OVERDUE if due < self._now else DayCode.OPEN
        if progress.is_skipped(at, number):
            return DayCode.SKIPPED
        if progress.recurrence.passes_over(at):
            return self._why_passed_over(at)
        if at in progress.made if number is None else number <= progress.cursor:
            return DayCode.MISSED if progress.was_missed(at) else DayCode.DELETED
        reach = progress.reach()
        within = at in reach.dates if number is None else number <= reach.number
        return DayCode.TO_BE_MADE if within else DayCode.AHEAD

    def _why_passed_over(self, at: datetime) -> DayCode:
        recurrence = self._progress.recurrence
        if recurrence.excludes(at):
            return DayCode.EXCLUDED
        return DayCode.DAY_OFF if recurrence.pause_at(at) is None else DayCode.PAUSED

    def line(self, slot: SlotView) -> str:
        """Say in one line what became of a slot."""
        recurrence = self._progress.recurrence
        pause = _told(recurrence.pause_at(slot.at))
        said = _SAID[slot.code].format(horizon=recurrence.horizon, task=slot.task_id, pause=pause)
        note = f" ({slot.note})" if slot.note else ""
        return f"{_what(slot)}, {slot.local:%a %Y-%m-%d %H:%M}{note}: {said}"


_SAID: Mapping[DayCode, str] = {
    DayCode.DONE: "task {task} is completed.",
    DayCode.OPEN: "task {task} is open.",
    DayCode.OVERDUE: "task {task} is open, and its time has passed.",
    DayCode.EXCLUDED: "excluded by recurrence.excluded, so that no task is made.",
    DayCode.PAUSED: "{pause}",
    DayCode.DAY_OFF: "a day off, which recurrence.shift skips, so that no task is made.",
    DayCode.SKIPPED: "it was skipped: no task is wanted there.",
    DayCode.MISSED: "its time passed, and recurrence.missed lets no such task stay (or a person deleted it).",
    DayCode.DELETED: "it was made, or passed over, and is not there now; it is never made again.",
    DayCode.TO_BE_MADE: "due to be made by the next event of the series.",
    DayCode.AHEAD: "not made yet: the series is kept {horizon} ahead of its next task.",
}


_NOTHING_COMES = (DayCode.DELETED, DayCode.SKIPPED, DayCode.MISSED, DayCode.EXCLUDED, DayCode.PAUSED, DayCode.DAY_OFF)


def _what(slot: SlotView) -> str:
    return "An added date" if slot.number is None else f"Slot {slot.number}"


def _is_endless(pause: Pause | None) -> bool:
    return pause is not None and pause.until is None


def _told(pause: Pause | None) -> str:
    if pause is None:
        return ""
    until = "until further notice" if pause.until is None else f"until {pause.until}"
    return f"paused from {pause.begin} {until}" + (f": {pause.note:.{MAX_NOTE}}" if pause.note else ".")


def words_of(rule: Rule, anchor: datetime) -> str:
    """Return a rule in English with what its anchor implies, or as RFC 5545 writes it where there is no sentence."""
    return read(filled(rule, anchor.date())) or str(rule)


def _named(day: date) -> str:
    return f"{day:%a} {day.isoformat()}"
