"""Why dateutil's instances of a rule are not ours: each difference belongs to one of the readings told of here.

A reading says of which rules it speaks, and, where that can be computed, what dateutil must then have found: so that
a fault of ours that happens to lie in such a rule is not taken for its reading.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.rules import Frequency, Rule, Skip, WeekdayNum

EVERY_DAY = tuple(WeekdayNum(day) for day in range(7))
OVER_THE_TURN = {1, 2, 51, 52, 53}
"""Numbers of weeks, from either end, that can have days of two years; one more where a year has 52."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A rule and its start, and what each found up to the same day."""

    rule: Rule
    start: datetime
    ours: Sequence[datetime]
    theirs: Sequence[datetime]
    until: datetime

    def read_as(self, rule: Rule) -> list[datetime]:
        """Return the instances of another rule over the same time."""
        return list(takewhile(lambda day: day <= self.until, instances(rule, self.start)))

    @property
    def days(self) -> set[datetime]:
        """The days that only one of the two has."""
        return set(self.ours) ^ set(self.theirs)


@dataclass(frozen=True, slots=True)
class Reading:
    """A way of reading that is not ours: of which differences it is the cause, and why ours is right."""

    name: str
    reason: str
    explains: Callable[[Difference], bool]


def _skip(found: Difference) -> bool:
    return found.rule.skip is not Skip.OMIT


def _mixed(found: Difference) -> bool:
    by_day = found.rule.by_day
    plain, numbered = tuple(d for d in by_day if not d.ordinal), tuple(d for d in by_day if d.ordinal)
    if not (plain and numbered):
        return False
    if found.rule.by_set_pos:
        return True
    both = set(found.read_as(replace(found.rule, by_day=plain))) & set(
        found.read_as(replace(found.rule, by_day=numbered))
    )
    return sorted(both) == list(found.theirs)


def _first_week(found: Difference) -> bool:
    rule = found.rule
    ends = found.start + timedelta(days=7)
    return rule.frequency is Frequency.WEEKLY and bool(rule.by_set_pos) and all(day < ends for day in found.days)


def _whole_week(found: Difference) -> bool:
    rule = found.rule
    if not rule.by_week_no or rule.by_day or rule.by_month_day or rule.by_year_day:
        return False
    theirs = found.read_as(replace(rule, by_day=EVERY_DAY))
    return theirs == list(found.theirs) or _reaches_over(rule)


def _first_or_last_week(found: Difference) -> bool:
    """Say whether the days that differ are all of a week that has days of two years: at most 3 in either."""
    ends = (day.day <= 3 if day.month == 1 else day.month == 12 and day.day >= 29 for day in found.days)
    return _reaches_over(found.rule) and all(ends)


def _turn_of_year(found: Difference) -> bool:
    rule = found.rule
    return _reaches_over(rule) and (rule.interval > 1 or bool(rule.by_set_pos))


def _reaches_over(rule: Rule) -> bool:
    return any(abs(number) in OVER_THE_TURN for number in rule.by_week_no)


READINGS = (
    Reading(
        "SKIP",
        "dateutil knows no SKIP and refuses the rule; RFC 7529 defines it.",
        _skip,
    ),
    Reading(
        "BYDAY with and without numbers",
        "`BYDAY=MO,1TU` is every Monday and the first Tuesday: BYDAY is a list of days. dateutil leaves the days that "
        "are in both halves of the list, which are often none.",
        _mixed,
    ),
    Reading(
        "BYSETPOS in the first week",
        "A position counts in the whole week, also where the series begins in its middle; dateutil counts in what is "
        "left of the first week.",
        _first_week,
    ),
    Reading(
        "BYWEEKNO alone",
        "`FREQ=YEARLY;BYWEEKNO=20` names no day: RFC 5545 has DTSTART say what the rule leaves out, so it is "
        "DTSTART's weekday. dateutil takes all seven days of the week.",
        _whole_week,
    ),
    Reading(
        "a week with days of two years",
        "The year of a week is that of most of its days (ISO 8601, as the RFC has it). dateutil gives each day to its "
        "calendar year, which tells where INTERVAL leaves years out, or BYSETPOS chooses.",
        _turn_of_year,
    ),
    Reading(
        "the number of a week over the turn of the year",
        "January 1, 2022 is a day of week 52 of 2021 (ISO 8601). dateutil miscounts the weeks of the year before, and "
        "gives such days to a week 53 that the year does not have. The days that a first week has in December it does "
        "not find by that week's number from behind, -52 or -53.",
        _first_or_last_week,
    ),
)


def reading_of(found: Difference) -> Reading | None:
    """Return the reading that explains a difference, if one does."""
    return next((reading for reading in READINGS if reading.explains(found)), None)
