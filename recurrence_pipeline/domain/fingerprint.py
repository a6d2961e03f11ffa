"""Whether a person touched what the worker wrote: a digest of what it wrote, kept on the occurrence. Pure.

It covers what an occurrence copies from its original, its dates and what it hangs on. One without a digest, replaced as
a whole or written by an earlier version, counts as touched: nothing is changed that may be somebody's work.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import blake2b
from typing import Any

DIGEST = "writtenAs"
"""The field of an occurrence that keeps the digest."""
OWN_FIELDS = ("dueDate", "originalDueDate", "isCompleted", "parentTaskId", "parentRecurringId")
"""What is covered besides the copied fields."""


RULE_FIELDS = ("repeatType", "recurrence", "timezone")


def fingerprint(document: Mapping[str, Any], copied: Iterable[str], *, content: str | None = None) -> str:
    """Return the digest of a task as stored, of whose fields `copied` are its original's; absent and null are alike.

    `content` is the digest of those, where it is known: all occurrences of an original have the same.
    """
    content = content or content_text({name: document.get(name) for name in copied})
    own = ("" if (value := document.get(name)) is None else _text(value) for name in OWN_FIELDS)
    return blake2b("|".join((content, *own)).encode(), digest_size=8).hexdigest()


def fingerprint_of_new(content: str, due: datetime, original_id: str) -> str:
    """Return the digest of an occurrence as it is made: `fingerprint` of one that is due then, and has that content."""
    time = _text(due)
    return blake2b(f"{content}|{time}|{time}|False||ObjectId('{original_id}')".encode(), digest_size=8).hexdigest()


def content_text(content: Mapping[str, Any]) -> str:
    """Return the digests of what a task says of its rule, and of what else it has of its original."""
    others = {name: value for name, value in content.items() if value is not None and name not in RULE_FIELDS}
    return f"{rule_digest(content)}.{_digest_of_present(others)}"


def rule_digest(values: Mapping[str, Any]) -> str:
    """Return the digest of what a task says of its rule."""
    repeat_type, zone = values.get("repeatType"), values.get("timezone")
    if values.get("recurrence") or not isinstance(repeat_type, str) or not (zone is None or isinstance(zone, str)):
        return digest({name: values.get(name) for name in RULE_FIELDS})
    return _plain_digest(repeat_type, zone)


@lru_cache(maxsize=1024)
def _plain_digest(repeat_type: str, timezone: str | None) -> str:
    return digest({"repeatType": repeat_type, "timezone": timezone})


def digest(values: Mapping[str, Any]) -> str:
    """Return the digest of values as stored, in any order; absent and null are alike."""
    return _digest_of_present({name: value for name, value in values.items() if value is not None})


def _digest_of_present(values: Mapping[str, Any]) -> str:
    return blake2b(_JSON.encode(values).encode(), digest_size=8).hexdigest()


def _text(value: object) -> str:
    """Write what JSON has no type for. A date as its instant: the driver reads dates back with a UTC of its own."""
    if isinstance(value, datetime):
        if value.tzinfo is timezone.utc:
            return value.isoformat()
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc).isoformat()
    return repr(value)


_JSON = json.JSONEncoder(sort_keys=True, default=_text, separators=(",", ":"))
