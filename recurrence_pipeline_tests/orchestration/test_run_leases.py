"""What a run holds it gives back, however it ends; and Dagster's own retries do not multiply ours."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.tags import TagType, get_tag_type

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.orchestration.jobs import BY_SENSOR
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.run_leases import ALIVE, is_silent
from recurrence_pipeline.worker import polling
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.orchestration.conftest import USER, Insert
from recurrence_pipeline_tests.orchestration.test_sensors import JOB

ROOT = Path(__file__).parents[2]


class Watched(WorkerResource):
    """A worker that calls a function after each group of writes."""

    def __init__(self, settings: Settings, on_step: Callable[[WriteStep], None]) -> None:
        super().__init__(settings)
        self._worker = open_worker(settings, on_step=on_step)


@pytest.fixture
def home(tmp_path: Path, empty_history: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return an instance as the dagster.yaml that is shipped configures it."""
    shutil.copytree(empty_history, tmp_path / ".dagster")
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.mark.parametrize("asked", [True, False])
def test_a_run_that_is_stopped_finishes_its_batch_gives_the_rest_back_and_is_a_success(
    mongodb_url: str,
    instance: dg.DagsterInstance,
    worker: Worker,
    insert_task: Insert,
    asked: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """Whether somebody asked Dagster for it, or its machine is being shut down: nothing is wrong with it."""
    for _ in range(3):
        worker.enqueue(insert_task(), "create")
    worker.enqueue(insert_task(), "complete")
    worker.enqueue(insert_task(), "delete", str(USER))
    settings = Settings.from_environment({"MONGODB_URL": mongodb_url, "WORKER_BATCH_SIZE": "2"})

    def stop(step: WriteStep) -> None:
        if step is WriteStep.OCCURRENCES:
            if asked:
                instance.report_run_canceling(instance.get_runs()[0])
            os.kill(os.getpid(), signal.SIGTERM)

    resource = Watched(settings, stop)
    job = build_definitions(settings, worker=resource).resolve_job_def(JOB)
    assert job.execute_in_process(instance=instance).success

    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert worker.queries.event_counts() == {
        ("create", "completed"): 2, ("create", "pending"): 1, ("complete", "pending"): 1, ("delete", "pending"): 1
    }  # fmt: skip
    assert worker.queries.queue().due == 3
    assert worker.mongo.events.count_documents({"lease.deaths.0": {"$exists": True}}) == 0
    resource.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", [dg.DagsterEventType.RESOURCE_INIT_SUCCESS, dg.DagsterEventType.STEP_SUCCESS])
def test_a_look_at_the_health_that_is_cut_off_is_canceled_and_not_red(
    definitions: dg.Definitions, instance: dg.DagsterInstance, kind: dg.DagsterEventType, number: int
) -> None:
    """A deploy would else leave a red run whenever it comes at a quarter of an hour."""
    job = definitions.resolve_job_def("health_checks")
    run = instance.create_run_for_job(job)
    sent: list[int] = []

    def stop(entry: dg.EventLogEntry, _cursor: str) -> None:
        if not sent and entry.dagster_event is not None and entry.dagster_event.event_type is kind:
            sent.append(number)
            os.kill(os.getpid(), number)

    instance.watch_event_logs(run.run_id, None, stop)
    execute_run(InMemoryJob(job), run, instance)

    (run,) = instance.get_runs()
    assert (sent, run.status) == ([number], dg.DagsterRunStatus.CANCELED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("ended", [None, "lease_events", "process_creations", "process_latecomers", "summarize"])
def test_a_run_that_is_stopped_between_two_ops_gives_back_what_the_next_would_have_done_and_is_a_success(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    worker: Worker,
    insert_task: Insert,
    ended: str | None,
    number: int,
) -> None:
    """Else its events would wait for a lease and count a death: and they would be suspected of it."""
    worker.enqueue(insert_task(), "create")
    worker.enqueue(insert_task(), "complete")
    job = definitions.resolve_job_def(JOB)
    run = instance.create_run_for_job(job)
    kind = dg.DagsterEventType.STEP_SUCCESS if ended else dg.DagsterEventType.RESOURCE_INIT_SUCCESS

    def stop(entry: dg.EventLogEntry, _cursor: str) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type is kind and event.step_key == ended:
            os.kill(os.getpid(), number)

    instance.watch_event_logs(run.run_id, None, stop)
    before = signal.getsignal(number)
    execute_run(InMemoryJob(job), run, instance)

    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert worker.queries.event_counts() == {
        ("create", "completed" if ended not in {None, "lease_events"} else "pending"): 1,
        ("complete", "completed" if ended in {"process_latecomers", "summarize"} else "pending"): 1,
    }
    assert worker.queries.queue().due == worker.queries.unfinished()
    assert worker.mongo.events.count_documents({"lease.deaths.0": {"$exists": True}}) == 0
    assert signal.getsignal(number) is before


def test_a_run_that_only_waits_for_more_work_ends_at_once_when_it_is_told_to(
    mongodb_url: str,
    instance: dg.DagsterInstance,
    worker: Worker,
    insert_task: Insert,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else each deploy leaves a red run; it would wait for an hour here."""
    settings = Settings.from_environment({"MONGODB_URL": mongodb_url, "WORKER_IDLE_TIMEOUT": "3600000"})
    worker.enqueue(insert_task(), "create")
    waits: list[float] = []

    def stop(seconds: float) -> None:
        waits.append(seconds)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=time.monotonic, sleep=stop))
    resource = WorkerResource(settings)
    job = build_definitions(settings, worker=resource).resolve_job_def(JOB)

    assert job.execute_in_process(instance=instance, tags={BY_SENSOR: "task_event_sensor"}).success

    assert len(waits) == 1
    assert worker.queries.event_counts() == {("create", "completed"): 1}
    resource.close()


def test_a_run_holds_in_its_own_name_and_nothing_when_it_is_over(
    mongodb_url: str, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    worker.enqueue(insert_task(), "create")
    at_work: list[set[str]] = []
    settings = Settings.from_environment({"MONGODB_URL": mongodb_url})
    resource = Watched(settings, lambda _: at_work.append(worker.queries.runs_at_work()))

    result = build_definitions(settings, worker=resource).resolve_job_def(JOB).execute_in_process(instance=instance)

    assert {result.run_id} in at_work
    assert worker.queries.runs_at_work() == set()
    assert worker.mongo.state.count_documents({"kind": "host"}) == 1, "and it leaves word of its host"
    resource.close()


def test_an_outage_costs_one_run_and_no_retry_of_dagster_and_no_attempt_of_an_event(
    without_database: dg.Definitions, home: dg.DagsterInstance
) -> None:
    """The sensor starts the next run once the database is back; retries on top would multiply the runs."""
    result = without_database.resolve_job_def(JOB).execute_in_process(instance=home, raise_on_error=False)

    assert not result.success
    (run,) = home.get_runs()
    assert run.tags["dagster/failure_reason"] == "STEP_FAILURE"
    assert run.tags["dagster/will_retry"] == "false"
    assert not [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]


@pytest.mark.parametrize(("crashes", "again"), [(1, "true"), (2, "true"), (3, "false")])
def test_a_run_that_crashes_is_started_again_by_dagster_twice_at_most(
    home: dg.DagsterInstance, crashes: int, again: str
) -> None:
    """Each crash counts a death of the events that were held, and five of those are held against an event."""
    runs: list[dg.DagsterRun] = []
    for _ in range(crashes):
        root, parent = (runs[0].run_id, runs[-1].run_id) if runs else (None, None)
        tags = {"dagster/root_run_id": root, "dagster/parent_run_id": parent} if root and parent else {}
        runs.append(dg.DagsterRun(job_name=JOB, tags=tags, root_run_id=root, parent_run_id=parent))
        home.add_run(runs[-1])

    home.report_run_failed(runs[-1], "the process is gone")

    crashed = home.get_run_by_id(runs[-1].run_id)
    assert crashed is not None
    assert crashed.tags["dagster/will_retry"] == again


def test_a_run_that_waits_for_more_events_says_that_it_lives(
    definitions: dg.Definitions, instance: dg.DagsterInstance, mongodb_url: str, worker: Worker, insert_task: Insert
) -> None:
    """It holds nothing then, and would be taken for dead two leases after its beginning."""
    environment = {
        "WORKER_LEASE": "300",
        "WORKER_LEASE_MARGIN": "100",
        "WORKER_IDLE_TIMEOUT": "1000",
        "SENSOR_WATCH": "0",
    }
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url, **environment}))
    worker.enqueue(insert_task(), "create")

    job = build_definitions(resource.settings, worker=resource).resolve_job_def("process_task_events")
    run = job.execute_in_process(instance=instance, tags={BY_SENSOR: "task_event_sensor"}).dagster_run

    record = instance.get_run_record_by_id(run.run_id)
    assert record is not None
    assert record.start_time is not None
    assert float(record.dagster_run.tags[ALIVE]) > record.start_time + 0.3
    resource.close()


MINUTE = timedelta(minutes=1)


def a_record(*, started: timedelta, made: timedelta, beat: str | None = None) -> dg.RunRecord:
    """Return the record of a run that began, and was made, so long from now."""
    now = utc_now()
    tags = {} if beat is None else {ALIVE: beat}
    run = dg.DagsterRun(job_name=JOB, status=dg.DagsterRunStatus.STARTED, tags=tags)
    return dg.RunRecord(1, run, now + made, now + made, start_time=(now + started).timestamp())


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(days=1), timedelta(days=3650)])
def test_a_run_that_was_begun_by_a_clock_ahead_counts_from_when_it_was_made(ahead: timedelta) -> None:
    """Else one that died keeps new runs from starting until the time comes that it was dated with."""
    assert is_silent(a_record(started=ahead, made=-2 * MINUTE), utc_now(), MINUTE)
    assert is_silent(a_record(started=ahead, made=ahead), utc_now(), MINUTE)
    assert not is_silent(a_record(started=ahead, made=-MINUTE / 2), utc_now(), MINUTE)


def test_a_beat_from_the_future_or_in_words_is_no_sign_of_life() -> None:
    later = str((utc_now() + timedelta(days=1)).timestamp())
    for beat in (later, "nan", "inf", "just now"):
        assert is_silent(a_record(started=-3 * MINUTE, made=-3 * MINUTE, beat=beat), utc_now(), MINUTE)
    lively = str(utc_now().timestamp())
    assert not is_silent(a_record(started=-3 * MINUTE, made=-3 * MINUTE, beat=lively), utc_now(), MINUTE)


def test_the_sign_of_life_is_on_no_page() -> None:
    """It changes every 20 s; Dagster hides tags by a prefix that has no public name."""
    assert get_tag_type(ALIVE) is TagType.HIDDEN  # type: ignore[no-untyped-call]
