"""A series as RFC 5545, section 3.8.5, describes one: a start, a rule, dates taken out and put in, changed instances.

Pure, and values only: how they are written as text is views/icalendar.py's. A reader who follows the RFC gets the slots
of the series again. What has a task is in; a slot that has none any more, or is excluded, is taken out.

Not every program knows SKIP of RFC 7529, so that it is left out wherever RFC 5545 alone can say the same: the last day
of the month, or days of the year. It leaves open what a start that is not on its rule means; then the start is put in
as a date, and the number of slots is said as the time of the last.

It has no words for days off and pauses. Those of slots that are still to come are told for FORESEEN ahead: what is
passed over is taken out, what moves is a changed instance. A pause until further notice ends the rule. Nor has it words
for periods that are counted from a day before the start: then slots are put in as dates, as far ahead. Dates that are
counted from completion are no recurrence set: what is open is told, and no rule.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from itertools import islice
from typing import NamedTuple

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.instances import filled, is_instance, last_moment
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.named_days import days_in_month
from recurrence_pipeline.domain.rules import Frequency, Rule, Skip
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.zones import wall_clock

MAX_PASSED = 10_000
"""Slots that were passed by: more is not the life of a series, and no calendar program would read it."""
FORESEEN = timedelta(days=731)
"""How far ahead of the first slot to come it is told which of them lie in pauses, or on days off."""
MAX_FORESEEN = 1000
TOLD = ("description", "priority", "category")
"""The fields in which, beside the title, an occurrence may differ from its original."""
_COMMON_YEAR = 2023


class ChangedInstance(NamedTuple):
    """An occurrence that is not as the rule says: completed, moved, or given another content.

    `at` is its slot on the wall clock, `due` when it is due, in UTC.
    """

    at: datetime
    due: datetime
    task: Task


@dataclass(frozen=True, slots=True)
class RecurrenceSet:
    """A series. Times are on the wall clock of `zone`, under the label of UTC; `rule` is RRULE's value."""

    original: Task
    zone: tzinfo
    start: datetime
    rule: str | None
    excluded: tuple[datetime, ...]
    added: tuple[datetime, ...]
    changed: tuple[ChangedInstance, ...]


def recurrence_set(series: Series, state: SeriesState) -> RecurrenceSet:
    """Describe a series.

    Raises:
        InvalidRecurrence: it has passed by more slots than can be written down.
    """
    if state.recurrence.from_completion:
        return _open_tasks(series, state)
    rests = min((pause.begin for pause in state.recurrence.paused if pause.until is None), default=None)
    slots = _passed(series, state, rests)
    tasks = dict(_placed(series, state, slots))
    rule = _rule(state, rests)
    gone = {at for number, at in enumerate(slots, _first(state)) if number <= state.cursor}
    to_come = [at for at in state.added() if at not in state.made]
    places = {at: place for at, place in _foreseen(state, rests, to_come).items() if at not in tasks}
    passed_over = {at for at, place in places.items() if place is None}
    added = (set(to_come) - passed_over) | (tasks.keys() - set(slots) if rule is not None else tasks.keys())
    if _written_rule(state).counted_from is not None:
        added |= {place for at in _to_come(state, rests) if (place := places.get(at, at)) is not None}
    if rule is None or not is_instance(_written_rule(state), _start(state)):
        added.add(_start(state))
    return RecurrenceSet(
        original=state.original,
        zone=state.zone,
        start=_start(state),
        rule=rule,
        excluded=tuple(sorted((gone | passed_over.difference(to_come) | set(_excluded(state))) - tasks.keys())),
        added=tuple(sorted(added)),
        changed=(*_changed(tasks, state), *_moved(places, state)),
    )


def _first(state: SeriesState) -> int:
    """Return the number of the slot that is told as the start: slot 0, or the first one by an edited rule."""
    return state.line.stretches[-1].first if len(state.revisions) > 1 else 0


def _start(state: SeriesState) -> datetime:
    return state.line.stretches[-1].wall if len(state.revisions) > 1 else state.wall


def _written_rule(state: SeriesState) -> Rule:
    """Return the rule that counts from the start: an edited one with what the date of its original implies."""
    rule = state.line.stretches[-1].rule
    return rule if isinstance(rule, Rule) else state.recurrence.rule


def _open_tasks(series: Series, state: SeriesState) -> RecurrenceSet:
    """Describe a series of which each date is counted from the completion of the one before."""
    found = [task for task in (state.original, *series.occurrences) if not task.is_completed] or [state.original]
    tasks = {_place(task, state): task for task in found}
    start, *others = sorted(tasks)
    return RecurrenceSet(state.original, state.zone, start, None, (), tuple(others), tuple(_changed(tasks, state)))


def _place(task: Task, state: SeriesState) -> datetime:
    if task.occurrence_at is None and isinstance(task.anchor, datetime):
        return wall_clock("dueDate", task.anchor, state.zone)
    return task.occurrence_at or _start(state)


def _passed(series: Series, state: SeriesState, rests: date | None) -> list[datetime]:
    """Return the slots up to the cursor, or to the last one that has a task, and none of those that it rests from."""
    last = max(state.cursor, *state.slots.values())
    if last - len(series.occurrences) > MAX_PASSED:
        message = f"occurrenceNumber: slot {last} was made, and only {len(series.occurrences)} tasks are there"
        raise InvalidRecurrence(message, field="occurrenceNumber", value=last)
    first = _first(state)
    slots = [slot.at for slot in state.timed(first, last + 1 - first)]
    return slots if rests is None else [at for at in slots if at == _start(state) or at.date() < rests]


def _foreseen(state: SeriesState, rests: date | None, added: list[datetime]) -> dict[datetime, datetime | None]:
    """Return what is to come and will not be where the rule has it, with its place; None where it is passed over."""
    recurrence = state.recurrence
    if not recurrence.paused and recurrence.shift is None:
        return {}
    to_come = (*added, *_to_come(state, rests))
    places = {at: None if recurrence.passes_over(at) else recurrence.moved(at) for at in to_come}
    return {at: place for at, place in places.items() if place != at}


def _to_come(state: SeriesState, rests: date | None) -> Iterator[datetime]:
    first = None
    with suppress(InvalidRecurrence):  # some of these lie outside of the calendar
        for _, at, _ in islice(state.onward(state.cursor + 1, 64), MAX_FORESEEN):
            first = first or at
            if at - first > FORESEEN or (rests is not None and at.date() >= rests):
                return
            yield at


def _moved(places: dict[datetime, datetime | None], state: SeriesState) -> Iterator[ChangedInstance]:
    """Yield the slots to come that are moved from days off."""
    for at, place in sorted((at, place) for at, place in places.items() if place is not None):
        yield ChangedInstance(at, in_utc(place, state.zone), replace(state.original, is_completed=False))


def _placed(series: Series, state: SeriesState, slots: list[datetime]) -> Iterator[tuple[datetime, Task]]:
    """Yield the tasks of a series with the times that they stand for on the wall clock."""
    for task in (*series.occurrences, state.original):
        number = state.slots.get(task.id)
        place = None if number is None else number - _first(state)
        if place is not None and 0 <= place < len(slots):
            yield slots[place], task
        elif task.id in state.dates:
            yield state.dates[task.id], task
        elif isinstance(task.anchor, datetime):  # before the first slot, or behind an end that came nearer
            yield wall_clock("dueDate", task.anchor, state.zone), task


def _excluded(state: SeriesState) -> Iterator[datetime]:
    """Yield what is excluded, as times; every slot has the time of day of the anchor."""
    clock = _start(state).timetz()
    for each in state.recurrence.excluded:
        if not isinstance(each, datetime):
            yield datetime.combine(each, clock)
        elif each.timetz() == clock:
            yield each


def _changed(tasks: dict[datetime, Task], state: SeriesState) -> Iterator[ChangedInstance]:
    for at, task in sorted(tasks.items()):
        expected = in_utc(at.replace(fold=0), state.zone)
        due = task.due_date if isinstance(task.due_date, datetime) else expected
        is_moved = due.replace(microsecond=0) != expected.replace(microsecond=0)
        if is_moved or task.is_completed or _content(task) != _content(state.original):
            yield ChangedInstance(at, due, task)


def _content(task: Task) -> list[object]:
    return [task.title, *(task.content.get(name) for name in TOLD)]


# The rule


def rfc5545(rule: Rule, start: datetime) -> Rule:
    """Return a rule that says the same without SKIP, of series that start there; itself where there is none."""
    if rule.skip is Skip.OMIT:
        return rule
    known = filled(rule, start)
    if not _may_skip(known):
        return replace(rule, skip=Skip.OMIT)
    day = known.by_month_day[0] if known.by_month_day else 0
    alone = len(known.by_month_day) == 1 and day > 0 and not (known.by_day or known.by_set_pos or known.by_year_day)
    yearly = known.frequency is Frequency.YEARLY
    if known.skip is Skip.FORWARD or not alone or (yearly and known.interval > 1 and len(known.by_month) != 1):
        return rule
    return replace(_by_last_days(known, day, start), skip=Skip.OMIT)


def _by_last_days(known: Rule, day: int, start: datetime) -> Rule:
    """Return a rule for that day of months, or their last day where it is missing.

    The 29th and 30th are days of the year, from March on counted from its end: so the last of February is one number.
    Widespread programs pass BYSETPOS over where it stands beside BYMONTHDAY, and show each of the 28th, 29th and 30th.
    """
    yearly = known.frequency is Frequency.YEARLY
    many_months = yearly and len(known.by_month) != 1
    if day == 31 or known.by_month == (2,):
        return replace(known, frequency=Frequency.MONTHLY if many_months else known.frequency, by_month_day=(-1,))
    repeats = yearly or 12 % known.interval == 0
    months = [m for m in known.by_month or range(1, 13) if yearly or (m - start.month) % known.interval == 0]
    if not (repeats and months):
        return replace(known, by_month_day=tuple(range(28, day + 1)), by_set_pos=(-1,))
    days = tuple(sorted(_day_of_year(month, day) for month in months))
    return replace(known, frequency=Frequency.YEARLY, interval=1, by_month=(), by_month_day=(), by_year_day=days)


def _day_of_year(month: int, day: int) -> int:
    """Return a day of a month, or the last one of it, as BYYEARDAY has it in every year."""
    if month == 1:
        return day
    last = min(day, days_in_month(_COMMON_YEAR, month))
    return date(_COMMON_YEAR, month, last).toordinal() - date(_COMMON_YEAR + 1, 1, 1).toordinal()


def _may_skip(rule: Rule) -> bool:
    """Say whether there are months, or years, that lack a day which the rule names."""
    if rule.frequency in (Frequency.DAILY, Frequency.WEEKLY) or rule.by_week_no:
        return False
    if rule.by_year_day:
        return any(abs(day) > 365 for day in rule.by_year_day)
    shortest = min(days_in_month(_COMMON_YEAR, month) for month in rule.by_month or (2,))
    return any(abs(day) > shortest for day in rule.by_month_day)


def _rule(state: SeriesState, rests: date | None) -> str | None:
    """Return RRULE's value; None where nothing comes behind the start."""
    wall, rule = _start(state), _ended(state, rests)
    last = last_moment(rule, wall, state.zone)
    if state.is_stopped or rule.counted_from is not None:
        return None
    following = [slot.at for slot in state.timed(_first(state) + 1, 1)] if rule.ends else [wall]
    if not following or (last is not None and following[0] > last):
        return None
    written = rfc5545(rule, wall)
    if last is not None:
        written = replace(written, until=_until(state, last))
    elif rule.count is not None and rule.count <= MAX_PASSED and not is_instance(rule, wall):
        [behind] = state.timed(_first(state) + rule.count - 1, 1)
        written = replace(written, count=None, until=behind.due)
    text = str(written)
    return text if written.skip is Skip.OMIT else f"RSCALE=GREGORIAN;{text}"


def _ended(state: SeriesState, rests: date | None) -> Rule:
    """Return the rule, with its end before a pause until further notice."""
    rule, begin = _written_rule(state), _start(state).date()
    if rests is None:
        return rule
    day = rests - timedelta(days=1) if rests > begin else begin
    last = last_moment(rule, _start(state), state.zone)
    if rule.count is not None and rule.count <= MAX_PASSED:
        with suppress(InvalidRecurrence):  # the last lies outside of the calendar
            last = state.timed(_first(state) + rule.count - 1, 1)[0].at
    return rule if last is not None and last.date() <= day else replace(rule, count=None, until=day)


def _until(state: SeriesState, last: datetime) -> datetime | None:
    """Return UNTIL as an instant: the last time at which a slot can be, which has the time of day of the anchor.

    None where that lies outside the calendar, and no slot behind it.
    """
    day = last.toordinal() - (_start(state).timetz() > last.timetz())
    try:
        at = datetime.combine(datetime.fromordinal(day), _start(state).timetz())
        return in_utc(at.replace(fold=0), state.zone)
    except (InvalidRecurrence, ValueError):
        return None
