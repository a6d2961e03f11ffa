"""Times and lengths of time as people write and read them. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from types import MappingProxyType

from recurrence_pipeline.domain.errors import InvalidInput

MILLISECOND = timedelta(milliseconds=1)
UNITS: Mapping[str, timedelta] = MappingProxyType(
    {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
)
LONGEST = timedelta(days=36_500)
"""A century: as long as anything is kept."""
_SHOWN = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def instant(field: str, text: str | None, now: datetime) -> datetime | None:
    """Read a time as people write it: `24h` (so long ago), `2026-11-24`, `2026-11-24T09:30` or with an offset.

    One without an offset is in UTC. A length counts in minutes, hours, days or weeks: `90m`, `24h`, `7d`, `2w`.

    Raises:
        InvalidInput: it is neither, or the length is nothing or more than a century; naming the field and the text.
    """
    if text is None:
        return None
    length = re.fullmatch(r"(\d{1,9})([mhdw])", text.strip(), re.ASCII)
    if length is None:
        return _named(field, text)
    times, unit = int(length[1]), UNITS[length[2]]
    if not times or times > LONGEST / unit:
        raise InvalidInput(f"{field}: {text!r} is not between 1{length[2]} and a century")
    return now - times * unit


def since(field: str, text: str, now: datetime) -> datetime:
    """Return the beginning of a span that ends now.

    Raises:
        InvalidInput: as `instant`, and where it lies in the future.
    """
    begins = instant(field, text, now)
    if begins is None or begins >= now:
        raise InvalidInput(f"{field}: {text!r} is not in the past")
    return begins


def _named(field: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise InvalidInput(
            f"{field}: {text!r} is neither a length such as 90m, 24h, 7d, 2w nor a time such as 2026-11-24"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def iso(time: datetime, timespec: str = "milliseconds") -> str:
    """Return a time in UTC as `2024-02-29T09:00:00.000Z`; one without an offset is in UTC, as in the database."""
    aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")


def lasting(duration: timedelta) -> str:
    """Return a duration in its two largest units: `250 ms`, `1.4 s`, `12 min 5 s`, `3 h 12 min`, `902 d 4 h`.

    What is left of smaller units is cut off; a negative duration, which clocks can make of a short one, is `0 ms`.
    """
    milliseconds = max(round(duration.total_seconds() * 1000), 0)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 100 / 10:g} s"
    seconds = milliseconds // 1000
    place = next(place for place, (size, _) in enumerate(_SHOWN) if seconds >= size)
    (size, unit), (small, small_unit) = _SHOWN[place : place + 2]
    whole, rest = divmod(seconds, size)
    return f"{whole} {unit} {rest // small} {small_unit}" if rest >= small else f"{whole} {unit}"
