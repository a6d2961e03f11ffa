"""The real daemon at work: it finds what is due, tells of a dead letter, and survives its code server. One for all."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.local import processes
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.marked import Command
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.test_daemon import (
    PATIENCE,
    SHORT_LEASES,
    all_is_done,
    copy_shipped,
    daemon,
    runs,
)
from recurrence_pipeline_tests.orchestration.test_run_logs import logged
from recurrence_pipeline_tests.stub_server import StubServer, answers, stub_server
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.waiting import wait_until

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(1000)]

SECRETS = {
    "INTERNAL_API_KEY": "canary-key-of-more-than-sixteen-bytes",
    "JWT_SECRET": "canary of the application, of more than 32 bytes",
    "LOG_LEVEL": "debug",
}


def files_that_show(folder: Path, word: str) -> list[str]:
    """Return the files, databases of Dagster's among them, that hold a word."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder to start Dagster in, whose storage (relative to it) is then in it too."""
    folder = tmp_path_factory.mktemp("daemon")
    copy_shipped(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def history(home: Path) -> Iterator[dg.DagsterInstance]:
    """Return the daemon's instance: opened before it starts, for two cannot create one storage at the same time."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def mongodb_url(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    yield with_database(mongodb_server, name)
    mongodb_janitor.drop_database(name)


@pytest.fixture(scope="module")
def webhook() -> Iterator[StubServer]:
    with stub_server() as server:
        server.will(answers(200))
        yield server


@pytest.fixture(scope="module")
def running(home: Path, mongodb_url: str, history: dg.DagsterInstance, webhook: StubServer) -> Iterator[Command]:
    """Return the daemon, which has secrets, alerts and a log file."""
    alerts = webhook.url.replace("http://", "json://someone:canary@")
    settings = {**SECRETS, **SHORT_LEASES, "ALERT_URLS": alerts, "LOG_FILE": str(home / "worker.log")}
    with daemon(home, mongodb_url, **settings) as command:
        yield command


def statuses(worker: Worker, events: Sequence[str]) -> set[str]:
    """Return how events stand."""
    return set(worker.mongo.events.distinct("status", {"_id": {"$in": [ObjectId(event) for event in events]}}))


def told(webhook: StubServer) -> int:
    """Count the alerts about the dead letter; a check that the schedule runs meanwhile may have found something too."""
    return [request.body["title"] for request in webhook.heard].count("[ERROR] recurrence: 1 dead letter")


def test_a_dead_letter_reaches_the_webhook_once_and_the_failed_try_the_log_of_all_processes(
    running: Command,
    home: Path,
    history: dg.DagsterInstance,
    webhook: StubServer,
    worker: Worker,
    insert_task: Insert,
) -> None:
    task_id = insert_task(repeatType="hourly")
    event = worker.enqueue(task_id, "create")
    wait_until(lambda: statuses(worker, [event]) == {"rejected"}, "a run", timeout=PATIENCE)
    worker.mongo.events.update_one({"_id": ObjectId(event)}, {"$set": {"status": "failed"}})
    wait_until(lambda: told(webhook), "the sensor finds it, and tells", timeout=PATIENCE)
    wait_until(lambda: all(run.is_finished for run in history.get_runs()), "the run ends", timeout=PATIENCE)

    assert told(webhook) == 1
    lines = [json.loads(line) for line in (home / "worker.log").read_text().splitlines()]
    assert [line["error"] for line in lines if line["level"] == "error"].count("alert: 1 dead letter") == 1
    texts = [json.loads(text) for run in runs(history) for text in logged(history, run.run_id)]
    failures = [line for line in texts if line.get("taskId") == task_id and line["level"] == "error"]
    assert failures, running.printed()
    for line in failures:  # one for the event, and one where reconciliation has asked for it too
        assert line in lines
        assert line["details"]["originalError"] == "Invalid repeat type: hourly"


def test_the_daemon_starts_a_run_for_what_is_due_tells_no_secret_and_goes_on_when_its_code_server_has_died(
    running: Command, home: Path, worker: Worker, insert_task: Insert, history: dg.DagsterInstance
) -> None:
    before = {run.run_id for run in runs(history)}
    events = [worker.enqueue(insert_task(), "create") for _ in range(3)]
    shown: list[int] = []

    def looked_at_and_done() -> bool:
        shown.extend(running.family("canary"))
        return all_is_done(worker, history)

    wait_until(lambda: running.family("api", "grpc"), "the daemon has started a code server", timeout=PATIENCE)
    wait_until(
        looked_at_and_done,
        "the sensor starts a run, and the run processes the events",
        timeout=PATIENCE,
    )
    assert statuses(worker, events) == {"completed"}
    assert worker.mongo.tasks.count_documents({"parentRecurringId": {"$ne": None}}) == 3 * len(events)
    first = next(run for run in reversed(runs(history)) if run.run_id not in before)

    for pid in running.family("api", "grpc"):
        os.kill(pid, signal.SIGKILL)
    events.append(worker.enqueue(insert_task(), "create"))

    wait_until(looked_at_and_done, "the next event is processed", timeout=PATIENCE)
    assert statuses(worker, events) == {"completed"}, running.printed()
    assert worker.mongo.tasks.count_documents({"parentRecurringId": {"$ne": None}}) == 3 * len(events)
    assert first.status is dg.DagsterRunStatus.SUCCESS, running.printed()
    assert first.tags["dagster/sensor_name"] == "task_event_sensor"
    assert first.tags["dagster/retry_strategy"] == "ALL_STEPS", "memory of a crashed process cannot be gone on from"
    assert int(first.tags["recurrence/events_due"]) >= 1
    assert shown == [], "no secret is in a process list, where everybody on the machine could read it"
    assert files_that_show(home, "canary") == [], "nor in a log, nor in the config, the tags or an event of a run"


def test_the_daemon_ends_when_it_is_asked_to_and_has_told_no_secret_until_then(running: Command, home: Path) -> None:
    """The last of them: the others share it."""
    processes.interrupt(running.process)
    assert processes.ended(running.process, timedelta(seconds=60))
    assert files_that_show(home, "canary") == []
