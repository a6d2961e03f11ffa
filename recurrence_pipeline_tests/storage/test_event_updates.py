"""How many events are written by one update, and that each of them still gets what is its own."""

from dataclasses import replace

import pytest
from bson import ObjectId
from pymongo import UpdateMany

from recurrence_pipeline.domain.errors import LeaseLost
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Answer
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_updates import MANY_IDS, Outcome, announcements, endings
from recurrence_pipeline.storage.events import Events
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.samples import an_event, at, failure, held

CHUNK = 3


@pytest.fixture
def events(mongo: Mongo) -> Events:
    return Events(mongo, read_chunk=CHUNK, write_chunk=4)


def new_ids(count: int) -> tuple[str, ...]:
    return tuple(str(ObjectId()) for _ in range(count))


def stored(events: Events, event: TaskEvent) -> Document:
    document = events.get(event.id)
    assert document is not None
    return document


def test_each_of_many_events_that_end_together_gets_its_own_result(events: Events) -> None:
    """They share an update: an event that took its neighbour's result would name a task of another user."""
    early = held(events, *(an_event() for _ in range(8)))
    late = held(events, *(an_event() for _ in range(2)), minute=0.25)
    answers = {event.id: Answer(new_ids(n % 4), new_ids(1)[0] if n % 2 else None, n) for n, event in enumerate(early)}
    answers |= {event.id: Answer(new_ids(2)) for event in late}
    answers[early[5].id] = Answer(new_ids(MANY_IDS + 1))

    events.finish(
        [Outcome(e, EventStatus.COMPLETED, answers[e.id]) for e in (*late, *early)], now=at(0.5), run_id="$run"
    )

    for event in (*early, *late):
        document, answer = stored(events, event), answers[event.id]
        assert document["result"] == {
            "created": [ObjectId(i) for i in answer.created],
            "updated": answer.updated and ObjectId(answer.updated),
            "deleted": answer.deleted,
        }
        assert (document["status"], document["runId"], document["finishedAt"]) == ("completed", "$run", at(0.5))
        assert document["durationMs"] == (30_000 if event in early else 15_000)
        size = len(early if event in early else late)
        assert document["lease"] == {"term": 1, "size": size, "deaths": []}


def test_events_that_end_in_different_ways_end_in_one_batch(events: Events) -> None:
    done, again, dead = held(events, *(an_event() for _ in range(3)))
    made = new_ids(1)
    events.finish(
        [
            Outcome(again, EventStatus.PENDING, error=failure(1), due_again=at(3)),
            Outcome(done, EventStatus.COMPLETED, Answer(made)),
            Outcome(dead, EventStatus.FAILED, Answer(new_ids(1)), error=failure(1)),
        ],
        now=at(0.5),
    )
    ends = [stored(events, event) for event in (done, again, dead)]
    assert [end["status"] for end in ends] == ["completed", "pending", "failed"]
    assert [end["attempts"] for end in ends] == [0, 1, 1]
    assert ends[0]["result"]["created"] == [ObjectId(made[0])]
    assert "errors" not in ends[0]


def test_each_event_is_told_its_own_deletions(events: Events) -> None:
    deletions = {event.id: (event, new_ids(n)) for n, event in enumerate(held(events, *(an_event() for _ in range(7))))}
    events.announce(deletions)
    for event, ids in deletions.values():
        assert stored(events, event)["deleting"] == [ObjectId(i) for i in ids]


def test_an_event_of_an_update_whose_lease_is_lost_is_counted_and_its_neighbours_are_written(events: Events) -> None:
    mine = held(events, *(an_event() for _ in range(3)))
    [stolen] = events.lease(1, owner="you", now=at(2), until=at(3))
    with pytest.raises(LeaseLost, match="1 of 3"):
        events.announce({event.id: (event, new_ids(1)) for event in mine})
    assert ["deleting" in stored(events, event) for event in mine] == [event.id != stolen.id for event in mine]


def test_a_hundred_events_that_end_alike_are_one_update() -> None:
    event = replace(an_event(), owner="me", term=1, started_at=at(0))
    alike = [Outcome(replace(event, id=i), EventStatus.COMPLETED, Answer()) for i in new_ids(250)]
    updates = list(endings(alike, now=at(1), run_id=None, at_most=100))
    assert [type(update) for update in updates] == [UpdateMany] * 3
    assert len(list(announcements([(o.event, new_ids(3)) for o in alike], at_most=100))) == 3


def test_what_holds_very_many_ids_has_an_update_to_itself() -> None:
    """Else the values of a hundred such events make a document larger than the 16 MB that a database takes."""
    event = replace(an_event(), owner="me", term=1)
    large = [(replace(event, id=i), new_ids(MANY_IDS + 1)) for i in new_ids(4)]
    assert len(list(announcements(large, at_most=100))) == 4
