"""The command `simulate`: years as a table, a plot or JSON; histories counted; one of them told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recurrence_pipeline.simulation import harness
from recurrence_pipeline.simulation.harness import Broken, Tally
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.invariants import Invariant
from recurrence_pipeline_tests.commands import Run

A_YEAR = ("simulate", "--years", "1", "--rule", "every week", "--policy", "each")


def test_years_are_shown_as_tables(run: Run) -> None:
    done = run(*A_YEAR)
    assert done.code == 0
    for shown in ("every week", "Documents written", "Kilobytes written", "open, by quarter", "▇", "1 year of 1 rule"):
        assert shown in done.out


def test_json_has_every_figure(run: Run) -> None:
    found = run(*A_YEAR, "--users", "2", "--late", "0.5", "--json").json
    (row,) = found["series"]
    assert (found["years"], found["users"], found["late"], found["seed"], found["database"]) == (1, 2, 0.5, 0, False)
    assert (row["rule"], row["words"], row["policy"], row["series"]) == ("FREQ=WEEKLY", "every week", "each", 2)
    assert 100 < row["completed"] < row["tasks"] < 120
    assert len(row["openByQuarter"]) == 4
    assert row["byYear"] == [{"tasks": row["tasks"] - 2, "documents": row["documents"], "bytes": row["bytes"]}]


def test_the_same_seed_comes_to_the_same_and_another_does_not(run: Run) -> None:
    one, again, other = (run(*A_YEAR, "--seed", seed, "--json").json["series"] for seed in ("1", "1", "2"))
    assert one == again != other


@pytest.mark.parametrize("suffix", ["png", "svg", "txt"])
def test_a_plot_is_a_picture_or_text(run: Run, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"plot.{suffix}"
    assert run(*A_YEAR, "--plot", str(file)).code == 0
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "txt": "▇".encode()}
    assert file.read_bytes().startswith(begins[suffix])


def test_what_cannot_be_is_refused_by_name(run: Run) -> None:
    wrong = {
        ("--policy", "never"): "policy: 'never' is not one of each, latest, next, completion",
        ("--rule", "every fish"): "rule: 'every fish'",
        ("--tz", "Mars/Base"): "timezone: 'Mars/Base' is not an IANA time zone",
        ("--plot", "/no/such/folder/x.txt"): "plot: '/no/such/folder/x.txt' cannot be written to",
    }
    for option, reason in wrong.items():
        done = run(*A_YEAR, *option)
        assert (done.code, reason in done.err) == (1 if "IANA" in reason or "fish" in reason else 2, True), done.err


def test_histories_are_counted_and_one_is_told(run: Run) -> None:
    counted = run("simulate", "--histories", "50", "--seed", "7", "--json").json
    assert (counted["first"], counted["histories"], counted["broken"]) == (7, 50, [])
    assert "Every invariant held." in run("simulate", "--histories", "5").out
    told = run("simulate", "--replay", "7")
    assert told.code == 0
    assert "1 a task is created" in told.out
    assert told.out.rstrip().endswith("Every invariant held in the history of seed 7.")


def test_a_broken_invariant_names_its_seed_and_its_replay_ends_with_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(history: History) -> str | None:
        return "there are too many" if len(history.made) > 3 else None

    monkeypatch.setattr(harness, "INVARIANTS", (Invariant("few_tasks", "There are few tasks.", too_many),))
    counted = run("simulate", "--histories", "40")
    assert counted.code == 1
    assert "few_tasks is broken by seed" in counted.out
    seed = counted.out.rsplit("--replay ", 1)[1].strip()
    told = run("simulate", "--replay", seed)
    assert told.code == 1
    assert told.out.rstrip().endswith("few_tasks is broken: there are too many")


def test_what_was_broken_is_told_at_once_and_again_when_the_run_is_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(first: int, count: int) -> Iterator[Tally]:
        yield Tally(500, 6_000, 2_000, [Broken(107, "few_tasks", "there are too many")], first + 500)
        raise KeyboardInterrupt

    monkeypatch.setattr(harness, "run_on_all_cores", stopped)
    done = run("simulate", "--histories", "1000", "--seed", "100")
    assert done.code == 130
    line = "few_tasks is broken by seed 107: there are too many"
    assert (line in done.err, line in done.out) == (True, True)
    assert "500 histories" in done.out
