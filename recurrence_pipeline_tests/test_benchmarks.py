"""Each benchmark runs, in a size that takes seconds, so that none of them rots. What it measures is not judged here."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, benchmark, limited, main
from benchmarks.backlog import worked_off
from benchmarks.report import RESULTS, Figures, circumstances, keep, plot
from benchmarks.size import FULL, TINY
from benchmarks.stage import server

IN_SECONDS = [name for name in NAMES if name != "rest"]


@pytest.mark.parametrize("name", IN_SECONDS)
def test_a_benchmark_has_a_figure_for_each_thing_it_measures(name: str) -> None:
    figures = benchmark(name)(TINY)

    assert figures.rows
    assert all(value is not None and value != "" for row in figures.rows for value in row.values())


@pytest.mark.daemon
@pytest.mark.timeout(300)
def test_the_system_at_rest_is_measured_in_each_of_its_states() -> None:
    figures = benchmark("rest")(TINY)

    assert [row["what"] for row in figures.rows] == [
        "an event every 2 s",
        "idle for 2 s",
        "20 events at once",
        "Dagster's history",
    ]
    assert figures.rows[2]["runs"] <= figures.rows[2]["of"]


def test_a_backlog_is_worked_off_to_the_end_by_the_process_that_is_measured() -> None:
    with server() as database:
        found = worked_off(database, 30)

    assert found["events"] == 30
    assert 0 < found["memory_mb"][0] <= found["peak_mb"] * 1.1
    assert found["round_trips"] > 0


def test_figures_are_kept_with_the_circumstances_they_were_taken_in(tmp_path: Path) -> None:
    figures = Figures("Slots", [{"rule": "daily", "us": 1.5}], extra={"more": [1]})

    path = keep("slots", figures, tmp_path, circumstances())

    kept = json.loads(path.read_text())
    assert kept["rows"] == [{"rule": "daily", "us": 1.5}]
    assert kept["more"] == [1]
    assert kept["versions"]["pymongo"]
    assert {"at", "machine", "load", "python", "database"} <= kept.keys()


def test_the_plot_is_a_small_picture(tmp_path: Path) -> None:
    names = ("us/event", "server CPU us/event", "CPU us/event")
    rows = [{"backlog": length} | dict.fromkeys(names, 100.0) for length in (100, 1000)]

    plot(Figures("Backlog", rows), tmp_path / "backlog.png")

    assert (tmp_path / "backlog.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "backlog.png").stat().st_size < 100_000


def test_what_takes_longest_can_be_left_out() -> None:
    assert limited(FULL, 10_000).backlogs == (100, 1000, 10_000)
    assert limited(FULL, 10_000).tasks == (10_000,)
    assert limited(FULL, 100_000) == FULL


def test_a_name_that_is_no_benchmark_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["throughputt"])

    assert "no such benchmark: throughputt" in capsys.readouterr().err


def test_the_command_prints_a_table_and_writes_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slots", "--quick"]) == 0

    assert "times faster" in capsys.readouterr().out
    assert all(row["same answers"] for row in json.loads((RESULTS / "slots.json").read_text())["rows"])
