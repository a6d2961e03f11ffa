"""How long none is started where runs fail before they begin, as they do while the broker that hands them on is full.

The back-off has no memory of its own: the history of runs says since when they fail. It waits as long as that again, so
that it doubles, up to a minute; then one run is started, to see.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

import dagster as dg

from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.orchestration.own import RUNS_READ, is_elsewhere

LONGEST = timedelta(minutes=1)

TELLING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
"""The states of runs that say whether runs begin; one that waits, or that a person canceled, does not."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Runs that failed before they began, one after the other, and until when none is started for that."""

    failed: int
    until: datetime

    def __str__(self) -> str:
        return (
            f"the last {counted(self.failed, 'run')} failed before they began: none is started before {iso(self.until)}"
        )


def backoff(instance: dg.DagsterInstance, *, job: str, location: str | None, now: datetime) -> Backoff | None:
    """Return what the newest runs of a job in a code location ask for; None where fewer than two failed in a row.

    Failures that lie further ahead than the longest wait were dated by a clock that was ahead, and hold back none.
    """
    records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=TELLING), limit=RUNS_READ)
    own = (record for record in records if not is_elsewhere(record.dagster_run, location))
    failed = list(takewhile(_failed_before_it_began, own))
    if len(failed) < 2:
        return None
    begin, end = failed[-1].create_timestamp, failed[0].update_timestamp
    until = end + max(min(end - begin, LONGEST), timedelta())
    return Backoff(len(failed), until) if until <= now + LONGEST else None


def _failed_before_it_began(record: dg.RunRecord) -> bool:
    return record.dagster_run.status is dg.DagsterRunStatus.FAILURE and record.start_time is None
