"""What is logged within a run stands in Dagster's log of that run, word for word, with the files that are shipped."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.logs import configure
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline_tests.orchestration.conftest import Insert

pytestmark = pytest.mark.usefixtures("logging_as_before")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shipped(tmp_path: Path, empty_history: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return an instance as dagster.yaml describes it."""
    shutil.copytree(empty_history, tmp_path / ".dagster")
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def logged(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return the messages in the log of a run that are no events of Dagster's."""
    entries = [record.event_log_entry for record in instance.get_records_for_run(run_id).records]
    return [entry.user_message for entry in entries if not entry.is_dagster_event]


def test_a_failed_event_stands_in_the_log_of_its_run_as_it_stands_in_ours(
    definitions: dg.Definitions,
    shipped: dg.DagsterInstance,
    settings: Settings,
    worker: Worker,
    insert_task: Insert,
    tmp_path: Path,
) -> None:
    configure(settings.model_copy(update={"log_file": tmp_path / "worker.log"}))
    task_id = insert_task(repeatType="hourly")
    worker.enqueue(task_id, "create")

    result = definitions.resolve_job_def("process_task_events").execute_in_process(instance=shipped)

    assert result.success
    (text,) = logged(shipped, result.run_id)
    assert (tmp_path / "worker.log").read_text().splitlines() == [text]
    line = json.loads(text)
    assert (line["level"], line["taskId"]) == ("error", task_id)
    assert line["details"]["originalError"] == "Invalid repeat type: hourly"


def test_a_run_in_which_nothing_fails_logs_nothing(
    definitions: dg.Definitions, shipped: dg.DagsterInstance, settings: Settings, worker: Worker, insert_task: Insert
) -> None:
    configure(settings)
    worker.enqueue(insert_task(), "create")

    result = definitions.resolve_job_def("process_task_events").execute_in_process(instance=shipped)

    assert result.success
    assert logged(shipped, result.run_id) == []
