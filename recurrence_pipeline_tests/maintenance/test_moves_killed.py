"""What moves tasks is killed after each command that it writes; the next run ends in the documents of a calm one."""

from collections.abc import Callable, Iterator

import pytest

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.domain.zone_moves import Keep
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.maintenance.test_time_zones import older_series
from recurrence_pipeline_tests.worker.crashing import Listener, Write
from recurrence_pipeline_tests.world import Crash, World, utc

Do = Callable[[Worker], object]

KEPT = ("tasks", "task_series", "task_events", "useractivities", "counters")


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    """Return a world where a group of writes goes out in several commands, and series that older data placed."""
    world = World(mongodb_url, now=utc(2026, 12, 1, 12), MONGODB_WRITE_CHUNK="2", MONGODB_READ_CHUNK="2")
    world.drop_indexes()
    older_series(world)
    older_series(world)
    world.create(utc(2027, 2, 10, 16), "monthly", timezone="America/Vancouver")  # Toronto's clocks change behind slot 1
    yield world
    world.close()


class Killed(Listener):
    """Dies when so many writes have been answered; 0: never."""

    def __init__(self, last: int) -> None:
        super().__init__(answered=self._count)
        self.last, self.writes = last, list[Write]()

    def _count(self, write: Write) -> None:
        self.writes.append(write)
        if len(self.writes) == self.last:
            raise Crash(str(write))


def stored(world: World) -> dict[str, list[Document]]:
    return {name: list(world.worker.mongo.db[name].find()) for name in KEPT}


def put_back(world: World, documents: dict[str, list[Document]]) -> None:
    for name, found in documents.items():
        world.worker.mongo.db[name].delete_many({})
        world.worker.mongo.db[name].insert_many(found, bypass_document_validation=True)


def told(world: World) -> tuple[list[Document], list[Document], list[tuple[object, object]]]:
    """Return what is there in the end, but for runs, numbers and times of writing."""
    everything = world.everything()
    tasks = [{**t, "lastMove": (t.get("lastMove") or {}).get("told")} for t in everything["tasks"]]
    facts = [(a["taskId"], a["message"]) for a in everything["activities"]]
    return tasks, everything["series"], sorted(facts, key=str)


def done(world: World, do: Do, *, last: int = 0) -> list[Write]:
    """Do it with a worker that dies after so many writes, and return what it wrote."""
    killed = Killed(last)
    with open_worker(world.settings, clock=lambda: world.now, listeners=[killed]) as worker:
        try:
            do(worker)
        except Crash:
            assert last
        else:
            assert not last
    return killed.writes


def look_and_work(world: World) -> None:
    """Have reconciliation find what nobody told of, and the worker process it."""
    now, position = world.now, None
    for _ in range(3):
        world.pass_time(minutes=5)
        position = world.worker.reconciliation.look(position).position
        world.work()
    world.now = now


def check_each_write(world: World, do: Do) -> None:
    """Kill it after each of its writes; look for unqueued work in between, which must not take anything back."""
    look_and_work(world)
    before = stored(world)
    writes = done(world, do)
    look_and_work(world)
    expected = told(world)
    assert len(writes) > 4
    for last in range(1, len(writes) + 1):
        put_back(world, before)
        done(world, do, last=last)
        look_and_work(world)
        done(world, do)
        look_and_work(world)
        assert told(world) == expected, f"killed after write {last}, {writes[last - 1]}"


def test_after_any_write_of_a_move_to_what_the_clocks_say(world: World) -> None:
    check_each_write(world, lambda worker: worker.time_zones.run(dry_run=False))


def test_after_any_write_of_an_undo(world: World) -> None:
    run = world.worker.time_zones.run(dry_run=False).run or ""
    check_each_write(world, lambda worker: worker.time_zones.undo(run, dry_run=False))


@pytest.mark.parametrize("keep", Keep)
def test_after_any_write_of_a_user_s_move(world: World, keep: Keep) -> None:
    world.worker.time_zones.run(dry_run=False)
    user = str(world.user)
    check_each_write(world, lambda worker: worker.zone_moves.run(user, "America/Toronto", keep=keep, dry_run=False))
