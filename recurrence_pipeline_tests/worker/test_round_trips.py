"""How many commands the work sends: a number that depends on how many events there are, never on what they ask for."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bson import ObjectId
from pymongo import monitoring

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


class Commands(monitoring.CommandListener):
    """Counts the commands sent to the server, by name and collection."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name != "endSessions":  # said when a client closes
            self.sent[f"{event.command_name} {event.command.get(event.command_name)}"] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@contextmanager
def counted(world: World) -> Iterator[tuple[Worker, Commands]]:
    """Open a worker whose commands are counted."""
    commands = Commands()
    with open_worker(world.settings, clock=lambda: world.now, listeners=[commands]) as worker:
        worker.service.queue()  # the connection is made before anything is counted
        commands.sent.clear()
        yield worker, commands


def history(world: World, operation: str, count: int) -> None:
    """Prepare `count` events that all find something to do."""
    originals = [world.add_task(ANCHOR, "daily") for _ in range(count)]
    if operation != "create":
        for original in originals:
            world.add_event("create", original)
        world.work()
    for original in originals:
        world.add_event(operation, original)


@pytest.mark.parametrize(("operation", "most"), [("create", 22), ("complete", 26), ("delete", 26)])
def test_a_batch_of_100_costs_the_commands_of_its_chunks_whatever_is_in_it(
    world: World, operation: str, most: int
) -> None:
    history(world, operation, 100)

    with counted(world) as (worker, commands):
        summary = worker.service.process_pending(100)

    assert summary.count("completed") == 100
    assert commands.sent.total() <= most, commands.sent


def test_ten_times_the_events_of_one_chunk_do_not_cost_a_command_more(world: World) -> None:
    sent = []
    for count in (5, 50):
        history(world, "create", count)
        with counted(world) as (worker, commands):
            assert worker.service.process_pending(count).count("completed") == count
        sent.append(commands.sent)

    assert sent[0] == sent[1]


def test_a_batch_of_500_needs_at_most_one_command_for_ten_events(world: World) -> None:
    history(world, "create", 500)

    with counted(world) as (worker, commands):
        assert worker.service.process_pending(500).count("completed") == 500

    assert commands.sent.total() <= 50, commands.sent


def test_asking_when_nothing_is_due_costs_two_queries(world: World) -> None:
    with counted(world) as (worker, commands):
        assert worker.service.process_pending().events == 0

    assert commands.sent == {"find task_events": 2}


@pytest.mark.parametrize(("operation", "most"), [("create", 12), ("complete", 12), ("delete", 12)])
def test_one_operation_at_once_costs_few_commands(world: World, operation: str, most: int) -> None:
    original = world.add_task(ANCHOR, "daily")
    if operation != "create":
        world.add_event("create", original)
        world.work()

    with counted(world) as (worker, commands):
        worker.service.process_task_recurrence(str(original), operation, str(world.user))

    assert commands.sent.total() <= most, commands.sent


def test_unknown_tasks_cost_no_query_each(world: World) -> None:
    for _ in range(100):
        world.add_event("create", ObjectId(), createdAt=utc(2023, 1, 1))

    with counted(world) as (worker, commands):
        assert worker.service.process_pending(100).count("rejected") == 100

    assert commands.sent.total() <= 14, commands.sent
