"""A worker that is warm takes what comes, and ends when nothing has come for a while or it has stayed long enough."""

from datetime import timedelta
from threading import Event, Thread

from recurrence_pipeline.worker.lingering import linger
from recurrence_pipeline.worker.summary import BatchSummary
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World, utc

LONG = timedelta(minutes=1)
ANCHOR = utc(2024, 1, 15, 9)


def test_what_comes_while_it_waits_is_worked_off(world: World) -> None:
    done: list[BatchSummary] = []
    looked = Event()
    idle = timedelta(seconds=2)
    waiting = Thread(
        target=lambda: done.append(
            linger(world.service.process_pending, batch=100, idle=idle, longest=LONG, beat=looked.set)
        )
    )
    waiting.start()
    assert looked.wait(10)

    original = world.add_task(ANCHOR, "daily")
    world.add_event("create", original)

    wait_until(lambda: len(world.occurrences(original)) == 3, "the event is worked off")
    waiting.join()
    assert done[0].count("completed") == 1


def test_it_ends_when_nothing_has_come_for_a_while(world: World) -> None:
    assert linger(world.service.process_pending, batch=100, idle=timedelta(milliseconds=300), longest=LONG).events == 0


def test_it_ends_even_while_events_keep_coming(world: World) -> None:
    """Dagster ends a run that goes on for ever, in the middle of its work."""

    def another() -> None:
        world.add_event("create", world.add_task(ANCHOR, "daily"))

    done = linger(world.service.process_pending, batch=100, idle=LONG, longest=timedelta(seconds=1), beat=another)
    assert done.events > 1


def test_without_patience_it_does_not_even_look(world: World) -> None:
    world.add_event("create", world.add_task(ANCHOR, "daily"))
    assert linger(world.service.process_pending, batch=100, idle=timedelta(), longest=LONG).events == 0


def test_what_is_owed_is_worked_off_without_patience_and_nothing_beyond_it(world: World) -> None:
    """A run holds few of those at once that a worker has died of, and would end after each handful."""
    for _ in range(7):
        world.add_event("create", world.add_task(ANCHOR, "daily"))

    assert linger(world.service.process_pending, batch=100, idle=timedelta(), longest=LONG, owed=5).events == 5
    assert linger(world.service.process_pending, batch=100, idle=timedelta(), longest=LONG, owed=500).events == 2
