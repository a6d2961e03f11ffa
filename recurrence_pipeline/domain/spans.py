"""Since when: `90m`, `24h`, `7d`, `2w`, or a time. Pure: what lies in a span is not known here."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.selection import moment

UNITS: Mapping[str, timedelta] = MappingProxyType(
    {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
)
LONGEST = timedelta(days=36_500)
"""A century: as long as anything is kept."""


def since(field: str, text: str, now: datetime) -> datetime:
    """Return the beginning of a span that ends now.

    Raises:
        InvalidInput: the text is neither a length nor a time, or is nothing, too long or in the future; with the field
            and the text.
    """
    given = text.strip()
    length = re.fullmatch(r"(\d{1,9})([mhdw])", given, re.ASCII)
    if length is None:
        return _past(field, given, now)
    times, unit = int(length[1]), UNITS[length[2]]
    if not times or times > LONGEST / unit:
        raise InvalidInput(f"{field}: {text!r} is not between 1{length[2]} and a century")
    return now - times * unit


def _past(field: str, text: str, now: datetime) -> datetime:
    try:
        begins = moment(field, text)
    except InvalidInput:
        begins = None
    if begins is None:
        raise InvalidInput(
            f"{field}: {text!r} is neither a length such as 90m, 24h, 7d, 2w nor a time such as 2026-11-24"
        )
    if begins >= now:
        raise InvalidInput(f"{field}: {text!r} is not in the past")
    return begins
