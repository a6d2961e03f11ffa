"""Ids that follow from what a document states, so that stating it twice is recognised. Pure."""

from datetime import datetime, timezone
from hashlib import blake2b

from recurrence_pipeline.domain.vocabulary import Action


def derived_id(base_id: str, *facts: object) -> str:
    """Return the id that (base, facts) always has: the base's 4 time bytes, then 8 bytes of BLAKE2b.

    Writing the same fact twice therefore collides on `_id`, which is how a repeated write is recognised, whatever other
    indexes a collection has. 64 bits for each second of creation: for 10 million ids with one time stamp, a collision
    has odds of 1 in 360,000.
    """
    return _hashed(base_id, "\0".join(map(str, facts)))


def _hashed(base_id: str, facts: str) -> str:
    return base_id[:8] + blake2b(f"{base_id}\0{facts}".encode(), digest_size=8).hexdigest()


def time_of(object_id: str) -> datetime:
    """Return the time in an id (MongoDB manual, "ObjectId": 4 bytes of seconds since 1970)."""
    return datetime.fromtimestamp(int(object_id[:8], 16), timezone.utc)


def occurrence_id(original_id: str, slot: int | str) -> str:
    """Return the `_id` of a slot of the series: `slot` is its number or, of an added date, the text of its time."""
    return _hashed(original_id, f"occurrence\0{slot}")


def activity_id(action: Action, subject_id: str) -> str:
    """Return the `_id` of the activity that states `action` of `subject_id` (a task, or the event that deleted)."""
    return _hashed(subject_id, action.value)
