"""What can be looked up and counted of events. What is written on them is test_events.py's subject."""

from dataclasses import replace

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Answer
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_queries import EventQueries
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.storage.events import Events
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.conftest import FailPoint
from recurrence_pipeline_tests.storage.samples import an_event, at, failure, held


@pytest.fixture
def events(mongo: Mongo) -> Events:
    return Events(mongo, read_chunk=3, write_chunk=4)


def end(events: Events, event: TaskEvent, status: EventStatus, reason: str | None = None) -> None:
    [taken] = held(events, event)
    events.finish([Outcome(taken, status, error=failure(1, reason) if reason else None)], now=at(0))


def test_events_of_tasks_are_found_newest_first(events: Events, event_queries: EventQueries) -> None:
    tasks = [str(ObjectId()) for _ in range(5)]
    mine = [an_event(task_id=task, created_at=at(n)) for n, task in enumerate(tasks)]
    events.add([*mine, an_event()], available_at=at(0))

    assert [str(found["_id"]) for found in event_queries.of_tasks(tasks)] == [event.id for event in reversed(mine)]
    assert [str(found["_id"]) for found in event_queries.of_tasks(tasks, limit=2)] == [mine[4].id, mine[3].id]
    assert event_queries.of_tasks([]) == []


def test_an_event_that_does_not_say_when_it_was_made_comes_last(
    events: Events, event_queries: EventQueries, mongo: Mongo
) -> None:
    event = an_event()
    events.add([event], available_at=at(0))
    mongo.events.insert_one({"_id": 1, "taskId": ObjectId(event.task_id)}, bypass_document_validation=True)
    assert [found["_id"] for found in event_queries.of_tasks([event.task_id])] == [ObjectId(event.id), 1]


@pytest.mark.parametrize("limit", [2, 4])
@pytest.mark.parametrize("status", [None, EventStatus.PENDING])
def test_the_newest_events_are_those_made_last_whatever_their_ids_say(
    events: Events, event_queries: EventQueries, status: EventStatus | None, limit: int
) -> None:
    """Ids of other machines, or of an import, are in no order; those made at one time are told by their ids."""
    ids = sorted(str(ObjectId()) for _ in range(4))
    made = [at(2), at(1), at(3), at(1)]
    mine = [replace(an_event(), id=i, created_at=created) for i, created in zip(ids, made, strict=True)]
    events.add(mine, available_at=at(0))
    newest = [ids[2], ids[0], ids[3], ids[1]][:limit]

    tasks = [event.task_id for event in mine]
    for task_ids in (None, tasks):
        found = event_queries.newest(limit=limit, status=status, task_ids=task_ids)
        assert [str(event["_id"]) for event in found] == newest


def test_refused_events_are_counted_by_their_last_reason(events: Events, event_queries: EventQueries) -> None:
    end(events, an_event(), EventStatus.REJECTED, "Original task not found")
    end(events, an_event(), EventStatus.REJECTED, "Original task not found")
    end(events, an_event(Operation.COMPLETE), EventStatus.FAILED, "the database was busy")
    end(events, an_event(), EventStatus.COMPLETED)

    assert event_queries.refused() == [
        {"operation": "create", "status": "rejected", "reason": "Original task not found", "count": 2},
        {"operation": "complete", "status": "failed", "reason": "the database was busy", "count": 1},
    ]
    assert event_queries.count_by_operation_and_status() == {
        ("create", "rejected"): 2,
        ("complete", "failed"): 1,
        ("create", "completed"): 1,
    }


def test_refused_events_come_one_by_one_those_due_the_longest_first(
    events: Events, event_queries: EventQueries, mongo: Mongo
) -> None:
    mine = [an_event() for _ in range(4)]
    for event in mine:
        end(events, event, EventStatus.FAILED, "busy")
    for event, minute in zip(mine, (3, 1, 2, 0), strict=True):
        mongo.events.update_one({"_id": ObjectId(event.id)}, {"$set": {"availableAt": at(minute)}})
    mongo.events.insert_one({"_id": 1, "status": "failed"}, bypass_document_validation=True)

    found = list(event_queries.refused_events([EventStatus.REJECTED, EventStatus.FAILED]))

    assert [event.id for event in found] == [mine[n].id for n in (3, 1, 2, 0)], "what has no id of ours is no event"
    assert {(event.status, event.code, event.reason, event.finished_at) for event in found} == {
        ("failed", "TRANSIENT", "busy", at(0))
    }


def test_an_event_whose_errors_are_in_disorder_is_still_found(event_queries: EventQueries, mongo: Mongo) -> None:
    odd: list[Document] = [{"errors": []}, {"errors": ["busy"]}, {"errors": "busy"}, {"finishedAt": "today"}, {}]
    ids = [ObjectId() for _ in odd]
    mongo.events.insert_many(
        [{"_id": i, "status": "failed"} | fields for i, fields in zip(ids, odd, strict=True)],
        bypass_document_validation=True,
    )

    found = event_queries.by_id(str(i) for i in ids)

    assert [(event.code, event.reason, event.finished_at) for event in found] == [("", "", None)] * len(odd)


def test_an_outage_while_refused_events_are_read_is_said_to_be_one(
    event_queries: EventQueries, fail_point: FailPoint
) -> None:
    """They are read after the call has returned."""
    found = iter(event_queries.refused_events([EventStatus.FAILED]))
    fail_point("find", errorCode=13)
    with pytest.raises(DatabaseUnavailable):
        next(found)


def test_totals_add_up_what_events_came_to(events: Events, event_queries: EventQueries) -> None:
    assert event_queries.totals() == {"created": 0, "deleted": 0}
    first, second, third = held(events, an_event(), an_event(Operation.DELETE), an_event())
    made = tuple(str(ObjectId()) for _ in range(3))
    events.finish(
        [
            Outcome(first, EventStatus.COMPLETED, Answer(made)),
            Outcome(second, EventStatus.COMPLETED, Answer(deleted=4)),
            Outcome(third, EventStatus.REJECTED, error=failure(1)),
        ],
        now=at(0),
    )
    assert event_queries.totals() == {"created": 3, "deleted": 4}


def test_a_task_whose_user_is_stored_as_text_is_that_users(event_queries: EventQueries, mongo: Mongo) -> None:
    user = "65a00000000000000000000f"
    ids = [ObjectId() for _ in range(4)]
    stored = (ObjectId(user), user, user.upper(), 5)
    mongo.tasks.insert_many(
        {"_id": i, "taskId": n, "userId": u} for n, (i, u) in enumerate(zip(ids, stored, strict=True))
    )

    assert sorted(event_queries.owned_by(user)) == [str(i) for i in ids[:3]]
    assert [event_queries.owner(str(i)) for i in ids] == [user, user, user, ""]
