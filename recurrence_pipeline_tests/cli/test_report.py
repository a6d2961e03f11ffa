"""`recurrence report`: on the terminal, in a folder, as JSON; and what it refuses."""

import sys
from pathlib import Path

import pytest

from recurrence_pipeline_tests.commands import Run

FILES = ["report.md", "throughput.png", "processing_time.png", "rates.png", "queue_age.png"]


@pytest.fixture
def worked(prepared: Run) -> Run:
    """Return `run`, on a database with one event that has ended."""
    assert prepared("process").code == 0
    return prepared


def test_help_has_an_example(run: Run) -> None:
    ran = run("report", "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "recurrence report" in ran.out.split("Example:")[1]


def test_on_the_terminal_it_is_text_without_pictures(worked: Run) -> None:
    ran = worked("report")

    assert (ran.code, ran.err) == (0, "")
    assert "Events that ended: 1; succeeded: 100 %; occurrences made: 3." in ran.out
    assert "Too few events to compare" in ran.out
    assert "png" not in ran.out
    assert "Over time" not in ran.out


def test_a_folder_gets_the_report_and_its_pictures(worked: Run, tmp_path: Path) -> None:
    ran = worked("report", "--since", "24h", "--output", str(tmp_path / "new" / "report"))

    assert (ran.code, ran.err) == (0, "")
    assert [Path(line).name for line in ran.out.splitlines()] == FILES
    assert sorted(path.name for path in (tmp_path / "new" / "report").iterdir()) == sorted(FILES)


def test_without_what_draws_there_is_a_report_and_a_word_on_what_to_install(
    worked: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Matplotlib comes with an extra: the weekly maintenance, and a report on a terminal, do without."""
    for name in {"matplotlib", *(name for name in sys.modules if name.startswith("matplotlib."))}:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "recurrence_pipeline.monitoring.plots", raising=False)

    assert worked("report").code == 0
    assert worked("maintenance", "weekly").code == 0
    ran = worked("report", "--output", str(tmp_path / "new"))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "matplotlib, which is not installed: pip install 'recurrence-pipeline[report]'" in ran.err
    assert not (tmp_path / "new").exists()


def test_as_json_it_has_the_markdown_and_what_got_worse(worked: Run, tmp_path: Path) -> None:
    found = worked("report", "--output", str(tmp_path), "--json").json

    assert set(found) == {"worse", "files", "markdown"}
    assert found["files"] == [str(tmp_path / name) for name in FILES]
    assert found["worse"] == []
    assert found["markdown"] == (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_made_is_named(worked: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    ran = worked("report", "--output", str(tmp_path / "taken"))

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"recurrence: output: {str(tmp_path / 'taken')!r} cannot be written to: File exists\n"


def test_a_span_that_is_none_is_named(run: Run) -> None:
    ran = run("report", "--since", "lately")

    assert ran.code == 2
    assert ran.err.startswith("recurrence: since: 'lately' is neither a length such as 90m, 24h, 7d, 2w nor a time")
    assert ran.err.count("\n") == 1
