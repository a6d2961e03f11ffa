"""Heartbeats in the database: left, read, taken back and removed; and whose turn it is to send alerts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.monitoring.heartbeat_rules import Heartbeats
from recurrence_pipeline.monitoring.parts import Parts
from recurrence_pipeline.storage.alert_turns import TURN, AlertTurns
from recurrence_pipeline.storage.heartbeats import HeartbeatStore, Part, Process
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.heartbeats import pass_minutes
from recurrence_pipeline_tests.world import utc

NOW = utc(2024, 1, 1, 12)


@pytest.fixture
def mongo(mongodb_url: str) -> Iterator[Mongo]:
    opened = Mongo(Settings.from_environment({"MONGODB_URL": mongodb_url}))
    yield opened
    opened.close()


@pytest.fixture
def store(mongo: Mongo) -> HeartbeatStore:
    return HeartbeatStore(mongo)


@pytest.fixture
def parts(store: HeartbeatStore) -> Parts:
    return Parts(store, "here")


def api(port: int = 3000, *, host: str = "here", process: str = "a1") -> Process:
    return Process(Part.API, host, process, port)


def dagster(host: str = "here", process: str = "d1") -> Process:
    return Process(Part.DAGSTER, host, process)


def where(store: HeartbeatStore) -> list[str]:
    return sorted(beat.process.where for beat in Heartbeats(*store.read()).all)


def test_each_process_of_the_api_has_a_heartbeat_and_dagster_one_wherever_it_runs(mongo: Mongo) -> None:
    for host in ("here", "there"):
        of_host = Parts(HeartbeatStore(mongo), host)
        for port in (3000, 3001):
            of_host.beat(of_host.process(Part.API, f"{host}{port}", port))
        of_host.beat(of_host.process(Part.DAGSTER, host))
    assert where(HeartbeatStore(mongo)) == ["here:3000", "here:3001", "there", "there:3000", "there:3001"]


def test_heartbeats_carry_the_time_of_the_server(mongo: Mongo, store: HeartbeatStore) -> None:
    """The clocks of two hosts may differ by more than a part may be silent."""
    before = mongo.client.admin.command("hello")["localTime"]
    store.write(dagster(), starting=True)
    found = Heartbeats(*store.read())
    (beat,) = found.all
    begun = before.replace(tzinfo=found.now.tzinfo)
    assert begun <= min(beat.since, beat.seen) <= max(beat.since, beat.seen) <= found.now


def test_where_nothing_is_stored_nothing_is_missed(parts: Parts) -> None:
    assert parts.rows() == []


def test_a_line_of_heartbeats_goes_on_and_begins_anew_after_a_gap_and_after_a_start(
    mongo: Mongo, store: HeartbeatStore, parts: Parts
) -> None:
    process = api()
    for minutes, restarted, goes_on in ((0, False, False), (1, False, True), (3.5, False, False), (1, True, False)):
        pass_minutes(mongo.state, minutes)
        process = api(process="a2") if restarted else process
        parts.beat(process)
        (beat,) = Heartbeats(*store.read()).all
        assert (beat.seen - beat.since > timedelta(seconds=30)) is goes_on


def test_a_process_writes_once_a_minute_however_often_it_is_asked(mongo: Mongo, parts: Parts) -> None:
    parts.beat(dagster())
    before = mongo.state.find_one()
    parts.beat(dagster())
    assert mongo.state.find_one() == before
    pass_minutes(mongo.state, 1)
    parts.beat(dagster())
    assert mongo.state.find_one() != before


def test_who_ends_takes_back_its_own_heartbeat_only(parts: Parts, store: HeartbeatStore) -> None:
    for process in (api(3000), api(3001), api(3000, process="a2")):  # the last has taken the first one's port
        parts.beat(process)
    parts.leave(api(3000))
    assert where(store) == ["here:3000", "here:3001"]
    parts.leave(api(3000, process="a2"))
    assert where(store) == ["here:3001"]


def test_an_api_that_was_killed_goes_when_another_has_begun_on_its_host(
    mongo: Mongo, parts: Parts, store: HeartbeatStore
) -> None:
    parts.beat(api(3000))
    parts.beat(api(3000, host="there"))
    pass_minutes(mongo.state, 1)
    parts.beat(api(3001, process="a2"))
    assert [row["standsStill"] for row in parts.rows()] == [False] * 3
    for _ in range(3):
        pass_minutes(mongo.state, 1)
        parts.beat(api(3001, process="a2"))
    assert {row["where"]: row["standsStill"] for row in parts.rows()} == {"here:3001": False, "there:3000": True}
    assert where(store) == ["here:3001", "there:3000"]


def test_what_is_gone_for_a_month_is_removed(mongo: Mongo, parts: Parts, store: HeartbeatStore) -> None:
    parts.beat(api(3000, host="there"))
    pass_minutes(mongo.state, 31 * 24 * 60)
    parts.beat(dagster())
    assert where(store) == ["here"]


def test_a_heartbeat_that_came_back_meanwhile_is_not_removed(store: HeartbeatStore) -> None:
    store.write(api(), starting=True)
    old = Heartbeats(*store.read()).all
    store.write(api(), starting=False)
    store.remove_old(old)
    assert where(store) == ["here:3000"]


@pytest.mark.parametrize(
    "odd",
    [
        {"part": "moon"},
        {"part": "api", "host": "here", "process": "p", "since": "soon", "seenAt": NOW},
        {"part": "api", "host": "here", "process": "p", "since": NOW},
    ],
)
def test_a_heartbeat_that_is_none_hides_no_other(mongo: Mongo, parts: Parts, odd: dict[str, object]) -> None:
    mongo.state.insert_one({"_id": "heartbeat odd", "kind": "heartbeat", **odd})
    parts.beat(dagster())
    assert [row["part"] for row in parts.rows()] == ["dagster"]


def test_of_many_at_once_one_gets_the_turn(mongo: Mongo) -> None:
    with ThreadPoolExecutor(8) as threads:
        turns = list(threads.map(lambda _: AlertTurns(mongo).take(NOW), range(8)))
    assert len([turn for turn in turns if turn is not None]) == 1


def test_what_a_turn_stored_the_next_one_gets(mongo: Mongo) -> None:
    turns = AlertTurns(mongo)
    assert turns.remembered() is None
    first = turns.take(NOW)
    assert first is not None
    assert first.state is None
    turns.end(first, "first")
    second = turns.take(NOW)
    assert second is not None, "a turn that was ended is not waited for"
    assert second.state == turns.remembered() == "first"


def test_a_turn_ends_by_itself_and_who_had_it_then_overwrites_nothing(mongo: Mongo) -> None:
    """Who froze in its turn would otherwise have told again what its follower has told."""
    turns = AlertTurns(mongo)
    first = turns.take(NOW)
    assert turns.take(NOW + TURN - timedelta(seconds=1)) is None
    assert turns.take(NOW - timedelta(milliseconds=5)) is None, "who read the time a moment before"
    second = turns.take(NOW + TURN)
    assert first is not None
    assert second is not None
    turns.end(second, "second")
    turns.end(first, "first")
    assert turns.remembered() == "second"


def test_a_turn_that_a_clock_ahead_took_is_not_waited_for(mongo: Mongo) -> None:
    turns = AlertTurns(mongo)
    turns.take(NOW + timedelta(hours=3))
    assert turns.take(NOW) is not None
