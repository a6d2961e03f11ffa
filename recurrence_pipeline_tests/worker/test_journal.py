"""Which writes wait for the database's journal, where MONGODB_URL asks for it: all but what is no loss."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pymongo import monitoring

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.worker.context import WriteStep
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


def test_all_that_stays_waits_for_the_journal(journaled: World) -> None:
    """A server that dies and is back at once would go on with a batch whose first writes it has lost."""
    original = journaled.add_task(ANCHOR, "daily")
    writes = Writes()
    with open_worker(journaled.settings, clock=lambda: journaled.now, listeners=[writes]) as worker:
        for operation in ("create", "delete"):
            worker.process_task_recurrence(str(original), operation, str(journaled.user))

    assert {name for name, waits in writes.sent if not waits} == {"insert task_events", "findAndModify counters"}


def test_events_of_the_queue_wait_for_the_journal(journaled: World) -> None:
    """Whoever hands one over is told that it is kept."""
    original = journaled.add_task(ANCHOR, "daily")
    writes = Writes()
    with open_worker(journaled.settings, clock=lambda: journaled.now, listeners=[writes]) as worker:
        worker.enqueue(str(original), "create")

    assert writes.sent == [("insert task_events", True)]


def test_what_was_answered_survives_kill_minus_9_of_the_database(tmp_path: Path) -> None:
    server = EmbeddedServer.start(tmp_path)
    with closing(World(server.url("killed"))) as world:
        original = world.add_task(ANCHOR, "daily")
        for operation in ("create", "complete"):
            world.worker.process_task_recurrence(str(original), operation)
        answered = world.everything()
    server.kill()
    server = EmbeddedServer.start(tmp_path)
    with closing(World(server.url("killed"))) as world:
        kept = world.everything()
        statuses = [event["status"] for event in world.worker.mongo.events.find()]
    server.kill()
    assert kept == answered
    assert statuses == ["completed", "completed"]


@pytest.mark.parametrize("step", [WriteStep.OCCURRENCES, WriteStep.ACTIVITIES, WriteStep.CURSORS], ids=lambda s: s.name)
@pytest.mark.parametrize("way", ["called", "queued"])
def test_a_server_that_dies_amid_a_batch_and_is_back_at_once_has_lost_nothing_of_it(
    tmp_path: Path, step: WriteStep, way: str
) -> None:
    """The driver goes on with a new connection, and nobody notices."""
    servers = [EmbeddedServer.start(tmp_path)]
    port = servers[0].port

    def restart(done: WriteStep) -> None:
        if done is step and len(servers) == 1:
            servers[0].kill()
            servers.append(EmbeddedServer.start(tmp_path, port=port))

    with closing(World(servers[0].url("killed"))) as world:
        original = world.add_task(ANCHOR, "daily")
        with open_worker(world.settings, clock=lambda: world.now, on_step=restart) as worker:
            if way == "called":
                worker.process_task_recurrence(str(original), "create")
            else:
                world.add_event("create", original)
                worker.process_pending(10)
        assert len(servers) == 2
        assert [task["occurrenceNumber"] for task in world.occurrences(original)] == [1, 2, 3]
        assert world.actions().count("RECURRING_TASK_CREATED") == 3
        assert (world.worker.mongo.series.find_one({"_id": original}) or {})["cursor"]["number"] == 3
        assert world.worker.mongo.events.distinct("status") == ["completed"]
    servers[-1].kill()
