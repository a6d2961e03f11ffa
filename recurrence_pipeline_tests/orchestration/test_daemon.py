"""The real daemon, with the files that are shipped: it finds the events by itself. The rest is tested without it."""

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from recurrence_pipeline import processes
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
PATIENCE = timedelta(seconds=80)
"""On a busy machine with two cores the daemon, its code server and the run take 2 to 5 s each to start."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder to start Dagster in, whose storage (relative to it) is then in it too."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def history(home: Path) -> Iterator[dg.DagsterInstance]:
    """Return the daemon's instance: opened before it starts, for two cannot create one storage at the same time."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture
def daemon(home: Path, history: dg.DagsterInstance, mongodb_url: str) -> Iterator[Path]:
    """Run the daemon until the test is over, and return the file with what it prints."""
    printed = home / "daemon.txt"
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "MONGODB_URL": mongodb_url}
    with printed.open("wb") as output:
        process = processes.start(command, cwd=home, output=output, environment=environment)
        try:
            yield printed
            processes.interrupt(process)
            assert processes.ended(process, timedelta(seconds=30)), "the daemon ends when it is asked to"
        finally:
            processes.kill(process)


@pytest.mark.daemon
def test_the_daemon_starts_a_run_that_works_off_what_is_due(
    worker: Worker, insert_task: Insert, history: dg.DagsterInstance, daemon: Path
) -> None:
    events = [worker.service.enqueue(insert_task(), "create") for _ in range(3)]

    def runs() -> list[dg.DagsterRun]:
        return list(history.get_runs(dg.RunsFilter(job_name="process_task_events")))

    wait_until(
        lambda: not worker.service.unfinished() and all(run.is_finished for run in runs()),
        "the sensor starts a run, and the run works off the events",
        timeout=PATIENCE,
    )

    assert worker.service.event_counts() == {("create", "completed"): len(events)}
    assert worker.mongo.tasks.count_documents({"parentRecurringId": {"$ne": None}}) == 3 * len(events)
    first = runs()[-1]
    assert first.status is dg.DagsterRunStatus.SUCCESS, daemon.read_text()
    assert first.tags["dagster/sensor_name"] == "task_event_sensor"
    assert first.tags["dagster/retry_strategy"] == "ALL_STEPS", "memory of a crashed process cannot be gone on from"
    assert int(first.tags["recurrence/events_due"]) >= 1
