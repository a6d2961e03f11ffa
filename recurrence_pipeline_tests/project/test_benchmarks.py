"""Each benchmark runs, in a size that takes seconds, so that none of them rots. What it measures is not judged here.

Those that start Dagster take longer: `make bench ONLY="rest run_history --quick"`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from benchmarks import bare_loop, prebuilt, standing, standing_side
from benchmarks.__main__ import AGAINST, ALONE, LAST, NAMES, PAGE, benchmark, limited, main
from benchmarks.against import THIS, compared
from benchmarks.bulk import update
from benchmarks.content import OPERATIONS, content, long_series
from benchmarks.contention import Speed, simulated
from benchmarks.report import Figures, circumstances, keep, page, plot
from benchmarks.run_history import at_rate
from benchmarks.size import FULL, TINY, UPKEEP, USUALLY
from benchmarks.stage import SERVER, Stage, server, stage
from benchmarks.upkeep import KINDS, OF_A_USER, done
from recurrence_pipeline.storage.documents import Document

WITHOUT_DAGSTER = [name for name in (*NAMES, *ALONE) if name not in {"rest", "run_history"}]
STREAMING = {"follow"}
"""Where there are change streams it measures more, and waits for less."""

OF_THE_TIME = {
    "taskId", "activityId", "createdAt", "updatedAt", "timestamp", "deletedAt", "startedAt", "finishedAt", "durationMs",
    "lease",
}  # fmt: skip
"""Differs between two runs of whatever does the same."""


@pytest.fixture(autouse=True)
def shared_server(mongodb_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure on the server of the tests: one more would take longer to start than all of it."""
    monkeypatch.setenv(SERVER, mongodb_server)


def left_by(at: Stage) -> dict[str, Any]:
    """Return all documents by collection and id, without what differs from run to run."""
    mongo = at.worker.mongo
    return {
        collection.name: {
            document["_id"]: {name: value for name, value in document.items() if name not in OF_THE_TIME}
            for document in collection.find()
        }
        for collection in (mongo.tasks, mongo.series, mongo.activities, mongo.deleted, mongo.events, mongo.counters)
    }


def subtask_of(task: Document) -> Document:
    """Return one more task, which goes when that one goes."""
    below = {"parentTaskId": task["_id"], "parentRecurringId": None, "repeatType": "none"}
    return task | {"_id": ObjectId(), "taskId": task["taskId"] + 1} | below


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_loops_leave_the_documents_that_the_worker_leaves(operation: str) -> None:
    """Else the worker is compared with something that does another thing."""
    written = content(operation, 7)
    written.tasks.append(subtask_of(written.tasks[-1]))
    with server() as database:
        with stage(database) as at:
            at.fill(written)
            at.worker.drain()
            by_worker, writes = left_by(at), prebuilt.writes_of(at.worker.mongo, written)
        with stage(database) as at:
            at.fill(written)
            bare_loop.work(at.worker.mongo)
            by_bare_loop = left_by(at)
        with stage(database) as at:
            at.fill(written)
            prebuilt.write(at.worker.mongo, writes)
            by_prebuilt = []
            for ends in (prebuilt.one_by_one(writes.outcomes), prebuilt.together(writes.outcomes)):
                prebuilt.hold_all(at.worker.mongo, writes)
                update(at.worker.mongo.events, ends)
                by_prebuilt.append(left_by(at))

    assert {event["status"] for event in by_worker["task_events"].values()} == {"completed"}
    assert by_bare_loop == by_worker
    for left in by_prebuilt:
        assert left | {"counters": by_worker["counters"]} == by_worker  # it has its numbers already


@pytest.mark.parametrize("name", WITHOUT_DAGSTER)
def test_a_benchmark_has_a_figure_for_each_thing_it_measures(
    name: str, replica_set: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in STREAMING:
        monkeypatch.setenv(SERVER, replica_set)

    figures = benchmark(name)(TINY)

    assert figures.rows
    assert all(value is not None and value != "" for row in figures.rows for value in row.values())


def test_two_builds_are_measured_by_the_same_program_and_compared() -> None:
    found = THIS.measured(TINY)

    rows = compared([(found, found)])

    assert all(row["now"] == row["then"] and row["ratio"] == 1 for row in rows)
    kinds = {str(row["what"]).split(":")[0] for row in rows}
    assert {"batch", "alone", "HTTP, 1 at a time", "HTTP, 2 at a time"} <= kinds


def test_a_build_is_measured_as_it_stands() -> None:
    """Its start takes a minute: what is counted is seen on a process of our own, and the checks on a few tasks."""
    checks = THIS.found(standing.SIDE, "checks", 40)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        counted = standing_side.descendants(os.getpid())
        memory = [standing_side.megabytes(process) for process in counted]
        child.communicate(b"\n")

    assert checks["consistency of 40 tasks: commands"] > 0
    assert counted[0] == os.getpid()
    assert child.pid in counted
    assert memory[0] > memory[counted.index(child.pid)] > 0


def test_ratios_are_taken_within_a_round_and_of_those_the_median() -> None:
    """Else a machine that others use in one round and not in the next would tell of itself."""
    rounds = [({"us": 2.0}, {"us": 1.0}), ({"us": 30.0}, {"us": 10.0}), ({"us": 4.0, "new": 1.0}, {"us": 1.0})]

    assert compared(rounds) == [{"what": "us", "then": 1.0, "now": 4.0, "ratio": 3.0}]


@pytest.mark.parametrize("kind", UPKEEP)
def test_each_part_of_maintenance_can_be_measured(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KINDS.keys() == set(UPKEEP)
    with server() as database, stage(database) as at:
        monkeypatch.setenv("MONGODB_URL", at.url)
        found = done(kind)

    assert found["commands"] > 0
    assert found["peak MB"] > 0


@pytest.mark.parametrize("kind", OF_A_USER)
def test_each_question_of_a_user_can_be_measured(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as database, stage(database) as at:
        at.fill(content("complete", 2, users=[ObjectId()]))
        monkeypatch.setenv("MONGODB_URL", at.url)
        found = done(kind, OF_A_USER)

    assert found["commands"] > 0


def test_a_long_series_is_as_the_worker_would_have_left_it() -> None:
    """Else what is measured on it is what its faults cost."""
    with server() as database, stage(database) as at:
        at.fill(made := long_series(9))

        at.worker.process_task_recurrence(str(made.tasks[0]["_id"]), "create")

        assert at.worker.mongo.tasks.count_documents({}) == 9
        assert sum(finding.count for finding in at.worker.consistency.run()) == 0


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (7, 10), (300, 500)])
def test_the_simulated_counter_gives_out_no_more_than_it_can(workers: int, batch: int) -> None:
    speed = Speed(fixed=0.03, per_event=0.001, per_call=0.001)

    events, waiting = simulated(workers, batch, speed)

    assert simulated(workers, batch, speed) == (events, waiting)
    assert events <= batch / speed.per_call
    assert 0 <= waiting < 1
    assert (waiting == 0) == (workers == 1)


def test_what_dagster_needs_is_what_a_run_needs_times_the_rate() -> None:
    run = {"records": 50, "KB of records": 60.0, "KB of files": 200.0, "CPU s": 2.5}

    needs = at_rate(60, run, 10)

    assert needs["records/s"] == 50
    assert needs["cores"] == 2.5
    assert needs["GB a day"] == pytest.approx(60 * 24 * 60 * 200 / 1e6)
    assert needs["GB in 10 days"] == pytest.approx(10 * needs["GB a day"])


def test_the_figures_that_are_committed_are_of_all_benchmarks() -> None:
    last = json.loads(LAST.read_text())

    assert last.keys() == {*AGAINST, *NAMES}
    assert all(part["rows"] and part["at"] and part["versions"] for part in last.values())
    assert PAGE.read_text() == page(last, [*AGAINST, *NAMES])


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
    assert limited(FULL, USUALLY).tasks == (10_000, 100_000)
    assert limited(FULL, 1_000_000) == FULL


def test_a_name_that_is_no_benchmark_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["throughputt"])

    assert "no such benchmark: throughputt" in capsys.readouterr().err


def test_the_command_prints_a_table_and_writes_the_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.__main__.QUICK", TINY)
    assert main(["slots", "--quick", "--results", str(tmp_path)]) == 0

    assert "times faster" in capsys.readouterr().out
    rows = json.loads((tmp_path / "slots.json").read_text())["rows"]
    assert {row.get("same answers", True) for row in rows} == {True, "yes"}
    assert {name for row in rows for name in row} >= {"common rule", "general rule", "10 years old against new"}
