"""Reading the values of a task's `recurrence`, each by its kind. Pure.

A reader takes the name of a field below `recurrence` and what is stored there, and refuses what is of another kind by
that name. Which fields there are, and what they mean together, is recurrence.py's.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.zones import UTC

MAX_DATES = 1000
MAX_COPIED = 50
NOT_COPIED = frozenset(
    (
        "_id", "__v", "taskId", "userId", "dueDate", "originalDueDate", "isCompleted", "completedAt", "repeatType",
        "parentTaskId", "parentRecurringId", "occurrenceNumber", "occurrenceAt", "shiftedTo", "writtenAs",
        "createdByEvent", "recurrence", "recurrenceCursor", "originalSlot", "createdAt", "updatedAt", "lastMove",
    )
)  # fmt: skip
"""What makes a task the one it is: an occurrence has its own."""


def refused(name: str, value: object, why: str) -> InvalidRecurrence:
    """Return the error that names a field of the subdocument, and its value."""
    field_name = f"recurrence.{name:.80}" if name else "recurrence"
    return InvalidRecurrence(f"{field_name}: {_short(value)} {why}", field=field_name, value=value)


def _short(value: object) -> str:
    return f"{value!r:.80}"


def is_absent(value: object) -> bool:
    """Say whether nothing is there: an emptied form leaves the field."""
    return value is None or value in ("", [], {})


def read_text(name: str, value: object) -> str:
    """Return plain text."""
    if not is_text(value):
        raise refused(name, value, "is not text")
    return str(value)


def read_dates(name: str, value: object) -> frozenset[date]:
    """Return times on the wall clock under the label of UTC, or whole days."""
    return frozenset(_date(f"{name}[{place}]", each) for place, each in enumerate(read_list(name, value, MAX_DATES)))


def _date(name: str, value: object) -> date:
    try:
        text = read_text(name, value)
        if "T" not in text and " " not in text:
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
    except (ValueError, InvalidRecurrence):
        found = None
    if found is None or found.tzinfo is not None:
        raise refused(name, value, "is not a time on the wall clock such as 2027-05-01T09:00, or a date")
    return found.replace(tzinfo=UTC)


def read_names(name: str, value: object) -> tuple[str, ...]:
    """Return names of fields that occurrences may copy."""
    names = []
    for place, each in enumerate(read_list(name, value, MAX_COPIED)):
        at = f"{name}[{place}]"
        if not is_text(each) or not is_field_name(each):
            raise refused(at, each, "is not the name of a field")
        if each in NOT_COPIED:
            raise refused(at, each, "is a field of which each occurrence has its own")
        names.append(each)
    return tuple(dict.fromkeys(names))


def is_text(value: object) -> bool:
    """Say whether a value is plain text: a database has text of other kinds too, such as code, which has no hash."""
    return value.__class__ is str


def is_field_name(name: str) -> bool:
    """Say whether a field of a document can have this name, and be asked for by it."""
    return bool(name) and not name.startswith("$") and "." not in name and "\0" not in name


def read_list(name: str, value: object, most: int) -> list[Any]:
    """Return a list of at most so many."""
    if not isinstance(value, list):
        raise refused(name, value, "is not a list")
    if len(value) > most:
        raise refused(name, f"a list of {len(value)}", f"is longer than {most}")
    return value


def read_flag(name: str, value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise refused(name, value, "is not true or false")
    return value


def read_day(name: str, value: object) -> date:
    """Return a date."""
    found = _date(name, value) if is_text(value) else None
    if found is None or isinstance(found, datetime):
        raise refused(name, value, "is not a date such as 2027-05-01")
    return found


def one_of(name: str, value: object, allowed: Sequence[str]) -> str:
    """Return one of these words."""
    if not is_text(value) or value not in allowed:
        raise refused(name, value, f"is not one of {', '.join(allowed)}")
    return str(value)


def read_object(name: str, value: object, names: Sequence[str]) -> Mapping[str, Any]:
    """Return an object that has no fields but these."""
    if not isinstance(value, Mapping):
        raise refused(name, value, "is not an object")
    unknown = sorted(map(str, value.keys() - {*names, "_id"}))
    if unknown:
        raise refused(f"{name}.{unknown[0]}", value.get(unknown[0]), f"is not one of {', '.join(names)}")
    return value
