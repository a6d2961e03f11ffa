"""What the alert sensor finds: real runs, real checks, real events, and a webhook that takes down what it is told."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.orchestration.alert_sensor import build_alert_sensor
from recurrence_pipeline.orchestration.asset_checks import all_but_the_sum, sum_of_all
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.storage.heartbeats import Part, Process
from recurrence_pipeline_tests.heartbeats import pass_minutes
from recurrence_pipeline_tests.orchestration.conftest import NO_SERVER, Insert
from recurrence_pipeline_tests.orchestration.looks import evaluated, everything
from recurrence_pipeline_tests.orchestration.test_automation import FAILURE, SUCCESS, ticked
from recurrence_pipeline_tests.stub_server import StubServer, answers, stub_server

UI = "https://dagster.example.org"
NOTHING = "nothing new to tell"


@dg.op
def might_fail(context: dg.OpExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise dg.Failure("the disk is full")


@dg.job
def nightly() -> None:
    might_fail()


@dg.asset
def ledger() -> None: ...


STATE = {"passed": True, "severity": dg.AssetCheckSeverity.ERROR}


@dg.asset_check(asset=ledger)
def balanced() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=bool(STATE["passed"]), severity=dg.AssetCheckSeverity(STATE["severity"]), description="1 is missing"
    )


look_at_ledger = dg.define_asset_job("look_at_ledger", dg.AssetSelection.checks(balanced))


@pytest.fixture
def webhook() -> Iterator[StubServer]:
    with stub_server() as server:
        server.will(answers(200))
        yield server


class Watch:
    """The sensor, evaluated again and again as the daemon does, each time as a new process would."""

    def __init__(self, settings: Settings, resource: WorkerResource, instance: dg.DagsterInstance) -> None:
        self.settings = settings
        self.resource = resource
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> str:
        sensor = build_alert_sensor(self.settings, [*balanced.check_keys], Names())
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"worker": self.resource}
        ) as context:
            result = evaluated(sensor, context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return str(result.skip_reason.skip_message if isinstance(result.skip_reason, dg.SkipReason) else "")

    def run(self, *, fail: bool, **tags: str) -> str:
        result = nightly.execute_in_process(
            instance=self.instance, raise_on_error=False, tags=tags | ({"fail": "yes"} if fail else {})
        )
        assert result.success is not fail
        return result.run_id

    def check(self, *, passed: bool, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> str:
        STATE.update(passed=passed, severity=severity)
        definitions = dg.Definitions([ledger], asset_checks=[balanced], jobs=[look_at_ledger])
        result = definitions.resolve_job_def("look_at_ledger").execute_in_process(instance=self.instance)
        assert result.success
        return result.run_id


@pytest.fixture
def watched(mongodb_url: str, webhook: StubServer) -> Settings:
    return Settings.from_environment(
        {"MONGODB_URL": mongodb_url, "ALERT_URLS": webhook.url.replace("http", "json"), "DAGSTER_UI_URL": UI}
        | {"ALERT_COOLDOWN": "0", "WORKER_RETRY_ATTEMPTS": "0"}
    )


@pytest.fixture
def watch(watched: Settings, worker: Worker, instance: dg.DagsterInstance) -> Iterator[Watch]:
    resource = WorkerResource(watched)
    yield Watch(watched, resource, instance)
    resource.close()


def heard(webhook: StubServer) -> list[str]:
    return [request.body["title"].removeprefix("[").replace("] recurrence", "") for request in webhook.heard]


def test_a_run_that_somebody_launched_by_hand_is_seen_by_whom_it_concerns(
    watch: Watch, webhook: StubServer, definitions: dg.Definitions
) -> None:
    """A mistyped id is no reason to wake the person who has the pager."""
    job = definitions.resolve_job_def("process_task")
    config = {"task_id": "0" * 24, "operation": "create", "dry_run": False}
    result = job.execute_in_process(instance=watch.instance, run_config=config, raise_on_error=False)
    assert not result.success, "there is no such task"

    assert watch.tick() == NOTHING
    assert heard(webhook) == []

    watch.run(fail=True)
    assert watch.tick() != NOTHING, "what runs by itself is told of all the same"


def test_nothing_wrong_says_nothing_and_logs_nothing(
    watch: Watch, webhook: StubServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [watch.tick(), watch.tick()] == [NOTHING, NOTHING]
    assert webhook.heard == []
    assert f"{caplog.text}{capsys.readouterr().out}" == "", "an idle tick comes 3,000 times a day"


def test_a_run_that_failed_is_told_once_with_the_cause_and_a_link_and_so_is_the_next_success(
    watch: Watch, webhook: StubServer
) -> None:
    run_id = watch.run(fail=True)
    assert watch.tick() == "[ERROR] recurrence: run of nightly failed"
    watch.run(fail=True)
    assert [watch.tick(), watch.tick()] == [NOTHING, NOTHING], "the cause is the same"

    watch.run(fail=False)
    assert watch.tick() == "[OK] recurrence: run of nightly failed: over"
    assert watch.tick() == NOTHING

    assert heard(webhook) == ["ERROR: run of nightly failed", "OK: run of nightly failed: over"]
    told = webhook.heard[0].body["message"].splitlines()
    assert told[0] == "might_fail: the disk is full"
    assert told[-1] == f"{UI}/runs/{run_id}"


def test_a_run_that_failed_between_two_looks_is_told_though_the_next_one_succeeded(
    watch: Watch, webhook: StubServer
) -> None:
    watch.tick()
    watch.run(fail=True)
    watch.run(fail=False)

    watch.tick()
    watch.tick()
    watch.tick()

    assert heard(webhook) == ["ERROR: run of nightly failed", "OK: run of nightly failed: over"]


def test_a_success_between_two_failures_ends_nothing(watch: Watch, webhook: StubServer) -> None:
    watch.run(fail=True)
    watch.tick()
    watch.run(fail=False)
    watch.run(fail=True)

    watch.tick()
    watch.tick()

    assert heard(webhook) == ["ERROR: run of nightly failed"]


def test_a_run_that_dagster_tries_again_is_not_told(watch: Watch, webhook: StubServer) -> None:
    watch.run(fail=True, **{"dagster/will_retry": "true"})

    assert watch.tick() == NOTHING


def test_the_failures_of_two_jobs_are_two_causes(watch: Watch, webhook: StubServer) -> None:
    watch.run(fail=True)
    away = WorkerResource(Settings.from_environment({"MONGODB_URL": NO_SERVER, "WORKER_TIMEOUT": "100"}))
    job = build_definitions(away.settings, worker=away).resolve_job_def("process_task_events")
    job.execute_in_process(instance=watch.instance, raise_on_error=False)
    away.close()

    watch.tick()

    assert sorted(heard(webhook)) == ["ERROR: run of nightly failed", "ERROR: run of process_task_events failed"]
    (told,) = (request.body["message"] for request in webhook.heard if "process_task_events" in request.body["title"])
    assert told.startswith("lease_events: the database cannot be worked with: ")
    assert "secret" not in told


def test_a_check_that_fails_is_told_once_and_once_when_it_passes(watch: Watch, webhook: StubServer) -> None:
    assert watch.tick() == NOTHING, "it has never run"
    run_id = watch.check(passed=False)
    assert watch.tick() == "[ERROR] recurrence: check balanced of ledger failed"
    watch.check(passed=False)
    assert watch.tick() == NOTHING

    watch.check(passed=True)
    watch.tick()
    assert watch.tick() == NOTHING

    assert heard(webhook) == ["ERROR: check balanced of ledger failed", "OK: check balanced of ledger failed: over"]
    told = webhook.heard[0].body["message"].splitlines()
    assert (told[0], told[-1]) == ("1 is missing", f"{UI}/runs/{run_id}")


def test_a_check_that_is_under_way_says_nothing_and_hides_nothing_else(watch: Watch, webhook: StubServer) -> None:
    """The sensor failed at each look meanwhile, and for good where the run of the check died."""
    watch.check(passed=False)
    watch.tick()
    definitions = dg.Definitions([ledger], asset_checks=[balanced], jobs=[look_at_ledger])
    watch.instance.create_run_for_job(definitions.resolve_job_def("look_at_ledger"), status=dg.DagsterRunStatus.STARTED)
    watch.run(fail=True)
    assert watch.tick() == "[ERROR] recurrence: run of nightly failed"
    assert heard(webhook) == ["ERROR: check balanced of ledger failed", "ERROR: run of nightly failed"]


def test_a_check_that_only_warns_is_not_told(watch: Watch, webhook: StubServer) -> None:
    watch.check(passed=False, severity=dg.AssetCheckSeverity.WARN)

    assert watch.tick() == NOTHING


def test_every_check_that_is_shipped_is_looked_at(definitions: dg.Definitions) -> None:
    shipped = definitions.resolve_asset_graph().asset_check_keys
    sensor = definitions.resolve_sensor_def("alert_sensor")

    assert shipped
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert shipped - {*all_but_the_sum(Names())} == {sum_of_all(Names())}, "which says of others what they say"
    assert shipped > {*all_but_the_sum(Names())}


def test_dead_letters_are_told_with_their_reasons_again_when_there_are_more_and_when_there_are_none(
    watch: Watch, worker: Worker, webhook: StubServer, insert_task: Insert
) -> None:
    fail(worker, insert_task, 2)
    assert watch.tick() == "[ERROR] recurrence: 2 dead letters"
    assert watch.tick() == NOTHING
    fail(worker, insert_task, 1)
    assert watch.tick() == "[ERROR] recurrence: 3 dead letters"

    worker.mongo.events.update_many({}, {"$set": {"status": "completed"}})
    assert watch.tick() == "[OK] recurrence: 3 dead letters: over"

    told = webhook.heard[0].body["message"].splitlines()
    assert told[0] == "Events that ended failed wait for a person:"
    assert told[1] == "2 x create: Invalid repeat type: hourly"
    assert told[-1] == f"{UI}/assets/worker_health"


def test_rejected_events_are_no_dead_letters(
    watch: Watch, worker: Worker, webhook: StubServer, insert_task: Insert
) -> None:
    """They are the users' mistakes, and told to the users: who is called at night can do nothing about them."""
    worker.enqueue(insert_task(repeatType="hourly"), "create")
    worker.process_pending()

    assert watch.tick() == NOTHING


def test_a_database_that_is_away_is_told_and_what_cannot_be_seen_meanwhile_is_not_over(
    watch: Watch, worker: Worker, webhook: StubServer, insert_task: Insert
) -> None:
    fail(worker, insert_task, 1)
    watch.tick()
    there, away = (
        watch.resource,
        WorkerResource(Settings.from_environment({"MONGODB_URL": NO_SERVER, "WORKER_TIMEOUT": "100"})),
    )

    watch.resource = away
    assert watch.tick() == "[ERROR] recurrence: the worker is unhealthy"
    assert watch.tick() == NOTHING
    watch.resource = there
    assert watch.tick() == "[OK] recurrence: the worker is unhealthy: over"
    assert watch.tick() == NOTHING

    away.close()
    assert "127.0.0.1:1" in webhook.heard[1].body["message"]
    assert "secret" not in str([request.body for request in webhook.heard])


def test_a_channel_that_is_down_fails_no_look_and_is_told_later(watch: Watch, webhook: StubServer) -> None:
    webhook.will(answers(503), answers(200))
    watch.run(fail=True)

    assert watch.tick() == "[ERROR] recurrence: run of nightly failed; 1 alerts not taken yet"
    assert watch.tick() == NOTHING

    assert heard(webhook) == ["ERROR: run of nightly failed"] * 2


def test_a_look_writes_nothing_to_the_database_but_the_heartbeat_of_dagster(
    watch: Watch, worker: Worker, insert_task: Insert
) -> None:
    fail(worker, insert_task, 1)
    watch.run(fail=True)
    before = everything(worker)

    watch.tick()

    after = everything(worker)
    (left,) = [stored for stored in after["worker_state"] if stored not in before["worker_state"]]
    assert (left["_id"], left["kind"]) == ("heartbeat dagster", "heartbeat")
    after["worker_state"].remove(left)
    assert after == before


API_STILL = "the API on web-1:3000 stands still"


def pass_time(watch: Watch, worker: Worker, minutes: int) -> None:
    """Let minutes pass in which the sensor ticks."""
    for _ in range(minutes):
        pass_minutes(worker.mongo.state, 1)
        watch.tick()


def test_an_api_that_stands_still_is_told_once_and_so_is_its_return(
    watch: Watch, worker: Worker, webhook: StubServer
) -> None:
    api = Process(Part.API, "web-1", "a1", 3000)
    worker.parts.beat(api)
    watch.tick()
    pass_time(watch, worker, 4)
    assert heard(webhook) == [], "Dagster itself has run for less than 5 minutes"
    pass_time(watch, worker, 10)
    assert heard(webhook) == [f"ERROR: {API_STILL}"]
    assert webhook.heard[0].body["message"].splitlines()[-1] == f"{UI}/assets/worker_health"

    worker.parts.beat(api)
    watch.tick()
    assert heard(webhook) == [f"ERROR: {API_STILL}", f"OK: {API_STILL}: over"]


def test_an_api_that_was_killed_and_began_again_at_another_port_is_over(
    watch: Watch, worker: Worker, webhook: StubServer
) -> None:
    worker.parts.beat(Process(Part.API, "web-1", "a1", 3000))
    watch.tick()
    pass_time(watch, worker, 8)
    worker.parts.beat(Process(Part.API, "web-1", "a2", 34567))
    pass_time(watch, worker, 1)
    assert heard(webhook) == [f"ERROR: {API_STILL}", f"OK: {API_STILL}: over"]


def test_an_api_that_was_stopped_is_not_missed(watch: Watch, worker: Worker, webhook: StubServer) -> None:
    api = Process(Part.API, "web-1", "a1", 3000)
    worker.parts.beat(api)
    watch.tick()
    worker.parts.leave(api)
    pass_time(watch, worker, 10)
    assert heard(webhook) == []


def test_an_api_that_is_gone_for_good_is_forgotten_in_silence(
    watch: Watch, worker: Worker, webhook: StubServer
) -> None:
    worker.parts.beat(Process(Part.API, "web-1", "a1", 3000))
    watch.tick()
    pass_time(watch, worker, 8)
    pass_minutes(worker.mongo.state, 2 * 24 * 60)
    pass_time(watch, worker, 8)
    assert heard(webhook) == [f"ERROR: {API_STILL}"]


def test_while_the_database_is_away_and_after_a_start_of_dagster_an_api_is_neither_over_nor_told_again(
    watch: Watch, worker: Worker, webhook: StubServer
) -> None:
    worker.parts.beat(Process(Part.API, "web-1", "a1", 3000))
    watch.tick()
    pass_time(watch, worker, 8)
    there, away = (
        watch.resource,
        WorkerResource(Settings.from_environment({"MONGODB_URL": NO_SERVER, "WORKER_TIMEOUT": "100"})),
    )
    watch.resource = away
    watch.tick()
    watch.resource = there
    away.close()
    pass_minutes(worker.mongo.state, 10)
    pass_time(watch, worker, 8)
    about_the_api = [each for each in heard(webhook) if "API" in each]
    assert about_the_api == [f"ERROR: {API_STILL}"]


def test_a_tick_of_another_daemon_begins_anew(watch: Watch, worker: Worker, automated: dg.DagsterInstance) -> None:
    """Else one that has just started judges others by what its predecessor saw."""
    watch.instance = automated
    for daemon in ("one", "one", "two"):
        automated.add_daemon_heartbeat(DaemonHeartbeat(utc_now().timestamp(), "SENSOR", daemon, []))
        pass_minutes(worker.mongo.state, 1)
        watch.tick()
    (stored,) = worker.mongo.state.find({"kind": "heartbeat"})
    assert (stored["process"], stored["seenAt"] - stored["since"] < timedelta(seconds=30)) == ("two", True)


def fail(worker: Worker, insert_task: Insert, count: int) -> None:
    """Make dead letters: events that were refused, and are marked as failed."""
    for _ in range(count):
        worker.enqueue(insert_task(repeatType="hourly"), "create")
    worker.process_pending()
    worker.mongo.events.update_many({"status": "rejected"}, {"$set": {"status": "failed"}})


def test_a_sensor_that_fails_at_each_tick_is_told_and_its_recovery_too(
    watch: Watch, webhook: StubServer, automated: dg.DagsterInstance
) -> None:
    watch.instance, now = automated, utc_now()
    ticked(watch.instance, [FAILURE] * 3, until=now)
    watch.tick()
    ticked(watch.instance, [SUCCESS], until=now + timedelta(seconds=1))
    watch.tick()

    assert heard(webhook) == [
        "ERROR: sensor watcher fails at each tick",
        "OK: sensor watcher fails at each tick: over",
    ]
    assert f"{UI}/automation" in webhook.heard[0].body["message"]
