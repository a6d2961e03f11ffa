"""docs/how-to/migrate.md: every command that it tells people to type is run, in the order of the steps."""

import re
from pathlib import Path

import pytest

from recurrence_pipeline.switch.names import THERE, Step
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.docs.pages import DOCS, blocks
from recurrence_pipeline_tests.switch.application import Application

PAGE = DOCS / "how-to" / "migrate.md"
ORDER = [("switch", "--step", step.value) for step in THERE]
BACK = ("switch", "--step", Step.BACK.value)
MAY_FIND = {("doctor",), ("check",)}
"""They exit with 1 where something is not as it should be: Dagster does not run beside a test."""


def commands() -> set[tuple[str, ...]]:
    """Return the commands of the page, without comments."""
    lines = [line.partition("#")[0] for block in blocks(PAGE, "sh") for line in block.splitlines()]
    spans = re.findall(r"`(recurrence [^`\n]+)`", PAGE.read_text(encoding="utf-8"))
    return {tuple(text.split()[1:]) for text in (*lines, *spans) if text.startswith("recurrence ")}


def test_every_command_of_the_page_does_what_it_says(run: Run, application: Application, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    others = sorted(commands() - {*ORDER, BACK})
    assert set(ORDER) | {BACK} <= commands()
    assert len(others) >= 9

    series = None
    for command in (*ORDER, *others, BACK):
        if command[-1] == Step.STOP.value:
            application.write_events()
            series = application.create("weekly")
        named = {"FOLDER": str(tmp_path / "made"), "TASK_ID": str(series)}
        typed = [named.get(each, each) for each in command]
        ran = run(*typed, *(("--watch", "0") if command[0] == "switch" else ()))
        assert ran.code in ({0, 1} if command in MAY_FIND else {0}), (command, ran)
        assert ran.out, command
    assert series is not None
    assert application.days(series) == [7, 14, 21]
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"shadow.md", "shadow.png"}
