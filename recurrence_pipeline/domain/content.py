"""What an occurrence takes over from its original, and what the application's schema fills in. Pure."""

from collections.abc import Mapping
from typing import Any

from recurrence_pipeline.domain.fingerprint import content_text
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.options import MAX_COPIED, NOT_COPIED, is_field_name, is_text

COPIED_FIELDS = (
    "userId", "title", "description", "priority", "category", "repeatType", "recurrence", "links", "additionalNotes",
    "timezone",
)  # fmt: skip
"""What every occurrence takes over; an original may name more (`recurrence.copy`)."""

SCHEMA_DEFAULTS: Mapping[str, Any] = {
    "description": "",
    "priority": "medium",
    "category": "",
    "links": [],
    "additionalNotes": "",
}
"""What the application's schema fills in where the original lacks a field."""


def content_digest(original: Task) -> str:
    """Return the digests of what all occurrences of an original have of it: of its rule, and of all else."""
    if original.digested is None or original.digested[0] is not original.content:
        content = content_for(original)
        covered = (*COPIED_FIELDS, *named_to_copy(content.get("recurrence")))
        original.digested = (original.content, content_text({name: content.get(name) for name in covered}))
    return original.digested[1]


def named_to_copy(options: object) -> list[str]:
    """Return the further fields that an original wants copied, as far as its subdocument `recurrence` says so.

    What may not be copied is refused where that is read.
    """
    names = options.get("copy") if isinstance(options, Mapping) else None
    return [str(name) for name in names[:MAX_COPIED] if is_copied(name)] if isinstance(names, list) else []


def is_copied(name: object) -> bool:
    """Say whether a field may be copied because an original names it."""
    return is_text(name) and is_field_name(str(name)) and name not in NOT_COPIED


def content_for(original: Task) -> dict[str, object]:
    """Return what an occurrence of an original has of it, as stored."""
    return {**SCHEMA_DEFAULTS, **original.content}
