"""What an occurrence takes over from its original, and what the application's schema fills in. Pure."""

from collections.abc import Mapping
from typing import Any

from recurrence_pipeline.domain.model import Task

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


def content_for(original: Task) -> dict[str, object]:
    """Return what an occurrence of an original has of it, as stored."""
    return {**SCHEMA_DEFAULTS, **original.content}
