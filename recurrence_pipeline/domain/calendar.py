"""Slots: where a rule puts the occurrences of a series. Pure date arithmetic: no tasks, no clock, no storage.

A slot is a function of the anchor, the rule and its number alone, so that no error adds up: the third month after
Jan 31 is Apr 30, whatever February was. Rules count on the wall clock of the series' time zone, and instants are UTC:
09:00 stays 09:00 across DST. A time that does not exist that day moves forward by the gap (RFC 5545, section 3.3.5,
with erratum 4271); of a time that exists twice the first is meant. PEP 495 gives both to a datetime with `fold=0`.
"""

from calendar import isleap
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from datetime import timezone as fixed_offset
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from recurrence_pipeline.domain.errors import InvalidRecurrence

REPEAT_TYPES = ("daily", "weekly", "monthly")
"""The rules. `none`, which a task may also say, is not one."""

UTC = fixed_offset.utc

DRIFT = timedelta(hours=2)
"""How far from its slot a task still counts as on it: DST moves what was counted in another zone by no more."""

MAX_WITNESSES = 100
"""How many times are heard where an anchor is looked for."""

_STEPS = {"daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SHORTEST_MONTH = 28


def slot(anchor: datetime, repeat_type: str, number: int, timezone: str | None = None) -> datetime:
    """Return slot `number` of the series, in UTC; slot 0 is the anchor itself.

    `anchor` is aware, and read as wall-clock time in `timezone` (an IANA name; None: UTC).

    Raises:
        InvalidRecurrence: for a naive anchor, an unknown rule or zone, a number that is no count, or a slot that
            lies past the year 9999.
    """
    wall = _wall_clock("anchor", anchor, timezone)
    return _slot(wall, repeat_type, _count("number", number))


def slot_number(anchor: datetime, repeat_type: str, when: datetime, timezone: str | None = None) -> int:
    """Return the number of the slot that `when` stands for: `slot_number(slot(n)) == n`.

    That is the distance from the anchor in calendar days, weeks or months on the wall clock, negative before the
    anchor: of Jan 31 monthly, Feb 29 and Mar 29 are slots 1 and 2. Where a neighbouring slot is within `DRIFT` of
    `when`, it is that one: a gap moved it over midnight, or a worker counting in another zone did. Where two days of
    the wall clock share an instant (Pacific/Apia, 2011-12-30), it is the later one.

    Raises:
        InvalidRecurrence: for a naive time or an unknown rule or zone.
    """
    wall = _wall_clock("anchor", anchor, timezone)
    number = _distance(wall, _wall_clock("when", when, timezone), repeat_type)
    candidates = (number, number + 1, number - 1)
    return next((n for n in candidates if _stands_for(when, wall, repeat_type, n)), number)


def slots(anchor: datetime, repeat_type: str, first: int, count: int, timezone: str | None = None) -> list[datetime]:
    """Return `count` slots from number `first` on; the anchor is put on the wall clock once for all of them.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    return _slots(_wall_clock("anchor", anchor, timezone), repeat_type, _count("first", first), _count("count", count))


def occurrences(start: datetime, repeat_type: str, count: int, timezone: str | None = None) -> list[datetime]:
    """Return the `count` slots after `start`: slots 1 to `count` of a series anchored there.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    return _slots(_wall_clock("start", start, timezone), repeat_type, 1, _count("count", count))


def next_occurrence(
    base: datetime, repeat_type: str, timezone: str | None = None, anchor: datetime | None = None
) -> datetime:
    """Return the first slot strictly after `base`, in constant time; the anchor is `base` unless given.

    Raises:
        InvalidRecurrence: as `slot` does.
    """
    wall = _wall_clock("anchor", base if anchor is None else anchor, timezone)
    wall_base = _wall_clock("base", base, timezone)
    # A gap or an overlap around midnight puts the answer one off the calendar's, either way: four slots at most.
    number = max(_distance(wall, wall_base, repeat_type) - 1, 0)
    while (found := _slot(wall, repeat_type, number)) <= base:
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
    walls = [(number, _wall_clock("when", when, timezone)) for number, when in islice(numbered, MAX_WITNESSES)]
    starts = set()
    for number, wall in walls:
        with suppress(OverflowError, ValueError):  # a number that leads out of the calendar
            starts.update(_shifted(wall, repeat_type, -number))
    if repeat_type == "monthly":
        days = {wall.day for _, wall in walls}
        starts = {start.replace(day=min(day, _last_day(start.year, start.month))) for start in starts for day in days}

    def fitting(start: datetime) -> int:
        return sum(1 for number, wall in walls if _is_slot(wall, start, repeat_type, number))

    best = max(sorted(starts), key=fitting, default=None)
    return None if best is None else best.astimezone(UTC)


def time_zone(name: str | None) -> tzinfo:
    """Return the zone of an IANA name; None is UTC.

    Raises:
        InvalidRecurrence: where the name is not one.
    """
    if name is None:
        return UTC
    try:
        return _load_zone(name)
    except (KeyError, ValueError, TypeError, OSError) as error:  # zoneinfo lets through what its files raise
        raise InvalidRecurrence(f"timezone: {name!r} is not an IANA time zone", field="timezone", value=name) from error


@lru_cache(maxsize=1024)
def _load_zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _wall_clock(field: str, time: datetime, timezone: str | None) -> datetime:
    """Return an aware time as the clocks of the zone show it."""
    zone = time_zone(timezone)
    if isinstance(time, datetime) and time.tzinfo is zone:
        return time
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise InvalidRecurrence(f"{field}: {time!r} is not a date with a time zone", field=field, value=time)
    try:
        return time.astimezone(zone)
    except OverflowError as error:
        message = f"{field}: {time.isoformat()} lies outside the years 1 to 9999 in {zone}"
        raise InvalidRecurrence(message, field=field, value=time) from error


def _count(field: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidRecurrence(f"{field}: {value!r} is not a whole number from 0", field=field, value=value)
    return value


def _require_rule(repeat_type: str) -> None:
    if repeat_type not in REPEAT_TYPES:
        raise InvalidRecurrence(f"Invalid repeat type: {repeat_type}", field="repeatType", value=repeat_type)


def _slot(wall: datetime, repeat_type: str, number: int) -> datetime:
    return _slots(wall, repeat_type, number, 1)[0]


def _slots(wall: datetime, repeat_type: str, first: int, count: int) -> list[datetime]:
    """Return `count` slots from number `first`, which may be negative here, of an anchor on the wall clock."""
    try:
        walls = _shifted(wall, repeat_type, first, count)
        return walls if wall.tzinfo is UTC else [shown.astimezone(UTC) for shown in walls]
    except (OverflowError, ValueError) as error:
        if count > 1:  # which of them it is, only each by itself can tell
            return [_slot(wall, repeat_type, number) for number in range(first, first + count)]
        message = f"number: slot {first} ({repeat_type} from {wall.isoformat()}) lies outside the years 1 to 9999"
        raise InvalidRecurrence(message, field="number", value=first) from error


def _shifted(wall: datetime, repeat_type: str, first: int, count: int = 1) -> list[datetime]:
    """Return the wall clock `first` steps on, and then at each step, with `fold=0` as datetime arithmetic has it.

    No steps keep the fold. Days and weeks are added up, for no error comes into them; months count from the anchor.
    """
    step = _STEPS.get(repeat_type)
    if step is None:
        _require_rule(repeat_type)
        return [_months_on(wall, number) for number in range(first, first + count)]
    walls = [wall + step * first] if first else [wall]
    for _ in range(1, count):
        walls.append(walls[-1] + step)
    return walls[:count]


def _months_on(wall: datetime, number: int) -> datetime:
    years, month = divmod(wall.month - 1 + number, 12)
    year, month, day = wall.year + years, month + 1, wall.day
    if day > _SHORTEST_MONTH:
        day = min(day, _last_day(year, month))
    return wall.replace(year, month, day, fold=0) if wall.fold and number else wall.replace(year, month, day)


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


def _stands_for(when: datetime, wall: datetime, repeat_type: str, number: int) -> bool:
    """Say whether `when` is on slot `number` or within `DRIFT` of it."""
    try:
        return abs(_slot(wall, repeat_type, number) - when) <= DRIFT
    except InvalidRecurrence:  # the calendar ends before that slot
        return False


def _is_slot(when: datetime, wall: datetime, repeat_type: str, number: int) -> bool:
    try:
        return _slot(wall, repeat_type, number) == when
    except InvalidRecurrence:
        return False
