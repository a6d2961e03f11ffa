"""Events are read whatever a producer wrote beside what is demanded; activities have the application's wording."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import bson
import pytest
from bson import ObjectId
from hypothesis import example, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.ids import activity_id
from recurrence_pipeline.domain.model import ErrorRecord, TaskEvent
from recurrence_pipeline.domain.plan import Answer, NewActivity
from recurrence_pipeline.domain.vocabulary import Action, Operation, Source
from recurrence_pipeline.storage.documents import Document, activity_document
from recurrence_pipeline.storage.event_documents import error_document, event_document, event_from, result_document
from recurrence_pipeline_tests.storage.values import NOW, ORIGINAL, USER, counts, ids, moments, odd_documents, stored

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
    assert event_from(stored(document)) == replace(event, attempts=0), "no try is believed without a lease"
    held = document | {"lease": {"term": event.attempts + 1}}
    assert event_from(stored(held)) == replace(event, term=event.attempts + 1)
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
        "lease": {
            "owner": "worker-1",
            "term": 3.0,
            "deaths": [{"owner": "a", "size": 9}, {"owner": "b", "size": 1}],
            "until": NOW + timedelta(minutes=1),
        },
        "startedAt": NOW,
        "errors": [error_document(failed)],
        "deleting": [ObjectId(USER)],
    }
    read = event_from(stored(document))
    assert (read.owner, read.term, read.suspected, read.holder_deaths) == ("worker-1", 3, True, 1)
    assert (read.started_at, read.leased_until) == (NOW, NOW + timedelta(minutes=1))
    assert (read.errors, read.deleting) == ((failed,), (USER,))


@pytest.mark.parametrize("field", ["task_id", "user_id"])
def test_an_event_is_not_written_with_a_bad_id(field: str) -> None:
    names: dict[str, Any] = {"task_id": ORIGINAL, "user_id": USER} | {field: "nonsense"}
    event = TaskEvent(ORIGINAL, Operation.DELETE, created_at=NOW, **names)
    with pytest.raises(InvalidInput, match=r"(taskId|userId): 'nonsense'"):
        event_document(event, available_at=NOW)


def test_a_result_keeps_ids_as_ids() -> None:
    answer = Answer(created=(ORIGINAL, USER), updated=USER)
    ids_of = [ObjectId(ORIGINAL), ObjectId(USER)]
    assert result_document(answer) == {"created": ids_of, "updated": ObjectId(USER), "deleted": 0}
    assert result_document(Answer(deleted=4)) == {"created": [], "updated": None, "deleted": 4}


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
    document = activity_document(_activity(Action.CREATE_FAILED, "Invalid repeat type: hourly"), NOW, 9)
    assert document["error"] == "Invalid repeat type: hourly"
    assert document["message"] == (
        f"User attempted WORKER_CREATE_FAILED :: {ORIGINAL} :: ERROR: Invalid repeat type: hourly"
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


def test_what_an_event_says_of_errors_is_cut_to_what_is_kept() -> None:
    """Else it cannot be written back: a document holds 16 MB, and anybody may have written them."""
    long = "x" * 5_000_000
    errors = [{"kind": long, "code": long, "message": long}, {"kind": [long], "code": {"a": long}, "message": None}]
    document = event_document(TaskEvent(ORIGINAL, Operation.CREATE, ORIGINAL, NOW), available_at=NOW)
    read = event_from(document | {"errors": errors}).errors
    assert len(bson.encode({"errors": [error_document(error) for error in read]})) < 3000
