"""Random rules, ours against python-dateutil's: how many agree, and of each difference the reading that explains it.

dateutil looks for a further day up to the year 9999, however early UNTIL ends the rule: seconds where there is none.
Here its walk ends with the last year that is compared.
"""

import datetime as standard
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.util import find_spec, module_from_spec
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

from conformance.differences import Difference, reading_of
from conformance.random_rules import random_rules
from recurrence_pipeline.domain.calendar import timed
from recurrence_pipeline.domain.rules import Frequency, Skip, parse_rule

YEARS = {Frequency.DAILY: 2, Frequency.WEEKLY: 3, Frequency.MONTHLY: 6, Frequency.YEARLY: 9}
"""How far a rule is compared, after the year it begins in."""

MOST = 8
"""Instances of one rule that are compared."""

PORTION = 2000
"""Rules that one process compares at a time, with a seed of their own."""


@dataclass(slots=True)
class Comparison:
    """What came of many rules: how many agreed, the differences by reading, and those that none explains."""

    rules: int = 0
    agreed: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)

    def add(self, other: "Comparison") -> None:
        """Take in what came of other rules."""
        self.rules += other.rules
        self.agreed += other.agreed
        self.differences += other.differences
        self.unexplained += other.unexplained


def compare(seed: int, rules: int, processes: int = 2) -> Comparison:
    """Compare so many random rules; the same seed gives the same rules."""
    whole = Comparison()
    portions = [(seed * 1_000_003 + begin, min(PORTION, rules - begin)) for begin in range(0, rules, PORTION)]
    if processes == 1:
        found: Iterator[Comparison] = map(_portion, portions)
        for part in found:
            whole.add(part)
        return whole
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(_portion, portions):
            whole.add(part)
    return whole


def _portion(portion: tuple[int, int]) -> Comparison:
    seed, count = portion
    done = Comparison()
    for text, start in random_rules(seed, count):
        _compare(done, text, start)
    return done


def _compare(done: Comparison, text: str, start: datetime) -> None:
    found = _difference(text, start)
    done.rules += 1
    if found.ours == found.theirs and found.rule.skip is Skip.OMIT:
        done.agreed += 1
        return
    reading = reading_of(found)
    if reading is None:
        days = ", ".join(f"{day:%Y-%m-%d}" for day in sorted(found.days)[:5])
        done.unexplained.append(f"{text} from {start:%Y-%m-%dT%H:%M}: only one of both has {days}")
    else:
        done.differences[reading.name] += 1


def _difference(text: str, start: datetime) -> Difference:
    """Return what both find of a rule, up to the last instance of ours or the last year that is looked at."""
    rule = parse_rule(text)
    last = start.year + YEARS[rule.frequency]
    found = timed(start.replace(tzinfo=standard.timezone.utc), rule, 1, MOST, standard.timezone.utc)
    ours = list(takewhile(lambda day: day.year <= last, (at.replace(tzinfo=None) for at, _ in found)))
    until = ours[-1] if len(ours) == MOST else datetime.fromisoformat(f"{last}-12-31T23:59")
    theirs = [] if rule.skip is not Skip.OMIT else list(takewhile(lambda day: day <= until, _theirs(text, start, last)))
    return Difference(rule, start, ours, theirs, until)


def _theirs(text: str, start: datetime, last: int) -> Iterator[datetime]:
    """Yield dateutil's instances after the start; its walk ends with the year `last`."""
    dateutil = _dateutil()
    dateutil.datetime.MAXYEAR = last
    known = text.replace(";SKIP=OMIT", "")
    return (day for day in dateutil.rrulestr(known, dtstart=start) if day > start)


@cache
def _dateutil() -> Any:
    """Return a copy of dateutil's module whose name `datetime` is its own, so that the last year can be set."""
    spec = find_spec("dateutil.rrule")
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - it is installed
    copy: Any = module_from_spec(spec)
    spec.loader.exec_module(copy)
    copy.datetime = SimpleNamespace(**vars(standard))
    return copy
