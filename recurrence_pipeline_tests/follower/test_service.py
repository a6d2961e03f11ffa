"""A worker that stays, on a real server: what a stream tells of is done at once, and all else is found by looking."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from bson import ObjectId
from pymongo import monitoring

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.domain.shards import shard_from
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.heartbeats import ALIVE
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.follower.conftest import SELDOM, Following, keep_pre_images, listening
from recurrence_pipeline_tests.marked import recurrence
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


def occurrences(world: World, task: ObjectId, number: int) -> Callable[[], bool]:
    return lambda: len(world.occurrences(task)) == number


def idle(world: World) -> bool:
    return world.worker.queries.unfinished() == 0


# What a stream tells of


def test_an_event_is_processed_as_it_comes(live: World, following: Following) -> None:
    with following(live) as follower:
        listening(follower)
        task = live.add_task(ANCHOR, "daily", repeatType="none")
        live.worker.mongo.tasks.update_one({"_id": task}, {"$set": {"repeatType": "daily"}})
        live.add_event("create", task)
        wait_until(occurrences(live, task, 3), "the event is processed")
        wait_until(lambda: idle(live), "the work is done")

    hour = timedelta(hours=1)
    told = live.worker.metrics.processed_without_run(live.now - hour, live.now + hour)
    assert told.events > 0, "Dagster's assets are told of it, as of what the API does"


def test_plain_writes_are_followed_though_nobody_tells_of_them(live: World, following: Following) -> None:
    keep_pre_images(live)
    with following(live) as follower:
        listening(follower)
        task = live.add_task(ANCHOR, "daily")
        wait_until(occurrences(live, task, 3), "the task is found")
        live.complete(task)
        wait_until(occurrences(live, task, 4), "its completion is found")
        wait_until(lambda: idle(live), "the work is done")
        live.worker.mongo.tasks.delete_one({"_id": task})
        wait_until(occurrences(live, task, 0), "its deletion is found")
        wait_until(lambda: idle(live), "the work is done")

    told = Counter(event["operation"] for event in live.worker.mongo.events.find({"source": "reconcile"}))
    assert told == {"create": 1, "complete": 1, "delete": 1}
    assert live.actions().count("RECURRING_TASKS_DELETED") == 1
    assert live.worker.mongo.deleted.count_documents({}) == 4


def test_without_pre_images_the_orphan_cleanup_takes_what_hung_on_a_deleted_task(
    live: World, following: Following
) -> None:
    task = live.create(ANCHOR, "daily")
    with following(live) as follower:
        listening(follower)
        live.worker.mongo.tasks.delete_one({"_id": task})
        later = live.add_task(ANCHOR, "daily")
        wait_until(occurrences(live, later, 3), "what happened after it is followed")

    assert len(live.occurrences(task)) == 3
    assert live.worker.maintenance.clean_orphans(confirm=True) == 3


def test_an_event_that_is_put_off_is_processed_in_its_time_though_nothing_tells_of_that(
    live: World, following: Following
) -> None:
    """Retries, leases of workers that died, and what a producer dates ahead."""
    with following(live) as follower:
        listening(follower)
        task = live.add_task(ANCHOR, "none")
        event = live.add_event("create", task, availableAt=live.now + timedelta(seconds=1))
        wait_until(lambda: not follower.watcher.ready() and follower.queue_looks.pause() < 2, "its time is known")
        live.pass_time(seconds=2)
        wait_until(lambda: live.event(event)["status"] == "completed", "it is processed")


class Finds(monitoring.CommandListener):
    """Counts what a client asks, and how often its stream told of nothing."""

    def __init__(self) -> None:
        self.asked = 0
        self.nothing = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.asked += event.command_name not in {"getMore", "endSessions"}

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.nothing += event.command_name == "getMore"

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_at_rest_nothing_is_asked_while_a_stream_is_alive(live: World, following: Following) -> None:
    finds = Finds()
    with following(live, listener=finds, WORKER_TIMEOUT="400") as follower:
        listening(follower)
        wait_until(follower.parts.has_workers, "its first heartbeat is left")
        asked, nothing = finds.asked, finds.nothing
        wait_until(lambda: finds.nothing >= nothing + 10, "it has waited ten times")
        assert finds.asked <= asked + 6, "a heartbeat or two, where the stream's state has changed; no look"


# What only looks find


def test_on_a_standalone_server_all_of_it_is_found_by_looking(world: World, following: Following) -> None:
    with following(world) as follower:
        told, untold = world.add_task(ANCHOR, "daily"), world.add_task(ANCHOR, "weekly")
        world.add_event("create", told)
        wait_until(occurrences(world, told, 3), "the event is processed")
        wait_until(occurrences(world, untold, 3), "the task is found")
        assert not follower.watcher.alive


def test_what_was_there_before_the_stream_is_found_by_looking(live: World, following: Following) -> None:
    told, untold = live.add_task(ANCHOR, "daily"), live.add_task(ANCHOR, "weekly")
    live.add_event("create", told)
    with following(live):
        wait_until(occurrences(live, told, 3), "the event is processed")
        wait_until(occurrences(live, untold, 3), "the task is found")


def test_looks_for_unqueued_work_get_rare_only_when_all_tasks_have_been_seen_since_the_stream_began(
    replica_set_url: str, following: Following
) -> None:
    """What happened while no stream was open, and left `updatedAt` alone, only a whole round finds."""
    with closing(World(replica_set_url)) as world:
        tasks = [world.add_task(ANCHOR, "none") for _ in range(20)]
        world.pass_time(days=30)
        world.worker.mongo.tasks.update_one({"_id": tasks[-1]}, {"$set": {"repeatType": "daily"}})
        with following(world, RECONCILE_STEP="2") as follower:
            listening(follower)
            (event,) = world.worker.mongo.events.find()

    assert event["taskId"] == tasks[-1]


def test_an_outage_is_waited_for(tmp_path: Path, following: Following) -> None:
    server = EmbeddedServer.start(tmp_path / "server")
    url = server.url("away") + "&heartbeatFrequencyMS=500"
    with ExitStack() as stack:
        stack.callback(lambda: server.kill())  # noqa: PLW0108 (whichever it is by then)
        world = stack.enter_context(closing(World(url, WORKER_TIMEOUT="1000")))
        follower = stack.enter_context(following(world, WORKER_TIMEOUT="1000"))
        listening(follower)
        server.kill()
        wait_until(lambda: follower.follower._away, "the outage is met")
        server = EmbeddedServer.start(tmp_path / "server", port=server.port)
        task = world.add_task(ANCHOR, "daily")
        world.add_event("create", task)
        wait_until(occurrences(world, task, 3), "the event is processed")


# Two at once, and crashes


def test_a_deletion_that_two_workers_see_is_asked_for_once(live: World, following: Following) -> None:
    keep_pre_images(live)
    task = live.create(ANCHOR, "daily")
    with following(live) as first, following(live) as second:
        listening(first)
        listening(second)
        live.worker.mongo.tasks.delete_one({"_id": task})
        wait_until(occurrences(live, task, 0), "it is followed")
        wait_until(lambda: idle(live), "the work is done")

    assert live.worker.mongo.events.count_documents({"operation": "delete"}) == 1
    assert live.actions().count("RECURRING_TASKS_DELETED") == 1


def test_what_a_stream_told_of_is_asked_for_before_the_worker_ends(live: World) -> None:
    """Else a deletion that it has seen just now waits for the orphan cleanup."""
    keep_pre_images(live)
    task = live.create(ANCHOR, "daily")
    live.worker.watcher.start()
    wait_until(lambda: live.worker.watcher.alive, "a stream is alive")
    live.worker.mongo.tasks.delete_one({"_id": task})
    wait_until(lambda: any(not isinstance(n, str) for n in live.worker.watcher._noted), "the deletion is told")

    live.worker.follower.run(lambda: False)

    assert live.worker.mongo.events.count_documents({"operation": "delete", "status": "pending"}) == 1


@pytest.mark.parametrize("command", ["find", "insert"])
def test_what_a_stream_told_of_is_not_forgotten_where_it_cannot_be_asked_for(
    breakable: World, following: Following, command: str
) -> None:
    """A deletion is told of once."""
    tasks = [breakable.create(ANCHOR, "daily") for _ in range(5)]
    url = f"{breakable.settings.mongodb_url}&appName=to-be-failed&retryReads=false"
    with following(breakable, MONGODB_URL=url) as follower:
        listening(follower)
        point = {"failCommands": [command], "errorCode": 11602, "appName": "to-be-failed"}
        admin = breakable.worker.mongo.client.admin
        for task in tasks:  # another look, at the queue, may meet the failure instead: then once more
            admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=point)
            breakable.worker.mongo.tasks.delete_one({"_id": task})
            is_over = occurrences(breakable, task, 0)
            wait_until(lambda is_over=is_over: is_met(follower) or is_over(), "it is looked at")  # type: ignore[misc]
            if is_met(follower):
                break
        assert is_met(follower)
        event = breakable.add_event("create", breakable.add_task(ANCHOR, "none"))
        wait_until(lambda: breakable.event(event)["status"] == "completed", "the queue does not wait for it")
        wait_until(occurrences(breakable, task, 0), "the deletion is followed")


def is_met(follower: Worker) -> bool:
    """Say whether a look at tasks has failed."""
    return follower.follower._tasks_from > 0


# The service


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_with_a_summary_and_nothing_held(
    replica_set_url: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """SIGTERM is how a service is stopped: no failure."""
    with closing(World(replica_set_url)) as world:
        for _ in range(300):
            world.add_event("create", world.add_task(ANCHOR, "daily", createdAt=ANCHOR))
        environment = {"MONGODB_URL": replica_set_url, "WORKER_BATCH_SIZE": "5", "LOG_LEVEL": "error", **SELDOM}
        command = ("process", "--follow", "--shard", "1/2", "--json")
        with recurrence(*command, folder=tmp_path, environment=environment) as process:
            wait_until(lambda: world.worker.queries.unfinished() < 300, "the first batch is processed")
            wait_until(
                lambda: [row["part"] for row in world.worker.parts.rows()] == ["worker"], "it says that it lives"
            )
            process.process.send_signal(number)
            assert process.process.wait(60) == code, process.printed()
            told = json.loads(process.printed().partition("\n")[2])

        unfinished = world.worker.queries.unfinished()
        assert told["events"] == 300 - unfinished
        assert told["events"] % 5 == 0, "whole batches only"
        assert world.worker.mongo.events.count_documents({"status": "processing"}) == 0
        assert world.worker.parts.rows() == [], "who ends cleanly is not missed"


def test_its_heartbeat_says_whether_a_stream_is_alive(live: World, following: Following) -> None:
    with following(live) as follower:
        wait_until(lambda: [r["changeStream"] for r in follower.parts.rows()] == [ALIVE], "it is said")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--follow", "--until-empty"], "follow: says nothing to --until-empty"),
        (["--follow", "--limit", "3"], "follow: says nothing to --limit"),
        (["--shard", "1/2"], "shard: says nothing without --follow"),
        (["--follow", "--shard", "3/2"], "shard: '3/2' is not N/M"),
        (["--follow", "--shard", "0/2"], "shard: '0/2' is not N/M"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, arguments: list[str], reason: str) -> None:
    ran = run("process", *arguments)
    assert ran.code == 2
    assert reason in ran.err


def test_a_follower_with_a_shard_takes_its_own_first_and_helps_the_others_then(world: World) -> None:
    for _ in range(40):
        world.add_event("create", world.add_task(ANCHOR, "daily"))
    stop = Event()
    with open_worker(world.settings, clock=lambda: world.now) as worker:
        thread = Thread(target=lambda: worker.follower.run(lambda: not stop.is_set(), shard=shard_from("2/2")))
        thread.start()
        wait_until(lambda: idle(world), "all of it is processed")
        stop.set()
        thread.join()
