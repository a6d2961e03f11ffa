"""clients/mongoose: its own tests, with Mongoose 8 and 9; and that it knows what the worker knows.

Its tests need Node and npm; elsewhere they are skipped, and said to be.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recurrence_pipeline.domain.content import COPIED_FIELDS
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline_tests.node.conftest import packages_of
from scripts.stored import FIELDS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clients" / "mongoose"
PROGRAMS = sorted(path.name for path in (PACKAGE / "test").glob("*.test.js"))


def text(name: str) -> str:
    return (PACKAGE / name).read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("program", PROGRAMS)
def test_it_does_what_its_own_tests_say(program: str, request: pytest.FixtureRequest) -> None:
    packages = packages_of(PACKAGE, request.config)
    ran = subprocess.run(
        [str(shutil.which("node")), "--test", f"test/{program}"],
        cwd=PACKAGE,
        env={**os.environ, "NODE_PATH": str(packages), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^# pass [1-9]", ran.stdout, re.MULTILINE), ran.stdout


def test_it_has_every_operation_and_every_field_that_the_worker_has() -> None:
    """Else strict mode drops what the worker wrote, or an edit is not told of."""
    operations = re.findall(r'"(\w+)"', text("lib/events.js").partition("OPERATIONS = [")[2].partition("]")[0])
    assert set(operations) == {operation.value for operation in Operation}

    added = set(re.findall(r"^    (\w+):", text("lib/fields.js").partition("function fields")[2], re.MULTILINE))
    of_the_worker = {field.name for field in FIELDS["tasks"] if field.by == "worker"}
    assert of_the_worker | {"recurrence", "timezone", "repeatType", "parentRecurringId", "completedAt"} <= added

    followed = set(re.findall(r'"(\w+)"', text("lib/changes.js").partition("FOLLOWED = [")[2].partition("]")[0]))
    assert set(COPIED_FIELDS) - {"userId"} | {"dueDate", "originalDueDate"} == followed
    assert all(f"{name}?" in text("index.d.ts") for name in of_the_worker), "in the types too"


def test_its_lock_names_no_host() -> None:
    """Whoever installs it asks the registry that is set up there."""
    assert "resolved" not in text("package-lock.json")
