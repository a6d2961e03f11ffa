"""examples/: a task handed over by writing an event, from Node and from Python, as the files stand."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline_tests.world import World, utc

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["outbox.js", "outbox.py"])
def example(request: pytest.FixtureRequest, mongodb_url: str) -> Run:
    """Return a function that runs one of the examples."""
    if request.param == "outbox.js":
        node: Run = request.getfixturevalue("node")
        return lambda *arguments: node(EXAMPLES / request.param, *arguments, MONGODB_URL=mongodb_url)
    command = [sys.executable, str(EXAMPLES / request.param)]
    environment = {**os.environ, "MONGODB_URL": mongodb_url}
    return lambda *arguments: subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
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


def test_an_event_that_lacks_something_is_refused_by_the_database(example: Run, world: World) -> None:
    ran = example("delete", str(ObjectId()))
    assert ran.returncode == 1
    said, _, details = ran.stderr.partition("\n")
    assert "Document failed validation" in said
    assert "userId" in str(json.loads(details)), "the field that is missing is named"
    assert list(world.worker.mongo.events.find()) == []
