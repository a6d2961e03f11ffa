"""Whether a person touched what the worker wrote: a digest of what it wrote, kept on the occurrence. Pure.

It covers what an occurrence copies from its original, its dates and what it hangs on. One without a digest, replaced as
a whole or written by an earlier version, counts as touched: nothing is changed that may be somebody's work.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from hashlib import blake2b
from typing import Any

DIGEST = "writtenAs"
"""The field of an occurrence that keeps the digest."""
OWN_FIELDS = ("dueDate", "originalDueDate", "isCompleted", "parentTaskId", "parentRecurringId")
"""What is covered besides the copied fields."""


def fingerprint(document: Mapping[str, Any], copied: Iterable[str], *, content: str | None = None) -> str:
    """Return the digest of a task as stored, of whose fields `copied` are its original's; absent and null are alike.

    `content` is the digest of those, where it is known: all occurrences of an original have the same.
    """
    content = content or digest({name: document.get(name) for name in copied})
    own = ("" if (value := document.get(name)) is None else _text(value) for name in OWN_FIELDS)
    return blake2b("|".join((content, *own)).encode(), digest_size=8).hexdigest()


def digest(values: Mapping[str, Any]) -> str:
    """Return the digest of values as stored, in any order; absent and null are alike."""
    told = {name: value for name, value in values.items() if value is not None}
    return blake2b(_JSON.encode(told).encode(), digest_size=8).hexdigest()


def _text(value: object) -> str:
    """Write what JSON has no type for. A date as its instant: the driver reads dates back with a UTC of its own."""
    if isinstance(value, datetime):
        if value.tzinfo is timezone.utc:
            return value.isoformat()
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc).isoformat()
    return repr(value)


_JSON = json.JSONEncoder(sort_keys=True, default=_text, separators=(",", ":"))
