"""What is written on events and read of them. Who may hold one is test_leases.py's subject."""

from datetime import timedelta

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import WriteRejected
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Answer
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_queries import EventQueries
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.storage.events import Events, QueueState
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.samples import an_event, at, failure, held

LEASE = timedelta(minutes=5)


@pytest.fixture
def events(mongo: Mongo) -> Events:
    return Events(mongo, read_chunk=3, write_chunk=4)


def stored(events: Events, event: TaskEvent) -> Document:
    document = events.get(event.id)
    assert document is not None
    return document


def test_a_completed_event_says_what_it_came_to_and_nobody_holds_it(events: Events) -> None:
    [event] = held(events, an_event())
    created, updated = str(ObjectId()), str(ObjectId())
    answer = Answer((created,), updated, deleted=0)
    events.finish([Outcome(event, EventStatus.COMPLETED, answer)], now=at(0.5), run_id="run 1")

    document = stored(events, event)
    assert document["status"] == "completed"
    assert document["result"] == {"created": [ObjectId(created)], "updated": ObjectId(updated), "deleted": 0}
    assert (document["finishedAt"], document["durationMs"], document["runId"]) == (at(0.5), 30_000, "run 1")
    assert document["lease"] == {"term": 1, "size": 1, "deaths": []}, "the term stays, so that it can only rise"
    assert document["attempts"] == 0


def test_a_failed_try_waits_for_its_time_and_is_counted(events: Events) -> None:
    [event] = held(events, an_event())
    again = Outcome(event, EventStatus.PENDING, error=failure(1), due_again=at(3))
    events.finish([again], now=at(0.1))

    document = stored(events, event)
    assert (document["status"], document["availableAt"], document["attempts"]) == ("pending", at(3), 1)
    assert "finishedAt" not in document
    assert events.lease(1, owner="you", now=at(2.9), until=at(9)) == []
    [retried] = events.lease(1, owner="you", now=at(3), until=at(9))
    assert (retried.attempts, retried.errors, retried.holder_deaths) == (1, (failure(1),), 0)


def test_the_last_five_errors_are_kept(events: Events) -> None:
    [event] = held(events, an_event())
    for attempt in range(1, 8):
        events.finish([Outcome(event, EventStatus.PENDING, error=failure(attempt), due_again=at(0))], now=at(0))
        [event] = events.lease(1, owner="me", now=at(0), until=at(1))
    assert [error.attempt for error in event.errors] == [3, 4, 5, 6, 7]
    assert event.attempts == 7


def test_more_outcomes_than_one_command_takes_are_all_recorded(events: Events, event_queries: EventQueries) -> None:
    taken = held(events, *(an_event() for _ in range(11)))
    events.finish([Outcome(event, EventStatus.COMPLETED) for event in taken], now=at(0))
    assert event_queries.count_by_operation_and_status() == {("create", "completed"): 11}


def test_adding_an_event_again_leaves_it_as_it_is(events: Events) -> None:
    [done] = held(events, an_event())
    events.finish([Outcome(done, EventStatus.COMPLETED)], now=at(0))
    new = [an_event() for _ in range(5)]

    assert events.add([new[0], done, *new[1:]], available_at=at(0)) == 5
    assert events.add([done, *new], available_at=at(7)) == 0
    assert stored(events, done)["status"] == "completed"
    assert stored(events, new[0])["availableAt"] == at(0)


def test_an_event_that_the_validator_refuses_is_not_taken_for_one_that_is_there(events: Events) -> None:
    """Else the caller believes that its event will be processed."""
    with pytest.raises(WriteRejected):
        events.add([an_event(Operation.DELETE, user_id=None)], available_at=at(0))


def test_an_event_that_is_not_there_is_none(events: Events) -> None:
    assert events.get(str(ObjectId())) is None


def test_the_queue_counts_what_is_due_and_says_since_when(events: Events) -> None:
    assert events.queue(at(0), lease=LEASE, at_most=10) == QueueState(0, None)
    held(events, an_event(), minute=-5)
    events.add([an_event(), an_event()], available_at=at(-2))
    events.add([an_event()], available_at=at(1))

    assert events.queue(at(0), lease=LEASE, at_most=10) == QueueState(3, at(-4)), "the lease of the first ran out at -4"
    assert events.queue(at(-4.5), lease=LEASE, at_most=10) == QueueState(0, None)
    assert events.queue(at(9), lease=LEASE, at_most=2) == QueueState(2, at(-4))
    assert events.unfinished() == 4


def test_the_next_due_time_is_that_of_a_waiting_event_or_the_end_of_a_lease(events: Events) -> None:
    assert events.next_due() is None
    [event] = held(events, an_event())
    assert events.next_due() == at(1)
    events.add([an_event()], available_at=at(0.5))
    assert events.next_due() == at(0.5)
    events.finish([Outcome(event, EventStatus.COMPLETED)], now=at(0))
    assert events.next_due() == at(0.5)


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "processing"},
        {"status": "processing", "lease": {"until": "soon"}},
        {"status": "pending"},
        {"status": "pending", "availableAt": "soon"},
    ],
    ids=str,
)
def test_an_event_without_a_time_does_not_hide_when_the_next_is_due(
    events: Events, mongo: Mongo, odd: Document
) -> None:
    mongo.events.insert_one(dict(odd), bypass_document_validation=True)
    assert events.next_due() is None
    events.add([an_event()], available_at=at(5))
    assert events.next_due() == at(5)
