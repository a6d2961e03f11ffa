"""The calendar against `dateutil.rrule`: the next 3 slots of a series, the same answers, and how much faster."""

import timeit
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule

from benchmarks.report import Figures
from benchmarks.size import Size
from recurrence_pipeline.domain.calendar import next_occurrence, slot_number, slots

RULES = ("daily", "weekly", "monthly")
ZONES = ("UTC", "Europe/Berlin")
AGES = {"begins": timedelta(0), "a year old": timedelta(days=366), "10 years old": timedelta(days=3653)}
ANCHOR = datetime(2024, 1, 31, 9, 30, tzinfo=timezone.utc)
BEST_OF = 5


def by_rrule(rule: str, zone: str, now: datetime) -> list[datetime]:
    """Return the next 3 slots as RFC 5545 spells them; a month that lacks the day has its last."""
    local = ANCHOR.astimezone(ZoneInfo(zone))
    if rule == "monthly":
        series = rrule(MONTHLY, dtstart=local, bymonthday=(local.day, -1), bysetpos=1)
    else:
        series = rrule(DAILY if rule == "daily" else WEEKLY, dtstart=local)
    return [found.astimezone(timezone.utc) for found in series.xafter(now, count=3)]


def by_calendar(rule: str, zone: str, cursor: int) -> list[datetime]:
    """Return the next 3 slots as the worker does, which keeps with each series the number of its last slot."""
    return slots(ANCHOR, rule, cursor + 1, 3, zone)


def microseconds(work: Callable[[], Any], number: int) -> float:
    """Return what one call takes in the best of some rounds: what disturbs only ever adds."""
    return min(timeit.repeat(work, number=number, repeat=BEST_OF)) / number * 1e6


def main(size: Size) -> Figures:
    """Compare the answers, then the times."""
    rows, differing = [], 0
    for age, since in AGES.items():
        now = ANCHOR + since
        for zone in ZONES:
            for rule in RULES:
                cursor = slot_number(ANCHOR, rule, next_occurrence(now, rule, zone, ANCHOR), zone) - 1
                ours, theirs = by_calendar(rule, zone, cursor), by_rrule(rule, zone, now)
                differing += ours != theirs
                of_ours = microseconds(partial(by_calendar, rule, zone, cursor), size.repeats)
                of_theirs = microseconds(partial(by_rrule, rule, zone, now), max(size.repeats // 50, 1))
                rows.append(
                    {
                        "series": age,
                        "zone": zone,
                        "rule": rule,
                        "us": of_ours,
                        "rrule us": of_theirs,
                        "times faster": of_theirs / of_ours,
                        "same answers": ours == theirs,
                    }
                )
    if differing:
        raise RuntimeError(f"{differing} answers differ from dateutil's: {rows}")
    return Figures("The next 3 slots of a series", rows)
