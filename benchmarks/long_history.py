"""`python -m benchmarks.long_history --runs 100000 --ticks 1000000`: Dagster with a long history, in SQLite.

The system runs and processes one event. What Dagster has stored of that run, and of the ticks of its sensors, is then
there so many times over, with other ids and times; the system starts again on it. What the UI asks, what sensors ask,
what an event takes and what lies on the disk stands beside what it was before. Last, the history is pruned.
"""

import argparse
import os
import random
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
import httpx
from rich.console import Console

from benchmarks.programs import stored
from benchmarks.report import Figures, show
from benchmarks.rest import JOB, arrived, idle, wait_for_rest
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.local.dagster_history import opened
from recurrence_pipeline.local.stack import LocalStack, running
from recurrence_pipeline.orchestration.naming import ALONE
from recurrence_pipeline.orchestration.own import Own
from recurrence_pipeline.orchestration.run_history import BATCH, tidy

REPOSITORY = '{repositoryName: "__repository__", repositoryLocationName: "recurrence_pipeline"'
RUNS = "{... on Runs {results {id status startTime endTime tags {key value} stats {... on RunStatsSnapshot {id}}}}}"
TICKS = "{... on Sensor {sensorState {ticks(%s) {id status timestamp skipReason runIds}}}}"
ASKED: Mapping[str, str] = {
    "UI: the newest 25 runs": f"{{runsOrError(limit: 25) {RUNS}}}",
    "UI: how many runs there are": "{runsOrError(limit: 1) {... on Runs {count}}}",
    "UI: 25 runs of a job": f'{{runsOrError(limit: 25, filter: {{pipelineName: "{JOB}"}}) {RUNS}}}',
    "UI: 25 failed runs": f"{{runsOrError(limit: 25, filter: {{statuses: [FAILURE]}}) {RUNS}}}",
    "UI: a run's events": "{logsForRun(runId: $run, limit: 100) {... on EventConnection {cursor}}}",
    "UI: the list of sensors": f"{{sensorsOrError(repositorySelector: {REPOSITORY}}}) "
    "{... on Sensors {results {name sensorState {status ticks(limit: 1) {id status}}}}}}",
    "UI: 25 ticks of a sensor": f'{{sensorOrError(sensorSelector: {REPOSITORY}, sensorName: "task_event_sensor"}}) '
    f"{TICKS % 'limit: 25'}}}",
    "UI: its ticks of a day": f'{{sensorOrError(sensorSelector: {REPOSITORY}, sensorName: "task_event_sensor"}}) '
    f"{TICKS % 'dayRange: 1, dayOffset: 0'}}}",
}
"""What pages of the UI ask, as far as it depends on how much there is."""

TIMES = 5
SPREAD = timedelta(days=14).total_seconds()
"""As far back as runs are kept."""


def main(arguments: Sequence[str]) -> int:
    """Measure before and after."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_history", description="A long history.")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--files", type=int, help="how many of them have a file of events of their own; default: all")
    parser.add_argument("--ticks", type=int, default=1_000_000)
    parser.add_argument("--idle", type=int, default=60, help="seconds for which nothing happens and CPU is counted")
    chosen = parser.parse_args(arguments)
    environment = {name: value for name, value in os.environ.items() if name != "MONGODB_URL"}
    environment |= {"PORT": "", "HOST": "", "WORKER_IDLE_TIMEOUT": "1000"}
    temporary = tempfile.TemporaryDirectory(prefix="recurrence-bench-", ignore_cleanup_errors=True)
    with temporary as name:
        home = Path(name)
        before = measured(home, environment, chosen.idle)
        files = chosen.runs if chosen.files is None else chosen.files
        multiply(home / "dagster", runs=chosen.runs, files=files, ticks=chosen.ticks)
        after = measured(home, environment, chosen.idle)
        rows = [{"what": what, "before": before[what], "after": after[what]} for what in before]
        rows += [{"what": what, "before": 0.0, "after": value} for what, value in pruned(home / "dagster")]
    title = f"Dagster with {chosen.runs:,} runs ({files:,} with a file of events) and {chosen.ticks:,} ticks, in SQLite"
    show(Figures(title, rows), Console(width=max(Console().width, 100)))
    return 0


def measured(home: Path, environment: Mapping[str, str], seconds: int) -> dict[str, float]:
    """Start the system, ask it, and stop it."""
    begin = time.perf_counter()
    with running(home, environment, lambda _: None) as system:
        system.dagster.wait_until_ready(system.programs)
        found = {"the system is ready, s": time.perf_counter() - begin}
        arrived(system, 1, 0)
        wait_for_rest(system)
        found["an event that starts a run, s"] = median(one_by_one(system))
        for what, question in ASKED.items():
            found[f"{what}, ms"] = milliseconds(lambda question=question: asked(system, question))  # type: ignore[misc]
        for what, work in of_sensors(system.dagster._instance):
            found[f"{what}, ms"] = milliseconds(work)
        found["CPU while nothing happens, %"] = idle(system, seconds)["CPU %"]
    files, size = stored([home / "dagster"])
    return found | {"files of the history": float(files), "MB of the history": size}


def one_by_one(system: LocalStack) -> Iterator[float]:
    """Yield how long events took for each of which a run had to be started."""
    for _ in range(3):
        wait_for_rest(system)
        yield from arrived(system, 1, 0)


def asked(system: LocalStack, question: str) -> None:
    """Ask Dagster's web server."""
    run = system.dagster.runs()[-1].id
    query = question.replace("$run", f'"{run}"')
    answer = httpx.post(f"{system.dagster.url}/graphql", json={"query": query}, timeout=300, trust_env=False).json()
    if "errors" in answer:
        raise RuntimeError(f"{query}: {answer['errors']}")


def of_sensors(instance: dg.DagsterInstance) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what our sensors ask of the history, at each look."""
    under_way = dg.RunsFilter(job_name=JOB, statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
    failed = dg.RunStatusChangeRecordsFilter(
        dg.DagsterEventType.RUN_FAILURE, after_timestamp=(utc_now() - timedelta(days=1)).timestamp()
    )
    succeeded = dg.RunsFilter(job_name=JOB, statuses=[dg.DagsterRunStatus.SUCCESS])
    yield "sensor: runs under way", lambda: instance.get_runs(under_way)
    yield "sensor: the last success of a job", lambda: instance.get_runs(succeeded, limit=20)
    yield "sensor: what failed since a day", lambda: instance.fetch_run_status_changes(failed, limit=500)


def milliseconds(work: Callable[[], Any]) -> float:
    """Return the median of how long it takes."""
    took = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        work()
        took.append((time.perf_counter() - begin) * 1e3)
    return median(took)


def multiply(home: Path, *, runs: int, files: int, ticks: int) -> None:
    """Store the last run of the job, and the ticks, so many times over.

    Through Dagster's own storage a run takes half a second here and a tick 20 ms: a million of them would take hours.
    So what that has stored is copied, row by row and file by file.
    """
    (history,) = (path.parent for path in home.rglob("runs.db"))
    rng, now = random.Random(1), time.time()  # noqa: S311 (a simulation)
    with closing(sqlite3.connect(history / "runs.db")) as database:
        (run,) = database.execute(
            "SELECT run_id FROM runs WHERE pipeline_name = ? ORDER BY id DESC LIMIT 1", [JOB]
        ).fetchone()
    others = [(str(uuid.UUID(int=rng.getrandbits(128))), now - SPREAD * (1 - n / runs)) for n in range(runs)]
    for path, tables in ((history / "runs.db", ("runs", "run_tags")), (history / "runs" / "index.db", ("event_logs",))):
        with closing(sqlite3.connect(path)) as database:
            for table in tables:
                copied(database, table, run, others)
            database.commit()
    template = history / "runs" / f"{run}.db"
    with closing(sqlite3.connect(template)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = template.read_bytes()
    for other, _ in others[runs - files :]:
        template.with_stem(other).write_bytes(content.replace(run.encode(), other.encode()))
    with closing(sqlite3.connect(history.parent / "schedules" / "schedules.db")) as database:
        ticked(database, ticks, now)
        database.commit()


def copied(database: sqlite3.Connection, table: str, run: str, others: Sequence[tuple[str, float]]) -> None:
    """Store the rows that a table has of a run, once for each of the others, at their times."""
    found = database.execute(f"SELECT * FROM {table} WHERE run_id = ?", [run])  # noqa: S608 (a name of ours)
    columns = [each[0] for each in found.description]
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    names = [name for name in columns if name != "id"]

    def of(row: Mapping[str, Any], other: str, at: float) -> list[Any]:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime(at))
        times = dict.fromkeys(("create_timestamp", "update_timestamp", "timestamp"), stamp)
        times |= dict.fromkeys(("start_time", "end_time"), at)  # type: ignore[arg-type]
        values = {name: times.get(name, row[name]) for name in names}
        return [value.replace(run, other) if isinstance(value, str) else value for value in values.values()]

    database.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608
        (of(row, other, at) for other, at in others for row in rows),
    )


def ticked(database: sqlite3.Connection, ticks: int, now: float) -> None:
    """Store ticks of the sensors that have some, spread over a day for those that were skipped, as they are kept."""
    found = database.execute("SELECT * FROM job_ticks")
    columns = [each[0] for each in found.description]
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    names = [name for name in columns if name != "id"]

    def of(number: int) -> list[Any]:
        row, at = rows[number % len(rows)], now - 86400 * (1 - number / ticks)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime(at))
        times = dict.fromkeys(("timestamp", "create_timestamp", "update_timestamp"), stamp)
        return [times.get(name, row[name]) for name in names]

    database.executemany(
        f"INSERT INTO job_ticks ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608
        map(of, range(ticks)),
    )


def pruned(home: Path) -> Iterator[tuple[str, float]]:
    """Remove some of the runs as where the history is shared with others, then some as alone; yield what a run took."""
    with opened(home) as instance:
        for what, own, most in (("shared", Own(ALONE), 20 * BATCH), ("alone", Own(ALONE, alone=True), 80 * BATCH)):
            begin, batches = time.perf_counter(), iter(range(most // BATCH))
            removed = tidy(instance, utc_now(), own, more_time=lambda left=batches: next(left, None) is not None)  # type: ignore[misc]
            took = time.perf_counter() - begin
            yield f"pruning, {what}: runs removed", float(removed.runs)
            yield f"pruning, {what}: ms a run", took * 1e3 / max(removed.runs, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
