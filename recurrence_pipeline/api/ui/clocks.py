"""Times as a page shows them: on the clock of whoever looks, with that of the series beside it. Pure."""

from datetime import datetime, tzinfo
from typing import NamedTuple

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.domain.zones import time_zone

MAX_NAME = 64
DAY = len("Mon 2027-01-04")


class Shown(NamedTuple):
    """One time: for programs, on the viewer's clock, and on the series' own, empty where both clocks are one.

    Where both clocks have the same day, it is not said twice.
    """

    iso: str
    text: str
    beside: str = ""


class Clock:
    """The clock of whoever looks."""

    def __init__(self, name: str = "UTC") -> None:
        self.name, self.zone = _known(name)

    def time(self, time: object, series: str | None = None) -> Shown | None:
        """Return a time as it is shown; None for what is none. `series` names the zone of its series."""
        if not isinstance(time, datetime):
            return None
        beside = ""
        if series is not None and series != self.name:
            _, zone = _known(series)
            day = _text(time, self.zone)[:DAY]
            beside = f"{_text(time, zone).removeprefix(day).strip()} {series}"
        return Shown(iso(time), _text(time, self.zone), beside)


def _text(time: datetime, zone: tzinfo) -> str:
    try:
        return f"{time.astimezone(zone):%a %Y-%m-%d %H:%M}"
    except (OverflowError, ValueError):  # at the ends of the calendar
        return iso(time)


def _known(name: str) -> tuple[str, tzinfo]:
    try:
        return name, time_zone(name[:MAX_NAME])
    except InvalidRecurrence:
        return "UTC", time_zone(None)
