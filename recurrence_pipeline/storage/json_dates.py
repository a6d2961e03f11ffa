"""Dates as JavaScript programs put them into JSON, where there is no type for them. Pure."""

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE
)
"""The extended format, as `toJSON()` writes it (ECMA-262, "Date Time String Format"). Which others Python reads as well
depends on its version."""
RFC_2822 = re.compile(
    r"(?:[a-z]{3}, )?\d{1,2} [a-z]{3} \d{4} \d\d:\d\d(?::\d\d)? (?:GMT|UTC?|Z|[+-]\d{4})", re.ASCII | re.IGNORECASE
)
"""As `toUTCString()` writes it (RFC 2822, section 3.3)."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read_date(value: object) -> object:
    """Return the date that a text or a number of milliseconds since 1970 means, and anything else as it is.

    A time that names no offset is in UTC.
    """
    try:
        match value:
            case bool() | 0:
                return value  # which JavaScript takes for no date at all
            case int() | float():
                return EPOCH + timedelta(milliseconds=value)
            case str():
                return _read_text(value.strip()) or value
    except (ValueError, OverflowError):
        pass  # a day that no month has, a year that no calendar of ours has
    return value


def _read_text(text: str) -> datetime | None:
    if match := ISO_8601.fullmatch(text):
        day, clock, fraction, offset = match.groups()
        offset = "+00:00" if offset is None or offset in {"Z", "z"} else offset
        return datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset}") + timedelta(
            seconds=float(f"0.{fraction or 0}")
        )
    if RFC_2822.fullmatch(text):
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date
    return None
