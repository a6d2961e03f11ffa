"""Metrics for Prometheus: counted from real work, over the gaps that real life makes, and served on a real socket."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from bson import ObjectId
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from pymongo.errors import OperationFailure

from recurrence_pipeline.api.exporting import PATH, exporting
from recurrence_pipeline.api.server import listen
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.monitoring.prometheus import Exporter
from recurrence_pipeline.storage.command_errors import DatabaseErrors
from recurrence_pipeline.storage.heartbeats import Part
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.marked import recurrence
from recurrence_pipeline_tests.storage.conftest import FailPoint, fail_point
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World, utc

__all__ = ["fail_point"]

DUE = utc(2024, 1, 15, 9)
LATENESS = timedelta(minutes=1)
CREATED = {"operation": "create", "outcome": "completed"}


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    world = World(mongodb_url)
    yield world
    world.close()


@pytest.fixture
def exporter(world: World) -> Exporter:
    return opened(world)


def opened(world: World, errors: DatabaseErrors | None = None) -> Exporter:
    events, parts = world.worker.context.event_metrics, world.worker.parts
    return Exporter(events, errors or DatabaseErrors(), parts, lateness=LATENESS, clock=lambda: world.now)


def look(world: World, exporter: Exporter, **passed: float) -> None:
    """Let some time pass, a second if nothing is said, and look."""
    world.pass_time(**passed or {"seconds": 1})
    exporter.refresh()


def value(exporter: Exporter, name: str, **labels: str) -> float | None:
    return exporter.registry.get_sample_value(f"recurrence_{name}", labels)


def finished(exporter: Exporter) -> float | None:
    return value(exporter, "events_finished_total", **CREATED)


def end(world: World, ended: datetime, operation: str = "create", **fields: object) -> ObjectId:
    """Store an event that ended then."""
    event = {"status": "completed", "startedAt": ended, "finishedAt": ended, "durationMs": 0}
    return world.add_event(operation, ObjectId(), **event | fields)


# Counters


def test_work_is_counted_whoever_did_it(world: World, exporter: Exporter) -> None:
    world.create(DUE, "daily")
    other = world.open_worker()
    series = world.add_task(DUE, "weekly")
    world.add_event("create", series)
    world.add_event("create", ObjectId(), createdAt=world.now - timedelta(hours=1))
    other.process_pending()
    other.close()
    world.add_event("delete", series)
    world.work()

    look(world, exporter)

    assert finished(exporter) == 2
    assert value(exporter, "events_finished_total", operation="create", outcome="rejected") == 1
    assert value(exporter, "events_finished_total", operation="delete", outcome="completed") == 1
    assert value(exporter, "occurrences_created_total") == 6
    assert value(exporter, "occurrences_deleted_total") == 3


def test_what_is_counted_is_there_from_the_start_at_0(exporter: Exporter) -> None:
    """Else `increase()` would not see the first event of a kind."""
    assert finished(exporter) == 0
    assert value(exporter, "event_duration_seconds_count", operation="delete", outcome="failed") == 0
    assert value(exporter, "retries_total", operation="complete") == 0


@pytest.mark.parametrize("encode", [generate_latest, openmetrics], ids=["text", "OpenMetrics"])
def test_the_page_has_the_documented_names_and_no_times_at_which_counters_were_made(
    exporter: Exporter, encode: Callable[[CollectorRegistry], bytes]
) -> None:
    page = encode(exporter.registry).decode()
    assert "\nrecurrence_occurrences_created_total 0.0\n" in page
    assert [line for line in page.splitlines() if "created_created" in line or "_created{" in line] == []


def test_an_event_is_counted_once_however_often_it_is_looked_at(world: World, exporter: Exporter) -> None:
    world.create(DUE, "daily")
    for _ in range(5):
        look(world, exporter)
    assert finished(exporter) == 1


def test_an_event_that_is_noted_late_is_counted(world: World, exporter: Exporter) -> None:
    """A worker notes the time, and then its write takes a while: the look in between must not have been the last."""
    world.pass_time(seconds=30)
    ended = world.now
    look(world, exporter, seconds=20)
    end(world, ended)
    look(world, exporter)
    assert finished(exporter) == 1


def test_what_ended_before_the_start_is_not_counted(world: World) -> None:
    end(world, world.now)
    world.pass_time(seconds=1)
    exporter = opened(world)
    look(world, exporter)
    assert finished(exporter) == 0


def test_an_event_that_was_replayed_ends_twice(world: World, exporter: Exporter) -> None:
    task = world.add_task(DUE, "hourly")
    event = world.add_event("create", task)
    world.work()
    look(world, exporter)
    world.worker.mongo.tasks.update_one({"_id": task}, {"$set": {"repeatType": "daily"}})
    world.worker.queries.replay(str(event))
    world.work()
    look(world, exporter)

    assert finished(exporter) == 1
    assert value(exporter, "events_finished_total", operation="create", outcome="rejected") == 1


def test_hours_without_a_look_are_made_up_for(world: World, exporter: Exporter) -> None:
    """A database that was away, or a machine that slept."""
    begin = world.now
    for minutes in range(0, 180, 15):
        end(world, begin + timedelta(minutes=minutes))
    look(world, exporter, hours=3)
    assert finished(exporter) == 12


def test_a_look_that_fails_in_the_middle_counts_nothing_twice(
    world: World, exporter: Exporter, fail_point: FailPoint
) -> None:
    event = {"operation": "create", "status": "completed", "finishedAt": world.now, "createdAt": world.now}
    rest = {"availableAt": world.now, "durationMs": 5}
    world.worker.mongo.events.insert_many([event | rest | {"taskId": ObjectId()} for _ in range(2500)])
    fail_point("getMore", errorCode=13)

    look(world, exporter)
    assert value(exporter, "up") == 0
    assert 0 < (finished(exporter) or 0) < 2500
    look(world, exporter)

    assert value(exporter, "up") == 1
    assert finished(exporter) == 2500
    assert value(exporter, "event_duration_seconds_count", **CREATED) == 2500


def test_durations_and_retries_are_of_the_events_that_ended(world: World, exporter: Exporter) -> None:
    end(world, world.now, durationMs=40)
    end(world, world.now, durationMs=7000, attempts=2)
    end(world, world.now, durationMs=None, status="failed", attempts=4)
    look(world, exporter)

    buckets = {
        le: value(exporter, "event_duration_seconds_bucket", le=le, **CREATED) for le in ("0.025", "0.05", "10.0")
    }
    assert buckets == {"0.025": 0, "0.05": 1, "10.0": 2}
    assert value(exporter, "event_duration_seconds_sum", **CREATED) == pytest.approx(7.04)
    assert value(exporter, "retries_total", operation="create") == 2 + 3


# Gauges


def test_the_queue_is_told_with_its_length_and_its_age(world: World, exporter: Exporter) -> None:
    for minutes in (3, 5):
        world.add_event("create", ObjectId(), availableAt=world.now - timedelta(minutes=minutes))
    world.add_event("complete", ObjectId(), availableAt=world.now + timedelta(hours=1))
    lease = {"owner": "me", "term": 1, "until": world.now + timedelta(minutes=2)}
    held = world.add_event("create", ObjectId(), status="processing", startedAt=world.now, lease=lease)

    look(world, exporter, minutes=1)

    assert value(exporter, "queue_events", status="pending") == 3
    assert value(exporter, "queue_age_seconds", status="pending") == 6 * 60
    assert value(exporter, "queue_age_seconds", status="processing") == 60
    world.worker.mongo.events.delete_many({"_id": {"$ne": held}})
    world.add_event("complete", ObjectId(), availableAt=world.now + timedelta(hours=1))
    look(world, exporter)
    assert value(exporter, "queue_events", status="pending") == 1
    assert value(exporter, "queue_age_seconds", status="pending") == 0, "it is not due"


def test_dead_letters_are_told_by_operation_and_status(world: World, exporter: Exporter) -> None:
    end(world, world.now, status="rejected")
    end(world, world.now, status="rejected")
    end(world, world.now, status="failed", operation="complete")
    look(world, exporter)
    assert value(exporter, "dead_letters", operation="create", status="rejected") == 2
    assert value(exporter, "dead_letters", operation="complete", status="failed") == 1
    assert value(exporter, "dead_letters", operation="delete", status="failed") == 0


def test_while_the_database_is_away_counters_stay_and_gauges_are_missing(tmp_path: Path) -> None:
    """A queue of 0 would look like a system at rest."""
    server = EmbeddedServer.start(tmp_path)
    world = World(with_database(server.url(""), "task-app"), WORKER_TIMEOUT="500")
    errors = DatabaseErrors()
    exporter = opened(world, errors)
    world.create(DUE, "daily")
    look(world, exporter)
    assert (value(exporter, "up"), value(exporter, "queue_events", status="pending")) == (1, 0)

    server.kill()
    look(world, exporter)
    assert (value(exporter, "up"), value(exporter, "queue_events", status="pending")) == (0, None)
    assert finished(exporter) == 1

    server = EmbeddedServer.start(tmp_path, port=server.port)

    def found_again() -> bool:
        look(world, exporter)
        return value(exporter, "up") == 1

    wait_until(found_again, "the database is found again")
    assert finished(exporter) == 1
    world.close()
    server.kill()


def test_errors_of_the_driver_are_told(world: World, fail_point: FailPoint) -> None:
    errors = DatabaseErrors()
    exporter = opened(world, errors)
    with serving(exporter) as url:
        assert "recurrence_database_errors_total{" not in httpx.get(url, trust_env=False).text
    failing = Mongo(world.settings, listeners=[errors])
    fail_point("find", errorCode=13)
    with pytest.raises(OperationFailure):
        failing.tasks.find_one()
    failing.close()
    [(command, cause)] = errors.counts()
    assert value(exporter, "database_errors_total", command=command, cause=cause) == 1


# Serving


@contextmanager
def serving(exporter: Exporter) -> Iterator[str]:
    [listening] = listen(["127.0.0.1"], 0)
    with listening, exporting(exporter, [listening], patience=timedelta(seconds=20)):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}"


def test_prometheus_and_openmetrics_can_read_it(world: World, exporter: Exporter) -> None:
    world.add_event("create", ObjectId())
    with serving(exporter) as url, httpx.Client(trust_env=False) as client:

        def known() -> bool:
            return 'recurrence_queue_events{status="pending"} 1.0' in client.get(url).text

        wait_until(known, "the database has been looked at")
        answer = client.get(url)
        assert answer.headers["content-type"].startswith("text/plain; version=")
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert all(family.documentation for family in families.values())
        assert {"recurrence_up", "recurrence_build_info", "process_resident_memory_bytes"} <= families.keys()
        newer = client.get(url, headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert newer.headers["content-type"].startswith("application/openmetrics-text")
        assert newer.text.endswith("# EOF\n")
        assert client.get(url.removesuffix(PATH) + "/").status_code == 404
        assert client.post(url).status_code == 405


ENVIRONMENT = {"PORT": "0", "HOST": "127.0.0.1", "PROMETHEUS_METRICS": "true", "INTERNAL_API_KEY": "canary"}


def test_the_api_serves_them_without_a_key_and_ends_with_them(world: World, mongodb_url: str, tmp_path: Path) -> None:
    world.add_event("create", ObjectId())
    environment = {**ENVIRONMENT, "MONGODB_URL": mongodb_url, "METRICS_PORT": "0"}
    with recurrence("api", folder=tmp_path, environment=environment) as command:
        wait_until(lambda: command.found(r"Metrics: (.+)\n"), "it says where", timeout=timedelta(seconds=60))
        url = command.found(r"Metrics: (.+)\n")
        with httpx.Client(trust_env=False) as client:
            wait_until(lambda: "recurrence_up 1.0" in client.get(url).text, "it has looked at the database")
            assert 'recurrence_queue_events{status="pending"} 1.0' in client.get(url).text
            command.process.terminate()
            assert command.process.wait(60) == 0, command.printed()


def test_a_port_of_the_metrics_that_is_taken_is_named(mongodb_url: str, tmp_path: Path) -> None:
    [taken] = listen(["127.0.0.1"], 0)
    port = str(taken.getsockname()[1])
    environment = {**ENVIRONMENT, "MONGODB_URL": mongodb_url, "METRICS_PORT": port}
    with taken, recurrence("api", folder=tmp_path, environment=environment) as command:
        assert command.process.wait(60) == 2
        assert f"METRICS_PORT: {port} on 127.0.0.1: Address already in use" in command.printed()


def test_it_says_how_many_processes_are_woken_by_a_change_stream(world: World, exporter: Exporter) -> None:
    parts, states = world.worker.parts, ("alive", "the server is no replica set", "off", None)
    for number, stream in enumerate(states):
        parts.beat(parts.process(Part.WORKER, str(number)), stream=stream)

    look(world, exporter)

    assert value(exporter, "change_streams", state="alive") == 1
    assert value(exporter, "change_streams", state="none") == 1
