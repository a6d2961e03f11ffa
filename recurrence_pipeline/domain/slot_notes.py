"""What is odd about a slot, in words: a month that was too short, a time that does not exist, or exists twice. Pure.

What becomes of a slot is explain.py's.
"""

from datetime import datetime, timedelta

from recurrence_pipeline.domain.rules import Rule, Skip


def note_of(rule: Rule, anchor: datetime, at: datetime, local: datetime) -> str:
    """Say what is odd about a slot that is at `at` on the wall clock by its rule, and at `local` by the clocks."""
    return "; ".join(note for note in (_clamped(rule, anchor, at), _moved(at, local), _twice(local)) if note)


def _clamped(rule: Rule, anchor: datetime, at: datetime) -> str:
    """Say that a month was too short for the day."""
    if rule.skip is Skip.OMIT or rule.by_day or rule.by_set_pos or len(rule.by_month_day) > 1 or rule.by_year_day:
        return ""
    meant = rule.by_month_day[0] if rule.by_month_day else anchor.day
    if meant <= 28 or at.day == meant or rule.frequency.value in ("DAILY", "WEEKLY") or rule.by_week_no:
        return ""
    return f"{meant} clamped to {at.day}" if rule.skip is Skip.BACKWARD else f"{meant} moved on to {at:%b} {at.day}"


def _moved(at: datetime, local: datetime) -> str:
    if (local.hour, local.minute) == (at.hour, at.minute):
        return ""
    return f"{at:%H:%M} does not exist, moved to {local:%H:%M}"


def _twice(local: datetime) -> str:
    later = local.replace(fold=1).utcoffset() or timedelta()
    first = local.replace(fold=0).utcoffset() or timedelta()
    # PEP 495: in a gap the offset of fold=1 is the larger one, in an overlap the smaller one.
    return f"{local:%H:%M} exists twice, the first is meant" if later < first else ""
