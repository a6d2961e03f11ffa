"""examples/: a task handed over by writing an event, from Node and from Python, as the files stand."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline.local.up_file import KEPT_IN, UpFile
from recurrence_pipeline_tests.world import World, utc

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["MONGODB_URL", "up.json"])
def database_named(
    request: pytest.FixtureRequest, mongodb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name the database in the environment, or be in a folder where `recurrence up` runs one, at whatever port."""
    if request.param == "MONGODB_URL":
        monkeypatch.setenv("MONGODB_URL", mongodb_url)
        return
    monkeypatch.delenv("MONGODB_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / KEPT_IN).mkdir()
    UpFile(os.getpid(), mongodb_url, "http://127.0.0.1:1", "http://127.0.0.1:1").write(tmp_path / KEPT_IN)


@pytest.fixture(params=["outbox.js", "outbox.py"])
def example(request: pytest.FixtureRequest, database_named: None) -> Run:
    """Return a function that runs one of the examples."""
    if request.param == "outbox.js":
        node: Run = request.getfixturevalue("node")
        return lambda *arguments: node(EXAMPLES / request.param, *arguments)
    command = [sys.executable, str(EXAMPLES / request.param)]
    return lambda *arguments: subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_what_it_hands_over_is_worked_off(example: Run, world: World) -> None:
    task_id = world.add_task(utc(2100, 1, 1, 9), "daily")
    created = example("create", str(task_id))
    with world.open_worker() as worker:
        world.now = utc(2999, 1, 1)  # the example has its own clock
        worker.process_pending()
        assert len(world.occurrences(task_id)) == 3

        deleted = example("delete", str(task_id), str(world.user))
        worker.process_pending()

    assert world.occurrences(task_id) == []
    for ran in (created, deleted):
        assert (ran.returncode, ran.stderr) == (0, "")
        assert world.event(ObjectId(ran.stdout.strip()))["status"] == "completed"


def test_a_change_of_a_series_says_which_slot_it_means(example: Run, world: World) -> None:
    task_id = world.create(utc(2100, 1, 1, 9), "daily")
    skipped = example("skip", str(task_id), str(world.user), '{"slot": 2}')
    with world.open_worker() as worker:
        world.now = utc(2099, 1, 1)  # the example has its own clock
        worker.process_pending()
    assert (skipped.returncode, skipped.stderr) == (0, "")
    assert world.event(ObjectId(skipped.stdout.strip()))["status"] == "completed"
    assert [task["occurrenceNumber"] for task in world.occurrences(task_id)] == [1, 3, 4]


def test_an_event_that_lacks_something_is_refused_by_the_database(example: Run, world: World) -> None:
    ran = example("delete", str(ObjectId()))
    assert ran.returncode == 1
    said, _, details = ran.stderr.partition("\n")
    assert "Document failed validation" in said
    assert "userId" in str(json.loads(details)), "the field that is missing is named"
    assert list(world.worker.mongo.events.find()) == []
