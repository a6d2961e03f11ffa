"""Dagster keeps its runs for ever; here the old ones go, with all that they left. How old is a setting.

A run is its record, its events, results of checks, and files: what its ops printed and, on SQLite, a file of events of
its own. The files of events go last, and the record before them: what a crash leaves, the next pass finds. What sensors
report of assets is in no run, and goes by its age. Ticks of sensors and schedules are none of this module's business:
Dagster purges them itself (dagster.yaml).
"""

import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.orchestration.insides import CHECKS, EVENTS, NO_RUN, RUN_TAGS, RUNS, folder_of_events, storages
from recurrence_pipeline.orchestration.naming import ALONE
from recurrence_pipeline.orchestration.own import Own

EVERYTHING = Own(ALONE, alone=True)
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
    reports: int = 0
    files: int = 0
    left: bool = False


def remove_old_runs(instance: dg.DagsterInstance, days: int, own: Own, *, dry_run: bool) -> dict[str, Any]:
    """Remove the runs of one worker that ended more than so many days ago (0: none), or say how many those are.

    What is returned is metadata. The last run of each job that is counted with `dry_run` may stay.
    """
    before = utc_now() - timedelta(days=days) if days else None
    if dry_run:
        return {"written": False, "would_remove_at_most": _count_ended(instance, before, own) if before else 0}
    end = time.monotonic() + LONGEST.total_seconds()
    removed = tidy(instance, before, own, more_time=lambda: time.monotonic() < end)
    return {
        "written": True,
        "runs": removed.runs,
        "check_results": removed.checks,
        "events_without_run": removed.reports,
        "files": removed.files,
        "left_for_next_time": removed.left,
    }


def tidy(
    instance: dg.DagsterInstance,
    before: datetime | None,
    own: Own = EVERYTHING,
    *,
    more_time: Callable[[], bool] = lambda: True,
) -> Removed:
    """Remove the runs that ended before a time, and whatever is left of runs that are gone; None keeps all runs.

    Where the instance is there for others too, it is the runs of one worker's own jobs, and what is left of those.

    It is called from a run, which is younger than all that goes. So no number of an event is ever given again, by which
    alert_sensor remembers how far it has read.
    """
    runs, files, checks, reports, left = 0, 0, 0, 0, False
    if before is not None:
        for run_ids in _ended(instance, before, own):
            if left := not more_time():
                break
            _forget(instance, run_ids)
            runs += len(run_ids)
            if not own.alone:  # at once: nobody looks for what a crash would leave of them
                files += _remove_leftovers(instance, of=run_ids)
        checks = _forget_checks(instance, before, own)
        reports = _forget_reports(instance, before, own)
    if own.alone:
        files = _remove_leftovers(instance, of=None)
    return Removed(runs, checks, reports, files, left)


def _filters(before: datetime, own: Own) -> list[dg.RunsFilter]:
    """Return what finds the finished runs that nothing happened to since; a job elsewhere may be called the same."""
    jobs = [None] if own.alone else own.jobs
    return [dg.RunsFilter(job_name=job, statuses=FINISHED, updated_before=before) for job in jobs]


def _count_ended(instance: dg.DagsterInstance, before: datetime, own: Own) -> int:
    return sum(instance.get_runs_count(old) for old in _filters(before, own))


def _ended(instance: dg.DagsterInstance, before: datetime, own: Own) -> Iterator[list[str]]:
    """Yield the runs to remove, the oldest of each job first. A batch must go before the next."""
    for old in _filters(before, own):
        yield from _ended_of(instance, old, own)


def _ended_of(instance: dg.DagsterInstance, old: dg.RunsFilter, own: Own) -> Iterator[list[str]]:
    """Yield those of a filter; see `_ended`.

    The last success or failure of a job is kept, however old: it says how the job is doing.
    """
    last: dict[str, str] = {}
    kept: set[str] = set()
    while True:
        limit = BATCH + len(kept)  # those that are kept are found each time
        records = instance.get_run_records(old, limit, order_by="update_timestamp", ascending=True)
        runs = [record.dagster_run for record in records]
        for job in {run.job_name for run in runs} - last.keys():
            newest = own.last_run(instance, job, TELLING)
            last[job] = newest.run_id if newest else ""
        kept |= {run.run_id for run in runs if run.run_id == last[run.job_name] or not own.is_run(run)}
        gone = [run.run_id for run in runs if run.run_id not in kept]
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
    events, records = storages(instance)
    with events.index_connection() as connection:
        for run_id in run_ids:
            events.delete_events_for_run(connection, run_id)
    with records.connect() as connection:
        for table in (RUN_TAGS, RUNS):
            connection.execute(table.delete().where(table.c.run_id.in_(run_ids)))


def _forget_checks(instance: dg.DagsterInstance, before: datetime, own: Own) -> int:
    """Remove old results of checks, which stay when their run goes; the last of each kind is the state of its check."""
    events, _ = storages(instance)
    kind = (CHECKS.c.asset_key, CHECKS.c.check_name, CHECKS.c.partition, CHECKS.c.execution_status)
    last = sa.select(sa.func.max(CHECKS.c.id)).group_by(*kind)
    old = CHECKS.delete().where(CHECKS.c.create_timestamp < _as_stored(before), CHECKS.c.id.not_in(last))
    if not own.alone:
        old = old.where(CHECKS.c.asset_key.in_(_stored_keys(own)))
    with events.index_connection() as connection:
        return int(connection.execute(old).rowcount)


def _forget_reports(instance: dg.DagsterInstance, before: datetime, own: Own) -> int:
    """Remove what sensors and the daemon said of assets, in no run; the last of each kind is the state of its asset."""
    events, _ = storages(instance)
    kind = (EVENTS.c.asset_key, EVENTS.c.dagster_event_type, EVENTS.c.partition)
    no_run = EVENTS.c.run_id == NO_RUN
    last = sa.select(sa.func.max(EVENTS.c.id)).where(no_run).group_by(*kind)
    old = EVENTS.delete().where(no_run, EVENTS.c.timestamp < _as_stored(before), EVENTS.c.id.not_in(last))
    old = old.where(EVENTS.c.asset_key.is_not(None) if own.alone else EVENTS.c.asset_key.in_(_stored_keys(own)))
    with events.index_connection() as connection:
        gone = int(connection.execute(old).rowcount)
    if gone:  # where nothing was ever reported, there is no such file
        with events.run_connection(NO_RUN) as connection:
            connection.execute(old)
    return gone


def _as_stored(at: datetime) -> datetime:
    return at.astimezone(timezone.utc).replace(tzinfo=None)


def _stored_keys(own: Own) -> list[str]:
    return sorted(key.to_string() for key in own.assets)


def _remove_leftovers(instance: dg.DagsterInstance, of: Collection[str] | None) -> int:
    """Remove what lies on this machine of runs that have no record: such a file is never made before the record is.

    Of these runs only, where some are named: that a file is called after a run does not say whose that was.
    """
    found: dict[str, list[Path]] = {}
    for run_id, path in _files(instance):
        if of is None or run_id in of:
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
    if (of_events := folder_of_events(instance)) is not None:
        folders.append(of_events)
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            if named := RUN_ID.match(path.name):
                yield named[0], path
