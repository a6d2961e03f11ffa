"""Processing the queue from a terminal: when it ends, and what it waits for."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from threading import Event, Thread

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.worker.polling import poll_until_idle
from recurrence_pipeline.worker.summary import BatchSummary
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World, utc

NOW = datetime(2024, 3, 1, 9, tzinfo=timezone.utc)


class Clock:
    """Stands still, but for those who wait."""

    def __init__(self) -> None:
        self.waited = timedelta()

    def __call__(self) -> datetime:
        return NOW + self.waited

    def wait(self, seconds: float) -> None:
        """Let the time pass that somebody waits."""
        self.waited += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(mongodb_url: str, clock: Clock) -> Iterator[Worker]:
    settings = Settings.from_environment({"MONGODB_URL": mongodb_url, "WORKER_BATCH_SIZE": "2"})
    with open_worker(settings, clock=clock, chance=lambda: 0.0) as worker:
        worker.init_db()
        yield worker


def enqueue(worker: Worker, count: int = 1, *, due_in: timedelta = timedelta()) -> None:
    """Add events whose task is not there: they are refused as soon as they are worked on."""
    worker.mongo.events.insert_many(
        {
            "operation": "create",
            "taskId": ObjectId(),
            "createdAt": NOW - timedelta(hours=1),
            "availableAt": NOW + due_in,
            "status": "pending",
        }
        for _ in range(count)
    )


def test_it_works_off_what_is_due_in_batches_and_does_not_wait(worker: Worker, clock: Clock) -> None:
    enqueue(worker, 5)
    enqueue(worker, due_in=timedelta(seconds=1))
    signs: list[int] = []

    def go_on(so_far: BatchSummary) -> bool:
        signs.append(so_far.events)
        return True

    summary = worker.drain(go_on=go_on, wait=clock.wait)

    assert summary.count("rejected") == 5
    assert signs == [2, 4, 5, 5]
    assert not clock.waited


def test_it_ends_after_the_batch_where_it_is_told_to_and_holds_nothing_then(worker: Worker, clock: Clock) -> None:
    enqueue(worker, 5)

    summary = worker.drain(until_empty=True, go_on=lambda so_far: so_far.events < 4, wait=clock.wait)

    assert summary.count("rejected") == 4
    assert worker.queries.queue().due == 1


def test_until_empty_it_waits_for_what_comes_due(worker: Worker, clock: Clock) -> None:
    enqueue(worker, due_in=timedelta(seconds=1))

    assert worker.drain(until_empty=True, wait=clock.wait).count("rejected") == 1
    assert timedelta(seconds=1) <= clock.waited < timedelta(seconds=1.3)


def test_until_empty_it_waits_for_what_a_dead_worker_holds(worker: Worker, clock: Clock) -> None:
    """Else `process --until-empty` after a crash ends with work left, and says that all is done."""
    enqueue(worker)
    assert len(worker.lease(1)) == 1

    assert worker.drain(until_empty=True, wait=clock.wait).count("rejected") == 1
    assert worker.settings.lease <= clock.waited < worker.settings.lease + timedelta(seconds=1)


def test_a_limit_is_kept_across_batches(worker: Worker, clock: Clock) -> None:
    enqueue(worker, 5)

    assert worker.drain(limit=3, until_empty=True, wait=clock.wait).events == 3
    assert worker.queries.unfinished() == 2


LONG = timedelta(minutes=1)
ANCHOR = utc(2024, 1, 15, 9)


def test_what_comes_while_it_waits_is_worked_off(world: World) -> None:
    done: list[BatchSummary] = []
    looked = Event()
    idle = timedelta(seconds=2)
    waiting = Thread(
        target=lambda: done.append(
            poll_until_idle(world.worker.process_pending, batch=100, idle=idle, longest=LONG, beat=looked.set)
        )
    )
    waiting.start()
    assert looked.wait(10)

    original = world.add_task(ANCHOR, "daily")
    world.add_event("create", original)

    wait_until(lambda: len(world.occurrences(original)) == 3, "the event is processed")
    waiting.join()
    assert done[0].count("completed") == 1


def test_it_ends_when_nothing_has_come_for_a_while(world: World) -> None:
    assert (
        poll_until_idle(world.worker.process_pending, batch=100, idle=timedelta(milliseconds=300), longest=LONG).events
        == 0
    )


def test_it_ends_even_while_events_keep_coming(world: World) -> None:
    """Dagster ends a run that goes on for ever, in the middle of its work."""

    def another() -> None:
        world.add_event("create", world.add_task(ANCHOR, "daily"))

    done = poll_until_idle(
        world.worker.process_pending, batch=100, idle=LONG, longest=timedelta(seconds=1), beat=another
    )
    assert done.events > 1


def test_without_patience_it_does_not_even_look(world: World) -> None:
    world.add_event("create", world.add_task(ANCHOR, "daily"))
    assert poll_until_idle(world.worker.process_pending, batch=100, idle=timedelta(), longest=LONG).events == 0


def test_what_is_owed_is_worked_off_without_patience_and_nothing_beyond_it(world: World) -> None:
    """A run holds few of those at once that a worker has died of, and would end after each handful."""
    for _ in range(7):
        world.add_event("create", world.add_task(ANCHOR, "daily"))

    assert (
        poll_until_idle(world.worker.process_pending, batch=100, idle=timedelta(), longest=LONG, pending=5).events == 5
    )
    assert (
        poll_until_idle(world.worker.process_pending, batch=100, idle=timedelta(), longest=LONG, pending=500).events
        == 2
    )
