"""The calendar against `dateutil.rrule`: the next 3 slots of a series, the same answers, and how much faster.

Then rules of every kind against other libraries, in rules.py.

Each figure is the mean over series that begin on each day of a year, so that it holds month ends and changes of the
clocks. What the calendar remembers of zones and months, it remembers from the series before, as in a worker at work.
"""

import timeit
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule

from benchmarks.planning import compared as planned
from benchmarks.report import Figures, Row
from benchmarks.rules import compared
from benchmarks.size import Size
from recurrence_pipeline.domain.calendar import next_occurrence, slot_number, slots

FREQUENCIES: dict[str, Any] = {"daily": DAILY, "weekly": WEEKLY, "monthly": MONTHLY}
RULES = tuple(FREQUENCIES)
ZONES = ("UTC", "Europe/Berlin")
AGES = {"begins": timedelta(0), "a year old": timedelta(days=366), "10 years old": timedelta(days=3653)}
FIRST = datetime(2024, 1, 1, 9, 30, tzinfo=timezone.utc)
DAYS = 366
IN_EVERY_MONTH = 28
BEST_OF = 7

Arguments: TypeAlias = tuple[Any, ...]


def questions(rule: str, zone: str, age: timedelta, count: int) -> tuple[list[Arguments], list[Arguments]]:
    """Return what `slots` and `by_rrule` are asked of series that begin at even distances throughout a year.

    The calendar is asked as the worker asks it, which keeps with each series the number of its last slot.
    """
    ours, theirs = [], []
    for number in range(count):
        anchor = FIRST + timedelta(days=number * DAYS // count)
        now = anchor + age
        following = slot_number(anchor, rule, next_occurrence(now, rule, zone, anchor), zone)
        ours.append((anchor, rule, following, 3, zone))
        theirs.append((anchor, rule, zone, now))
    return ours, theirs


def by_rrule(anchor: datetime, rule: str, zone: str, now: datetime) -> list[datetime]:
    """Return the next 3 slots as RFC 5545 spells them; a month that lacks the day has its last."""
    local = anchor.astimezone(ZoneInfo(zone))
    month_end: dict[str, Any] = {}
    if rule == "monthly" and local.day > IN_EVERY_MONTH:
        month_end = {"bymonthday": (local.day, -1), "bysetpos": 1}
    dates = rrule(FREQUENCIES[rule], dtstart=local, **month_end)
    return [found.astimezone(timezone.utc) for found in dates.xafter(now, count=3)]


def microseconds(ours: list[Arguments], theirs: list[Arguments], times: int) -> tuple[float, float]:
    """Return what one of our answers takes, and one of rrule's, each in its best round: what disturbs only ever adds.

    The rounds take turns, so that both meet the same machine. Ours ask everything so many times.
    """

    def round_of(answer: Callable[..., list[datetime]], asked: list[Arguments], times: int) -> float:
        def ask_all() -> None:
            for arguments in asked:
                answer(*arguments)

        return timeit.timeit(ask_all, number=times) / times / len(asked) * 1e6

    rounds = [(round_of(slots, ours, times), round_of(by_rrule, theirs, 1)) for _ in range(BEST_OF)]
    of_ours, of_theirs = zip(*rounds, strict=True)
    return min(of_ours), min(of_theirs)


def main(size: Size) -> Figures:
    """Compare the answers, then the times."""
    rows: list[Row] = []
    differing = 0
    for age, since in AGES.items():
        for zone in ZONES:
            for rule in RULES:
                ours, theirs = questions(rule, zone, since, min(size.repeats, DAYS))
                same = [slots(*asked) for asked in ours] == [by_rrule(*asked) for asked in theirs]
                differing += not same
                some_of_theirs = theirs[:: since.days // DAYS + 1]
                of_ours, of_theirs = microseconds(ours, some_of_theirs, max(size.repeats // DAYS, 1))
                rows.append(
                    {
                        "series": age,
                        "zone": zone,
                        "rule": rule,
                        "us": of_ours,
                        "rrule us": of_theirs,
                        "times faster": of_theirs / of_ours,
                        "same answers": same,
                    }
                )
    if differing:
        raise RuntimeError(f"the answers to {differing} questions differ from dateutil's: {rows}")
    return Figures("The next 3 slots of a series", [*rows, *compared(size), *planned(size)])
