"""`recurrence doctor`: what is well, what is not, and what to do; errors make it exit with 1."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from recurrence_pipeline.config.logs import FILE_BYTES
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.doctor import broker, http, machine
from recurrence_pipeline.doctor.rules import HealthCheckResult
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.orchestration import celery_app
from recurrence_pipeline_tests.api.serving import serving
from recurrence_pipeline_tests.commands import Ran, Run
from recurrence_pipeline_tests.stub_server import Reaction, answers, hangs, stub_server
from recurrence_pipeline_tests.world import KEPT_LONG, World, utc

KEY = "a key of more than sixteen bytes"
NOBODY = "9"
"""The port `discard`, where nothing listens."""
ALONE = {
    "LOG_LEVEL": "warning",
    "PORT": NOBODY,
    "DAGSTER_UI_URL": f"http://127.0.0.1:{NOBODY}",
    "WORKER_TIMEOUT": "500",
}


@pytest.fixture
def mongodb_url(replica_set_url: str) -> str:
    """Have a replica set: of a standalone the doctor warns."""
    return replica_set_url


def levels(ran: Ran) -> dict[str, str]:
    return {row["name"]: row["level"] for row in json.loads(ran.out)}


def row(ran: Ran, name: str) -> dict[str, str]:
    (found,) = (row for row in json.loads(ran.out) if row["name"] == name)
    return dict(found)


@pytest.fixture
def api(mongodb_url: str) -> Iterator[str]:
    """Return the port of an API that wants KEY."""
    world = World(mongodb_url, INTERNAL_API_KEY=KEY)
    with serving(world.worker) as url:
        yield str(urlsplit(url).port)
    world.close()


def test_a_sound_database_without_programs_is_warned_of_and_is_no_failure(prepared: Run) -> None:
    prepared("process", LOG_LEVEL="warning")
    ran = prepared("doctor", "--json", **ALONE)
    assert ran.code == 0
    assert {name for name, level in levels(ran).items() if level != "ok"} == {"api", "dagster ui"}
    assert set(json.loads(ran.out)[0]) == {"name", "level", "found", "advice"}


def test_people_get_a_table_that_says_what_to_do(run: Run) -> None:
    ran = run("doctor", **ALONE)
    assert ran.code == 1
    assert "errors, 2 warnings." in ran.out
    assert "init-db" in ran.out


def test_a_wrong_setting_is_an_answer_with_its_name_and_value(run: Run) -> None:
    ran = run("doctor", "--json", WORKER_LEASE="soon")
    assert ran.code == 1
    assert row(ran, "settings")["found"] == "WORKER_LEASE: 'soon' is not a number of milliseconds"


def test_a_database_that_is_away_hides_nothing_else(run: Run) -> None:
    ran = run("doctor", "--json", **ALONE | {"MONGODB_URL": "mongodb://127.0.0.1:9/nowhere"})
    assert ran.code == 1
    found = levels(ran)
    assert (found["database"], found["access"], found["api"]) == ("error", "ok", "warn")


def test_a_variable_that_nobody_reads_is_told_where_it_looks_like_one_of_ours() -> None:
    found = machine.look_at_names({"WORKER_LEASES": "1", "MONGODB_URI": "x", "HOSTNAME": "h", "HOME": "/"})
    assert found.severity is Severity.WARNING
    assert found.found == "not read: MONGODB_URI (is MONGODB_URL meant?), WORKER_LEASES (is WORKER_LEASE meant?)"
    former = machine.look_at_names({"WORKER_LINGER": "0", "WORKER_LANES": "2"}).found
    assert former == "not read: WORKER_LANES (is WORKER_SHARDS meant?), WORKER_LINGER (is WORKER_IDLE_TIMEOUT meant?)"


@pytest.mark.parametrize(
    ("zone", "at", "level"),
    [
        ("UTC", "02:00", Severity.OK),
        ("Europe/Dublin", "01:30", Severity.OK),
        ("America/Nuuk", "22:59", Severity.OK),
        ("America/Nuuk", "23:30", Severity.WARNING),
    ],
)
def test_a_time_of_maintenance_that_a_day_ends_before_is_warned_of(zone: str, at: str, level: Severity) -> None:
    """Where a day has the time, or a later one, the maintenance of that day comes on that day: nothing is lost."""
    settings = Settings.from_environment({"MAINTENANCE_TIMEZONE": zone, "DAILY_MAINTENANCE_TIME": at})
    row = machine.look_at_maintenance(settings, datetime(2026, 11, 28, tzinfo=timezone.utc))
    assert row.severity is level
    assert ("2027-03-27 ends before 23:30 in America/Nuuk" in row.found) == (level is Severity.WARNING)


@pytest.mark.parametrize(
    ("environment", "level"),
    [
        ({}, Severity.OK),
        ({"HOST": "localhost"}, Severity.OK),
        ({"HOST": "::"}, Severity.ERROR),
        ({"HOST": "127.0.0.1,192.0.2.7"}, Severity.ERROR),
        ({"HOST": "::", "INTERNAL_API_KEY": KEY}, Severity.OK),
        ({"INTERNAL_API_KEY": f"{KEY},short"}, Severity.WARNING),
    ],
)
def test_an_api_that_others_reach_needs_a_key(environment: dict[str, str], level: Severity) -> None:
    assert machine.look_at_access(Settings.from_environment(environment)).severity is level


def test_disks_are_looked_at_where_the_files_are(tmp_path: Path) -> None:
    settings = Settings.from_environment({"LOG_FILE": str(tmp_path / "worker.log")})
    there = list(machine.look_at_disks(settings, {"DAGSTER_HOME": str(tmp_path)}))
    assert [(d.name, d.severity) for d in there] == [
        ("disk of LOG_FILE", Severity.OK),
        ("disk of DAGSTER_HOME", Severity.OK),
    ]
    (gone,) = machine.look_at_disks(Settings.from_environment({}), {"DAGSTER_HOME": str(tmp_path / "gone")})
    assert gone.severity is Severity.ERROR


def test_a_log_that_nobody_rotates_is_told(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.touch()
    settings = Settings.from_environment({"LOG_FILE": str(log)})
    assert [d.severity for d in machine.look_at_disks(settings, {}) if d.name == "log rotation"] == [Severity.OK]
    with log.open("wb") as file:
        file.truncate(3 * FILE_BYTES)
    (found,) = (d for d in machine.look_at_disks(settings, {}) if d.name == "log rotation")
    assert (found.severity, found.found) == (Severity.WARNING, f"{log} has 30 MB of 10")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("storage: {postgres: {postgres_url: {env: RECURRENCE_POSTGRES_URL}}}", Severity.OK),
        ("# postgresql+psycopg2://recurrence:PASSWORD@HOST/dagster", Severity.OK),
        ("postgres_url: postgresql+psycopg2://recurrence@db.example.org:5432/dagster", Severity.OK),
        ("postgres_url: postgresql+psycopg2://recurrence:canary@db.example.org/dagster", Severity.ERROR),
        ("a: 1\nbroker: 'rediss://:canary@redis.example.org:6379/0'", Severity.ERROR),
    ],
)
def test_a_password_in_dagster_yaml_is_found_and_not_shown(tmp_path: Path, text: str, level: Severity) -> None:
    """Dagster hands the file's text on to its processes as an argument."""
    (tmp_path / "dagster.yaml").write_text(text)
    found = list(machine.look_at_disks(Settings.from_environment({}), {"DAGSTER_HOME": str(tmp_path)}))
    assert [each.severity for each in found if each.name == "dagster.yaml"] == [level]
    assert "canary" not in str(found)


# What answers on the ports


def test_an_api_that_answers_is_well_and_one_with_another_key_is_not(prepared: Run, api: str) -> None:
    prepared("process", LOG_LEVEL="warning")
    with_key = prepared("doctor", "--json", **ALONE | KEPT_LONG | {"PORT": api, "INTERNAL_API_KEY": KEY})
    assert (with_key.code, row(with_key, "api")["level"]) == (0, "ok")
    without = prepared("doctor", "--json", **ALONE | KEPT_LONG | {"PORT": api})
    assert (without.code, row(without, "api")["level"]) == (1, "error")
    assert "INTERNAL_API_KEY" in row(without, "api")["advice"]


def test_a_program_that_is_not_the_one_expected_is_told(prepared: Run, api: str) -> None:
    """The API and Dagster's web server use port 3000 both, Prometheus and our metrics 9090."""
    wrong = {"DAGSTER_UI_URL": f"http://127.0.0.1:{api}", "PROMETHEUS_METRICS": "true", "METRICS_PORT": api}
    ran = prepared("doctor", "--json", **ALONE | wrong)
    assert "is not Dagster" in row(ran, "dagster ui")["found"]
    assert "no metrics of ours" in row(ran, "metrics")["found"]


HEALTHY = {
    "success": True,
    "data": {"status": "healthy", "services": {"tasksWorker": "operational", "recurrenceEngine": "operational"}},
}
"""What the original worker answers, too."""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (HEALTHY, "the original worker answers at"),
        (b"<!doctype html><title>Dagster</title>", "is not the internal API"),
        ({"success": True}, "is not the internal API"),
        ([], "is not the internal API"),
    ],
    ids=["the original worker", "Dagster", "some other API", "anything"],
)
def test_only_our_own_api_is_well_whoever_else_answers_with_200(body: object, found: str) -> None:
    """Else the page of Dagster, or the worker that was to be replaced, passes for it."""
    with stub_server() as server:
        server.will(answers(200, body))
        told = http.look_at_api(Settings.from_environment({"PORT": str(server.server_port), "HOST": "127.0.0.1"}))
    assert told.severity is Severity.ERROR
    assert found in told.found


def test_metrics_that_should_be_served_and_are_not_are_an_error(prepared: Run) -> None:
    ran = prepared("doctor", "--json", **ALONE | {"PROMETHEUS_METRICS": "true", "METRICS_PORT": NOBODY})
    assert (ran.code, row(ran, "metrics")["level"]) == (1, "error")


DEAD = {"data": None, "errors": [{"message": "(psycopg2.OperationalError) server closed the connection\n\tThis means"}]}
"""What Dagster's web server says of a connection to PostgreSQL that it kept, once for each of its three storages."""
ALIVE = {
    "version": "1.13.27",
    "runsOrError": {},
    "assetNodes": [],
    "workspaceOrError": {},
    "instance": {"info": "", "daemonHealth": {"allDaemonStatuses": []}},
}


def told_of_dagster(*reactions: Reaction) -> HealthCheckResult:
    with stub_server() as server:
        server.will(*reactions)
        settings = Settings.from_environment({"DAGSTER_UI_URL": server.url})
        return next(iter(http.look_at_dagster(settings, utc(2026, 11, 29))))


def test_a_dagster_whose_postgresql_was_started_again_is_well() -> None:
    found = told_of_dagster(*[answers(500, DEAD)] * 2, answers(200, {"data": ALIVE}))
    assert (found.severity, found.name) == (Severity.OK, "dagster ui")


def test_a_dagster_without_its_postgresql_is_an_error_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and starts no run: nobody is to be sent looking for another program at its port."""
    found = told_of_dagster(answers(500, DEAD))
    assert found.severity is Severity.ERROR
    assert found.found.endswith("answers with an error: (psycopg2.OperationalError) server closed the connection")
    assert "PostgreSQL" in found.advice
    monkeypatch.setattr(http, "PATIENCE", 0.2)
    found = told_of_dagster(hangs)
    assert (found.severity, "gave no answer" in found.found) == (Severity.ERROR, True)


def memory(used: int, most: int, policy: str) -> dict[str, Any]:
    return {"used_memory": used * 2**20, "maxmemory": most * 2**20, "maxmemory_policy": policy}


@pytest.mark.parametrize(
    ("info", "level", "found"),
    [
        (memory(3, 0, "noeviction"), Severity.OK, "3.0 MiB used of any number, noeviction"),
        (memory(3, 64, "noeviction"), Severity.OK, "3.0 MiB used of 64.0, noeviction"),
        (memory(64, 64, "noeviction"), Severity.ERROR, "full: 64.0 MiB used of 64.0, noeviction"),
        (memory(3, 64, "allkeys-lru"), Severity.WARNING, "3.0 MiB used of 64.0, allkeys-lru"),
        (memory(3, 0, "allkeys-lru"), Severity.OK, "3.0 MiB used of any number, allkeys-lru"),
    ],
    ids=["without a limit", "with room", "full", "evicting", "evicting, without a limit"],
)
def test_a_redis_that_takes_no_runs_or_throws_them_away_is_told(
    info: dict[str, Any], level: Severity, found: str
) -> None:
    judged = broker.judge_broker(info)
    assert (judged.severity, judged.found) == (level, found)


def test_a_redis_that_is_away_is_an_error_without_its_password_and_none_is_asked_where_none_is_named() -> None:
    (away,) = broker.look_at_broker({broker.BROKER: f"redis://:canary@127.0.0.1:{NOBODY}/0"})
    assert (away.severity, "ConnectionError" in away.found) == (Severity.ERROR, True)
    (mistyped,) = broker.look_at_broker({broker.BROKER: "canary"})
    assert mistyped.severity is Severity.ERROR
    assert "canary" not in f"{away} {mistyped}"
    assert list(broker.look_at_broker({})) == []
    assert broker.BROKER == celery_app.BROKER


def daemon(name: str, *, healthy: bool, required: bool = True) -> dict[str, Any]:
    return {"daemonType": name, "required": required, "healthy": healthy}


def code(**states: str) -> list[dict[str, Any]]:
    sensors = [{"name": name, "sensorState": {"status": status}} for name, status in states.items()]
    return [{"name": "ours", "locationOrLoadError": {"repositories": [{"sensors": sensors, "schedules": []}]}}]


def test_a_daemon_without_a_sign_of_life_is_an_error() -> None:
    alive, dead = daemon("SENSOR", healthy=True), daemon("SCHEDULER", healthy=False)
    idle = daemon("BACKFILL", healthy=False, required=False)
    assert http.judge_daemon([alive, idle]).severity is Severity.OK
    assert http.judge_daemon([alive, dead]).found == "no sign of life: SCHEDULER"
    assert http.judge_daemon([]).severity is Severity.ERROR


def test_a_daemon_whose_sensor_stands_still_is_an_error_as_the_parts_are() -> None:
    """Dagster itself calls it healthy for half an hour."""
    alive, heartbeat = daemon("SENSOR", healthy=True), {"seenAt": utc(2026, 11, 24, 2), "standsStill": True}
    assert http.judge_daemon([alive], heartbeat | {"standsStill": False}).severity is Severity.OK
    still = http.judge_daemon([alive], heartbeat)
    assert (still.severity, still.found) == (Severity.ERROR, "alert_sensor has not ticked since 2026-11-24 02:00 UTC")


def asset_check(name: str, status: str, severity: str = "ERROR") -> dict[str, Any]:
    return {"name": name, "executionForLatestMaterialization": {"status": status, "evaluation": {"severity": severity}}}


def test_not_all_is_well_while_an_asset_check_fails_as_an_error() -> None:
    never = {"name": "never", "executionForLatestMaterialization": None}
    died = {"name": "died", "executionForLatestMaterialization": {"status": "EXECUTION_FAILED", "evaluation": None}}
    checks = [never, died, asset_check("orphans", "SUCCEEDED"), asset_check("dead_letters", "FAILED", "WARN")]
    well = http.judge_asset_checks([{"assetChecksOrError": {"checks": checks}}, {"assetChecksOrError": {}}])
    assert well.severity is Severity.OK
    checks += [asset_check("schema", "FAILED"), asset_check("degraded", "FAILED")]
    found = http.judge_asset_checks([{"assetChecksOrError": {"checks": checks}}])
    assert (found.severity, found.found) == (Severity.ERROR, "failed: degraded, schema")


SHIPPED = (
    "telemetry:\n  enabled: false\nsensors:\n  use_threads: true\n  num_workers: 8\nschedules:\n  use_threads: true\n"
)


@pytest.mark.parametrize(
    ("instance", "watch", "level"),
    [
        (SHIPPED, 24, Severity.OK),
        ("sensors:\n  num_workers: 8\n  use_threads: true\n", 24, Severity.OK),
        ("sensors:\n  num_workers: 8\nschedules:\n  use_threads: true\n", 24, Severity.WARNING),
        ("sensors:\n  use_threads: false\n", 24, Severity.WARNING),
        ("schedules:\n  use_threads: true\n", 24, Severity.WARNING),
        ("", 0, Severity.OK),
    ],
)
def test_sensors_that_cannot_wait_because_they_would_hold_up_others_are_told(
    instance: str, watch: int, level: Severity
) -> None:
    assert http.judge_sensors(instance, timedelta(seconds=watch)).severity is level


def test_code_that_dagster_cannot_load_is_an_error_with_its_last_line() -> None:
    entries = [{"name": "ours", "locationOrLoadError": {"message": "Traceback ...\nImportError: no module\n"}}]
    (found,) = http.judge_code(entries)
    assert (found.severity, found.found) == (Severity.ERROR, "ImportError: no module")
    (found,) = http.judge_code([{"name": "ours", "locationOrLoadError": None}])
    assert found.severity is Severity.ERROR


def test_the_sensor_that_is_off_is_an_error_and_another_one_a_warning() -> None:
    off = {"task_event_sensor": "STOPPED", "alert_sensor": "RUNNING"}
    assert [d.severity for d in http.judge_code(code(**off))] == [Severity.OK, Severity.ERROR]
    other = {"task_event_sensor": "RUNNING", "alert_sensor": "STOPPED"}
    assert [d.found for d in http.judge_code(code(**other))][1] == "off: alert_sensor"
    assert [d.severity for d in http.judge_code(code(task_event_sensor="RUNNING"))] == [Severity.OK, Severity.OK]


def test_runs_that_should_have_gone_are_told_but_for_the_last_of_each_job() -> None:
    assert http.judge_history([], 14).severity is Severity.OK
    assert http.judge_history(["process_task", "replay_events"], 14).severity is Severity.OK, "the last of each stays"
    found = http.judge_history(["health_checks"] * 3 + ["process_task"], 14)
    assert (found.severity, found.found) == (Severity.WARNING, "2 runs ended more than 14 days ago")
    assert http.judge_history(["health_checks"] * 100, 14).found.startswith("99 or more runs")
    assert http.judge_history([], 0).found.startswith("DAGSTER_RUN_RETENTION_DAYS is 0")
