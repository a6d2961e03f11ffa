"""What the worker remembers of a series, and what is left to go by where it remembers nothing. Pure.

The application may replace an original as a whole, copy it, or bring it back from an export at any time. So how far a
series is does not stand on it: the memory is the worker's own (storage/task_series.py). It is written before the event
that made occurrences ends. Where there is none, either nothing was ever made, or a first event has not come to its end,
or the memory was lost.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from recurrence_pipeline.domain.content import content_digest
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.fingerprint import rule_digest
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.series_memory import Cursor, SeriesMemory
from recurrence_pipeline.domain.zones import time_zone, utc_offset


def anchor_of_memory(memory: SeriesMemory) -> datetime:
    """Return the instant of the anchor of a remembered series, as today's time zone data have it.

    Raises:
        InvalidRecurrence: the zone is not one (any more), or the instant lies outside the years 1 to 9999.
    """
    anchor = memory.current.anchor
    try:
        return anchor - utc_offset(time_zone(memory.current.timezone), anchor)
    except OverflowError as error:
        message = f"anchor: {anchor:%Y-%m-%d %H:%M} in {memory.current.timezone} lies outside the years 1 to 9999"
        raise InvalidRecurrence(message, field="anchor", value=anchor) from error


def is_moved(original: Task, memory: SeriesMemory) -> bool:
    """Say whether the first date of a series was moved since it was remembered."""
    return isinstance(original.anchor, datetime) and memory.current.anchored_at not in {None, original.anchor}


def recall(
    original: Task, members: Iterable[Task], *, unfinished: Collection[str | None], deleted: Iterable[int]
) -> Cursor | None:
    """Return how far a series without a memory is at least; None where nothing says that we ever worked on it.

    Args:
        original: the head of the series, with the cursor that an earlier version wrote on it, if that is its own.
        members: its occurrences.
        unfinished: events that did not come to a good end, and None where that may be true of what does not name its
            event. What they made says nothing: the slots before it may still be owed.
        deleted: the slots among the copies that are kept of deleted members.
    """
    numbers = [t.occurrence_number for t in members if t.created_by_event not in unfinished]
    known = [number for number in (*numbers, *deleted) if number is not None]
    if original.cursor is not None:
        return Cursor(max([original.cursor.number, *known]), original.cursor.repeat_type)
    return Cursor(max(known), original.repeat_type) if known else None


def digest_of(original: Task, timezone: str | None) -> str:
    """Return the digest of what an original says of its rule and its options, and the one of its content.

    By it an edit is found that nobody told of.
    """
    said = {"repeatType": original.repeat_type, "recurrence": original.recurrence, "timezone": timezone or "UTC"}
    return f"{rule_digest(said)}.{content_digest(original).partition('.')[2]}"
