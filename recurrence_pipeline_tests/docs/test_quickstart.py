"""docs/quickstart.md leads a newcomer to the first occurrence of a task of their own: its lines are run, in order."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline.local.stack import DATABASE, PREFERRED_MONGODB_PORT
from recurrence_pipeline.local.up_file import KEPT_IN, UpFile
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.docs.pages import DOCS, ROOT, blocks
from recurrence_pipeline_tests.world import KEPT_LONG, World, utc

PAGE = DOCS / "quickstart.md"
EXAMPLE = ROOT / "examples" / "first_task.py"


def first_task(mongodb_url: str) -> ObjectId:
    """Run the example as the page does."""
    ran = subprocess.run(
        [sys.executable, EXAMPLE],
        env={**os.environ, "MONGODB_URL": mongodb_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ObjectId(ran.stdout.strip())


def test_the_lines_of_the_page_lead_to_occurrences(run: Run, mongodb_url: str, world: World) -> None:
    task_id = first_task(mongodb_url)
    assert run("process").code == 0
    [made, then] = [block for block in blocks(PAGE, "sh") if "$TASK" in block]
    shown = {}
    for line in [*made.splitlines()[2:], *then.splitlines()]:
        command = line.split("#")[0].strip().replace("$TASK", str(task_id)).removeprefix(".venv/bin/recurrence ")
        ran = run(*command.split())
        assert (ran.code, ran.err) == (0, ""), line
        shown[command.split()[0]] = ran.out
    assert set(shown) == {"series", "trigger", "preview", "events"}
    assert [name for name in shown if str(task_id) not in shown[name] and name != "preview"] == []
    assert len(world.occurrences(task_id)) == 4


def test_the_task_of_the_example_is_one_that_the_application_could_have_stored(
    run: Run, mongodb_url: str, world: World
) -> None:
    task = world.task(first_task(mongodb_url))
    world.now = utc(2999, 1, 1)  # the example has its own clock
    world.work()
    assert world.due_dates(task["_id"]) == [task["dueDate"] + timedelta(days=n) for n in (1, 2, 3)]
    assert run("check", **KEPT_LONG).code == 0, "no check of the data finds an error"


def test_in_the_folder_of_up_the_example_finds_its_database_wherever_that_listens(
    mongodb_url: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / KEPT_IN).mkdir()
    UpFile(os.getpid(), mongodb_url, "http://127.0.0.1:1", "http://127.0.0.1:1").write(tmp_path / KEPT_IN)
    assert world.task(first_task(""))["title"] == "Water the plants"


def test_an_unprepared_database_is_named_as_such(mongodb_url: str) -> None:
    ran = subprocess.run(
        [sys.executable, EXAMPLE],
        env={**os.environ, "MONGODB_URL": mongodb_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, "The database is not prepared: recurrence init-db\n")


def test_the_example_finds_the_database_of_recurrence_up() -> None:
    """Else the first line that is tried out meets a port on which nobody listens."""
    assert f"mongodb://127.0.0.1:{PREFERRED_MONGODB_PORT}/{DATABASE}?" in Path(EXAMPLE).read_text(encoding="utf-8")
