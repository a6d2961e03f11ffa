"""The days that the parts of a rule name in one month or one year, as ordinals. Pure.

Parts expand and limit as the table in RFC 5545, section 3.3.10 says; RFC 7529, section 4.1 says what becomes of days
that a month or year does not have. Which periods a rule walks through, and BYSETPOS, are instances.py's business.
"""

from calendar import isleap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import MAXYEAR, date
from functools import lru_cache

from recurrence_pipeline.domain.rules import Rule, Skip, WeekdayNum

_MONTH_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
LAST_DAY = date.max.toordinal()


@lru_cache(maxsize=16384)
def days_of_month(rule: Rule, year: int, month: int) -> tuple[int, ...]:
    """Return the days that BYDAY or BYMONTHDAY name in a month, as ordinals."""
    return tuple(sorted(set(named_in_month(replace(rule, by_month=()), year, month))))


def named_in_month(rule: Rule, year: int, month: int) -> list[int]:
    """Return the days that a rule names in a month; some may come twice."""
    if rule.by_month and month not in rule.by_month:
        return []
    first, length = date(year, month, 1).toordinal(), days_in_month(year, month)
    if not rule.by_month_day:
        return [day for each in rule.by_day for day in _weekdays(each, first, length)]
    days = [day for number in rule.by_month_day for day in _counted(number, first, length, rule.skip)]
    return _limited(days, rule.by_day, first, length)


def named_in_year(rule: Rule, year: int) -> list[int]:
    """Return the days that a yearly rule names in a year, or in the weeks of that year; some may come twice."""
    first, length = date(year, 1, 1).toordinal(), 366 if isleap(year) else 365
    if rule.by_week_no:
        days = [day for week in _weeks(rule, year) for day in range(week, week + 7)]
        return [day for day in _limited(days, rule.by_day, first, length) if _fits(rule, day)]
    if rule.by_year_day:
        days = [day for number in rule.by_year_day for day in _counted(number, first, length, rule.skip)]
        return [day for day in _limited_in_year(rule, days, year) if _fits(rule, day)]
    if rule.by_month or rule.by_month_day:
        months = rule.by_month or range(1, 13)
        if rule.by_month or not rule.by_day:
            return [day for month in months for day in named_in_month(rule, year, month)]
        days = [day for month in months for day in named_in_month(replace(rule, by_day=()), year, month)]
        return _limited(days, rule.by_day, first, length)
    return [day for each in rule.by_day for day in _weekdays(each, first, length)]


def _limited_in_year(rule: Rule, days: list[int], year: int) -> list[int]:
    """Leave the days that BYDAY names: its numbers count within the month where BYMONTH is given, else the year."""
    if not rule.by_month:
        return _limited(days, rule.by_day, date(year, 1, 1).toordinal(), 366 if isleap(year) else 365)
    return [
        day
        for month in rule.by_month
        for day in _limited(days, rule.by_day, date(year, month, 1).toordinal(), days_in_month(year, month))
        if month_of(day) == month
    ]


def _fits(rule: Rule, day: int) -> bool:
    """Say whether a day of a week or year is in the months, and on the days of months, that are named besides."""
    if not (rule.by_month or rule.by_month_day or (rule.by_week_no and rule.by_year_day)):
        return True
    when = date.fromordinal(day)
    of_year = day - date(when.year, 1, 1).toordinal() + 1
    return (
        (not rule.by_month or when.month in rule.by_month)
        and (not rule.by_month_day or is_month_day(rule, when))
        and (
            not (rule.by_week_no and rule.by_year_day)
            or of_year in rule.by_year_day
            or of_year - (366 if isleap(when.year) else 365) - 1 in rule.by_year_day
        )
    )


def _counted(number: int, first: int, length: int, skip: Skip) -> list[int]:
    """Return the day with a number in a month or year, from its end where it is negative; none, or another, if none."""
    if abs(number) <= length:
        return [first + number - 1 if number > 0 else first + length + number]
    if skip is Skip.OMIT:
        return []
    before = first + length - 1 if number > 0 else first - 1
    return [before if skip is Skip.BACKWARD else before + 1]


def _limited(days: list[int], by_day: tuple[WeekdayNum, ...], first: int, length: int) -> list[int]:
    """Leave the days that BYDAY names; its numbers count within the month or year that `first` and `length` say."""
    if not by_day:
        return days
    return [day for day in days if any(_is_weekday(each, day, first, length) for each in by_day)]


def _is_weekday(each: WeekdayNum, day: int, first: int, length: int) -> bool:
    if (day - 1) % 7 != each.weekday:
        return False
    return not each.ordinal or day in _weekdays(each, first, length)


def _weekdays(each: WeekdayNum, first: int, length: int) -> Iterable[int]:
    """Return the days of a month or year on a weekday, or the one that the ordinal says; none if there is none."""
    begin = first + (each.weekday - (first - 1)) % 7
    days = range(begin, first + length, 7)
    if not each.ordinal:
        return days
    index = each.ordinal - 1 if each.ordinal > 0 else len(days) + each.ordinal
    return [days[index]] if 0 <= index < len(days) else []


def _weeks(rule: Rule, year: int) -> Iterator[int]:
    """Yield the first days of the weeks that BYWEEKNO names in a year."""
    first = _first_week(year, rule.week_start)
    count = (_first_week(year + 1, rule.week_start) - first) // 7
    for number in rule.by_week_no:
        if abs(number) <= count:
            yield first + 7 * (number - 1 if number > 0 else count + number)


def _first_week(year: int, week_start: int) -> int:
    """Return the first day of the first week that has four days of the year (ISO 8601, for weeks from any day on)."""
    fourth = date(min(year, MAXYEAR), 1, 4).toordinal() + (365 if year > MAXYEAR else 0)
    return week_of(fourth, week_start)


def week_of(day: int, week_start: int) -> int:
    """Return the first day of the week of a day."""
    return day - ((day - 1) % 7 - week_start) % 7


def month_of(day: int) -> int:
    """Return the month of a day; 0 beyond the ends of the calendar."""
    return date.fromordinal(day).month if 1 <= day <= LAST_DAY else 0


def is_month_day(rule: Rule, when: date) -> bool:
    """Say whether BYMONTHDAY names a day, counted from either end of its month."""
    length = days_in_month(when.year, when.month)
    return when.day in rule.by_month_day or when.day - length - 1 in rule.by_month_day


def days_in_month(year: int, month: int) -> int:
    """Return how many days a month has."""
    return 29 if month == 2 and isleap(year) else _MONTH_DAYS[month]
