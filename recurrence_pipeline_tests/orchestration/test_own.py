"""An instance of Dagster that others use too: a worker acts on its own runs, and on nobody else's."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.orchestration.alert_sensor import build_alert_sensor
from recurrence_pipeline.orchestration.automation import failing_ticks
from recurrence_pipeline.orchestration.factory import worker_definitions
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.own import Own
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.run_history import tidy
from recurrence_pipeline.orchestration.sensors import build_dead_run_sensor, build_task_event_sensor
from recurrence_pipeline_tests.orchestration.conftest import AT_ONCE, Insert
from recurrence_pipeline_tests.orchestration.looks import evaluated, numbers_of
from recurrence_pipeline_tests.orchestration.test_automation import FAILURE, NOW, ticked
from recurrence_pipeline_tests.waiting import wait_until

JOB = "billing_process_task_events"
HERE, ELSEWHERE = "ours", "theirs"
QUEUED, STARTED, FAILED = dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
BILLING = Names("billing")
OWN = Own(BILLING, HERE)
task_event_sensor, dead_run_sensor = build_task_event_sensor(BILLING), build_dead_run_sensor(BILLING)


@pytest.fixture
def billing(mongodb_url: str) -> Iterator[WorkerResource]:
    settings = {"MONGODB_URL": mongodb_url, "WORKER_LEASE": "100", "WORKER_LEASE_MARGIN": "10", **AT_ONCE}
    resource = WorkerResource(Settings.from_environment(settings), BILLING, alone=False)
    resource.open().init_db()
    yield resource
    resource.close()


def add_run(instance: dg.DagsterInstance, job: str, location: str, status: dg.DagsterRunStatus, **more: Any) -> str:
    """Store a run without a process, as it is where its machine died; or one that failed."""
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), job)
    run = dg.DagsterRun(job_name=job, remote_job_origin=origin, **more)
    instance.add_run(run)
    for kind in {QUEUED: ("RUN_ENQUEUED",), STARTED: ("RUN_START",), FAILED: ("RUN_START", "RUN_FAILURE")}[status]:
        event = dg.DagsterEvent(dg.DagsterEventType[kind].value, job_name=job)
        instance.report_dagster_event(event, run.run_id)
    return run.run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def at(location: str, instance: dg.DagsterInstance, resource: WorkerResource) -> dg.SensorEvaluationContext:
    """Return what the daemon gives a sensor of this code location."""
    return dg.SensorEvaluationContext(
        instance_ref=None,
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=None,
        repository_name="__repository__",
        instance=instance,
        code_location_origin=RegisteredCodeLocationOrigin(location),
        resources={"billing_worker": dg.ResourceDefinition.hardcoded_resource(resource)},
    )


def test_a_run_is_given_up_by_its_own_worker_alone(instance: dg.DagsterInstance, billing: WorkerResource) -> None:
    """None of them holds an event in this database: one of another's would be ended in the middle of its work."""
    of_another_prefix = add_run(instance, "crm_process_task_events", HERE, STARTED)
    of_another_location = add_run(instance, JOB, ELSEWHERE, STARTED)
    mine = add_run(instance, JOB, HERE, STARTED)  # the last to be silent for two leases

    def ended() -> bool:
        evaluated(dead_run_sensor, at(HERE, instance, billing))
        return status_of(instance, mine) is FAILED

    wait_until(ended, "two leases are over")

    assert [status_of(instance, run) for run in (of_another_prefix, of_another_location)] == [STARTED, STARTED]


def test_runs_of_others_take_no_place_of_the_own(
    instance: dg.DagsterInstance, billing: WorkerResource, insert_task: Insert, worker: Worker
) -> None:
    """WORKER_MAX_RUNS is 1: events would wait for as long as another code location works."""
    worker.enqueue(insert_task(), "create")
    add_run(instance, JOB, ELSEWHERE, QUEUED)
    add_run(instance, "crm_process_task_events", HERE, QUEUED)

    assert isinstance(evaluated(task_event_sensor, at(HERE, instance, billing)), list)

    add_run(instance, JOB, HERE, QUEUED)
    assert isinstance(evaluated(task_event_sensor, at(HERE, instance, billing)), dg.SkipReason)


def told(instance: dg.DagsterInstance, resource: WorkerResource) -> str:
    result = evaluated(build_alert_sensor(resource.settings, [], BILLING), at(HERE, instance, resource))
    assert isinstance(result, dg.SensorResult)
    return str(result.skip_reason.skip_message if isinstance(result.skip_reason, dg.SkipReason) else "")


def test_what_failed_of_others_is_told_to_nobody(instance: dg.DagsterInstance, billing: WorkerResource) -> None:
    """They have alerts of their own, and whoever answers for the tasks cannot mend it."""
    add_run(instance, "nightly_load", HERE, FAILED)
    add_run(instance, "crm_process_task_events", HERE, FAILED)
    add_run(instance, JOB, ELSEWHERE, FAILED)
    add_run(instance, "__ASSET_JOB", HERE, FAILED, asset_selection=frozenset([dg.AssetKey(["crm", "worker_health"])]))
    assert told(instance, billing) == "nothing new to tell"

    add_run(instance, JOB, HERE, FAILED)
    add_run(
        instance, "__ASSET_JOB", HERE, FAILED, asset_selection=frozenset([dg.AssetKey(["billing", "worker_health"])])
    )

    assert {f"run of {JOB} failed", "run of __ASSET_JOB failed"} <= {
        line.removeprefix("[ERROR] recurrence: ") for line in told(instance, billing).split("; ")
    }


def test_a_success_elsewhere_does_not_end_an_incident(instance: dg.DagsterInstance) -> None:
    add_run(instance, JOB, HERE, FAILED)
    add_run(instance, JOB, ELSEWHERE, STARTED)

    last = OWN.last_run(instance, JOB, [FAILED, STARTED])

    assert last is not None
    assert last.status is FAILED


def test_automation_of_others_that_fails_is_told_to_nobody(automated: dg.DagsterInstance) -> None:
    ticked(automated, [FAILURE] * 3)  # of a sensor that is called watcher

    assert list(failing_ticks(automated, OWN, NOW)) == []
    assert not OWN.is_automation("billing_task_event_sensor", ELSEWHERE)
    assert not OWN.is_automation("task_event_sensor", HERE)
    assert OWN.is_automation("billing_task_event_sensor", HERE)


ASSET = dg.AssetKey(["billing", "tasks"])
RUNS_DB, EVENTS_DB = "history/runs.db", "history/runs/index.db"


def executed(instance: dg.DagsterInstance, job: str, key: dg.AssetKey) -> str:
    """Execute a job that makes a check of an asset, and return the id of its run."""

    @dg.multi_asset_check(name=f"of_{job}", specs=[dg.AssetCheckSpec("sound", asset=key)])
    def sound() -> dg.AssetCheckResult:
        print("printed by an op")  # noqa: T201 (it is kept in a file)
        return dg.AssetCheckResult(passed=True)

    definitions = dg.Definitions(asset_checks=[sound], jobs=[dg.define_asset_job(job, dg.AssetSelection.checks(sound))])
    return definitions.resolve_job_def(job).execute_in_process(instance=instance).run_id


def old_runs(automated: dg.DagsterInstance) -> tuple[list[str], list[str]]:
    """Return three runs of ours and three of others, all of which ended long ago."""
    home = Path(automated.root_directory)
    mine = [executed(automated, JOB, ASSET) for _ in range(3)]
    theirs = [executed(automated, "nightly_load", dg.AssetKey("ledger")) for _ in range(3)]
    for file, table, column in (
        (RUNS_DB, "runs", "update_timestamp"),
        (EVENTS_DB, "asset_check_executions", "create_timestamp"),
    ):
        with closing(sqlite3.connect(home / file)) as database, database:
            database.execute(f"UPDATE {table} SET {column} = datetime('now', '-20 days')")  # noqa: S608
    return mine, theirs


def test_the_history_of_others_stays(automated: dg.DagsterInstance) -> None:
    """A team that adds a component to its project must not lose its runs to it, nor what another worker's came to."""
    home = Path(automated.root_directory)
    mine, theirs = old_runs(automated)
    of_nobody = home / "storage" / str(uuid4())
    of_nobody.mkdir(parents=True)

    removed = tidy(automated, datetime.now(timezone.utc) - timedelta(days=14), OWN)

    assert removed.runs == 2, "the last of each job stays"
    assert {run.run_id for run in automated.get_runs()} == {*theirs, mine[-1]}
    assert removed.checks == 2
    assert [path.name for path in home.rglob("*") if path.name.startswith((mine[0], mine[1]))] == []
    assert len([path for path in home.rglob("*") if path.name.startswith(tuple(theirs))]) >= len(theirs)
    assert of_nobody.is_dir()


def test_the_daily_maintenance_counts_and_removes_runs_of_its_own_worker(
    automated: dg.DagsterInstance, billing: WorkerResource
) -> None:
    mine, theirs = old_runs(automated)
    worker = dg.ResourceDefinition.hardcoded_resource(billing)
    job = worker_definitions(billing.settings, worker, BILLING).resolve_job_def("billing_daily_maintenance")

    looked = job.execute_in_process(instance=automated)
    done = job.execute_in_process(instance=automated, run_config={"dry_run": False})

    assert numbers_of(looked, "prune_run_history") == {"written": False, "would_remove_at_most": len(mine)}
    assert numbers_of(done, "prune_run_history")["runs"] == len(mine) - 1, "the last of each job stays"
    assert {run.run_id for run in automated.get_runs()} == {*theirs, mine[-1], looked.run_id, done.run_id}
