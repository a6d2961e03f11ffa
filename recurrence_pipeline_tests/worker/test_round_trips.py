"""How many commands the work sends: a number that depends on how many events there are, never on what they ask for."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo import monitoring

from benchmarks.content import OPERATIONS, content
from benchmarks.stage import Database, stage
from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.storage import ordered_writes
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline.worker.last_writes import FEW
from recurrence_pipeline.worker.service import OperationRequest
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
        worker.queries.queue()  # the connection is made before anything is counted
        commands.sent.clear()
        yield worker, commands


def creations(world: World, count: int) -> None:
    """Prepare `count` events that all find something to do."""
    for original in [world.add_task(ANCHOR, "daily") for _ in range(count)]:
        world.add_event("create", original)


def commands_of(mongodb_server: str, operation: str, count: int) -> Counter[str]:
    """Return the commands of one batch of so many events that all find something to do."""
    with stage(Database(mongodb_server, None)) as at:
        at.fill(content(operation, count))
        at.commands.sent.clear()
        assert at.worker.process_pending(count).count("completed") == count
        return at.commands.sent


@pytest.mark.parametrize(("operation", "most"), [("create", 22), ("complete", 26), ("delete", 26)])
def test_a_batch_of_100_costs_the_commands_of_its_chunks_whatever_is_in_it(
    mongodb_server: str, operation: str, most: int
) -> None:
    sent = commands_of(mongodb_server, operation, 100)

    assert sent.total() <= most, sent


@pytest.mark.parametrize("operation", OPERATIONS)
def test_next_to_nothing_is_asked_about_the_past_of_series_that_are_new_or_remembered(
    mongodb_server: str, operation: str
) -> None:
    sent = commands_of(mongodb_server, operation, 5)

    assert sent["find deleted_tasks"] == (operation == "create"), "one look for new ones"
    assert not sent.keys() & {"find useractivities", "find useractivities_archive"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_batch_of_500_needs_at_most_one_command_for_ten_events(mongodb_server: str, operation: str) -> None:
    sent = commands_of(mongodb_server, operation, 500)

    assert sent.total() <= 50, sent


def test_ten_times_the_events_of_one_chunk_do_not_cost_a_command_more(world: World) -> None:
    sent = []
    for count in (5, 50):
        creations(world, count)
        with counted(world) as (worker, commands):
            assert worker.process_pending(count).count("completed") == count
        sent.append(commands.sent)

    assert sent[0] == sent[1]


@pytest.mark.parametrize("operation", ["update", "reopen", "skip"])
def test_ten_times_the_changes_of_one_chunk_do_not_cost_a_command_more(world: World, operation: str) -> None:
    sent = []
    for count in (2, 20):
        originals = [world.add_task(ANCHOR, "daily") for _ in range(count)]
        for original in originals:
            world.add_event("create", original)
        world.work()
        tasks = {"_id": {"$in": originals}}
        if operation == "reopen":
            world.worker.mongo.tasks.update_many(tasks, {"$set": {"isCompleted": True}})
            for original in originals:
                world.add_event("complete", original)
            world.work()
        edited = {"isCompleted": False} | ({"repeatType": "weekly"} if operation == "update" else {})
        world.worker.mongo.tasks.update_many(tasks, {"$set": edited})
        for original in originals:
            world.add_event(operation, original, **({"slot": 2} if operation == "skip" else {}))
        with counted(world) as (worker, commands):
            assert worker.process_pending(count).count("completed") == count
        sent.append(commands.sent)

    assert sent[0] == sent[1]


def test_series_that_differ_in_everything_cost_no_more_commands_than_series_that_are_alike(world: World) -> None:
    sent = []
    for rules in (["daily"], ["daily", "weekly", "monthly"]):
        for number in range(60):
            zone = {"timezone": ["Europe/Berlin", "Asia/Tokyo"][number % 2]} if len(rules) > 1 else {}
            task = world.add_task(ANCHOR + timedelta(hours=number), rules[number % len(rules)], **zone)
            world.add_event("create", task)
        with counted(world) as (worker, commands):
            assert worker.process_pending(60).count("completed") == 60
        sent.append(commands.sent)

    assert sent[0] == sent[1]


def test_many_events_of_one_series_write_once_what_one_of_them_asks_for(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    for _ in range(50):
        world.add_event("create", original)

    with counted(world) as (worker, commands):
        assert worker.process_pending(50).occurrences_created == 3

    assert commands.sent["insert tasks"] == 1
    assert commands.sent["insert task_series"] == 1
    assert commands.sent.total() <= 15, commands.sent


@pytest.fixture
def frozen_objects() -> None:
    """Leave what is there already out of `gc.get_objects()`, for good, as conftest.py does."""
    gc.collect()
    gc.freeze()


@pytest.mark.usefixtures("frozen_objects")
def test_neither_memory_nor_commands_grow_with_what_has_been_worked_off(mongodb_url: str) -> None:
    """Else a worker that comes back after a long outage dies of what has waited for it."""
    alive: list[int] = []
    sent: list[int] = []
    commands = Commands()

    def look(step: WriteStep) -> None:
        if step is WriteStep.OUTCOMES:
            gc.collect()
            alive.append(sum(isinstance(thing, (dict, list, Task, TaskEvent, ObjectId)) for thing in gc.get_objects()))
            sent.append(commands.sent.total())

    with closing(World(mongodb_url, WORKER_BATCH_SIZE="2")) as world:
        creations(world, 40)
        with open_worker(world.settings, clock=lambda: world.now, on_step=look, listeners=[commands]) as worker:
            assert worker.process_pending().count("completed") == 40

    assert len(alive) == 20
    assert max(alive[15:]) <= max(alive[3:8]) + 10, alive
    assert sent[19] - sent[14] <= sent[9] - sent[4] + 2, sent


def test_asking_when_nothing_is_due_costs_four_queries(world: World) -> None:
    with counted(world) as (worker, commands):
        assert worker.process_pending().events == 0

    assert commands.sent == {"find task_events": 4}


def commands_of_one(world: World, operation: str) -> Counter[str]:
    """Return the commands of one operation at once that finds something to do."""
    original = world.add_task(ANCHOR, "daily")
    if operation != "create":
        world.add_event("create", original)
        world.work()
    if operation == "complete":
        world.complete(original)

    with counted(world) as (worker, commands):
        worker.process_task_recurrence(str(original), operation, str(world.user))

    return commands.sent


@pytest.mark.parametrize(("operation", "most"), [("create", 9), ("complete", 8), ("delete", 7)])
def test_one_operation_at_once_costs_few_commands(world: World, operation: str, most: int) -> None:
    sent = commands_of_one(world, operation)

    assert sent.total() <= most, sent


@pytest.mark.parametrize(("operation", "most"), [("create", 10), ("complete", 9), ("delete", 9)])
def test_one_operation_costs_few_commands_on_servers_older_than_bulkwrite_too(
    world: World, monkeypatch: pytest.MonkeyPatch, operation: str, most: int
) -> None:
    monkeypatch.setattr(ordered_writes, "SINCE", 10_000)

    sent = commands_of_one(world, operation)

    assert sent.total() <= most, sent
    assert "bulkWrite 1" not in sent


@pytest.mark.parametrize("operation", ["create", "complete", "delete"])
def test_six_times_the_requests_in_a_group_do_not_cost_a_command_more(world: World, operation: str) -> None:
    sent = []
    for count in (FEW + 1, 6 * (FEW + 1)):
        originals = [world.add_task(ANCHOR, "daily") for _ in range(count)]
        requests = [OperationRequest(str(each), operation, str(world.user)) for each in originals]
        if operation != "create":
            world.worker.process_requests([each._replace(operation="create") for each in requests])
        with counted(world) as (worker, commands):
            assert all(isinstance(reply, dict) for reply in worker.process_requests(requests))
        sent.append(commands.sent)

    assert sent[0] == sent[1]


def test_unknown_tasks_cost_no_query_each(world: World) -> None:
    for _ in range(100):
        world.add_event("create", ObjectId(), createdAt=utc(2023, 1, 1))

    with counted(world) as (worker, commands):
        assert worker.process_pending(100).count("rejected") == 100

    assert commands.sent.total() <= 14, commands.sent


def test_a_page_of_a_calendar_costs_the_same_commands_whatever_is_on_it(world: World) -> None:
    sent: list[Counter[str]] = []
    for count in (5, 45):
        for number in range(count):
            original = world.create(ANCHOR, "daily", timezone=["Europe/Berlin", "Asia/Tokyo"][number % 2])
            world.worker.mongo.tasks.update_many({"parentRecurringId": original}, {"$set": {"isCompleted": True}})
        with counted(world) as (worker, commands):
            assert [len(page) for page in worker.calendar.pages(str(world.user))] == [len(sent) * 45 + 5]
        sent.append(commands.sent)

    assert sent[0] == sent[1]
    assert sent[0].total() <= 8, sent[0]
