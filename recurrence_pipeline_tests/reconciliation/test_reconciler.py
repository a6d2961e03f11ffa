"""Work that was never queued: found within one look, asked for once, and cheap to look for where there is none."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.reconciliation.reconciler import RECENT, ScanResult
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.worker.test_round_trips import Commands
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


class Eye:
    """Looks again and again, each time from where the look before ended."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._position: str | None = None

    def look(self) -> ScanResult:
        look = self._world.worker.reconciliation.look(self._position)
        self._position = look.position
        return look


class Finds(CommandListener):
    """Keeps what is looked for among the tasks."""

    def __init__(self) -> None:
        self.wanted: list[Document] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get("find") == "tasks":
            self.wanted.append(event.command["filter"])

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.fixture
def eye(world: World) -> Eye:
    return Eye(world)


@pytest.fixture
def settled(world: World, eye: Eye) -> Eye:
    """Return an eye that has seen everything, an hour later."""
    while eye.look().asked:
        world.work()
    world.pass_time(hours=1)
    return eye


def events(world: World) -> list[Document]:
    return list(world.worker.mongo.events.find())


def asked_for(world: World) -> list[tuple[str, ObjectId]]:
    return [(e["operation"], e["taskId"]) for e in events(world) if e.get("source") == "reconcile"]


def add_now(world: World, **fields: object) -> ObjectId:
    """Store a daily task as of now, and tell nobody."""
    return world.add_task(ANCHOR, "daily", **{"createdAt": world.now, "updatedAt": world.now} | fields)


# What is found


def test_a_task_inserted_by_any_program_gets_its_occurrences_without_an_event(world: World, settled: Eye) -> None:
    task = add_now(world)

    assert settled.look().asked == 1
    (event,) = events(world)
    assert (event["operation"], event["taskId"], event["userId"]) == ("create", task, world.user)
    assert (event["source"], event["status"], event["createdAt"]) == ("reconcile", "pending", world.now)
    world.work()
    assert len(world.occurrences(task)) == 3
    assert settled.look().asked == 0


@pytest.mark.parametrize(
    "write",
    [
        lambda task: task,
        lambda task: {name: value for name, value in task.items() if name not in {"createdAt", "updatedAt"}},
        lambda task: {name: task[name] for name in ("_id", "userId", "dueDate", "repeatType")},
        lambda task: task | {"updatedAt": task["updatedAt"] - timedelta(days=20)},
        lambda task: task | {"updatedAt": task["updatedAt"] + timedelta(days=20)},
    ],
    ids=["as the application does", "without times", "with next to nothing", "dated back", "dated ahead"],
)
def test_however_a_program_writes_a_task_the_next_look_finds_it(
    world: World, settled: Eye, write: Callable[[Document], Document]
) -> None:
    now = world.now
    task: Document = {
        "_id": ObjectId.from_datetime(now), "taskId": 70, "userId": world.user, "dueDate": ANCHOR,
        "repeatType": "weekly", "createdAt": now, "updatedAt": now,
    }  # fmt: skip
    world.worker.mongo.tasks.insert_one(write(task))

    assert settled.look().asked == 1
    world.work()
    assert len(world.occurrences(task["_id"])) == 3


def test_a_completed_task_whose_series_is_behind_is_asked_for_as_completed(world: World, settled: Eye) -> None:
    original = world.create(ANCHOR, "daily")
    settled.look()
    second = world.occurrences_by_slot(original)[2]
    world.pass_time(minutes=30)
    world.worker.mongo.tasks.update_one({"_id": second}, {"$set": {"isCompleted": True, "updatedAt": world.now}})

    assert settled.look().asked == 1
    assert asked_for(world) == [("complete", second)]
    world.work()
    assert sorted(world.occurrences_by_slot(original)) == [1, 2, 3, 4, 5, 6]
    assert "RECURRING_TASK_UPDATED" in world.actions()
    assert settled.look().asked == 0


def test_a_flag_set_without_touching_the_time_is_found_by_the_sweep(world: World, settled: Eye) -> None:
    original = world.create(ANCHOR, "daily")
    world.pass_time(hours=1)
    settled.look()
    world.complete(original)

    assert settled.look().asked == 1
    assert asked_for(world) == [("complete", original)]


def test_a_large_collection_is_covered_piece_by_piece(mongodb_url: str) -> None:
    with closing(World(mongodb_url, RECONCILE_STEP="7")) as world:
        tasks = [add_now(world, taskId=None if not n else 1000 + n) for n in range(60)]
        world.pass_time(days=30)
        eye = Eye(world)

        looks = [eye.look() for _ in range(15)]

        assert max(look.looked_at for look in looks) == 7
        assert sum(look.asked for look in looks) == 60
        assert {task for _, task in asked_for(world)} == set(tasks)


@pytest.mark.parametrize("first", [0, 99], ids=["the first are the oldest", "the last are the oldest"])
def test_the_first_look_at_many_tasks_does_not_ask_for_all_of_them(mongodb_url: str, first: int) -> None:
    """A server that reads them all to bring some took longer than a look may: so it never came to a second one."""
    with closing(World(mongodb_url, RECONCILE_STEP="2")) as world:
        old = world.now - timedelta(days=30)
        changed = [old + timedelta(hours=abs(first - n)) for n in range(100)]
        tasks = [add_now(world, taskId=n + 1, updatedAt=time) for n, time in enumerate(changed)]
        world.worker.mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 100}}, upsert=True)
        finds = Finds()
        with open_worker(world.settings, clock=lambda: world.now, listeners=[finds]) as worker:
            look = worker.reconciliation.look()
            of_first = [world.worker.mongo.tasks.count_documents(wanted) for wanted in finds.wanted]
            asked = look.asked
            while not look.came_round:
                look = worker.reconciliation.look(look.position)
                asked += look.asked

        assert max(of_first) <= 2 * RECENT, of_first
        assert asked == len(asked_for(world)) == 100
        assert {task for _, task in asked_for(world)} == set(tasks)


def test_many_new_tasks_at_one_time_are_found_within_few_looks(mongodb_url: str) -> None:
    with closing(World(mongodb_url, RECONCILE_STEP="2")) as world:
        eye = Eye(world)
        eye.look()
        world.pass_time(hours=1)
        for _ in range(50):
            add_now(world)
        assert [eye.look().asked >= 20 for _ in range(2)] == [True, True]
        eye.look()
        assert len(asked_for(world)) == 50


# What is not asked for


def test_what_was_announced_and_waits_is_not_asked_for_again(world: World, settled: Eye) -> None:
    task = add_now(world)
    world.add_event("create", task)
    assert settled.look().asked == 0
    world.work()
    assert settled.look().asked == 0


def test_what_an_event_missed_is_asked_for_once_it_has_ended(world: World, settled: Eye) -> None:
    """An event that came too long before its task is rejected; the task is there all the same."""
    task = ObjectId.from_datetime(world.now)
    world.add_event("create", task, createdAt=world.now - timedelta(minutes=5))
    world.work()
    add_now(world, _id=task)
    assert settled.look().asked == 1
    world.work()
    assert len(world.occurrences(task)) == 3


def test_a_refused_task_is_asked_for_once_for_each_change(world: World, settled: Eye) -> None:
    task = add_now(world, parentTaskId=ObjectId())
    assert settled.look().asked == 1
    world.work()
    (event,) = events(world)
    assert event["status"] == "rejected"
    for _ in range(5):
        world.pass_time(seconds=5)
        assert settled.look().asked == 0
    world.pass_time(days=2)
    assert settled.look().asked == 0

    world.worker.mongo.tasks.update_one({"_id": task}, {"$set": {"parentTaskId": None, "updatedAt": world.now}})
    assert settled.look().asked == 1
    world.work()
    assert len(world.occurrences(task)) == 3
    assert world.actions().count("WORKER_CREATE_FAILED") == 1


@pytest.mark.parametrize("updated", [{}, {"updatedAt": None}], ids=["dated", "undated"])
def test_what_an_event_of_the_application_was_refused_for_is_asked_for_again_only_after_a_change(
    world: World, settled: Eye, updated: dict[str, None]
) -> None:
    """Else its user is told twice of one refusal, and the events that wait for a person are twice as many."""
    task = add_now(world, parentTaskId=ObjectId(), **updated)
    world.add_event("create", task)
    world.work()
    assert [event["status"] for event in events(world)] == ["rejected"]
    for _ in range(3):
        assert settled.look().asked == 0
    world.worker.mongo.tasks.update_one({"_id": task}, {"$set": {"isCompleted": True}})
    assert settled.look().asked == 1, "another operation was not refused yet"
    world.work()

    world.pass_time(seconds=1)
    mended = {"parentTaskId": None, "isCompleted": False, "updatedAt": world.now}
    world.worker.mongo.tasks.update_one({"_id": task}, {"$set": mended})
    assert settled.look().asked == 1
    world.work()
    assert len(world.occurrences(task)) == 3


def test_what_was_refused_for_an_original_that_was_gone_is_asked_for_when_it_is_back(
    world: World, settled: Eye
) -> None:
    """An import or a restoration brings it back as it was: no task says that it changed."""
    head = world.create(ANCHOR, "daily")
    first = world.occurrences(head)[0]["_id"]
    stored = world.task(head)
    world.worker.mongo.tasks.delete_one({"_id": head})
    world.worker.mongo.tasks.update_one({"_id": first}, {"$set": {"isCompleted": True, "updatedAt": world.now}})
    event = world.add_event("complete", first)
    world.work()
    assert world.event(event)["status"] == "rejected"
    world.worker.mongo.tasks.insert_one(stored)
    assert settled.look().asked == 1
    world.work()
    assert len(world.occurrences(head)) == 5


def test_nor_is_the_completion_of_an_occurrence_that_was_refused(world: World, settled: Eye) -> None:
    original = add_now(world, timezone="Nowhere/Land")
    world.add_event("create", original)
    world.pass_time(seconds=1)
    done = add_now(world, parentRecurringId=original, isCompleted=True)
    world.add_event("complete", done)
    world.work()
    assert [event["status"] for event in events(world)] == ["rejected", "rejected"]
    assert settled.look().asked == 0


def test_a_series_whose_original_is_gone_is_neither_asked_for_nor_touched(world: World, settled: Eye) -> None:
    original = world.create(ANCHOR, "daily")
    third = world.occurrences_by_slot(original)[3]
    world.worker.mongo.tasks.delete_one({"_id": original})
    world.worker.mongo.tasks.update_one({"_id": third}, {"$set": {"isCompleted": True, "updatedAt": world.now}})

    assert settled.look().asked == 0
    assert len(world.occurrences(original)) == 3


def test_a_task_below_an_occurrence_belongs_to_the_original_at_the_top(world: World, settled: Eye) -> None:
    original = world.create(ANCHOR, "daily")
    first = world.occurrences_by_slot(original)[1]
    nested = add_now(world, parentRecurringId=first, isCompleted=True, dueDate=utc(2024, 1, 19, 9),
                     originalDueDate=utc(2024, 1, 19, 9))  # fmt: skip
    settled.look()
    assert asked_for(world) == [("complete", nested)]
    world.work()
    assert max(world.occurrences_by_slot(original)) == 8


# At the same time, and interrupted


def test_two_who_look_at_once_ask_once(world: World) -> None:
    tasks = [add_now(world) for _ in range(20)]
    workers = [world.open_worker() for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        looks = list(pool.map(lambda worker: worker.reconciliation.look(), workers))
    for worker in workers:
        worker.close()

    assert sum(look.asked for look in looks) == 20
    assert sorted(task for _, task in asked_for(world)) == sorted(tasks)


class Meanwhile(CommandListener):
    """Does something just before the first look at the events."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self._deed: Callable[[], object] | None = deed

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get("find") == "task_events" and self._deed is not None:
            deed, self._deed = self._deed, None
            deed()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Is of no interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Is of no interest."""


def test_what_is_worked_off_between_the_look_at_the_tasks_and_that_at_their_events_is_not_asked_for(
    world: World,
) -> None:
    task = add_now(world)
    world.add_event("create", task)
    meanwhile = Meanwhile(world.work)
    with open_worker(world.settings, clock=lambda: world.now, listeners=[meanwhile]) as worker:
        look = worker.reconciliation.look()

    assert (look.looked_at, look.asked) == (1, 0)
    assert len(world.occurrences(task)) == 3
    assert asked_for(world) == []


@pytest.fixture
def failing(mongodb_janitor: MongoClient[Document]) -> Iterator[Callable[[str], None]]:
    """Return a function that makes our next command of that name fail."""

    def fail(command: str) -> None:
        data = {"failCommands": [command], "appName": "recurrence-pipeline", "closeConnection": True}
        mongodb_janitor.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=data)

    yield fail
    mongodb_janitor.admin.command("configureFailPoint", "failCommand", mode="off")


def test_a_look_that_is_cut_off_before_it_has_asked_is_made_again(
    world: World, settled: Eye, failing: Callable[[str], None]
) -> None:
    add_now(world)
    failing("insert")
    with pytest.raises(DatabaseUnavailable):
        settled.look()
    world.pass_time(hours=1)

    assert settled.look().asked == 1


def test_a_look_whose_position_was_lost_after_it_asked_asks_for_nothing_twice(world: World) -> None:
    add_now(world)
    first = world.worker.reconciliation.look(None)
    assert (first.asked, world.worker.reconciliation.look(None).asked) == (1, 0)
    assert len(events(world)) == 1


def test_a_position_that_nobody_can_read_is_a_new_beginning(world: World) -> None:
    add_now(world)
    assert world.worker.reconciliation.look("moved by hand").asked == 1


# The cost


def test_a_look_at_a_quiet_database_sends_few_queries_and_writes_nothing(world: World, settled: Eye) -> None:
    for _ in range(30):
        world.create(ANCHOR, "daily")
    world.pass_time(hours=1)
    position = settled.look().position
    commands = Commands()
    with open_worker(world.settings, clock=lambda: world.now, listeners=[commands]) as worker:
        worker.queries.queue()
        commands.sent.clear()
        assert worker.reconciliation.look(position).asked == 0

    assert set(commands.sent) == {"find worker_state", "find tasks", "find task_series"}
    assert commands.sent["find task_series"] == 1
    assert commands.sent["find tasks"] <= 10


class Limits(Commands):
    """Notes the time that the server is given for each command, in ms."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[str, int]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.given.append((str(event.command.get(event.command_name)), event.command.get("maxTimeMS", 0)))


def test_a_look_waits_for_a_database_that_is_away_no_longer_than_any_command_does(world: World, settled: Eye) -> None:
    """What it reads first has the limit of a single command; the rest, the longer one of the whole look."""
    limits, usual = Limits(), world.settings.worker_timeout.total_seconds() * 1000
    with open_worker(world.settings, clock=lambda: world.now, listeners=[limits]) as worker:
        worker.queries.queue()
        limits.given.clear()
        worker.reconciliation.look(settled.look().position)

    (first, at_first), *others = limits.given
    assert first == "worker_state"
    assert 0 < at_first <= usual < max(most for _, most in others)


def test_what_is_found_costs_queries_by_the_chunk(world: World) -> None:
    sent: list[Counter[str]] = []
    for count in (5, 50):
        for _ in range(count):
            add_now(world)
        commands = Commands()
        with open_worker(world.settings, clock=lambda: world.now, listeners=[commands]) as worker:
            worker.queries.queue()
            commands.sent.clear()
            assert worker.reconciliation.look().asked == count
        sent.append(commands.sent)
    assert sent[0] == sent[1]


def test_a_database_that_was_never_prepared_says_what_to_do(world: World) -> None:
    """Without a watermark nobody knows what was there before."""
    world.worker.mongo.state.delete_many({})
    with pytest.raises(DatabaseUnavailable, match="recurrence init-db"):
        world.worker.reconciliation.look()
