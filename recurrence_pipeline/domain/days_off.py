"""Days off: a slot on one moves to a working day, or is passed over; the series does not move. Pure.

Which days are holidays is the package `holidays`'s, which takes long to import: only a shift that names a place does.
"""

import warnings
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cache, lru_cache

MAX_DAYS = 366
"""How far the nearest working day is looked for."""
WORKDAYS = frozenset(range(5))
"""Monday to Friday, where nothing else is said."""


class ShiftTo(str, Enum):
    """Where a slot on a day off goes."""

    PREVIOUS = "previous"
    NEXT = "next"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Shift:
    """What becomes of slots on days off: those that are no `workdays` (0 is Monday), and `holidays` of a place."""

    to: ShiftTo
    workdays: frozenset[int] = WORKDAYS
    holidays: str | None = None

    def is_off(self, day: date) -> bool:
        """Say whether a day is off."""
        if day.weekday() not in self.workdays:
            return True
        return self.holidays is not None and day.toordinal() in _holidays(self.holidays, day.year)

    def moved(self, wall: datetime) -> datetime | None:
        """Return where a slot is, its time of day kept; None where it is passed over, or no working day is near."""
        if not self.is_off(wall.date()):
            return wall
        if self.to is ShiftTo.SKIP:
            return None
        step = 1 if self.to is ShiftTo.NEXT else -1
        for distance in range(1, MAX_DAYS + 1):
            try:
                place = wall + timedelta(days=step * distance)
            except OverflowError:  # the calendar ends in the years 1 and 9999
                return None
            if not self.is_off(place.date()):
                return place
        return None


def why_unknown(place: str) -> str | None:
    """Say what is wrong with a place such as `DE` or `DE-BY`; None where its holidays are known."""
    country, hyphen, region = place.partition("-")
    regions = _places().get(country)
    if regions is None:
        return (
            "is not a country of ISO 3166-1 whose holidays are known, such as DE, or one with a region, such as DE-BY"
        )
    if not hyphen or region in regions:
        return None
    return f"has no region of {country}: {_shortened(regions) or 'there are none'}"


def _shortened(names: list[str], most: int = 20) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


@cache
def _places() -> dict[str, list[str]]:
    """Return the regions of each country."""
    from holidays import list_supported_countries

    return list_supported_countries(include_aliases=False)


@lru_cache(maxsize=1024)
def _holidays(place: str, year: int) -> frozenset[int]:
    """Return the holidays of a year, by their number in the calendar: those in law, and the days off for them.

    The package has none where it does not know a year.
    """
    from holidays import country_holidays

    # Of India it says so for each year that it knows a part of only.
    warnings.filterwarnings("ignore", message="Requested Holidays are available only", category=UserWarning)
    country, _, region = place.partition("-")
    found = country_holidays(country, subdiv=region or None, years=year, expand=False, observed=True)
    return frozenset(map(date.toordinal, found))
