"""Stored values as the HTTP contract has them. Which fields of a document it has is the API's business."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId

AS_STORED = frozenset((str, int, bool, float, datetime, type(None)))
"""Types of what the HTTP contract has as it is stored: most of all values."""


def as_contract(value: Any) -> Any:
    """Return a stored value as the HTTP contract has it: ids as 24 hex digits; dates stay dates."""
    if type(value) in AS_STORED:
        return value
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, Mapping):
        return {name: as_contract(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_contract(item) for item in value]
    return int(value) if isinstance(value, Int64) else value
