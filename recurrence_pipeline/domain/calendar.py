"""Slots: where a rule puts the occurrences of a series. Pure date arithmetic: no tasks, no clock, no storage.

A slot is a function of the anchor, the rule and its number alone, so that no error adds up: the third month after
Jan 31 is Apr 30, whatever February was. Rules count on the wall clock of the series' time zone, and instants are UTC:
09:00 stays 09:00 across DST. A time that does not exist that day moves forward by the gap (RFC 5545, section 3.3.5,
with erratum 4271); of a time that exists twice the first is meant. PEP 495 gives both to a datetime with `fold=0`.
"""

from calendar import isleap
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import accumulate, islice

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.zones import (
    OFFSET_PERIOD_DAYS,
    UTC,
    aware,
    offset_period,
    time_zone,
    utc_offset,
    wall_clock,
)

REPEAT_TYPES = ("daily", "weekly", "monthly")
"""The rules. `none`, which a task may also say, is not one."""

DRIFT = timedelta(hours=2)
"""How far from its slot a task still counts as on it: DST moves what was counted in another zone by no more."""

MAX_SAMPLES = 100
"""How many times are heard where an anchor is looked for."""

_ZERO = timedelta(0)
_MONTHS_KNOWN = 64
_STEPS = {"daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
_IN_EVERY_MONTH = 28
_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def slot(anchor: datetime, repeat_type: str, number: int, timezone: str | None = None) -> datetime:
    """Return slot `number` of the series, in UTC; slot 0 is the anchor itself.

    `anchor` is aware, and read as wall-clock time in `timezone` (an IANA name; None: UTC).

    Raises:
        InvalidRecurrence: for a naive anchor, an unknown rule or zone, a number that is no count, or a slot that
            lies past the year 9999.
    """
    return slots(anchor, repeat_type, _count("number", number), 1, timezone)[0]


def slot_number(anchor: datetime, repeat_type: str, when: datetime, timezone: str | None = None) -> int:
    """Return the number of the slot that `when` stands for: `slot_number(slot(n)) == n`.

    That is the distance from the anchor in calendar days, weeks or months on the wall clock, negative before the
    anchor: of Jan 31 monthly, Feb 29 and Mar 29 are slots 1 and 2. Where a neighbouring slot is within `DRIFT` of
    `when`, it is that one: a gap moved it over midnight, or a worker counting in another zone did. Where two days of
    the wall clock share an instant (Pacific/Apia, 2011-12-30), it is the later one.

    Raises:
        InvalidRecurrence: for a naive time or an unknown rule or zone.
    """
    zone = time_zone(timezone)
    wall = wall_clock("anchor", anchor, zone)
    number = _distance(wall, wall_clock("when", when, zone), repeat_type)
    candidates = (number, number + 1, number - 1)
    return next((n for n in candidates if _stands_for(when, wall, zone, repeat_type, n)), number)


def slots(anchor: datetime, repeat_type: str, first: int, count: int, timezone: str | None = None) -> list[datetime]:
    """Return `count` slots from number `first` on.

    Most series are asked for their next few slots, and mostly the clocks do not change before the last of them: then
    days on the wall are days of UTC, and the zone need not be asked about each of them.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    zone = time_zone(timezone)
    last = _count("first", first) + _count("count", count)
    in_utc = isinstance(anchor, datetime) and anchor.tzinfo is UTC
    if in_utc and zone is not UTC and repeat_type in _STEPS and last <= OFFSET_PERIOD_DAYS:
        spell = offset_period(zone, anchor.year, anchor.month)
        if spell.begin <= anchor:  # whether it is over, the last slot tells, which is no earlier than the anchor
            found = _shifted(anchor, repeat_type, first, count)
            if not found or found[-1] < spell.end:
                return found
    return _slots(wall_clock("anchor", anchor, zone), zone, repeat_type, first, count)


def occurrences(start: datetime, repeat_type: str, count: int, timezone: str | None = None) -> list[datetime]:
    """Return the `count` slots after `start`: slots 1 to `count` of a series anchored there.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    return slots(aware("start", start), repeat_type, 1, count, timezone)


def next_occurrence(
    base: datetime, repeat_type: str, timezone: str | None = None, anchor: datetime | None = None
) -> datetime:
    """Return the first slot strictly after `base`, in constant time; the anchor is `base` unless given.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    zone = time_zone(timezone)
    wall_base = wall_clock("base", base, zone)
    wall = wall_base if anchor is None else wall_clock("anchor", anchor, zone)
    # A gap or an overlap around midnight puts the answer one off the calendar's, either way: four slots at most.
    number = max(_distance(wall, wall_base, repeat_type) - 1, 0)
    while (found := _slot(wall, zone, repeat_type, number)) <= base:
        number += 1
    return found


def anchor_of(
    numbered: Iterable[tuple[int, datetime]], repeat_type: str, timezone: str | None = None
) -> datetime | None:
    """Return the anchor that puts most of these times on the slots with their numbers; None where there is none.

    What one month was too short for shows in another: of any two months in a row one has 31 days, so that of Feb 29
    and Mar 31, slots 1 and 2, the anchor is Jan 31. Feb 29 alone can only say Jan 29.

    Raises:
        InvalidRecurrence: for a naive time or an unknown rule or zone.
    """
    _require_rule(repeat_type)
    zone = time_zone(timezone)
    heard = list(islice(numbered, MAX_SAMPLES))
    walls = [wall_clock("when", when, zone) for _, when in heard]
    starts = set()
    for (number, _), wall in zip(heard, walls, strict=True):
        with suppress(OverflowError, ValueError):  # a number that leads out of the calendar
            starts.update(_shifted(wall, repeat_type, -number))
    if repeat_type == "monthly":
        days = {wall.day for wall in walls}
        starts = {start.replace(day=min(day, _last_day(start.year, start.month))) for start in starts for day in days}

    def fitting(start: datetime) -> int:
        return sum(1 for number, when in heard if _is_slot(when, start, zone, repeat_type, number))

    best = max(sorted(starts), key=fitting, default=None)
    return None if best is None else best - utc_offset(zone, best)


def _count(field: str, value: int) -> int:
    if value.__class__ is int and value >= 0:
        return value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidRecurrence(f"{field}: {value!r} is not a whole number from 0", field=field, value=value)
    return value


def _require_rule(repeat_type: str) -> None:
    if repeat_type not in REPEAT_TYPES:
        raise InvalidRecurrence(f"Invalid repeat type: {repeat_type}", field="repeatType", value=repeat_type)


def _slot(wall: datetime, zone: tzinfo, repeat_type: str, number: int) -> datetime:
    return _slots(wall, zone, repeat_type, number, 1)[0]


def _slots(wall: datetime, zone: tzinfo, repeat_type: str, first: int, count: int) -> list[datetime]:
    """Return `count` slots from number `first`, which may be negative here, of an anchor on the wall clock."""
    try:
        walls = _shifted(wall, repeat_type, first, count)
        return walls if zone is UTC else [shown - (zone.utcoffset(shown) or _ZERO) for shown in walls]
    except (OverflowError, ValueError) as error:
        if count > 1:  # which of them it is, only each by itself can tell
            return [_slot(wall, zone, repeat_type, number) for number in range(first, first + count)]
        message = f"number: slot {first} ({repeat_type} from {wall:%Y-%m-%d %H:%M}) lies outside the years 1 to 9999"
        raise InvalidRecurrence(message, field="number", value=first) from error


def _shifted(wall: datetime, repeat_type: str, first: int, count: int = 1) -> list[datetime]:
    """Return the wall clock `first` steps on, and then at each step.

    No step keeps the fold, every other has none, as datetime arithmetic has it. Days and weeks are added up, for no
    error comes into them (`while` takes half the time of `for` here); months count from the anchor.
    """
    if first == 0 and count:
        _require_rule(repeat_type)
        return [wall, *_shifted(wall, repeat_type, 1, count - 1)]
    if repeat_type == "monthly":
        year, month, day = wall.year, wall.month, wall.day
        if day <= _IN_EVERY_MONTH and 0 < first <= _MONTHS_KNOWN - count:
            return [wall + span for span in _month_spans(year, month)[first : first + count]]
        return [wall + _months(year, month, day, number) for number in range(first, first + count)]
    step = _STEPS.get(repeat_type)
    if step is None or not count:
        _require_rule(repeat_type)
        return []
    wall += step if first == 1 else step * first
    walls = [wall]
    while count > 1:
        wall += step
        walls.append(wall)
        count -= 1
    return walls


@lru_cache(maxsize=4096)
def _month_spans(year: int, month: int) -> tuple[timedelta, ...]:
    """Return how far it is from a day to that day so many months on, for days that every month has."""
    months = range(month - 1, month - 1 + _MONTHS_KNOWN)
    lengths = (_last_day(year + index // 12, index % 12 + 1) for index in months)
    return tuple(timedelta(days) for days in accumulate(lengths, initial=0))


@lru_cache(maxsize=16384)
def _months(year: int, month: int, day: int, number: int) -> timedelta:
    """Return how far it is from a day to that day so many months on, or to the last day of a month too short for it."""
    years, index = divmod(month - 1 + number, 12)
    then = date(year + years, index + 1, min(day, _last_day(year + years, index + 1)))
    return then - date(year, month, day)


def _last_day(year: int, month: int) -> int:
    """Return the number of days of a month, without the weekday that `calendar.monthrange` works out besides."""
    return 29 if month == 2 and isleap(year) else _DAYS[month]


def _distance(start: datetime, end: datetime, repeat_type: str) -> int:
    """Return how many whole calendar steps `end` is from `start`, both on the same wall clock."""
    _require_rule(repeat_type)
    if repeat_type == "monthly":
        return (end.year - start.year) * 12 + end.month - start.month
    days = end.toordinal() - start.toordinal()
    return days if repeat_type == "daily" else days // 7


def _stands_for(when: datetime, wall: datetime, zone: tzinfo, repeat_type: str, number: int) -> bool:
    """Say whether `when` is on slot `number` or within `DRIFT` of it."""
    try:
        return abs(_slot(wall, zone, repeat_type, number) - when) <= DRIFT
    except InvalidRecurrence:  # the calendar ends before that slot
        return False


def _is_slot(when: datetime, wall: datetime, zone: tzinfo, repeat_type: str, number: int) -> bool:
    try:
        return _slot(wall, zone, repeat_type, number) == when
    except InvalidRecurrence:
        return False
