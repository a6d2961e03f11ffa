"""Dagster keeps its runs for ever; here the old ones go, with all that they left. How old is a setting.

A run is its record, its events, results of checks, and files: what its ops printed and, on SQLite, a file of events of
its own. The files of events go last, and the record before them: what a crash leaves, the next pass finds. Ticks of
sensors and schedules are none of this module's business: Dagster purges them itself (dagster.yaml).
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

# None of these is public; the version of Dagster is pinned, and tests hold them against real instances.
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

from recurrence_pipeline.config.clock import utc_now

TELLING = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
FINISHED = [*TELLING, dg.DagsterRunStatus.CANCELED]
BATCH = 50
"""Others that write to the history wait for as long as one takes."""
LONGEST = timedelta(minutes=5)
"""What is left then is for the next day: the first pass over a history of years must not meet Dagster's time limit."""
RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=$|\.db)")


@dataclass(frozen=True, slots=True)
class Removed:
    """What a pass removed; `left` says whether its time was over before it had all."""

    runs: int = 0
    checks: int = 0
    files: int = 0
    left: bool = False


def remove_old_runs(instance: dg.DagsterInstance, days: int, *, dry_run: bool) -> dict[str, Any]:
    """Remove what ended more than so many days ago (0: nothing), or say how many runs that is, as metadata.

    The last run of each job that is counted with `dry_run` may stay.
    """
    before = utc_now() - timedelta(days=days) if days else None
    if dry_run:
        old = dg.RunsFilter(statuses=FINISHED, updated_before=before)
        return {"written": False, "would_remove_at_most": instance.get_runs_count(old) if before else 0}
    end = time.monotonic() + LONGEST.total_seconds()
    removed = tidy(instance, before, more_time=lambda: time.monotonic() < end)
    return {
        "written": True,
        "runs": removed.runs,
        "check_results": removed.checks,
        "files": removed.files,
        "left_for_next_time": removed.left,
    }


def tidy(
    instance: dg.DagsterInstance, before: datetime | None, *, more_time: Callable[[], bool] = lambda: True
) -> Removed:
    """Remove the runs that ended before a time, and whatever is left of runs that are gone; None keeps all runs.

    It is called from a run, which is younger than all that goes. So no number of an event is ever given again, by which
    alert_sensor remembers how far it has read.
    """
    runs, checks, left = 0, 0, False
    if before is not None:
        for run_ids in _ended(instance, before):
            if left := not more_time():
                break
            _forget(instance, run_ids)
            runs += len(run_ids)
        checks = _forget_checks(instance, before)
    return Removed(runs, checks, _remove_leftovers(instance), left)


def _ended(instance: dg.DagsterInstance, before: datetime) -> Iterator[list[str]]:
    """Yield the finished runs that nothing happened to since, the oldest first. A batch must go before the next.

    The last success or failure of a job is kept, however old: it says how the job is doing.
    """
    last: dict[str, str] = {}
    old = dg.RunsFilter(statuses=FINISHED, updated_before=before)
    while True:
        limit = BATCH + len(last)  # those that are kept are found each time
        records = instance.get_run_records(old, limit, order_by="update_timestamp", ascending=True)
        runs = [record.dagster_run for record in records]
        for job in {run.job_name for run in runs} - last.keys():
            newest = instance.get_runs(dg.RunsFilter(job_name=job, statuses=TELLING), limit=1)
            last[job] = newest[0].run_id if newest else ""
        gone = [run.run_id for run in runs if run.run_id != last[run.job_name]]
        if gone:
            yield gone
        elif len(runs) < limit:
            return


def _forget(instance: dg.DagsterInstance, run_ids: list[str]) -> None:
    """Remove runs, their records last: as long as those are there, another pass finds them (unlike in `delete_run`).

    On SQLite the file that a run has of its own goes later, as a whole.
    """
    for run_id in run_ids:
        with suppress(FileNotFoundError):  # another pass was faster
            instance.compute_log_manager.delete_logs(prefix=[run_id])
    events, records = _storages(instance)
    with events.index_connection() as connection:
        for run_id in run_ids:
            events.delete_events_for_run(connection, run_id)
    with records.connect() as connection:
        for table in (RunTagsTable, RunsTable):
            connection.execute(table.delete().where(table.c.run_id.in_(run_ids)))


def _forget_checks(instance: dg.DagsterInstance, before: datetime) -> int:
    """Remove old results of checks, which stay when their run goes; the last of each kind is the state of its check."""
    events, _ = _storages(instance)
    kind = (Checks.c.asset_key, Checks.c.check_name, Checks.c.partition, Checks.c.execution_status)
    last = sa.select(sa.func.max(Checks.c.id)).group_by(*kind)
    written_before = Checks.c.create_timestamp < before.astimezone(timezone.utc).replace(tzinfo=None)
    with events.index_connection() as connection:
        return int(connection.execute(Checks.delete().where(written_before, Checks.c.id.not_in(last))).rowcount)


def _storages(instance: dg.DagsterInstance) -> tuple[SqlEventLogStorage, SqlRunStorage]:
    """Return where events and records are, which is the same database but on SQLite."""
    events, records = instance.event_log_storage, instance.run_storage
    if isinstance(events, SqlEventLogStorage) and isinstance(records, SqlRunStorage):
        return events, records
    raise dg.Failure("Dagster's history is not in SQL: it cannot be removed", allow_retries=False)


def _remove_leftovers(instance: dg.DagsterInstance) -> int:
    """Remove what lies on this machine of runs that have no record: such a file is never made before the record is."""
    found: dict[str, list[Path]] = {}
    for run_id, path in _files(instance):
        found.setdefault(run_id, []).append(path)
    there: set[str] = set()
    ids = list(found)
    for begin in range(0, len(ids), BATCH):
        there.update(instance.run_storage.get_run_ids(dg.RunsFilter(run_ids=ids[begin : begin + BATCH])))
    gone = [path for run_id in found.keys() - there for path in found[run_id]]
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(gone)


def _files(instance: dg.DagsterInstance) -> Iterator[tuple[str, Path]]:
    """Yield what is called after a run, with the id of that."""
    folders = [Path(instance.storage_directory())]  # what ops printed
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        folders.append(Path(storage.path_for_shard("any")).parent)
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            if named := RUN_ID.match(path.name):
                yield named[0], path
