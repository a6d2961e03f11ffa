"""What a change stream tells of, of all that happens in a database; and servers that have none, or forget."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import RecurrenceError, Transient
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.change_stream import Change, ChangeStream, ChangeStreams, NoChangeStream
from recurrence_pipeline_tests.follower.conftest import keep_pre_images
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
QUEUE = Change()
SHORT = timedelta(milliseconds=200)


@pytest.fixture
def live(replica_set_url: str) -> Iterator[World]:
    with closing(World(replica_set_url)) as world:
        world.worker.mongo.db.create_collection("tasks", check_exists=False)
        keep_pre_images(world)
        yield world


def opened(worker: Worker) -> ChangeStream:
    return ChangeStreams(worker.mongo, longest_wait=SHORT).open()


def told(stream: ChangeStream) -> list[Change]:
    """Return all that a stream tells, up to a moment in which nothing comes."""
    found: list[Change] = []
    silent = 0
    while silent < 2:
        change = stream.next()
        silent = silent + 1 if change is None else 0
        found += [change] if change else []
    return found


def test_it_tells_of_tasks_that_recur_anew_of_completions_and_of_events_and_of_nothing_else(live: World) -> None:
    tasks, events = live.worker.mongo.tasks, live.worker.mongo.events
    with closing(opened(live.worker)) as stream:
        plain = live.add_task(ANCHOR, "none")
        original = live.add_task(ANCHOR, "daily")
        tasks.update_one({"_id": plain}, {"$set": {"title": "another", "isCompleted": False}})
        tasks.update_one({"_id": plain}, {"$set": {"repeatType": "weekly"}})
        tasks.replace_one({"_id": original}, live.task(original))  # the same: no change at all
        tasks.replace_one({"_id": original}, live.task(original) | {"title": "another"})
        live.complete(original)
        event = live.add_event("complete", original, status="completed")
        live.add_event("create", plain)
        events.update_one({"_id": event}, {"$set": {"status": "pending"}})
        changes = told(stream)

    about_tasks = [change.task_id for change in changes if change != QUEUE]
    assert [each for n, each in enumerate(about_tasks) if each not in about_tasks[:n]] == [str(original), str(plain)]
    assert about_tasks.count(str(plain)) == 1
    assert about_tasks.count(str(original)) in {3, 4}  # stored, replaced (some servers tell of the first), completed
    assert changes.count(QUEUE) == 2


@pytest.mark.parametrize(
    "edit",
    [
        {"$set": {"recurrence": {"horizon": 4}}},
        {"$set": {"recurrence.horizon": 4}},
        {"$unset": {"recurrence": ""}},
        {"$unset": {"recurrence.missed": ""}},
        {"$set": {"repeatType": "weekly"}},
    ],
    ids=str,
)
def test_it_tells_of_an_edit_of_how_a_task_recurs_and_that_it_is_one(live: World, edit: dict[str, Any]) -> None:
    task = live.add_task(ANCHOR, "daily", recurrence={"missed": "latest"})
    other = live.add_task(ANCHOR, "daily")
    with closing(opened(live.worker)) as stream:
        live.worker.mongo.tasks.update_one({"_id": other}, {"$set": {"recurrences": 1, "title": "another"}})
        live.complete(other)
        live.worker.mongo.tasks.update_one({"_id": task}, edit)

        assert told(stream) == [Change(str(other)), Change(str(task), is_edit=True)]


def test_the_work_itself_wakes_nobody(live: World) -> None:
    """Else each batch would cause another look, and that the next."""
    kept, gone = live.add_task(ANCHOR, "daily"), live.add_task(ANCHOR, "weekly", recurrence={"subtasks": True})
    live.add_task(ANCHOR, "none", parentTaskId=gone)
    for task in (kept, gone):
        live.add_event("create", task)
    with closing(opened(live.worker)) as stream:
        assert live.work().count("completed") == 2
        live.worker.mongo.tasks.update_one({"_id": kept}, {"$set": {"title": "another", "dueDate": utc(2024, 1, 16)}})
        live.worker.change(str(kept), "update", dry_run=False)
        live.worker.change(str(kept), "skip", slot=2, dry_run=False)
        live.worker.process_task_recurrence(str(gone), "delete", str(live.user))
        live.worker.maintenance.clean_orphans()

        assert told(stream) == []


def test_it_tells_of_originals_that_are_deleted_whose_they_were_and_when(live: World) -> None:
    gone, plain, foreign = live.create(ANCHOR, "daily"), live.add_task(ANCHOR, "none"), live.add_task(ANCHOR, "daily")
    live.worker.mongo.tasks.update_one({"_id": foreign}, {"$set": {"userId": "nobody"}})
    occurrence = live.occurrences(gone)[0]["_id"]
    with closing(opened(live.worker)) as stream:
        for task in (gone, plain, occurrence, foreign):
            live.worker.mongo.tasks.delete_one({"_id": task})
        (change,) = told(stream)

    assert change.deleted is not None
    assert (change.deleted.task_id, change.deleted.user_id) == (str(gone), str(live.user))
    assert change.deleted.seconds > 0


def test_without_pre_images_a_deletion_is_not_told_of(live: World) -> None:
    gone = live.create(ANCHOR, "daily")
    live.worker.mongo.db.command("collMod", "tasks", changeStreamPreAndPostImages={"enabled": False})
    with closing(opened(live.worker)) as stream:
        live.worker.mongo.tasks.delete_one({"_id": gone})

        assert told(stream) == []


def test_a_stream_goes_on_where_another_ended(live: World) -> None:
    with closing(opened(live.worker)) as first:
        assert told(first) == []
        token = first.token
    task = live.add_task(ANCHOR, "daily")

    with closing(ChangeStreams(live.worker.mongo, longest_wait=SHORT).open(token)) as second:
        assert told(second) == [Change(str(task))]


def test_where_the_oplog_has_rolled_over_a_stream_cannot_go_on_and_says_so(tmp_path: Path) -> None:
    server = EmbeddedServer.start(tmp_path, arguments=["--oplog-max-entries", "20"])
    try:
        with closing(World(server.url("rolled"))) as world:
            streams = ChangeStreams(world.worker.mongo, longest_wait=SHORT)
            with closing(streams.open()) as stream:
                assert told(stream) == []
                token = stream.token
            for _ in range(20):
                world.worker.mongo.db["elsewhere"].insert_many([{} for _ in range(100)])

            with pytest.raises(Transient), closing(streams.open(token)) as late:
                told(late)
    finally:
        server.kill()


def test_a_standalone_server_has_none(world: World) -> None:
    with pytest.raises(NoChangeStream, match="no replica set"):
        opened(world.worker)


def test_a_database_that_is_dropped_ends_it(live: World) -> None:
    with closing(opened(live.worker)) as stream:
        live.worker.mongo.drop()

        with pytest.raises(RecurrenceError):  # noqa: PT012
            while True:
                stream.next()


@pytest.mark.parametrize(
    ("url", "environment", "seconds"),
    [
        ("", {}, 5),
        ("", {"WORKER_TIMEOUT": "4000"}, 2),
        ("&timeoutMS=3000", {}, 1.5),
        ("&socketTimeoutMS=1000", {}, 0.5),
    ],
)
def test_it_waits_for_less_than_any_time_limit_of_the_client(
    replica_set_url: str, url: str, environment: dict[str, str], seconds: float
) -> None:
    """Else a stream that tells of nothing would be taken for an outage, again and again."""
    settings = Settings.from_environment({"MONGODB_URL": replica_set_url + url, **environment})
    with open_worker(settings) as worker:
        streams = ChangeStreams(worker.mongo)
        assert streams.longest_wait == timedelta(seconds=seconds)
        with closing(streams.open()) as stream:
            assert stream.next() is None
