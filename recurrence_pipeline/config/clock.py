"""The real clock. Everything else is given the time as an argument."""

from datetime import datetime, timezone


def utc_now() -> datetime:
    """Return the time, cut to the millisecond that the database holds."""
    now = datetime.now(timezone.utc)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
