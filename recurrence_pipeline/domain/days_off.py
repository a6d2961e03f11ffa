"""Days off: a slot on one moves to a working day, or is passed over; the series does not move. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum

MAX_DAYS = 366
"""How far the nearest working day is looked for."""


class ShiftTo(str, Enum):
    """Where a slot on a day off goes."""

    PREVIOUS = "previous"
    NEXT = "next"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Shift:
    """What becomes of slots on days off: those that are no `workdays` (0 is Monday), and `holidays` of a place."""

    to: ShiftTo
    workdays: frozenset[int] = frozenset(range(5))
    holidays: str | None = None

    def is_off(self, day: date) -> bool:
        """Say whether a day is off."""
        return day.weekday() not in self.workdays

    def moved(self, wall: datetime) -> datetime | None:
        """Return where a slot is, its time of day kept; None where it is passed over, or no working day is near."""
        if not self.is_off(wall.date()):
            return wall
        if self.to is ShiftTo.SKIP:
            return None
        step = timedelta(days=1 if self.to is ShiftTo.NEXT else -1)
        for _ in range(MAX_DAYS):
            wall += step
            if not self.is_off(wall.date()):
                return wall
        return None
