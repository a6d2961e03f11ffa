"""What a person would want to know of a slot: its local time, and why it is not simply "the same again"."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from recurrence_pipeline.domain.calendar import slot
from recurrence_pipeline.domain.zones import time_zone


@dataclass(frozen=True, slots=True)
class SlotPreview:
    """One slot: `local` is in the zone of the series, `utc` the same instant; a plain slot has an empty `note`."""

    number: int
    local: datetime
    utc: datetime
    note: str = ""

    @property
    def offset(self) -> str:
        """The distance from UTC, such as `+05:30`."""
        return self.local.isoformat()[-6:]


def preview_slot(anchor: datetime, repeat_type: str, number: int, timezone: str | None = None) -> SlotPreview:
    """Return slot `number` of a series with what is odd about it.

    Raises:
        InvalidRecurrence: as `calendar.slot` does.
    """
    zone = time_zone(timezone)
    utc = slot(anchor, repeat_type, number, timezone)
    local = utc.astimezone(zone)
    meant = anchor.astimezone(zone)
    notes = [_clamped(meant, local, repeat_type), _moved(meant, local), _twice(local)] if number else []
    return SlotPreview(number, local, utc, "; ".join(note for note in notes if note))


def _clamped(meant: datetime, local: datetime, repeat_type: str) -> str:
    """Say that a month was too short; a gap around midnight may have moved what was clamped to the next day."""
    if repeat_type != "monthly" or local.day in {meant.day, 1}:
        return ""
    return f"{meant.day} clamped to {local.day}"


def _moved(meant: datetime, local: datetime) -> str:
    if (local.hour, local.minute) == (meant.hour, meant.minute):
        return ""
    return f"{meant:%H:%M} does not exist, moved to {local:%H:%M}"


def _twice(local: datetime) -> str:
    later = local.replace(fold=1).utcoffset() or timedelta()
    first = local.replace(fold=0).utcoffset() or timedelta()
    # PEP 495: in a gap the offset of fold=1 is the larger one, in an overlap the smaller one.
    return f"{local:%H:%M} exists twice, the first is meant" if later < first else ""
