"""Looking for what is due: in order, all of it, and not through the whole queue each time."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from bson import ObjectId
from pymongo import MongoClient, monitoring
from pymongo.collection import Collection

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.due_events import WIDER, DueEventWindow
from recurrence_pipeline_tests.world import utc

NOON = utc(2024, 1, 1, 12)
BATCH = 5


class Looks(monitoring.CommandListener):
    """Keeps how far the looks reach that are sent."""

    def __init__(self) -> None:
        self.ends: list[datetime] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "find":
            self.ends.append(event.command["filter"]["availableAt"]["$lte"])

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def events(mongodb_url: str, looks: Looks) -> Iterator[Collection[Document]]:
    with MongoClient[Document](mongodb_url, tz_aware=True, event_listeners=[looks]) as client:
        yield client.get_default_database()["task_events"]


def wait_in(events: Collection[Document], count: int, *, first: int = 0) -> list[ObjectId]:
    """Add pending events that became due one second after the other, in an order of their own."""
    made: list[Document] = [
        {"_id": ObjectId(), "status": "pending", "availableAt": NOON + timedelta(seconds=first + index)}
        for index in range(count)
    ]
    events.insert_many(made[::2] + made[1::2])
    return [event["_id"] for event in made]


def wait_at(events: Collection[Document], seconds: Sequence[int]) -> None:
    """Add pending events that become due at these seconds."""
    if seconds:
        events.insert_many({"status": "pending", "availableAt": NOON + timedelta(seconds=at)} for at in seconds)


def take(events: Collection[Document], outlook: DueEventWindow, limit: int = BATCH) -> list[ObjectId]:
    """Look, and take what was found out of the queue."""
    found = [e["_id"] for e in outlook.due(NOON + timedelta(days=1), limit)]
    events.update_many({"_id": {"$in": found}}, {"$set": {"status": "processing"}})
    return found


def test_a_long_queue_comes_in_order_and_as_a_whole(events: Collection[Document]) -> None:
    waiting = wait_in(events, 60 * BATCH + 2)
    outlook = DueEventWindow(events)

    found = []
    while batch := take(events, outlook):
        found += batch

    assert found == waiting


def seen_by(looks: Looks, waiting: list[ObjectId], batch: int) -> list[int]:
    """Return how many of a queue with an event a second each look saw, of which a batch had been taken before each."""
    reach = [int((end - NOON).total_seconds()) + 1 for end in looks.ends]
    return [min(seconds, len(waiting)) - number * batch for number, seconds in enumerate(reach)]


def test_a_long_queue_is_looked_at_as_a_whole_once(events: Collection[Document], looks: Looks) -> None:
    """Else each batch of a queue of 100,000 costs what sorting 100,000 events does."""
    waiting = wait_in(events, 60 * BATCH)
    outlook = DueEventWindow(events)

    for _ in range(50):
        assert len(take(events, outlook)) == BATCH

    whole, *others = seen_by(looks, waiting, BATCH)
    assert whole == len(waiting)
    assert len(others) == 49
    assert max(others) <= WIDER[0] * BATCH


def test_one_event_that_has_waited_very_long_does_not_make_the_next_look_long(
    events: Collection[Document], looks: Looks
) -> None:
    waiting = wait_in(events, 40 * BATCH)
    wait_in(events, 1, first=-1_000_000)
    outlook = DueEventWindow(events)
    take(events, outlook)
    take(events, outlook)
    assert max(seen_by(looks, waiting, BATCH)[1:]) <= (WIDER[0] + 1) * BATCH


def test_a_pause_in_the_queue_is_looked_past(events: Collection[Document], looks: Looks) -> None:
    waiting = [*wait_in(events, 2 * BATCH), *wait_in(events, 2 * BATCH, first=3600)]
    outlook = DueEventWindow(events)
    found = [event for _ in range(4) for event in take(events, outlook)]
    assert found == waiting


def test_what_others_have_taken_meanwhile_does_not_end_the_looking(events: Collection[Document]) -> None:
    waiting = wait_in(events, 10 * BATCH)
    outlook = DueEventWindow(events)
    take(events, outlook)
    events.update_many({"_id": {"$in": waiting[BATCH : 8 * BATCH + 1]}}, {"$set": {"status": "processing"}})

    assert take(events, outlook) == waiting[8 * BATCH + 1 : 9 * BATCH + 1]
    assert take(events, outlook) == waiting[9 * BATCH + 1 :]
    assert take(events, outlook) == []


def test_an_event_that_has_waited_longer_than_all_of_them_is_next(events: Collection[Document]) -> None:
    waiting = wait_in(events, 4 * BATCH)
    outlook = DueEventWindow(events)
    take(events, outlook)
    (late,) = wait_in(events, 1, first=-60)

    assert take(events, outlook) == [late, *waiting[BATCH : 2 * BATCH - 1]]


def test_a_queue_in_which_all_wait_since_the_same_moment_comes_as_a_whole(events: Collection[Document]) -> None:
    events.insert_many({"status": "pending", "availableAt": NOON} for _ in range(7 * BATCH + 1))
    outlook = DueEventWindow(events)

    assert [len(take(events, outlook)) for _ in range(9)] == [BATCH] * 7 + [1, 0]


def test_batches_of_changing_size_leave_nothing_behind(events: Collection[Document]) -> None:
    waiting = wait_in(events, 60)
    outlook = DueEventWindow(events)

    found = [take(events, outlook, limit) for limit in (2, 20, 1, 30, 3, 30)]

    assert [event for batch in found for event in batch] == waiting


def test_what_is_not_due_yet_is_not_found(events: Collection[Document]) -> None:
    waiting = wait_in(events, 4 * BATCH)
    outlook = DueEventWindow(events)

    assert [e["_id"] for e in outlook.due(NOON + timedelta(seconds=2), 100)] == waiting[:3]
    assert [e["_id"] for e in outlook.due(NOON - timedelta(seconds=1), 100)] == []
    assert [e["_id"] for e in outlook.due(NOON, 0)] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_look_finds_what_a_look_at_the_whole_queue_would_find_whatever_happens_between(
    events: Collection[Document], seed: int
) -> None:
    """Two workers take, events come early and late or are given back, batches change in size, a clock goes back.

    Else an event could be overtaken by what has waited less, or wait for ever.
    """
    rng = random.Random(seed)
    workers = [DueEventWindow(events), DueEventWindow(events)]
    times = iter(rng.sample(range(2000), 2000))
    wait_at(events, [next(times) for _ in range(120)])

    for _ in range(60):
        now, limit = NOON + timedelta(seconds=rng.choice([1000, 1500, 2000])), rng.choice([1, 3, 3, 3, 3, 10])
        found = [e["_id"] for e in rng.choice(workers).due(now, limit)]

        due = events.find({"status": "pending", "availableAt": {"$lte": now}}).sort("availableAt", 1)
        assert found == [event["_id"] for event in due][:limit]
        taken = [event for event in found if rng.random() < 0.9]
        events.update_many({"_id": {"$in": taken}}, {"$set": {"status": "processing"}})
        if rng.random() < 0.3:
            wait_at(events, [next(times) for _ in range(rng.randrange(6))])
        if rng.random() < 0.1:
            events.update_many({"_id": {"$in": taken}}, {"$set": {"status": "pending"}})
