"""`python -m benchmarks.long_history --runs 100000 --ticks 1000000 [--postgres]`: Dagster with a long history.

The system runs and processes one event. What Dagster has stored of that run, and of the ticks of its sensors, is then
there so many times over, with other ids and times; the system starts again on it. What the UI asks, what sensors ask,
what an event takes and what lies on the disk stands beside what it was before. Last, the history is pruned.
The history is in SQLite's files or, with `--postgres`, in a PostgreSQL of its own (Debian's package; as root).
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
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import dagster as dg
import httpx
import sqlalchemy as sa
from rich.console import Console

from benchmarks.programs import stored
from benchmarks.report import Figures, show
from benchmarks.rest import JOB, arrived, idle, wait_for_rest
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.local import dagster as local_dagster
from recurrence_pipeline.local.dagster_history import opened
from recurrence_pipeline.local.processes import HOST
from recurrence_pipeline.local.stack import LocalStack, running
from recurrence_pipeline.orchestration.insides import folder_of_events, storages
from recurrence_pipeline.orchestration.naming import ALONE
from recurrence_pipeline.orchestration.own import Own
from recurrence_pipeline.orchestration.run_history import BATCH, tidy
from recurrence_pipeline_tests.cluster import services

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
SPREAD = timedelta(days=14)
"""As far back as runs are kept."""


def main(arguments: Sequence[str]) -> int:
    """Measure before and after."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_history", description="A long history.")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--files", type=int, help="how many of them have a file of events of their own; default: all")
    parser.add_argument("--ticks", type=int, default=1_000_000)
    parser.add_argument("--idle", type=int, default=60, help="seconds for which nothing happens and CPU is counted")
    parser.add_argument("--postgres", action="store_true", help="the history is in PostgreSQL")
    chosen = parser.parse_args(arguments)
    environment = {name: value for name, value in os.environ.items() if name != "MONGODB_URL"}
    environment |= {"PORT": "", "HOST": "", "WORKER_IDLE_TIMEOUT": "1000"}
    temporary = tempfile.TemporaryDirectory(prefix="recurrence-bench-", ignore_cleanup_errors=True)
    with temporary as name, ExitStack() as stack:
        home = Path(name)
        if chosen.postgres:
            environment |= stack.enter_context(history_in_postgres(home))
        before = measured(home, environment, chosen.idle)
        files = chosen.runs if chosen.files is None else chosen.files
        multiply(home / "dagster", runs=chosen.runs, files=files, ticks=chosen.ticks)
        after = measured(home, environment, chosen.idle)
        rows = [{"what": what, "before": before[what], "after": after[what]} for what in before]
        rows += [{"what": what, "before": 0.0, "after": value} for what, value in pruned(home / "dagster")]
    where = "PostgreSQL" if chosen.postgres else f"SQLite ({files:,} runs with a file of events)"
    title = f"Dagster with {chosen.runs:,} runs and {chosen.ticks:,} ticks, in {where}"
    show(Figures(title, rows), Console(width=max(Console().width, 100)))
    return 0


@contextmanager
def history_in_postgres(home: Path) -> Iterator[Mapping[str, str]]:
    """Have Dagster keep its history in a PostgreSQL, as where there are several machines; yield what says where."""
    home.chmod(0o711)  # PostgreSQL is another user
    config = Path(__file__).parents[1] / "deploy" / "dagster.postgres.yaml"
    with ExitStack() as stack, patch.object(local_dagster, "shipped", lambda _: config):
        url, _ = services.start_postgres(stack, home / "postgres", HOST)
        variables = {"RECURRENCE_POSTGRES_URL": url}
        with patch.dict(os.environ, variables):
            yield variables


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
        with opened(home / "dagster", nothing_runs=False) as instance:
            found |= {f"{what}, ms": milliseconds(question) for what, question in of_sensors(instance)}
        found["CPU while nothing happens, %"] = idle(system, seconds)["CPU %"]
    files, size = stored([home / folder for folder in ("dagster", "postgres") if (home / folder).is_dir()])
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
    So what that has stored is copied, row by row and, where runs have files of their own, file by file.
    """
    with opened(home) as instance:
        events, records = storages(instance)
        schedules = instance.schedule_storage
        rng, now = random.Random(1), utc_now()  # noqa: S311 (a simulation)
        run = instance.get_runs(dg.RunsFilter(job_name=JOB), limit=1)[0].run_id
        ids = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(runs)]
        others = [
            {"n": n, "id": other, "stamp": (now - SPREAD * (1 - n / runs)).replace(tzinfo=None)}
            for n, other in enumerate(ids)
        ]
        for tables, connected in ((("runs", "run_tags"), records.connect), (("event_logs",), events.index_connection)):
            with connected() as connection:
                copy_run(connection, tables, run, others)
        with schedules.connect() as connection:  # type: ignore[union-attr]
            copy_ticks(connection, ticks, now)
        if folder := folder_of_events(instance):
            copy_files(folder, run, ids[runs - files :])


def copy_run(connection: sa.Connection, tables: Sequence[str], run: str, others: Sequence[Mapping[str, Any]]) -> None:
    """Store the rows that tables have of a run, once for each of the others, at their times."""
    other = temporary(connection, others)
    stamped = {"create_timestamp", "update_timestamp", "timestamp"}
    seconds = sa.extract("epoch", other.c.stamp)
    for name in tables:
        table = sa.Table(name, sa.MetaData(), autoload_with=connection)

        def copied(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
            if column.name in stamped:
                return other.c.stamp
            if column.name in ("start_time", "end_time"):
                return seconds
            return sa.func.replace(column, run, other.c.id) if isinstance(column.type, sa.String) else column

        columns = [column for column in table.c if column.name != "id"]
        rows = sa.select(*map(copied, columns)).select_from(table.join(other, sa.true())).where(table.c.run_id == run)
        connection.execute(table.insert().from_select([column.name for column in columns], rows.order_by(other.c.n)))


def copy_ticks(connection: sa.Connection, ticks: int, now: datetime) -> None:
    """Store the ticks that sensors have, spread over a day, as long as those that were skipped are kept."""
    table = sa.Table("job_ticks", sa.MetaData(), autoload_with=connection)
    kinds = connection.execute(sa.select(table.c.id)).scalars().all()
    day = timedelta(days=1)
    other = temporary(
        connection,
        [
            {"n": n, "id": str(kinds[n % len(kinds)]), "stamp": (now - day * (1 - n / ticks)).replace(tzinfo=None)}
            for n in range(ticks)
        ],
    )
    stamped = {"timestamp", "create_timestamp", "update_timestamp"}
    columns = [column for column in table.c if column.name != "id"]
    taken = [other.c.stamp if column.name in stamped else column for column in columns]
    rows = sa.select(*taken).select_from(table.join(other, sa.cast(table.c.id, sa.String) == other.c.id))
    connection.execute(table.insert().from_select([column.name for column in columns], rows.order_by(other.c.n)))


def temporary(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> sa.Table:
    """Return a table of numbers, ids and times that is gone with the connection."""
    columns = (sa.Column("n", sa.Integer), sa.Column("id", sa.String), sa.Column("stamp", sa.DateTime))
    table = sa.Table("others", sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    table.create(connection)
    connection.execute(table.insert(), rows)
    return table


def copy_files(folder: Path, run: str, others: Sequence[str]) -> None:
    """Give other runs a file of events, as the run has."""
    template = folder / f"{run}.db"
    with closing(sqlite3.connect(template)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = template.read_bytes()
    for other in others:
        template.with_stem(other).write_bytes(content.replace(run.encode(), other.encode()))


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
