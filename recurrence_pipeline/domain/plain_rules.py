"""Rules in words that calendar programs read: those of RFC 5545, and no SKIP of RFC 7529. Pure.

Few programs know SKIP, and some refuse the series or the file. Of RFC 5545 itself calendar programs read right what
people make rules of in them, and take others for other days with no word of it; docs/compatibility.md says which. What
is not of the first kind is told in other words, if the RFC has some for the very same days; else dates have to do.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, assert_never

from recurrence_pipeline.domain.instances import chosen, filled, instances, is_instance
from recurrence_pipeline.domain.named_days import days_in_month
from recurrence_pipeline.domain.rules import Frequency, Rule, Skip, WeekdayNum

_COMMON_YEAR = 2023
_PARTS = ("by_month", "by_week_no", "by_year_day", "by_month_day", "by_day", "by_set_pos")
_WIDELY_READ: Mapping[Frequency, tuple[set[str], ...]] = {
    Frequency.DAILY: (set(), {"by_day"}, {"by_month"}, {"by_month", "by_day"}),
    Frequency.WEEKLY: ({"by_day"}, {"by_month", "by_day"}),
    Frequency.MONTHLY: ({"by_month_day"}, {"by_day"}, {"by_day", "by_set_pos"}, {"by_month_day", "by_day"}),
    Frequency.YEARLY: ({"by_month", "by_month_day"}, {"by_month", "by_day"}, {"by_year_day"}),
}
"""Which parts programs read as the RFC has them beside each other; those that a start implies are filled in."""


class PlainRule(NamedTuple):
    """A rule without SKIP, of which every day is one of the rule that it stands for; None where there is no such rule.

    `is_whole` says that it has all of them.
    """

    rule: Rule | None
    is_whole: bool


def plain_rule(rule: Rule, start: datetime) -> PlainRule:
    """Return what stands for a rule in series that start there."""
    rule = _without_positions(rule)
    known = filled(rule, start)
    if rule.counted_from is not None or not _is_widely_read(known, start):
        return PlainRule(None, is_whole=False)
    if rule.skip is Skip.OMIT or not _may_skip(known):
        is_leap_day = rule.frequency is Frequency.YEARLY and (start.month, start.day) == (2, 29)
        return PlainRule(replace(known if is_leap_day else rule, skip=Skip.OMIT), is_whole=True)
    if _is_last_day(known):
        return PlainRule(replace(known, by_month_day=(-1,), skip=Skip.OMIT), is_whole=True)
    omitting = replace(known, skip=Skip.OMIT)
    falls = any(True for _ in instances(omitting.without_end(), start))
    return PlainRule(omitting if falls else None, is_whole=False)


def _without_positions(rule: Rule) -> Rule:
    """Return a rule of days or weeks that names the weekdays which BYSETPOS chooses; any other rule as it is."""
    if rule.frequency is Frequency.DAILY and chosen([0], rule.by_set_pos):
        return replace(rule, by_set_pos=())
    if rule.frequency is not Frequency.WEEKLY or not rule.by_set_pos or rule.by_month:
        return rule
    days = [(each.weekday - rule.week_start) % 7 for each in rule.by_day]
    named = sorted((day + rule.week_start) % 7 for day in chosen(days, rule.by_set_pos))
    return replace(rule, by_day=tuple(map(WeekdayNum, named)), by_set_pos=()) if named else rule


def _is_widely_read(known: Rule, start: datetime) -> bool:
    numbered = [bool(each.ordinal) for each in known.by_day]
    if any(numbered) and (known.by_month_day or not all(numbered)):
        return False
    parts = {name for name in _PARTS if getattr(known, name)}
    if known.interval > 1:
        return _is_plain_interval(known, parts) and is_instance(known, start)
    if known.frequency is Frequency.MONTHLY:
        parts.discard("by_month")
    return parts in _WIDELY_READ[known.frequency] and all(day > 0 for day in known.by_year_day)


def _is_plain_interval(known: Rule, parts: set[str]) -> bool:
    """Say whether of a rule that leaves periods out one would say: every so many days, weeks, months, years on ..."""
    match known.frequency:
        case Frequency.DAILY:
            return not parts
        case Frequency.WEEKLY:
            return parts == {"by_day"}
        case Frequency.MONTHLY:
            return parts in ({"by_month_day"}, {"by_day"}, {"by_day", "by_set_pos"})
        case Frequency.YEARLY:
            one_day = len(known.by_month) == 1 and len(known.by_month_day or known.by_day) == 1
            return parts in ({"by_month", "by_month_day"}, {"by_month", "by_day"}) and one_day
    assert_never(known.frequency)


def _is_last_day(known: Rule) -> bool:
    """Say whether what a rule names is the last day of its months."""
    day_of_february = known.by_month == (2,) and len(known.by_month_day) == 1 and known.by_month_day > (28,)
    is_last = known.by_month_day == (31,) or day_of_february
    return is_last and known.skip is Skip.BACKWARD and not known.by_day


def _may_skip(rule: Rule) -> bool:
    """Say whether there are months, or years, that lack a day which the rule names."""
    if rule.frequency in (Frequency.DAILY, Frequency.WEEKLY):
        return False
    if rule.by_year_day:
        return any(abs(day) > 365 for day in rule.by_year_day)
    shortest = min(days_in_month(_COMMON_YEAR, month) for month in rule.by_month or (2,))
    return any(abs(day) > shortest for day in rule.by_month_day)
