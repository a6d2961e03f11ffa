"""Whose it is: which runs, sensors and schedules in an instance of Dagster are one worker's. What follows is elsewhere.

An instance may hold the runs of many code locations, and a code location the jobs of several workers and of other
people. The names of jobs are unique in a code location, and not beyond it.
"""

from collections.abc import Collection
from dataclasses import dataclass

import dagster as dg

from recurrence_pipeline.orchestration.naming import ASSETS, JOBS, SCHEDULES, SENSORS, Names

RUNS_READ = 20
"""Of one job, to find the last of our own: a job elsewhere may be called the same."""


@dataclass(frozen=True, slots=True)
class Own:
    """What is one worker's.

    Attributes:
        names: of the worker.
        location: the code location that it is in; None where nobody can say, as in a test.
        alone: the instance is there for this worker only, and all that is in it counts.
    """

    names: Names
    location: str | None = None
    alone: bool = False

    @property
    def jobs(self) -> list[str]:
        """The names of its jobs."""
        return [self.names(job) for job in JOBS]

    @property
    def assets(self) -> set[dg.AssetKey]:
        """The keys of its assets."""
        return {self.names.key(asset) for asset in ASSETS}

    def is_run(self, run: dg.DagsterRun) -> bool:
        """Say whether a run is of one of its jobs, or of its assets, materialized by hand."""
        if self.alone:
            return True
        chosen = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
        ours = run.job_name in self.jobs or bool(chosen & self.assets)
        return ours and not is_elsewhere(run, self.location)

    def is_automation(self, name: str, location: str) -> bool:
        """Say whether a sensor or schedule of this name, in this code location, is its own."""
        ours = name in {self.names(each) for each in (*SENSORS, *SCHEDULES)}
        return self.alone or (ours and self.location in {None, location})

    def last_run(
        self, instance: dg.DagsterInstance, job: str, statuses: Collection[dg.DagsterRunStatus]
    ) -> dg.DagsterRun | None:
        """Return the newest run of a job that has one of these statuses."""
        runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[*statuses]), limit=RUNS_READ)
        return next(filter(self.is_run, runs), None)


def is_elsewhere(run: dg.DagsterRun, location: str | None) -> bool:
    """Say whether a run is of another code location; one that was started without a server is of none."""
    return None not in {location, location_of_run(run)} and location_of_run(run) != location


def location_of_run(run: dg.DagsterRun) -> str | None:
    """Return the code location that a run is of."""
    return run.remote_job_origin.location_name if run.remote_job_origin else None


def location_of(context: dg.SensorEvaluationContext) -> str | None:
    """Return the code location that a sensor is in."""
    return context.code_location_origin.location_name if context.code_location_origin else None
