"""Slots by their numbers, on the wall clock: in constant time for the rules that nearly everybody uses. Pure.

Such a rule has as many instances in each of its periods, so that a number says which period and which of them. What
other rules have is counted in counting.py. Slot 0 is the anchor, on the rule or not; slot n is the n-th instance after
it. COUNT and UNTIL are the caller's: numbers go on behind the end.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache

from typing_extensions import override

from recurrence_pipeline.domain.counting import Counted, Family, Known
from recurrence_pipeline.domain.named_days import days_in_month, days_of_month
from recurrence_pipeline.domain.rules import Frequency, Rule, Skip

IN_EVERY_MONTH = 28
WEEKS_IN_EVERY_MONTH = 4

_CYCLE_BEYOND = 8


@lru_cache(maxsize=4096)
def family_of(rule: Rule) -> Family:
    """Return what counts the slots of a rule, COUNT and UNTIL aside."""
    rule = rule.without_end()
    general = Counted(rule)
    if rule.by_week_no or rule.by_year_day or rule.by_set_pos or rule.counted_from:
        return general
    match rule.frequency:
        case Frequency.DAILY if not (rule.by_month or rule.by_month_day):
            return _of_days(rule, general)
        case Frequency.WEEKLY if not rule.by_month:
            return _Weekdays(rule) if rule.by_day else _Days(7 * rule.interval)
        case Frequency.MONTHLY if rule.interval == 1 or not rule.by_month:
            return _of_months(rule, general)
        case Frequency.YEARLY if rule.by_month or not rule.by_day:
            return _of_months(rule, general)
    return general


def _of_days(rule: Rule, general: Family) -> Family:
    if not rule.by_day:
        return _Days(rule.interval)
    return _Weekdays(rule) if rule.interval == 1 else general


def _of_months(rule: Rule, general: Family) -> Family:
    days = rule.by_month_day
    if rule.by_day:
        ordinals = {each.ordinal for each in rule.by_day}
        steady = not days and len(ordinals) == 1 and 0 < abs(ordinals.pop()) <= WEEKS_IN_EVERY_MONTH
        return _Months(rule) if steady else general
    if not days:
        return _MonthsOfAnchor(rule, general)
    in_all = all(abs(day) <= IN_EVERY_MONTH for day in days) and (days[0] > 0) == (days[-1] > 0)
    clamped = rule.skip is not Skip.OMIT and len(days) == 1 and days[0] > 0
    return _Months(rule) if in_all or clamped else general


class _Days(Family):
    """Every so many days. Numbers may be negative here."""

    def __init__(self, days: int) -> None:
        self._days = days
        self._step = timedelta(days)
        self._first_three = [self._step, self._step * 2, self._step * 3]

    @override
    def spans(self, wall: datetime, first: int, count: int, known: Known | None = None) -> Sequence[timedelta]:
        if first == 1 and count == 3:
            return self._first_three
        span = self._step * first
        spans = [span] if count else []
        while count > 1:  # takes half the time of `for` here
            span += self._step
            spans.append(span)
            count -= 1
        return spans

    @override
    def number(self, wall: datetime, when: datetime, known: Known | None = None) -> int:
        return (when.toordinal() - wall.toordinal()) // self._days

    @override
    def anchors(self, wall: datetime, number: int, days: Collection[int]) -> Collection[datetime]:
        return [wall - self._step * number]


class _Weekdays(Family):
    """Some days of every so many weeks."""

    def __init__(self, rule: Rule) -> None:
        self._start = rule.week_start
        self._offsets = sorted((day.weekday - rule.week_start) % 7 for day in rule.by_day)
        self._period = 7 * rule.interval
        self._cycles = [self._cycle(weekday) for weekday in range(7)]

    def _cycle(self, weekday: int) -> tuple[timedelta, ...]:
        """Return how far it is from a weekday to the first slots after it."""
        begin, many = self._before(weekday), len(self._offsets)
        return tuple(self._span(weekday, begin + index) for index in range(many + _CYCLE_BEYOND))

    def _before(self, weekday: int) -> int:
        """Return how many slots its week has until the end of a weekday."""
        return bisect_right(self._offsets, (weekday - self._start) % 7)

    def _span(self, weekday: int, index: int) -> timedelta:
        periods, place = divmod(index, len(self._offsets))
        return timedelta(periods * self._period + self._offsets[place] - (weekday - self._start) % 7)

    @override
    def spans(self, wall: datetime, first: int, count: int, known: Known | None = None) -> Sequence[timedelta]:
        weekday = wall.weekday()
        if first < 1 or count > _CYCLE_BEYOND:
            begin = self._before(weekday) - 1
            numbers = range(first, first + count)
            return [self._span(weekday, begin + number) if number else timedelta(0) for number in numbers]
        periods, place = divmod(first - 1, len(self._offsets))
        spans = self._cycles[weekday][place : place + count]
        if not periods:
            return spans
        gone = timedelta(periods * self._period)
        return [gone + span for span in spans]

    @override
    def number(self, wall: datetime, when: datetime, known: Known | None = None) -> int:
        weekday = wall.weekday()
        days = when.toordinal() - wall.toordinal() + (weekday - self._start) % 7
        periods, day = divmod(days, self._period)
        return periods * len(self._offsets) + bisect_right(self._offsets, day) - self._before(weekday)


class _Months(Family):
    """Some days of some months of every so many months or years: as many in each."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        yearly = rule.frequency is Frequency.YEARLY or bool(rule.by_month)
        self._step = rule.interval * (12 if yearly else 1)
        self._months = tuple(month - 1 for month in rule.by_month) or (tuple(range(12)) if yearly else (0,))
        self._from_january = yearly
        self._each = len(rule.by_day or rule.by_month_day)
        self._many = self._each * len(self._months)

    @override
    def spans(self, wall: datetime, first: int, count: int, known: Known | None = None) -> Sequence[timedelta]:
        return _month_spans(self, wall.year, wall.month, wall.day, first, count)

    def span(self, start: date, number: int) -> timedelta:
        """Return how far slot `number` is from the anchor's day."""
        if not number:
            return timedelta(0)
        periods, place = divmod(self._before(start, start) + number - 1, self._many)
        month, day = divmod(place, self._each)
        return timedelta(self._days(start, periods, month)[day] - start.toordinal())

    @override
    def number(self, wall: datetime, when: datetime, known: Known | None = None) -> int:
        start = wall.date()
        begin = self._begin(start)
        periods = (when.year * 12 + when.month - 1 - begin) // self._step
        before = self._before(start, start)
        if self._many == 1:  # the previous worker's month ends drifted: what is in its month is its slot
            return periods + 1 - before
        return periods * self._many + self._before(start, when.date(), periods) - before

    def _begin(self, start: date) -> int:
        return start.year * 12 + (0 if self._from_january else start.month - 1)

    def _before(self, start: date, when: date, periods: int = 0) -> int:
        """Return how many slots a period has until the end of a day."""
        last, months = when.toordinal(), range(len(self._months))
        return sum(bisect_right(self._days(start, periods, month), last) for month in months)

    def _days(self, start: date, periods: int, month: int) -> Sequence[int]:
        year, index = divmod(self._begin(start) + periods * self._step + self._months[month], 12)
        return days_of_month(self._rule, year, index + 1)


class _MonthsOfAnchor(Family):
    """The anchor's day of every so many months, or of its month in every so many years."""

    def __init__(self, rule: Rule, general: Family) -> None:
        self._rule = rule
        self._general = general
        self._families: dict[tuple[int, int], Family] = {}

    def _family(self, wall: datetime) -> Family:
        month = wall.month if self._rule.frequency is Frequency.YEARLY and not self._rule.by_month else 0
        family = self._families.get((month, wall.day))
        if family is None:
            months = self._rule.by_month or ((month,) if month else ())
            filled = replace(self._rule, by_month=months, by_month_day=(wall.day,))
            family = self._families[month, wall.day] = _of_months(filled, self._general)
        return family

    @override
    def spans(self, wall: datetime, first: int, count: int, known: Known | None = None) -> Sequence[timedelta]:
        return self._family(wall).spans(wall, first, count, known)

    @override
    def number(self, wall: datetime, when: datetime, known: Known | None = None) -> int:
        return self._family(wall).number(wall, when, known)

    @override
    def anchors(self, wall: datetime, number: int, days: Collection[int]) -> Collection[datetime]:
        months = self._rule.interval * (12 if self._rule.frequency is Frequency.YEARLY else 1)
        year, index = divmod(wall.year * 12 + wall.month - 1 - months * number, 12)
        if self._rule.by_month:
            return ()
        last = days_in_month(year, index + 1)
        return {wall.replace(year=year, month=index + 1, day=min(day, last)) for day in days}


@lru_cache(maxsize=16384)
def _month_spans(family: _Months, year: int, month: int, day: int, first: int, count: int) -> tuple[timedelta, ...]:
    start = date(year, month, day)
    return tuple(family.span(start, number) for number in range(first, first + count))
