"""How people deal with their tasks: on time, late, early, never. Pure, from a seeded source."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from typing import NamedTuple

LATENESS = timedelta(days=2)
"""How late people are on average, where they are late: most by hours, some by weeks."""
LATEST = timedelta(days=60)
LONG = (timedelta(days=30), timedelta(days=90))
"""When a task is done at last that is the only one, so that nothing else would ever come."""
ON_TIME = timedelta(hours=2)
EARLY = timedelta(days=4)


class Deed(str, Enum):
    """What becomes of a task."""

    COMPLETE = "complete"
    DELETE = "delete"


class Decision(NamedTuple):
    """What somebody does with a task, and when."""

    deed: Deed
    at: datetime


@dataclass(frozen=True, slots=True)
class People:
    """What share of the tasks is done late, early, never, or is deleted; the others are done on time."""

    late: float = 0.2
    early: float = 0.05
    never: float = 0.02
    deleted: float = 0.01

    def decide(self, due: datetime, now: datetime, chance: Random, *, is_alone: bool) -> Decision | None:
        """Return what becomes of a task that is due then; None where nobody ever does it.

        `is_alone`: it is the only open one, and the next is counted from its completion: that is done in the end.
        """
        deed, at = self._meant(due, chance)
        if at is None or (is_alone and deed is Deed.DELETE):
            if not is_alone:
                return None
            deed, at = Deed.COMPLETE, due + LONG[0] + (LONG[1] - LONG[0]) * chance.random()
        return Decision(deed, max(at, now + timedelta(minutes=1)))

    def _meant(self, due: datetime, chance: Random) -> tuple[Deed, datetime | None]:
        share = chance.random()
        if share < self.late:
            late = LATENESS * chance.expovariate(1)
            return Deed.COMPLETE, due + min(late, LATEST)
        if share < self.late + self.early:
            return Deed.COMPLETE, due - EARLY * chance.random()
        if share < self.late + self.early + self.never:
            return Deed.COMPLETE, None
        if share < self.late + self.early + self.never + self.deleted:
            return Deed.DELETE, due
        return Deed.COMPLETE, due - ON_TIME * chance.random()
