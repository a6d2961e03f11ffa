"""Alerts and logs as the real daemon, its code server and its runs send and write them."""

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.test_daemon import PATIENCE, ROOT, daemon
from recurrence_pipeline_tests.orchestration.test_run_logs import logged
from recurrence_pipeline_tests.stub_server import StubServer, answers, stub_server
from recurrence_pipeline_tests.waiting import wait_until

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(1000)]

WORKED_OFF = dg.RunsFilter(job_name="process_task_events")


def told(webhook: StubServer) -> int:
    """Count the alerts about the dead letter; a check that the schedule runs meanwhile may have found something too."""
    return [request.body["title"] for request in webhook.heard].count("[ERROR] recurrence: 1 dead letter")


def test_a_dead_letter_reaches_the_webhook_once_and_the_failed_try_the_log_of_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mongodb_url: str, worker: Worker, insert_task: Insert
) -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    log, task_id = tmp_path / "worker.log", insert_task(repeatType="hourly")
    worker.enqueue(task_id, "create")
    with dg.DagsterInstance.from_config(str(tmp_path)) as history, stub_server() as webhook:
        webhook.will(answers(200))
        settings = {"ALERT_URLS": webhook.url.replace("http", "json"), "LOG_FILE": str(log)}
        with daemon(tmp_path, mongodb_url, **settings) as running:
            wait_until(lambda: worker.queries.event_counts() == {("create", "rejected"): 1}, "a run", timeout=PATIENCE)
            worker.mongo.events.update_one({}, {"$set": {"status": "failed"}})
            wait_until(lambda: told(webhook), "the sensor finds it, and tells", timeout=PATIENCE)
            wait_until(lambda: all(run.is_finished for run in history.get_runs()), "the run ends", timeout=PATIENCE)

        assert told(webhook) == 1
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [line["error"] for line in lines if line["level"] == "error"].count("alert: 1 dead letter") == 1
        texts = [text for run in history.get_runs(WORKED_OFF) for text in logged(history, run.run_id)]
        assert texts, running.printed()
        for line in map(json.loads, texts):  # one for the event, and one where reconciliation has asked for it too
            assert line in lines
            assert (line["taskId"], line["details"]["originalError"]) == (task_id, "Invalid repeat type: hourly")
