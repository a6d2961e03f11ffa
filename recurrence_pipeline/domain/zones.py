"""Time zones: what their clocks show. Slots are calendar.py's business."""

from datetime import datetime, timedelta, tzinfo
from datetime import timezone as fixed_offset
from functools import lru_cache
from zoneinfo import ZoneInfo

from recurrence_pipeline.domain.errors import InvalidRecurrence

UTC = fixed_offset.utc

_ZERO = timedelta(0)


def time_zone(name: str | None) -> tzinfo:
    """Return the zone of an IANA name; None is UTC.

    Raises:
        InvalidRecurrence: where the name is not one.
    """
    if name is None:
        return UTC
    try:
        return _load_zone(name)
    except (KeyError, ValueError, TypeError, OSError) as error:  # zoneinfo lets through what its files raise
        raise InvalidRecurrence(f"timezone: {name!r} is not an IANA time zone", field="timezone", value=name) from error


@lru_cache(maxsize=1024)
def _load_zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def forget_zones() -> None:
    """Load zones anew from now on: other time zone data are there."""
    _load_zone.cache_clear()


def aware(field: str, time: datetime) -> datetime:
    """Return a time that says where it is; `field` is what an error calls it.

    Raises:
        InvalidRecurrence: where it does not, or is no time.
    """
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise InvalidRecurrence(f"{field}: {time!r} is not a date with a time zone", field=field, value=time)
    return time


def wall_text(wall: datetime) -> str:
    """Return a wall-clock time without a zone, no more exact than it is: `2027-01-15T09:00`."""
    text = wall.isoformat()[: 26 if wall.microsecond else 19]
    return text[:-3] if wall.microsecond or not wall.second else text


def wall_time(text: object) -> datetime | None:
    """Read what `wall_text` writes, under the label of UTC; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if wall.tzinfo else wall.replace(tzinfo=UTC)


def wall_clock(field: str, time: datetime, zone: tzinfo) -> datetime:
    """Return an aware time as the clocks of the zone show it, under the label of UTC: arithmetic on it is plain.

    Raises:
        InvalidRecurrence: for a naive time, or where the clocks would show a year outside 1 to 9999.
    """
    if isinstance(time, datetime) and time.tzinfo is zone is UTC:
        return time
    try:
        return aware(field, time).astimezone(zone).replace(tzinfo=UTC)
    except OverflowError as error:
        message = f"{field}: {time.isoformat()} lies outside the years 1 to 9999 in {zone}"
        raise InvalidRecurrence(message, field=field, value=time) from error


def utc_offset(zone: tzinfo, wall: datetime) -> timedelta:
    """Return what the clocks of a zone are ahead of UTC when they show this, whatever zone it is labelled with."""
    return zone.utcoffset(wall) or _ZERO
