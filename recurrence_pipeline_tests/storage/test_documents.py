"""Documents are read totally and written with the application's names, wording and lengths.

Most go through BSON on their way, as in life: it has number types, dates and nothing else of Python's.
"""

from datetime import datetime, timedelta, timezone
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from hypothesis import example, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import InvalidInput, InvalidRecurrence
from recurrence_pipeline.domain.model import (
    Action,
    Cursor,
    ErrorRecord,
    Operation,
    Source,
    Task,
    TaskEvent,
    activity_id,
    occurrence_id,
)
from recurrence_pipeline.domain.plan import Answer, NewActivity, NewOccurrence
from recurrence_pipeline.domain.validation import validate_recurrence
from recurrence_pipeline.storage.documents import (
    COPIED_FIELDS,
    Document,
    activity_document,
    as_contract,
    error_document,
    event_document,
    event_from,
    object_id,
    occurrence_document,
    result_document,
    task_from,
    task_from_request,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
DUE = datetime(2026, 3, 2, 9, 30, tzinfo=timezone.utc)
ORIGINAL = "65a000000000000000000001"
USER = "65a000000000000000000002"

AS_READ = CodecOptions[Document](tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""A date outside of Python's years 1 to 9999 reads as DatetimeMS."""


def stored(document: Document) -> Document:
    """Return the document as the database gives it back."""
    return bson.decode(bson.encode(document), AS_READ)


ids = st.binary(min_size=12, max_size=12).map(bytes.hex)
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(timezone.utc)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
counts = st.integers(0, 2**31)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | text
    | st.sampled_from(["daily", "none", "Mars/Olympus", "2024-01-31"])
    | moments
    | st.integers(-(2**63), 2**63 - 1).map(DatetimeMS)
    | ids.map(ObjectId)
    | st.binary(max_size=12).map(Binary)
    | st.sampled_from([MinKey(), MaxKey(), Regex("^a"), Timestamp(1, 1), Decimal128("NaN"), Decimal128("3"), Int64(3)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["number", "repeatType", "kind", "message", "at", "attempt"]), inner)
    ),
    max_leaves=5,
)
TASK_FIELDS = (
    *COPIED_FIELDS,
    "dueDate",
    "originalDueDate",
    "isCompleted",
    "parentTaskId",
    "parentRecurringId",
    "createdAt",
)
ADDED_FIELDS = ("occurrenceNumber", "recurrenceCursor")


def odd_documents(*fields: str) -> st.SearchStrategy[Document]:
    return st.dictionaries(st.sampled_from(fields), odd_values)


# Tasks


@given(odd_values, odd_documents(*TASK_FIELDS, *ADDED_FIELDS))
@example(ORIGINAL, {"occurrenceNumber": float("inf"), "recurrenceCursor": {"number": float("nan")}})
def test_any_task_can_be_read(key: object, fields: Document) -> None:
    """Else one odd document costs the whole batch that it is read with."""
    task = task_from(stored({"_id": key, **fields}), with_content=True)

    assert isinstance(task.id, str)
    assert isinstance(task.repeat_type, str)
    assert task.created_at is None or task.created_at.tzinfo is not None
    for reference in (task.user_id, task.parent_task_id, task.parent_recurring_id):
        assert reference is None or ObjectId.is_valid(reference)


@given(odd_documents(*COPIED_FIELDS))
def test_what_was_read_of_an_odd_original_can_be_written(fields: Document) -> None:
    original = task_from(stored({"_id": ObjectId(ORIGINAL), **fields}), with_content=True)

    written = stored(occurrence_document(_occurrence(original), NOW, 7))

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


# Occurrences


def _occurrence(original: Task, slot: int = 2) -> NewOccurrence:
    return NewOccurrence(occurrence_id(original.id, slot), original, slot, DUE)


def test_an_occurrence_copies_the_content_and_nothing_of_the_progress() -> None:
    document = {
        "_id": ObjectId(ORIGINAL),
        "userId": ObjectId(USER),
        "title": "Water the plants",
        "description": "Both",
        "priority": "high",
        "category": "home",
        "repeatType": "weekly",
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

    assert occurrence_document(_occurrence(original), NOW, 7) == {name: document[name] for name in COPIED_FIELDS} | {
        "_id": ObjectId(occurrence_id(ORIGINAL, 2)),
        "taskId": 7,
        "dueDate": DUE,
        "originalDueDate": DUE,
        "isCompleted": False,
        "parentTaskId": None,
        "parentRecurringId": ObjectId(ORIGINAL),
        "occurrenceNumber": 2,
        "createdAt": NOW,
        "updatedAt": NOW,
        "__v": 0,
    }


def test_what_an_original_lacks_is_filled_in_as_the_applications_schema_does() -> None:
    bare = task_from({"_id": ObjectId(ORIGINAL), "userId": ObjectId(USER)}, with_content=True)
    written = occurrence_document(_occurrence(bare), NOW, 7)
    defaults = {name: written[name] for name in ("description", "priority", "category", "links", "additionalNotes")}
    assert defaults == {"description": "", "priority": "medium", "category": "", "links": [], "additionalNotes": ""}
    assert "timezone" not in written


@given(ids, st.integers(1, 10_000), moments)
def test_an_occurrence_reads_as_the_slot_it_was_written_for(original_id: str, slot: int, due: datetime) -> None:
    original = task_from({"_id": ObjectId(original_id), "repeatType": "daily"}, with_content=True)
    new = NewOccurrence(occurrence_id(original_id, slot), original, slot, due)

    read = task_from(stored(occurrence_document(new, NOW, 7)))

    assert (read.id, read.parent_recurring_id, read.occurrence_number) == (new.id, original_id, slot)
    assert (read.due_date, read.anchor, read.repeat_type) == (due, due, "daily")
    assert not read.is_completed


# Events


events = st.builds(
    TaskEvent,
    id=ids,
    operation=st.sampled_from(Operation),
    task_id=ids,
    created_at=moments,
    user_id=st.none() | ids,
    source=st.sampled_from(Source),
    attempts=counts,
)


@given(events)
def test_an_event_reads_as_it_was_written(event: TaskEvent) -> None:
    document = event_document(event, available_at=NOW)
    assert event_from(stored(document)) == event
    assert (document["status"], document["availableAt"]) == ("pending", NOW)
    assert ("userId" in document) == (event.user_id is not None)


@given(events, odd_documents("errors", "deleting", "attempts", "userId", "source", "startedAt"), odd_documents("lease"))
@example(
    TaskEvent(ORIGINAL, Operation.DELETE, ORIGINAL, NOW), {"deleting": 5, "errors": ["text"], "attempts": 1e300}, {}
)
@example(TaskEvent(ORIGINAL, Operation.CREATE, ORIGINAL, NOW), {"source": []}, {"lease": {"owner": 5, "deaths": -1}})
def test_an_event_can_be_read_whatever_else_a_producer_wrote(event: TaskEvent, odd: Document, lease: Document) -> None:
    """Else one odd event keeps the whole queue from being leased, for ever."""
    read = event_from(stored(event_document(event, available_at=NOW) | odd | lease))

    assert (read.id, read.operation, read.task_id) == (event.id, event.operation, event.task_id)
    assert read.created_at == event.created_at
    assert all(map(ObjectId.is_valid, read.deleting))
    stored({"attempts": read.attempts + 1, "term": read.term + 1, "owner": read.owner})  # and can be written back


def test_an_event_that_a_producer_wrote_with_the_least_is_complete() -> None:
    least: Document = {
        "_id": ObjectId(ORIGINAL),
        "operation": "create",
        "taskId": ObjectId(ORIGINAL),
        "createdAt": NOW,
        "availableAt": NOW,
        "status": "pending",
    }
    assert event_from(least) == TaskEvent(ORIGINAL, Operation.CREATE, ORIGINAL, NOW, source=Source.OUTBOX)


def test_a_held_event_reads_with_its_lease_and_its_history() -> None:
    failed = ErrorRecord("transient", "OUTAGE", "no primary", NOW, 1)
    document = event_document(TaskEvent(ORIGINAL, Operation.DELETE, ORIGINAL, NOW, USER), available_at=NOW)
    document |= {
        "lease": {"owner": "worker-1", "term": 3.0, "deaths": 1, "until": NOW},
        "errors": [error_document(failed)],
        "deleting": [ObjectId(USER)],
    }
    read = event_from(stored(document))
    assert (read.owner, read.term, read.holder_deaths) == ("worker-1", 3, 1)
    assert (read.errors, read.deleting) == ((failed,), (USER,))


@pytest.mark.parametrize("field", ["task_id", "user_id"])
def test_an_event_is_not_written_with_a_bad_id(field: str) -> None:
    names: dict[str, Any] = {"task_id": ORIGINAL, "user_id": USER} | {field: "nonsense"}
    event = TaskEvent(ORIGINAL, Operation.DELETE, created_at=NOW, **names)
    with pytest.raises(InvalidInput, match=r"(taskId|userId): 'nonsense'"):
        event_document(event, available_at=NOW)


# Ids


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


# Activities


def _activity(action: Action, error: str | None = None) -> NewActivity:
    return NewActivity.of(action, USER, ORIGINAL, error=error)


@pytest.mark.parametrize("action", Action)
def test_an_activity_says_what_was_done(action: Action) -> None:
    assert activity_document(_activity(action), NOW, 9) == {
        "_id": ObjectId(activity_id(action, ORIGINAL)),
        "activityId": 9,
        "userId": ObjectId(USER),
        "action": action.value,
        "taskId": ObjectId(ORIGINAL),
        "timestamp": NOW,
        "message": f"User performed {action.value} :: {ORIGINAL}",
    }


def test_an_activity_says_what_failed_and_why() -> None:
    document = activity_document(_activity(Action.CREATE_FAILED, "Invalid repeat type: yearly"), NOW, 9)
    assert document["error"] == "Invalid repeat type: yearly"
    assert document["message"] == (
        f"User attempted WORKER_CREATE_FAILED :: {ORIGINAL} :: ERROR: Invalid repeat type: yearly"
    )


@given(
    st.sampled_from(Action), st.text(st.characters(exclude_categories=["Cs"])) | st.integers(400, 2000).map("é".__mul__)
)
def test_error_and_message_are_cut_at_their_lengths_and_not_before(action: Action, error: str) -> None:
    document = activity_document(_activity(action, error), NOW, 9)
    whole = f"User attempted {action.value} :: {ORIGINAL} :: ERROR: {error}"
    assert document["error"] == error[:1000]
    assert document["message"] == whole[:500]
    stored(document)


# Requests and answers


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
        validate_recurrence(task_from_request(fields), created_at=NOW)
    except InvalidRecurrence as refusal:
        assert refusal.field in {"repeatType", "dueDate", "parentTaskId", "timezone"}  # noqa: PT017 - some are valid


@pytest.mark.parametrize(
    ("given", "read"),
    [
        *(("2026-03-02T09:30:00.000Z", DUE), ("2026-03-02T10:30:00+01:00", DUE), ("2026-03-02T09:30", DUE)),
        *(("tomorrow", "tomorrow"), (17, 17), ("", None), (None, None)),
    ],
)
def test_a_due_date_of_a_request_is_an_iso_8601_string(given: object, read: object) -> None:
    assert task_from_request({"dueDate": given}).due_date == read


def test_a_result_keeps_ids_as_ids() -> None:
    answer = Answer(created=(ORIGINAL, USER), updated=USER)
    ids_of = [ObjectId(ORIGINAL), ObjectId(USER)]
    assert result_document(answer) == {"created": ids_of, "updated": ObjectId(USER), "deleted": 0}
    assert result_document(Answer(deleted=4)) == {"created": [], "updated": None, "deleted": 4}


def test_the_contract_has_ids_as_hex_digits_at_any_depth_and_plain_numbers() -> None:
    shown = as_contract({"_id": ObjectId(USER), "taskId": Int64(5), "links": [{"to": ObjectId(ORIGINAL)}], "at": DUE})
    assert shown == {"_id": USER, "taskId": 5, "links": [{"to": ORIGINAL}], "at": DUE}
    assert type(shown["taskId"]) is int
