"""Workers in shards hold what is due side by side. What a shard takes is tested in domain/test_shards."""

from itertools import chain

import pytest

from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard, lane_of
from recurrence_pipeline.storage.events import Events
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.samples import an_event, at

LANES = [Shard(number, 3) for number in range(3)]


@pytest.fixture
def events(mongo: Mongo) -> Events:
    return Events(mongo, read_chunk=100, write_chunk=500)


def lease(events: Events, shard: Shard, limit: int, *, minute: float = 0) -> list[TaskEvent]:
    owner = f"shard {shard.number} at {minute}"
    return events.lease(limit, owner=owner, now=at(minute), until=at(minute + 1), shard=shard)


def add(events: Events, shard: Shard, count: int, *, minute: float = 0) -> None:
    """Add events of one shard that are due from that minute on."""
    ids = (f"{second:08x}0123456789abcdef" for second in range(count * 100))
    chosen = [task_id for task_id in ids if lane_of(task_id, shard.of) == shard.number][:count]
    events.add([an_event(task_id=task_id) for task_id in chosen], available_at=at(minute))


def test_a_worker_holds_what_is_of_its_lane_and_then_helps_the_others(events: Events) -> None:
    for shard in LANES:
        add(events, shard, 20)

    first = [lease(events, shard, 20) for shard in LANES[:2]]
    then = lease(events, LANES[0], 20)

    shards = [{lane_of(event.task_id, 3) for event in part} for part in (*first, then)]
    assert shards == [{0}, {1}, {2}]
    assert {len(part) for part in (*first, then)} == {20}
    assert lease(events, LANES[1], 20) == []


def test_the_oldest_of_a_long_queue_are_shared_by_the_lanes(events: Events) -> None:
    for shard in LANES:
        add(events, shard, 20, minute=-2)
    held_before = lease(events, WHOLE_QUEUE, 60, minute=-2)
    oldest = {event.id for event in held_before}
    events.release(held_before)
    for shard in LANES:
        add(events, shard, 20, minute=-0.5)

    held = [lease(events, shard, 20) for shard in LANES]

    assert [{lane_of(event.task_id, 3) for event in part} for part in held] == [{0}, {1}, {2}]
    assert {event.id for event in chain(*held)} == oldest, "they were due before the others"


def test_what_a_worker_held_that_died_is_taken_by_another_lane(events: Events) -> None:
    add(events, LANES[0], 50)
    held = lease(events, LANES[0], 50)
    assert lease(events, LANES[1], 50, minute=0.5) == []

    taken = lease(events, LANES[1], 50, minute=1)

    assert len(taken) == 7, "a small group: one of them may be what the worker died of"
    assert {event.id for event in taken} <= {event.id for event in held}
    assert all(event.suspected for event in taken)
