"""Tasks are read totally, and occurrences written with what the application's schema has.

Most documents go through BSON on their way, as in life: it has number types, dates and nothing else of Python's.
"""

from datetime import datetime, timedelta

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import example, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.content import COPIED_FIELDS
from recurrence_pipeline.domain.errors import InvalidInput, InvalidRecurrence
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import NewOccurrence
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.validation import validate_recurrence
from recurrence_pipeline.domain.zones import wall_text
from recurrence_pipeline.storage.contract_values import as_contract
from recurrence_pipeline.storage.documents import (
    MEMBER_FIELDS,
    Document,
    digest,
    object_id,
    occurrence_document,
    task_from,
    task_from_request,
)
from recurrence_pipeline_tests.storage.values import (
    DUE,
    EVENT,
    NOW,
    ORIGINAL,
    USER,
    ids,
    moments,
    odd_documents,
    odd_values,
    stored,
)


@given(odd_values, odd_documents(*COPIED_FIELDS, *MEMBER_FIELDS))
@example(ORIGINAL, {"occurrenceNumber": float("inf"), "recurrenceCursor": {"number": float("nan")}})
def test_any_task_can_be_read(key: object, fields: Document) -> None:
    """Else one odd document costs the whole batch that it is read with."""
    task = task_from(stored({"_id": key, **fields}), with_content=True)

    assert isinstance(task.id, str)
    assert isinstance(task.repeat_type, str)
    assert task.created_at is None or task.created_at.tzinfo is not None
    for reference in (task.user_id, task.parent_recurring_id):
        assert reference is None or ObjectId.is_valid(reference)


@given(odd_documents(*COPIED_FIELDS))
def test_what_was_read_of_an_odd_original_can_be_written(fields: Document) -> None:
    original = task_from(stored({"_id": ObjectId(ORIGINAL), **fields}), with_content=True)

    written = stored(occurrence_document(_occurrence(original), NOW, None, 7))

    copied = {name: written[name] for name in fields}
    assert bson.encode(copied) == bson.encode(fields)  # as bytes, in which even a NaN equals itself


def test_a_task_reads_as_it_is_stored() -> None:
    document = {
        "_id": ObjectId(ORIGINAL),
        "userId": ObjectId(USER),
        "title": "Water the plants",
        "repeatType": "weekly",
        "dueDate": DUE,
        "originalDueDate": DUE - timedelta(days=7),
        "isCompleted": True,
        "parentTaskId": None,
        "createdAt": NOW,
        "timezone": "Europe/Paris",
        "recurrenceCursor": {"number": 4.0, "repeatType": "weekly"},  # JavaScript may store a whole number as a double
    }
    assert task_from(stored(document)) == Task(
        id=ORIGINAL,
        user_id=USER,
        title="Water the plants",
        repeat_type="weekly",
        due_date=DUE,
        original_due_date=DUE - timedelta(days=7),
        is_completed=True,
        created_at=NOW,
        timezone="Europe/Paris",
        cursor=Cursor(4, "weekly"),
    )


@pytest.mark.parametrize("repeat_type", [None, "", False, 0])
def test_a_task_without_a_repeat_type_repeats_not(repeat_type: object) -> None:
    assert task_from({"_id": ObjectId(), "repeatType": repeat_type}).repeat_type == "none"


@pytest.mark.parametrize("due", ["2026-03-02", 1772443800000, DatetimeMS(2**60), {"$date": "2026-03-02"}])
def test_a_due_date_that_is_none_is_kept_for_validation_to_name(due: object) -> None:
    assert task_from(stored({"_id": ObjectId(), "dueDate": due})).due_date == due


@pytest.mark.parametrize("completed", [None, 1, "true", "false", {}])
def test_only_true_is_completed(completed: object) -> None:
    """Else a stray value moves a series on."""
    assert not task_from({"_id": ObjectId(), "isCompleted": completed}).is_completed


@pytest.mark.parametrize(
    ("number", "whole"),
    [
        *((3, 3), (3.0, 3), (Int64(3), 3), (0, 0), (-2, -2), (3.5, None), (True, None), ("3", None)),
        *((Decimal128("3"), None), (float("nan"), None), (float("inf"), None), (1e300, None), (2**63 - 1, None)),
    ],
)
def test_whole_numbers_are_read_whatever_number_type_holds_them(number: object, whole: int | None) -> None:
    assert task_from(stored({"_id": ObjectId(), "occurrenceNumber": number})).occurrence_number == whole
    assert task_from(stored({"_id": ObjectId(), "originalSlot": number})).original_slot == (whole or 0)


def _occurrence(original: Task, slot: int = 2) -> NewOccurrence:
    return NewOccurrence(occurrence_id(original.id, slot), original, slot, DUE, EVENT, DUE)


def test_an_occurrence_copies_the_content_and_nothing_of_the_progress() -> None:
    document = {
        "_id": ObjectId(ORIGINAL),
        "userId": ObjectId(USER),
        "title": "Water the plants",
        "description": "Both",
        "priority": "high",
        "category": "home",
        "repeatType": "weekly",
        "recurrence": {"rule": "FREQ=WEEKLY;BYDAY=MO"},
        "links": ["https://example.org"],
        "additionalNotes": "Not the cactus",
        "timezone": "Europe/Paris",
        "isCompleted": True,
        "parentTaskId": ObjectId(),
        "recurrenceCursor": {"number": 3, "repeatType": "weekly"},
        "taskId": 1,
        "somethingElse": 1,
    }
    original = task_from(document, with_content=True)

    made = occurrence_document(_occurrence(original), NOW, None, 7)
    assert made.pop("writtenAs") == digest(made)
    assert made == {name: document[name] for name in COPIED_FIELDS} | {
        "_id": ObjectId(occurrence_id(ORIGINAL, 2)),
        "taskId": 7,
        "dueDate": DUE,
        "originalDueDate": DUE,
        "isCompleted": False,
        "parentTaskId": None,
        "parentRecurringId": ObjectId(ORIGINAL),
        "occurrenceNumber": 2,
        "occurrenceAt": wall_text(DUE),
        "createdByEvent": ObjectId(EVENT),
        "createdAt": NOW,
        "updatedAt": NOW,
        "__v": 0,
    }


def test_what_an_original_lacks_is_filled_in_as_the_applications_schema_does() -> None:
    bare = task_from({"_id": ObjectId(ORIGINAL), "userId": ObjectId(USER)}, with_content=True)
    written = occurrence_document(_occurrence(bare), NOW, None, 7)
    defaults = {name: written[name] for name in ("description", "priority", "category", "links", "additionalNotes")}
    assert defaults == {"description": "", "priority": "medium", "category": "", "links": [], "additionalNotes": ""}
    assert "timezone" not in written


@given(ids, st.integers(1, 10_000), moments)
def test_an_occurrence_reads_as_the_slot_it_was_written_for(original_id: str, slot: int, due: datetime) -> None:
    original = task_from({"_id": ObjectId(original_id), "repeatType": "daily"}, with_content=True)
    new = NewOccurrence(occurrence_id(original_id, slot), original, slot, due, EVENT, due)

    read = task_from(stored(occurrence_document(new, NOW, None, 7)))

    assert (read.id, read.parent_recurring_id, read.occurrence_number) == (new.id, original_id, slot)
    assert read.occurrence_at == due
    assert read.created_by_event == EVENT
    assert (read.due_date, read.anchor, read.repeat_type) == (due, due, "daily")
    assert not read.is_completed


@given(ids)
def test_24_hex_digits_are_an_id_in_either_case(digits: str) -> None:
    assert str(object_id(digits)) == str(object_id(digits.upper())) == digits


@given(odd_values | st.text("0123456789abcdefABCDEFg \n٣", min_size=23, max_size=25))
@example("a" * 22 + "  ")
@example("aa " * 8)
@example("a" * 24 + "\n")
@example("٣" * 24)  # digits, to str.isdigit
@example("twelve chars")  # 12 bytes were an id once
def test_nothing_but_24_hex_digits_is_an_id(value: object) -> None:
    if isinstance(value, str) and len(value) == 24 and set(value) <= set("0123456789abcdefABCDEF"):
        return
    with pytest.raises(InvalidInput, match=r"^userId: .*is not an id of 24 hex digits"):
        object_id(value, "userId")


@pytest.mark.parametrize("value", [ORIGINAL.encode(), ObjectId(ORIGINAL), bytes(12), None, 24])
def test_an_id_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        object_id(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | moments.map(datetime.isoformat),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from(["repeatType", "dueDate", "parentTaskId", "timezone"]), json_values))
@example({"repeatType": "daily", "dueDate": "9999-12-31T23:59:59-14:00"})
@example({"repeatType": "daily", "dueDate": "0001-01-01T00:00:00+14:00"})
@example({"repeatType": "daily", "dueDate": "Z"})
def test_any_task_of_a_request_can_be_judged(fields: Document) -> None:
    """Else a bad request is answered as if we had failed."""
    try:
        validate_recurrence(task_from_request(fields), asked_at=NOW)
    except InvalidRecurrence as refusal:
        assert refusal.field in {"repeatType", "dueDate", "parentTaskId", "timezone"}  # noqa: PT017 - some are valid


@pytest.mark.parametrize(
    ("given", "read"),
    [
        *(("2026-03-02T09:30:00.000Z", DUE), ("2026-03-02T10:30:00+01:00", DUE), ("2026-03-02T09:30", DUE)),
        *(("tomorrow", "tomorrow"), (1_772_443_800_000, DUE), ("", None), (None, None)),
    ],
)
def test_a_due_date_of_a_request_is_read_as_programs_write_it(given: object, read: object) -> None:
    assert task_from_request({"dueDate": given}).due_date == read


def test_the_contract_has_ids_as_hex_digits_at_any_depth_and_plain_numbers() -> None:
    shown = as_contract({"_id": ObjectId(USER), "taskId": Int64(5), "links": [{"to": ObjectId(ORIGINAL)}], "at": DUE})
    assert shown == {"_id": USER, "taskId": 5, "links": [{"to": ORIGINAL}], "at": DUE}
    assert type(shown["taskId"]) is int
