"""Which writes wait for the database's journal, where MONGODB_URL asks for it: all that somebody is told of."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from pymongo import monitoring

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


class Writes(monitoring.CommandListener):
    """Notes each write that is sent, and whether it waits."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bool]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if concern := event.command.get("writeConcern"):
            self.sent.append((f"{event.command_name} {event.command[event.command_name]}", concern["j"]))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def journaled(mongodb_url: str) -> Iterator[World]:
    with closing(World(f"{mongodb_url}&journal=true")) as world:
        yield world


def test_numbers_and_begun_events_do_not_wait_for_the_journal_and_all_that_stays_does(journaled: World) -> None:
    """Each wait is one for the disk. What is written later takes along what is not in the journal yet."""
    original = journaled.add_task(ANCHOR, "daily")
    writes = Writes()
    with open_worker(journaled.settings, clock=lambda: journaled.now, listeners=[writes]) as worker:
        worker.process_task_recurrence(str(original), "create")
        worker.process_task_recurrence(str(original), "delete", str(journaled.user))

    at_once = {name for name, waits in writes.sent if not waits}
    assert at_once == {"insert task_events", "findAndModify counters"}
    assert not {name for name, waits in writes.sent if waits} & at_once, "and never otherwise"
    assert writes.sent[-1] == ("update task_events", True), "the answer is given after a wait"


def test_events_of_the_queue_wait_for_the_journal(journaled: World) -> None:
    """Whoever hands one over is told that it is kept."""
    original = journaled.add_task(ANCHOR, "daily")
    writes = Writes()
    with open_worker(journaled.settings, clock=lambda: journaled.now, listeners=[writes]) as worker:
        worker.enqueue(str(original), "create")

    assert writes.sent == [("insert task_events", True)]
