"""A series as RFC 5545, section 3.8.5, describes one: a start, a rule, dates taken out and put in, changed instances.

Pure, and values only: how they are written as text is views/icalendar.py's. A reader who follows the RFC gets the slots
of the series again. What has a task is in; a slot that has none any more, or is excluded, is taken out.

SKIP of RFC 7529 is left out: what plain_rules.py has no words for is put in as dates, for SPELT_OUT ahead. RFC 5545
leaves open what a start that is not on its rule means; then the start is put in as a date, and the number of slots is
said as the time of the last.

It has no words for days off and pauses. Those of slots that are still to come are told for FORESEEN ahead: what is
passed over is taken out, what moves is a changed instance. A pause until further notice ends the rule. Nor has it words
for periods that are counted from a day before the start: then all slots are put in as dates. Dates that are counted
from completion are no recurrence set: what is open is told, and no rule.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from itertools import islice, takewhile
from typing import NamedTuple

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.instances import instances, is_instance, last_moment
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plain_rules import PlainRule, plain_rule
from recurrence_pipeline.domain.rules import Rule
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.zones import wall_clock

MAX_PASSED = 10_000
"""Slots that were passed by: more is not the life of a series, and no calendar program would read it."""
FORESEEN = timedelta(days=731)
"""How far ahead of the first slot to come it is told which of them lie in pauses, or on days off."""
SPELT_OUT = timedelta(days=7305)
"""How far ahead of the first slot to come those are told as dates that no rule has in words: 20 years."""
MAX_FORESEEN = 1000
TOLD = ("description", "priority", "category")
"""The fields in which, beside the title, an occurrence may differ from its original."""


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
    plain = plain_rule(_written_rule(state), _start(state))
    rule = _rule(state, rests, plain)
    gone = {at for number, at in enumerate(slots, _first(state)) if number <= state.cursor}
    to_come = [at for at in state.added() if at not in state.made]
    places = {at: place for at, place in _foreseen(state, rests, to_come).items() if at not in tasks}
    passed_over = {at for at, place in places.items() if place is None}
    excluded = (gone | passed_over.difference(to_come) | set(_excluded(state))) - tasks.keys()
    beside = _beside_the_rule(state, rests, plain, slots)
    added = (set(to_come) - passed_over) | (tasks.keys() - set(slots) if rule is not None else tasks.keys())
    added |= beside - excluded
    if rule is None or plain.rule is None or not is_instance(plain.rule, _start(state)):
        added.add(_start(state))
    return RecurrenceSet(
        original=state.original,
        zone=state.zone,
        start=_start(state),
        rule=rule,
        excluded=tuple(sorted(excluded - beside)),
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
    to_come = (*added, *_to_come(state, rests, FORESEEN))
    places = {at: None if recurrence.passes_over(at) else recurrence.moved(at) for at in to_come}
    return {at: place for at, place in places.items() if place != at}


def _to_come(state: SeriesState, rests: date | None, ahead: timedelta) -> Iterator[datetime]:
    first = None
    with suppress(InvalidRecurrence):  # some of these lie outside of the calendar
        for _, at, _ in islice(state.onward(state.cursor + 1, 64), MAX_FORESEEN):
            first = first or at
            if at - first > ahead or (rests is not None and at.date() >= rests):
                return
            yield at


def _beside_the_rule(state: SeriesState, rests: date | None, plain: PlainRule, slots: list[datetime]) -> set[datetime]:
    """Return the slots that the plain rule lacks, made or to come; the start is none of them."""
    if plain.is_whole:
        return set()
    start = _start(state)
    found = {*slots, *_to_come(state, rests, SPELT_OUT)} - {start}
    if plain.rule is None or not found:
        return found
    last = max(found)
    said = takewhile(lambda at: at <= last, instances(plain.rule.without_end(), start))
    return found.difference(said)


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


def _rule(state: SeriesState, rests: date | None, plain: PlainRule) -> str | None:
    """Return RRULE's value; None where nothing comes behind the start."""
    wall, rule = _start(state), _ended(state, rests)
    last = last_moment(rule, wall, state.zone)
    if state.is_stopped or plain.rule is None:
        return None
    following = [slot.at for slot in state.timed(_first(state) + 1, 1)] if rule.ends else [wall]
    if not following or (last is not None and following[0] > last):
        return None
    count, until = rule.count, None
    if last is not None:
        until = _until(state, last)
    elif count is not None and count <= MAX_PASSED and not (plain.is_whole and is_instance(rule, wall)):
        [behind] = state.timed(_first(state) + count - 1, 1)
        count, until = None, behind.due
    return str(replace(plain.rule, count=count, until=until))


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
