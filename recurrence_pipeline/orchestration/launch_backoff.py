"""How long no run is started where runs fail at once: the broker that hands them on is full, or no write is taken.

The back-off has no memory of its own: the history of runs says since when they fail. It waits as long as that again, so
that it doubles, up to a minute; then a look starts one run, until one goes on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import takewhile

import dagster as dg

from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.orchestration.own import RUNS_READ, is_elsewhere

LONGEST = timedelta(minutes=1)
AT_ONCE = timedelta(seconds=10)
"""After its beginning. One that fails later has worked."""

TELLING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
"""The states of runs that say whether runs go on; one that waits, or that a person canceled, does not."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Runs that failed at once, one after the other, and until when none is started for that."""

    failed: int
    until: datetime

    def __str__(self) -> str:
        runs = counted(self.failed, "run")
        return f"the last {runs} failed at once: none is started before {iso(self.until)}"


def backoff(instance: dg.DagsterInstance, *, job: str, location: str | None, now: datetime) -> Backoff | None:
    """Return what the newest runs of a job in a code location ask for; None where fewer than two failed in a row.

    Failures that lie further ahead than the longest wait were dated by a clock that was ahead, and hold back none.
    """
    records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=TELLING), limit=RUNS_READ)
    own = (record for record in records if not is_elsewhere(record.dagster_run, location))
    told = (record for record in own if not _has_just_begun(record, now))
    failed = list(takewhile(_failed_at_once, told))
    if len(failed) < 2:
        return None
    begin, end = failed[-1].create_timestamp, datetime.fromtimestamp(_end(failed[0]), timezone.utc)
    until = end + max(min(end - begin, LONGEST), timedelta())
    return Backoff(len(failed), until) if until <= now + LONGEST else None


def _has_just_begun(record: dg.RunRecord, now: datetime) -> bool:
    return record.end_time is None and (record.start_time or 0) > (now - AT_ONCE).timestamp()


def _failed_at_once(record: dg.RunRecord) -> bool:
    """Say so of one that never began, too."""
    has_failed = record.dagster_run.status is dg.DagsterRunStatus.FAILURE
    return has_failed and (record.start_time is None or _end(record) - record.start_time < AT_ONCE.total_seconds())


def _end(record: dg.RunRecord) -> float:
    """Return when a run ended, in Unix seconds. A tag that it gets later is an update of it."""
    return record.end_time or record.update_timestamp.timestamp()
