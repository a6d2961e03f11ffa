"""Instances: the days on which a rule of any kind falls, from any day on. Pure; all times are on the wall clock.

A rule is explicit period by period (day, week, month, year): what its parts name in one period is put together, sorted,
and chosen from (RFC 5545, section 3.3.10; RFC 7529, section 4.1, for days that a month or year does not have). The walk
begins at the period of whatever day is asked about, so that a series of any age costs the same. What DTSTART implies is
filled in first, and nothing else depends on it but the time of day and the count of periods.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import MAXYEAR, MINYEAR, date, datetime, time, tzinfo
from functools import lru_cache
from typing import assert_never

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.named_days import (
    LAST_DAY,
    days_in_month,
    is_month_day,
    month_of,
    named_in_month,
    named_in_year,
    week_of,
)
from recurrence_pipeline.domain.rules import Frequency, Rule, Skip, WeekdayNum
from recurrence_pipeline.domain.zones import wall_clock

GIVES_UP_AFTER = 400
"""Years without an instance: the Gregorian calendar repeats itself then, weekdays and all."""


def instances(rule: Rule, anchor: datetime, after: datetime | None = None) -> Iterator[datetime]:
    """Yield the instances of a rule after the anchor, in order: slots 1, 2, ... of its series, up to UNTIL.

    COUNT is the caller's to count: the anchor is the first. UNTIL is read on the wall clock; see `last_moment`.

    Args:
        rule: any rule.
        anchor: the start of the series on the wall clock; on the rule or not.
        after: yields only what is later than this.
    """
    explicit, begin = filled(rule, anchor), anchor if after is None or after < anchor else after
    last, end = begin.date().toordinal(), last_moment(rule, anchor)
    clock = anchor.timetz()
    if begin.timetz() < clock:  # that day's own instance is still to come
        last -= 1
    for day in _days_from(explicit, anchor.date(), last):
        found = datetime.combine(date.fromordinal(day), clock)
        if end is not None and found > end:
            return
        if found > anchor:
            yield found


def is_instance(rule: Rule, anchor: datetime) -> bool:
    """Say whether the anchor of a series is on its rule, the end aside."""
    day = anchor.toordinal()
    return next(_days_from(filled(rule, anchor), anchor.date(), day - 1), None) == day


def days_after(rule: Rule, anchor: date, after: int) -> Iterator[int]:
    """Yield the days of a rule behind both the anchor's and day `after`, as ordinals; its end is the caller's."""
    begin = anchor.toordinal()
    return _days_from(filled(rule, anchor), anchor, max(begin, after))


@lru_cache(maxsize=16384)
def has_day(rule: Rule, anchor: date, day: int) -> bool:
    """Say whether a rule falls on a day behind the anchor's, its end aside; the day is an ordinal."""
    return next(days_after(rule, anchor, day - 1), None) == day


def last_moment(rule: Rule, anchor: datetime, zone: tzinfo | None = None) -> datetime | None:
    """Return the last moment on the wall clock that UNTIL includes: all of that day, or of that second.

    Where UNTIL is an instant, `zone` says what the clocks show then.
    """
    if rule.until is None:
        return None
    if not isinstance(rule.until, datetime):
        return datetime.combine(rule.until, time.max, anchor.tzinfo)
    last = rule.until
    if last.tzinfo is not None and zone is not None:
        with suppress(InvalidRecurrence):  # at an end of the calendar, where clocks may show no year
            last = wall_clock("UNTIL", last, zone)
    return last.replace(microsecond=999_999, tzinfo=anchor.tzinfo)


def require_instance(rule: Rule, anchor: datetime) -> None:
    """Refuse a rule that never falls on any day, such as February 30.

    Raises:
        InvalidRecurrence: it has no instance in the 400 years after which the calendar repeats itself.
    """
    unbounded = replace(rule, until=None)
    if next(instances(unbounded, anchor), None) is None:
        message = f"recurrence.rule: {rule} has no day in {GIVES_UP_AFTER} years"
        raise InvalidRecurrence(message, field="recurrence.rule", value=str(rule))


def filled(rule: Rule, anchor: date) -> Rule:
    """Return the rule with what its start implies made explicit: the weekday, the day of the month, the month."""
    weekday = (WeekdayNum(anchor.weekday()),)
    match rule.frequency:
        case Frequency.WEEKLY if not rule.by_day:
            return replace(rule, by_day=weekday)
        case Frequency.MONTHLY if not (rule.by_day or rule.by_month_day):
            return replace(rule, by_month_day=(anchor.day,))
        case Frequency.YEARLY if not (rule.by_year_day or rule.by_month_day or rule.by_day):
            if rule.by_week_no:
                return replace(rule, by_day=weekday)
            return replace(rule, by_month=rule.by_month or (anchor.month,), by_month_day=(anchor.day,))
    return rule


def begun_later(rule: Rule, anchor: date) -> Rule:
    """Return what a rule that counts from an anchor is for a series that starts at any later one of its instances.

    An instance may lie beside the period that names it: the first week of a year in the one before, March 1 instead of
    February 30. Then periods are counted from the anchor still.
    """
    is_beside = rule.interval > 1 and (rule.by_week_no or rule.skip is Skip.FORWARD)
    return replace(filled(rule, anchor), counted_from=anchor if is_beside else None)


def _days_from(rule: Rule, anchor: date, last: int) -> Iterator[int]:
    """Yield the days of a rule behind day `last`, as ordinals; those before the anchor too, where `last` lies there."""
    gives_up = last + GIVES_UP_AFTER * 366
    for begins, days in _periods(rule, rule.counted_from or anchor, last):
        if begins > gives_up:
            return
        for day in chosen(days, rule.by_set_pos):
            if last < day <= LAST_DAY:
                yield day
                last = day
                gives_up = last + GIVES_UP_AFTER * 366


def chosen(days: Iterable[int], positions: tuple[int, ...]) -> list[int]:
    """Return those of the days of a period that BYSETPOS names, in order; all of them where it names none."""
    found = sorted(set(days))
    if not positions:
        return found
    indexes = (position - 1 if position > 0 else len(found) + position for position in positions)
    return sorted({found[index] for index in indexes if 0 <= index < len(found)})


def _periods(rule: Rule, anchor: date, last: int) -> Iterator[tuple[int, Iterable[int]]]:
    """Yield the periods of a rule from that of day `last` on: where each begins, and what the parts name in it."""
    match rule.frequency:
        case Frequency.DAILY:
            return _daily(rule, anchor.toordinal(), last)
        case Frequency.WEEKLY:
            return _weekly(rule, anchor.toordinal(), last)
        case Frequency.MONTHLY:
            return _monthly(rule, anchor, date.fromordinal(max(last, 1)))
        case Frequency.YEARLY:
            return _yearly(rule, anchor.year, date.fromordinal(max(last, 1)).year)
    assert_never(rule.frequency)


def _daily(rule: Rule, first: int, last: int) -> Iterator[tuple[int, Iterable[int]]]:
    step = rule.interval
    if not (rule.by_month or rule.by_month_day or rule.by_day):
        for day in range(first + max(last - first, 0) // step * step, LAST_DAY + 1, step):
            yield day, [day]
        return
    seen = date.fromordinal(max(last, first))
    for number in range(seen.year * 12 + seen.month - 1, (MAXYEAR + 1) * 12):  # month by month: most have no such day
        year, index = divmod(number, 12)
        begin, length = date(year, index + 1, 1).toordinal(), days_in_month(year, index + 1)
        yield begin, []
        if not rule.by_month or index + 1 in rule.by_month:
            for day in range(begin + (first - begin) % step, begin + length, step):
                if day >= first and _is_named(rule, day):
                    yield day, [day]


def _weekly(rule: Rule, anchor: int, last: int) -> Iterator[tuple[int, Iterable[int]]]:
    first, step = week_of(anchor, rule.week_start), 7 * rule.interval
    offsets = [(day.weekday - rule.week_start) % 7 for day in rule.by_day]
    for week in range(first + max(last - first, 0) // step * step, LAST_DAY + 1, step):
        days = [week + offset for offset in offsets]
        yield week, [day for day in days if month_of(day) in rule.by_month] if rule.by_month else days


def _monthly(rule: Rule, anchor: date, last: date) -> Iterator[tuple[int, Iterable[int]]]:
    begin, step = anchor.year * 12 + anchor.month - 1, rule.interval
    at = begin + max(last.year * 12 + last.month - 1 - begin, 0) // step * step
    for number in range(at, (MAXYEAR + 1) * 12, step):
        year, index = divmod(number, 12)
        yield date(year, index + 1, 1).toordinal(), named_in_month(rule, year, index + 1)


def _yearly(rule: Rule, anchor: int, last: int) -> Iterator[tuple[int, Iterable[int]]]:
    """Walk years; a week belongs to the year of most of its days, so that it may begin in the one before, or after."""
    step, back = rule.interval, 1 if rule.by_week_no else 0
    at = anchor + max(last - back - anchor, 0) // step * step
    for year in range(max(at - back * step, MINYEAR), MAXYEAR + 1, step):
        yield date(year, 1, 1).toordinal(), named_in_year(rule, year)


def _is_named(rule: Rule, day: int) -> bool:
    """Say whether a day of a month that is named is one that the other parts of a daily rule leave."""
    when = date.fromordinal(day)
    return (not rule.by_month_day or is_month_day(rule, when)) and (
        not rule.by_day or any(each.weekday == when.weekday() for each in rule.by_day)
    )
