"""Dagster's own history does not grow for ever: old runs go with all their files, from a real instance on disk."""

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.orchestration import run_history as history
from recurrence_pipeline.orchestration.naming import ALONE
from recurrence_pipeline.orchestration.own import Own
from recurrence_pipeline.orchestration.run_history import EVERYTHING, Removed, remove_old_runs, tidy
from recurrence_pipeline_tests.world import Crash

ASSET = dg.AssetKey("thing")
RUNS_DB, EVENTS_DB = "history/history/runs.db", "history/history/runs/index.db"
AGES = {"first": 20, "second": 16, "third": 10, "other first": 40, "other last": 30, "unfinished": 50}
"""The runs on disk, and how many days ago they ended; what stands before the last word is the job."""


@dg.asset
def thing() -> dg.MaterializeResult[None]:
    print("printed by an op")  # noqa: T201 (it is kept in a file)
    return dg.MaterializeResult(metadata={"number": 1})


@dg.asset_check(asset=thing)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.job
def other() -> None:
    """Do nothing."""


DEFINITIONS = dg.Definitions(
    assets=[thing], asset_checks=[sound], jobs=[dg.define_asset_job("thing_job", [thing]), other]
)


@contextmanager
def opened(home: Path) -> Iterator[dg.DagsterInstance]:
    (home / "dagster.yaml").write_text(
        f"storage: {{sqlite: {{base_dir: {home}/history}}}}\ntelemetry: {{enabled: false}}\n"
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a home of Dagster in which some runs were made, and their ids."""
    home = tmp_path_factory.mktemp("dagster")
    jobs = [DEFINITIONS.resolve_job_def(name) for name in ("thing_job", "other")]
    with opened(home) as instance:
        ids = {name: jobs["other" in name].execute_in_process(instance=instance).run_id for name in list(AGES)[:-1]}
        ids["unfinished"] = str(uuid4())
        instance.create_run_for_job(jobs[0], run_id=ids["unfinished"], status=dg.DagsterRunStatus.STARTED)
    for name, run_id in ids.items():
        ago = f"-{AGES[name]} days"
        write(home, RUNS_DB, "UPDATE runs SET update_timestamp = datetime('now', ?) WHERE run_id = ?", ago, run_id)
        write(
            home,
            EVENTS_DB,
            "UPDATE asset_check_executions SET create_timestamp = datetime('now', ?) WHERE run_id = ?",
            ago,
            run_id,
        )
    return home, ids


@pytest.fixture
def home(made: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    """Return a copy of it."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def ids(made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return made[1]


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with opened(home) as instance:
        yield instance


def write(home: Path, file: str, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(home / file)) as database, database:
        database.execute(statement, values)


def rows_of(home: Path, run_id: str) -> int:
    """Return how many rows of a run are in the files that all runs share, but for its results of checks."""
    tables = {"runs": RUNS_DB, "run_tags": RUNS_DB, "event_logs": EVENTS_DB}
    total = 0
    for table, file in tables.items():
        with closing(sqlite3.connect(home / file)) as database:
            total += database.execute(f"SELECT COUNT(*) FROM {table} WHERE run_id = ?", [run_id]).fetchone()[0]  # noqa: S608
    return total


def check_results(home: Path) -> set[str]:
    """Return the runs of which results of checks are kept."""
    with closing(sqlite3.connect(home / EVENTS_DB)) as database:
        return {row[0] for row in database.execute("SELECT run_id FROM asset_check_executions")}


def files_of(home: Path, run_id: str) -> list[Path]:
    return list(home.rglob(f"*{run_id}*"))


def size_of_files(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


def days_ago(days: int) -> datetime:
    return utc_now() - timedelta(days=days)


def there(instance: dg.DagsterInstance, ids: dict[str, str]) -> set[str]:
    """Return the names of the runs that have a record."""
    return {name for name, run_id in ids.items() if instance.has_run(run_id)}


def test_old_runs_go_with_all_their_files_and_rows(
    instance: dg.DagsterInstance, home: Path, ids: dict[str, str]
) -> None:
    old = [ids[name] for name in ("first", "second", "other first")]
    assert all(rows_of(home, run_id) and files_of(home, run_id) for run_id in old)
    size = size_of_files(home)

    removed = tidy(instance, days_ago(14))

    assert removed == Removed(runs=3, checks=2, files=3)
    assert there(instance, ids) == {"third", "other last", "unfinished"}
    assert [rows_of(home, run_id) for run_id in old] == [0, 0, 0]
    assert [files_of(home, run_id) for run_id in old] == [[], [], []]
    assert size_of_files(home) < size - 300_000
    assert len(instance.all_logs(ids["third"])) > 5, "the young can be read as before"
    assert tidy(instance, days_ago(14)) == Removed(), "there is nothing left to do"


def test_what_is_not_finished_stays_however_old_it_is(
    instance: dg.DagsterInstance, home: Path, ids: dict[str, str]
) -> None:
    """A run that waits, or works, needs its record; one that died is ended by others first."""
    tidy(instance, utc_now())
    assert "unfinished" in there(instance, ids)
    assert files_of(home, ids["unfinished"])


def test_the_last_run_of_each_job_stays_and_so_does_the_state_of_assets_and_checks(
    instance: dg.DagsterInstance, home: Path, ids: dict[str, str]
) -> None:
    """Else an alert of a job that failed would be called off, because no run of it is a failure any more."""
    assert tidy(instance, utc_now()).runs == 3
    assert there(instance, ids) == {"third", "other last", "unfinished"}
    assert instance.get_latest_materialization_event(ASSET) is not None
    assert check_results(home) == {ids["third"], ids["unfinished"]}, "the last that is known, and what is under way"


def test_what_sensors_reported_long_ago_goes_but_for_the_last_of_each_asset(
    instance: dg.DagsterInstance, home: Path
) -> None:
    """Else a report every 10 minutes is there for ever, in two files."""
    mine, theirs = dg.AssetKey("task_events"), dg.AssetKey("theirs")
    for _ in range(3):
        for key in (mine, theirs, dg.AssetKey("tasks")):
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
    instance.report_runless_asset_event(dg.AssetObservation(mine))
    for file in (EVENTS_DB, EVENTS_DB.replace("index.db", ".db")):
        write(home, file, "UPDATE event_logs SET timestamp = datetime('now', '-40 days') WHERE run_id = ''")
    instance.report_runless_asset_event(dg.AssetMaterialization(mine))

    assert tidy(instance, days_ago(30), Own(ALONE)).reports == 5, "of three both but the last, and what is younger"
    assert tidy(instance, days_ago(30), Own(ALONE)).reports == 0
    assert len(instance.fetch_materializations(theirs, limit=9).records) == 3, "others see to theirs"
    assert len(instance.fetch_materializations(mine, limit=9).records) == 1
    assert len(instance.fetch_observations(mine, limit=9).records) == 1
    assert rows_in_no_run(home) == [6, 6]

    assert tidy(instance, days_ago(30)).reports == 2, "where nobody else is, all is ours"


def rows_in_no_run(home: Path) -> list[int]:
    """Return how many events in no run there are, in the file that all runs share and in that of their own."""
    counts = []
    for file in (EVENTS_DB, EVENTS_DB.replace("index.db", ".db")):
        with closing(sqlite3.connect(home / file)) as database:
            counts += database.execute("SELECT COUNT(*) FROM event_logs WHERE run_id = ''").fetchone()
    return counts


@pytest.mark.parametrize("step", ["delete_logs", "delete_events_for_run", "RUN_TAGS", "_remove_leftovers"])
def test_a_pass_that_dies_is_completed_by_the_next(
    instance: dg.DagsterInstance, home: Path, ids: dict[str, str], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners: dict[str, Any] = {
        "delete_logs": instance.compute_log_manager,
        "delete_events_for_run": instance.event_log_storage,
        "RUN_TAGS": history,
        "_remove_leftovers": history,
    }
    with monkeypatch.context() as patched:
        patched.setattr(owners[step], step, SimpleNamespace(delete=die) if step == "RUN_TAGS" else die)
        with pytest.raises(Crash):
            tidy(instance, days_ago(18))
    old = [ids["first"], ids["other first"]]
    assert any(files_of(home, run_id) for run_id in old)
    tidy(instance, days_ago(18))
    assert there(instance, ids) == {"second", "third", "other last", "unfinished"}
    assert [(rows_of(home, run_id), files_of(home, run_id)) for run_id in old] == [(0, []), (0, [])]


def die(*_: object, **__: object) -> None:
    raise Crash("here")


def test_two_passes_at_once_come_to_the_same(home: Path, ids: dict[str, str]) -> None:
    """Somebody launches the maintenance by hand while it runs by itself."""

    def one_pass(_: int) -> Removed:
        with opened(home) as instance:
            return tidy(instance, days_ago(14))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one_pass, range(2)))
    with opened(home) as instance:
        assert there(instance, ids) == {"third", "other last", "unfinished"}
        tidy(instance, days_ago(14))
    old = [ids[name] for name in ("first", "second", "other first")]
    assert [(rows_of(home, run_id), files_of(home, run_id)) for run_id in old] == [(0, [])] * 3


def test_what_a_deletion_by_hand_left_goes_too_even_where_all_runs_are_kept(
    instance: dg.DagsterInstance, home: Path, ids: dict[str, str]
) -> None:
    """`dagster run delete` leaves the files."""
    instance.delete_run(ids["first"])
    assert len(files_of(home, ids["first"])) == 2, "its events, and what was printed"
    assert tidy(instance, None) == Removed(files=2)
    assert files_of(home, ids["first"]) == []
    assert there(instance, ids) == ids.keys() - {"first"}
    assert files_of(home, ids["second"])


def test_a_pass_that_has_no_more_time_leaves_the_rest_to_the_next(
    instance: dg.DagsterInstance, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH", 1)
    time_left = iter([True, False])
    removed = tidy(instance, days_ago(14), more_time=lambda: next(time_left))
    assert (removed.runs, removed.left) == (1, True)
    assert "other first" not in there(instance, ids), "the oldest goes first"
    assert tidy(instance, days_ago(14)).runs == 2


def test_more_runs_than_a_batch_holds_all_go(
    instance: dg.DagsterInstance, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH", 1)
    assert tidy(instance, utc_now()).runs == 3
    assert there(instance, ids) == {"third", "other last", "unfinished"}


@pytest.mark.parametrize(("days", "runs"), [(14, 3), (18, 2), (0, 0)])
def test_the_setting_says_how_old_is_old(instance: dg.DagsterInstance, days: int, runs: int) -> None:
    before = len(instance.get_runs())
    asked = remove_old_runs(instance, days, EVERYTHING, dry_run=True)
    assert asked["written"] is False
    assert asked["would_remove_at_most"] >= runs
    assert len(instance.get_runs()) == before

    assert remove_old_runs(instance, days, EVERYTHING, dry_run=False) == {
        "written": True,
        "runs": runs,
        "check_results": 0 if days == 0 else runs - 1,
        "events_without_run": 0,
        "files": runs,
        "left_for_next_time": False,
    }
