"""One watcher on a real stream: whom it wakes, and what it says when the stream breaks, comes back, or is not there."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.follower import watcher as watchers
from recurrence_pipeline.follower.watcher import Told, Watcher
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.reconciliation.rules import TOLD_WITHIN
from recurrence_pipeline.storage.heartbeats import ALIVE, OFF
from recurrence_pipeline_tests.follower.conftest import kill_streams
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
LOST = 286
"""ChangeStreamHistoryLost: the oplog does not reach back to where a stream was."""


@pytest.fixture
def watcher(breakable: World) -> Watcher:
    return watched(breakable)


def watched(world: World) -> Watcher:
    """Return the watcher of a world once its stream is alive, with nothing told."""
    watcher = world.worker.watcher
    watcher.start()
    wait_until(lambda: watcher.alive, "the stream is alive")
    assert watcher.take_queue(), "what was there before is to be looked at"
    assert watcher.take_tasks() == Told(gap=True)
    return watcher


def until_told(watcher: Watcher, fact: Callable[[Told], bool]) -> Told:
    """Return all that is told until a fact about it is true."""
    told = Told()

    def so_far() -> bool:
        nonlocal told
        more = watcher.take_tasks()
        told = Told(told.tasks | more.tasks, told.deleted | more.deleted, told.gap or more.gap)
        return fact(told)

    wait_until(so_far, "it is told")
    return told


def test_an_event_wakes_who_waits_for_the_queue_and_nobody_else(breakable: World, watcher: Watcher) -> None:
    breakable.add_event("create", breakable.add_task(ANCHOR, "none"))

    assert watcher.wait(60, tasks=False)
    assert not watcher.ready(queue=False)
    assert (watcher.take_queue(), watcher.take_queue()) == (True, False)


def test_a_task_is_told_a_moment_later_once_and_by_its_id(breakable: World, watcher: Watcher) -> None:
    task = breakable.add_task(ANCHOR, "daily")
    breakable.complete(task)

    assert watcher.wait(60, queue=False)
    assert until_told(watcher, lambda told: bool(told.tasks)) == Told(frozenset({str(task)}))
    assert not watcher.ready()


def test_an_edit_is_told_at_once_and_when_nobody_has_told_of_it_in_time(
    breakable: World, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reconciliation follows no edit that is younger: only looks would find it then."""
    task = breakable.add_task(ANCHOR, "daily")
    until_told(watcher, lambda told: bool(told.tasks))
    monkeypatch.setattr(watchers, "EDITED", timedelta(seconds=2))
    edited = time.monotonic()
    breakable.worker.mongo.tasks.update_one({"_id": task}, {"$set": {"recurrence": {"horizon": 4}}})

    for _ in range(2):
        assert until_told(watcher, lambda told: bool(told.tasks)).tasks == {str(task)}
    assert time.monotonic() - edited >= 2
    assert not watcher.ready()


def test_an_edit_waits_for_longer_than_reconciliation_leaves_it_alone() -> None:
    assert watchers.EDITED > TOLD_WITHIN


def test_what_could_not_be_looked_at_is_told_again(breakable: World, watcher: Watcher) -> None:
    breakable.add_task(ANCHOR, "daily")
    told = until_told(watcher, lambda told: bool(told.tasks))

    watcher.give_back(told)

    assert watcher.ready(queue=False)
    assert watcher.take_tasks() == told


@pytest.mark.parametrize("code", [None, 237, 43], ids=["connection closed", "CursorKilled", "CursorNotFound"])
def test_a_stream_that_is_killed_goes_on_where_it_was(breakable: World, watcher: Watcher, code: int | None) -> None:
    """Else a deletion in that moment is found by the orphan cleanup only, a day later."""
    gone = breakable.create(ANCHOR, "daily")
    until_told(watcher, lambda told: bool(told.tasks))
    kill_streams(breakable.settings.mongodb_url, code)

    breakable.worker.mongo.tasks.delete_one({"_id": gone})

    told = until_told(watcher, lambda told: bool(told.deleted))
    assert {each.task_id for each in told.deleted} == {str(gone)}


def test_a_stream_whose_history_is_gone_begins_anew_and_says_that_something_may_be_missing(
    breakable: World, watcher: Watcher
) -> None:
    kill_streams(breakable.settings.mongodb_url, LOST)

    assert until_told(watcher, lambda told: told.gap).gap
    assert watcher.take_queue()
    wait_until(lambda: watcher.state == ALIVE, "another stream is alive")
    task = breakable.add_task(ANCHOR, "daily")
    assert str(task) in until_told(watcher, lambda told: bool(told.tasks)).tasks


def test_a_server_that_is_killed_is_no_stream_until_it_is_back(
    breakable: World, watcher: Watcher, own_server: EmbeddedServer, tmp_path: Path
) -> None:
    own_server.kill()
    wait_until(lambda: not watcher.alive, "it is seen")
    assert watcher.state not in {ALIVE, OFF, None}

    again = EmbeddedServer.start(tmp_path / "own", port=own_server.port)
    try:
        wait_until(lambda: watcher.alive, "another stream is alive")
        task = breakable.add_task(ANCHOR, "daily")
        assert str(task) in until_told(watcher, lambda told: bool(told.tasks)).tasks
        breakable.close()
    finally:
        again.kill()


def test_a_server_that_stands_still_is_no_stream(world: World) -> None:
    """A stream that is waited for, and never answers, must not keep others from looking."""
    now = [0.0]
    with open_worker(Settings.from_environment({"MONGODB_URL": world.settings.mongodb_url})) as worker:
        streams = worker.watcher._streams
        assert streams is not None
        watcher = Watcher(streams, clock=lambda: now[0])
        watcher._answered = 0.0
        assert watcher.alive
        now[0] = (streams.longest_wait + watchers.LATE).total_seconds() + 0.001
        assert not watcher.alive


def test_without_change_streams_it_says_so_and_nothing_is_alive(world: World) -> None:
    watcher = world.worker.watcher
    assert watcher.state is None
    watcher.start()

    wait_until(lambda: watcher.state == "the server is no replica set", "the reason is known")
    assert not watcher.alive
    assert not watcher.ready()


def test_change_streams_can_be_turned_off(replica_set_url: str) -> None:
    with closing(World(replica_set_url, CHANGE_STREAMS="false")) as world:
        world.worker.watcher.start()
        assert world.worker.watcher.state == OFF


def test_more_changes_than_can_be_noted_are_a_gap(
    breakable: World, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else memory fills up where nobody takes them."""
    monkeypatch.setattr(watchers, "MOST", 3)
    tasks = [str(breakable.add_task(ANCHOR, "daily")) for _ in range(5)]

    wait_until(lambda: watcher._gap, "the fourth is seen")
    told = until_told(watcher, lambda told: told.gap and len(told.tasks) == 3)

    assert told.tasks == set(tasks[:3])
