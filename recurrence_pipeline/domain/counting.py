"""Counting slots: what every family of rules can say, and how any rule at all is counted, instance by instance. Pure.

The walk begins at a slot whose number is known, or at the anchor. Rules that are counted faster are in families.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import NamedTuple

from typing_extensions import override

from recurrence_pipeline.domain.instances import days_after
from recurrence_pipeline.domain.rules import Rule

DRIFT = timedelta(hours=2)
"""How far from its slot a task still counts as on it: DST moves what was counted in another zone by no more."""

_DAY = timedelta(days=1)


class Known(NamedTuple):
    """A slot that is known: its number, and when it is on the wall clock."""

    number: int
    wall: datetime


class Family(ABC):
    """A kind of rule, as a counter of slots; `wall` is the anchor of the series on the wall clock."""

    @abstractmethod
    def spans(self, wall: datetime, first: int, count: int, known: Known | None = None) -> Sequence[timedelta]:
        """Return how far slots `first`, `first + 1`, ... are from the anchor; fewer where there is none any more.

        Raises:
            ValueError, OverflowError: one lies outside the years 1 to 9999.
        """

    @abstractmethod
    def number(self, wall: datetime, when: datetime, known: Known | None = None) -> int:
        """Return the number of the slot at or before a time; negative before the anchor."""

    def anchors(self, wall: datetime, number: int, days: Collection[int]) -> Collection[datetime]:  # noqa: ARG002
        """Return the anchors for which slot `number` is at `wall`; one of these `days` of a month may be theirs.

        Raises:
            ValueError, OverflowError: they lie outside the years 1 to 9999.
        """
        return ()


class Counted(Family):
    """Any other rule: slots are counted from the known one, or from the anchor where that comes later."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    @override
    def spans(self, wall: datetime, first: int, count: int, known: Known | None = None) -> Sequence[timedelta]:
        if not first:
            return [timedelta(0), *self.spans(wall, 1, count - 1, known)] if count else []
        start, begin = wall.date(), wall.toordinal()
        at = known if known is not None and 0 < known.number < first else Known(0, wall)
        days = _days_of(self, start, at.wall.toordinal(), first - 1 - at.number, count)
        return [timedelta(day - begin) for day in days]

    def days(self, start: date, after: int, over: int, count: int) -> tuple[int, ...]:
        """Return days of the rule, as ordinals, behind day `after`, of which the first few are passed over."""
        return tuple(islice(days_after(self._rule, start, after), over, over + count))

    @override
    def number(self, wall: datetime, when: datetime, known: Known | None = None) -> int:
        if wall - when > DRIFT:
            return -1
        at = known if known is not None and wall < known.wall <= when else Known(0, wall)
        that_day = datetime.combine(when, wall.time(), when.tzinfo)
        last = when.toordinal() + (when - that_day + DRIFT) // _DAY
        return at.number + _days_until(self, wall.date(), at.wall.toordinal(), last)

    def days_until(self, start: date, after: int, last: int) -> int:
        """Return how many days of the rule lie behind day `after`, up to day `last`."""
        return sum(1 for _ in takewhile(last.__ge__, days_after(self._rule, start, after)))


@lru_cache(maxsize=16384)
def _days_of(family: Counted, start: date, after: int, over: int, count: int) -> tuple[int, ...]:
    return family.days(start, after, over, count)


@lru_cache(maxsize=16384)
def _days_until(family: Counted, start: date, after: int, last: int) -> int:
    return family.days_until(start, after, last)
