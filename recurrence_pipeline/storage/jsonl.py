"""The lines of an export in MongoDB Extended JSON (v2, as mongoexport writes it): read, and checked one by one.

What is wrong with a line is said here, with its number; whether and how lines are stored is import_jsonl.py's business.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeGuard

import bson
from bson import DatetimeMS, ObjectId, json_util
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_documents import event_document

OPTIONS = json_util.JSONOptions(
    tz_aware=True, tzinfo=timezone.utc, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""A date after the year 9999, which JavaScript and BSON have and Python has not, comes as DatetimeMS and is kept."""

MAX_LINE = 64 * 1024 * 1024
"""In bytes. A document of 16 MB, the most MongoDB stores, is shorter than this in any spelling that is not a joke."""

MAX_DOCUMENT = 16 * 1024 * 1024
BYTE_ORDER_MARK = "\ufeff"


class BadLine(ValueError):
    """What is wrong with a line, as the rest of a sentence that begins with where it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank; `end` is how many bytes of the file are behind it."""

    number: int
    text: bytes
    end: int

    def document(self) -> Document:
        """Return the document of the line.

        Raises:
            BadLine: it is not UTF-8, not JSON, not a JSON object, or holds a value that BSON has not.
        """
        try:
            text = self.text.decode().removeprefix(BYTE_ORDER_MARK if self.number == 1 else "")
        except UnicodeDecodeError as error:
            raise BadLine(f"byte {error.start + 1} is not UTF-8") from None
        try:
            found = json_util.loads(text, json_options=OPTIONS)
        except RecursionError:
            raise BadLine("is nested too deeply") from None
        except (ValueError, TypeError, KeyError, ArithmeticError, BSONError) as error:
            raise BadLine(f"is not Extended JSON: {error}") from None
        if not isinstance(found, dict):
            raise BadLine(f"is not a JSON object but {_kind(found)}")
        return found


def lines_of(path: Path) -> Iterator[Line]:
    """Yield the lines of a file that are not blank, numbered from 1, one in memory at a time.

    Raises:
        InvalidInput: the file cannot be read, or a line is longer than 64 MB.
    """
    number, end = 0, 0
    try:
        with path.open("rb") as file:
            while text := file.readline(MAX_LINE):
                number, end = number + 1, end + len(text)
                if len(text) == MAX_LINE:
                    raise InvalidInput(f"{path.name} line {number}: is longer than {MAX_LINE >> 20} MB")
                if text.strip():
                    yield Line(number, text, end)
    except OSError as error:
        raise InvalidInput(f"{path.name}: cannot be read: {error.strerror or error}") from error


def task_line(line: Line) -> Document:
    """Return the task of a line. What only decides whether it may recur is not checked: that is the worker's work."""
    document = _with_id(line.document(), ObjectId)
    _need(document, "taskId", WHOLE)
    _need(document, "userId", ID)
    _may_have(document, "parentRecurringId", ID)
    _may_have(document, "parentTaskId", ID)
    _may_have(document, "isCompleted", FLAG)
    _may_have(document, "createdAt", ANY_DATE)
    return storable(document)


def user_line(line: Line) -> Document:
    """Return the user of a line."""
    document = _with_id(line.document(), ObjectId)
    _may_have(document, "userId", WHOLE)
    return storable(document)


def counter_line(line: Line) -> Document:
    """Return the counter of a line."""
    document = _with_id(line.document(), str)
    _need(document, "sequence_value", COUNT)
    return {"_id": document["_id"], "sequence_value": document["sequence_value"]}


def trigger_line(line: Line) -> Document:
    """Return the pending event that a line of the trigger log asks for.

    Its id is derived from the line's number and content: a line that says what another says stays an event of its own,
    and the same file read again asks for the same events.
    """
    document = line.document()
    operation = document.get("operation")
    if operation not in [known.value for known in Operation]:
        raise BadLine(f"operation: {_shown(operation)} is not one of {', '.join(Operation)}")
    _need(document, "taskId", ID)
    _need(document, "createdAt", DATE)
    _may_have(document, "availableAt", DATE)
    needs_user = _need if operation == Operation.DELETE.value else _may_have
    needs_user(document, "userId", ID)
    created: datetime = document["createdAt"]
    available: datetime = document.get("availableAt") or created
    task_id, user_id = (str(document[name]) if document.get(name) else None for name in ("taskId", "userId"))
    time_bytes = f"{int(created.timestamp()) % 2**32:08x}"
    facts = (line.number, operation, task_id, user_id, created.isoformat(), available.isoformat())
    event = TaskEvent(derived_id(time_bytes, *facts), Operation(operation), str(task_id), created, user_id)
    return event_document(event, available_at=available)


def storable(document: Document) -> Document:
    """Return the document as it is.

    Raises:
        BadLine: MongoDB would not take it.
    """
    try:
        size = len(bson.encode(document))
    except (BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
        raise BadLine(f"cannot be stored: {error}") from None
    if size > MAX_DOCUMENT:
        raise BadLine(f"is a document of {size >> 20} MB; MongoDB takes {MAX_DOCUMENT >> 20} MB")
    return document


def _with_id(document: Document, kind: type) -> Document:
    if "_id" not in document:
        raise BadLine("_id is missing")
    if not isinstance(document["_id"], kind):
        raise BadLine(f"_id: {_shown(document['_id'])} is not {'an ObjectId' if kind is ObjectId else 'a string'}")
    return document


def _need(document: Mapping[str, Any], name: str, kind: "Kind") -> None:
    right, meaning = kind
    if name not in document:
        raise BadLine(f"{name} is missing")
    if not right(document[name]):
        raise BadLine(f"{name}: {_shown(document[name])} is not {meaning}")


def _may_have(document: Mapping[str, Any], name: str, kind: "Kind") -> None:
    if document.get(name) is not None:
        _need(document, name, kind)


def _is_whole(value: object) -> TypeGuard[float]:
    if isinstance(value, float):
        return value.is_integer() and abs(value) < 2**53
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


Kind = tuple[Callable[[object], bool], str]
"""What a value must be, as a question and in words."""

ID: Kind = (lambda value: isinstance(value, ObjectId), "an ObjectId")
DATE: Kind = (lambda value: isinstance(value, datetime), "a date")
ANY_DATE: Kind = (lambda value: isinstance(value, (datetime, DatetimeMS)), "a date")
FLAG: Kind = (lambda value: isinstance(value, bool), "true or false")
WHOLE: Kind = (_is_whole, "a whole number")
COUNT: Kind = (lambda value: _is_whole(value) and value >= 0, "a whole number from 0")


def _kind(value: object) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(value), f"the value {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
