"""The real daemon, with the files that are shipped: it finds the events by itself, and what kills it is survived."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.local import processes
from recurrence_pipeline.orchestration.run_leases import ALIVE
from recurrence_pipeline_tests.marked import MARK, Command
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.test_sensors import add_run, status_of
from recurrence_pipeline_tests.waiting import wait_until

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(1000)]

ROOT = Path(__file__).parents[2]
PATIENCE = timedelta(seconds=300)
"""On a busy machine with two cores the daemon, its code server and the run take 2 to 5 s each to start.

Far less than the quarter of an hour after which Dagster gives a run up. It looks for a code server that died once a
minute.
"""

SHORT_LEASES = {"WORKER_LEASE": "8000", "WORKER_LEASE_MARGIN": "1000", "WORKER_BATCH_SIZE": "5"}
PLACES = 10
"""How many runs dagster.yaml lets work at a time."""


def copy_shipped(home: Path) -> None:
    """Copy what Dagster reads where it is started."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, home)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder to start Dagster in, whose storage (relative to it) is then in it too."""
    copy_shipped(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def history(home: Path) -> Iterator[dg.DagsterInstance]:
    """Return the daemon's instance: opened before it starts, for two cannot create one storage at the same time."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@contextmanager
def daemon(home: Path, mongodb_url: str, **settings: str) -> Iterator[Command]:
    """Run the daemon, with its code server and its runs, and kill what is left of them at the end."""
    output, mark = home / "daemon.txt", uuid4().hex
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"]
    environment = {
        **os.environ,
        "WORKER_IDLE_TIMEOUT": "0",
        "SENSOR_WATCH": "4000",  # it ends when its sensors have
        **settings,
        "DAGSTER_HOME": str(home),
        "MONGODB_URL": mongodb_url,
        MARK: mark,
    }
    with output.open("ab") as file:
        process = processes.start(command, cwd=home, output=file, environment=environment)
        try:
            yield Command(process, output, mark)
        finally:
            processes.kill(process)


def runs(history: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(history.get_runs(dg.RunsFilter(job_name="process_task_events")))


def all_is_done(worker: Worker, history: dg.DagsterInstance) -> bool:
    return not worker.queries.unfinished() and all(run.is_finished for run in runs(history))


def test_a_machine_that_dies_with_a_full_run_queue_costs_time_and_nothing_else(
    home: Path, mongodb_url: str, worker: Worker, insert_task: Insert, history: dg.DagsterInstance
) -> None:
    """Dagster shows its runs as started for a quarter of an hour: for so long nothing would be processed."""
    count = 300
    for _ in range(count):
        worker.enqueue(insert_task(), "create")

    with daemon(home, mongodb_url, **SHORT_LEASES) as running:
        wait_until(
            lambda: worker.queries.runs_at_work() and worker.queries.unfinished() < count,
            "a run is at work, and has done some of it",
            timeout=PATIENCE,
        )
        processes.kill(running.process)
        wait_until(lambda: not running.family(), "nothing of it is left")
    left = worker.queries.unfinished()
    assert left, "it died in the middle"
    # One that was queued is run now, and one that had not begun is started once more: Dagster sees to both.
    dead = [run.run_id for run in runs(history) if run.status is dg.DagsterRunStatus.STARTED]
    assert dead
    dead += [add_run(history, dg.DagsterRunStatus.STARTED) for _ in range(PLACES - len(dead))]

    with daemon(home, mongodb_url, **SHORT_LEASES) as again:
        wait_until(lambda: all_is_done(worker, history), "the rest is done by another run", timeout=PATIENCE)
        assert {history.get_run_by_id(run_id).status for run_id in dead} == {dg.DagsterRunStatus.FAILURE}  # type: ignore[union-attr]
        assert worker.queries.event_counts() == {("create", "completed"): count}, again.printed()
        assert worker.mongo.tasks.count_documents({"parentRecurringId": {"$ne": None}}) == 3 * count
        assert not [run for run in runs(history) if run.parent_run_id in dead], "what died is not started again as well"


@pytest.mark.parametrize("by", ["signal", "dagster"])
def test_a_run_that_waits_for_more_work_and_is_told_to_stop_is_no_red_run(
    home: Path, mongodb_url: str, worker: Worker, insert_task: Insert, history: dg.DagsterInstance, by: str
) -> None:
    """A deploy sends SIGTERM to every process; who presses "Terminate" has Dagster send it."""
    worker.enqueue(insert_task(), "create")

    with daemon(home, mongodb_url, **SHORT_LEASES, WORKER_IDLE_TIMEOUT="3600000") as running:
        wait_until(lambda: any(ALIVE in run.tags for run in runs(history)), "a run waits for more", timeout=PATIENCE)
        (waiting,) = runs(history)
        if by == "signal":
            os.kill(process_of(history, waiting), signal.SIGTERM)
        else:
            assert history.run_launcher.terminate(waiting.run_id)
        wait_until(lambda: status_of(history, waiting.run_id) in ENDED, "the run ends", timeout=PATIENCE)

        assert status_of(history, waiting.run_id) is dg.DagsterRunStatus.SUCCESS, running.printed()
        assert worker.queries.event_counts() == {("create", "completed"): 1}


ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def process_of(history: dg.DagsterInstance, run: dg.DagsterRun) -> int:
    """Return the id of the process of a run, which is in the log of that."""
    records = history.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    said = "".join(str(record.event_log_entry.get_dagster_event().message) for record in records)
    found = re.search(r"Executing steps in process \(pid: (\d+)\)", said)
    assert found is not None, said
    return int(found[1])
