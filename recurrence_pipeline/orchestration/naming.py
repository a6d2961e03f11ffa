"""The names of what one worker defines in Dagster: its assets, checks, jobs, sensors, schedules and resources.

Several workers, each with a database of its own, can stand side by side in one code location. Names must be unique
there: so each worker has a prefix, which is empty where there is only one.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import dagster as dg

from recurrence_pipeline.domain.errors import ConfigurationError

ASSETS = (
    "task_events",
    "tasks",
    "useractivities",
    "counters",
    "task_series",
    "deleted_tasks",
    "useractivities_archive",
    "worker_health",
    "daily_figures",
    "performance_report",
)
JOBS = (
    "process_task_events",
    "process_task",
    "replay_events",
    "restore_tasks",
    "shadow_previous_worker",
    "health_checks",
    "daily_maintenance",
    "weekly_maintenance",
    "daily_report",
    "weekly_report",
)
SensorName = Literal[
    "task_event_sensor", "dead_run_sensor", "reconcile_sensor", "processed_event_sensor", "alert_sensor"
]
ScheduleName = Literal[
    "daily_maintenance_schedule",
    "weekly_maintenance_schedule",
    "daily_report_schedule",
    "weekly_report_schedule",
    "health_checks_schedule",
]
SENSORS: tuple[SensorName, ...] = get_args(SensorName)
SCHEDULES: tuple[ScheduleName, ...] = get_args(ScheduleName)
"""What there is of each, before a prefix; a test holds the definitions against these."""

PREFIX = re.compile(r"[a-z][a-z0-9_]{0,29}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Names:
    """What the names of one worker are made of.

    Raises:
        ConfigurationError: the prefix is none that Dagster could take as a part of a name.
    """

    prefix: str = ""

    def __post_init__(self) -> None:
        if self.prefix and not PREFIX.fullmatch(self.prefix):
            raise ConfigurationError(
                f"prefix: {self.prefix!r} is not up to 30 small letters, digits and underscores, a letter first"
            )

    def __call__(self, name: str) -> str:
        """Return the name of a job, sensor, schedule, op, group or resource."""
        return f"{self.prefix}_{name}" if self.prefix else name

    @property
    def worker(self) -> str:
        """The key of the resource that assets, checks, sensors and schedules require; ops know it as `worker`."""
        return self("worker")

    def key(self, asset: str) -> dg.AssetKey:
        """Return the key of an asset."""
        return dg.AssetKey([self.prefix, asset] if self.prefix else asset)

    def check(self, asset: str, name: str) -> dg.AssetCheckKey:
        """Return the key of a check: its asset has the prefix."""
        return dg.AssetCheckKey(self.key(asset), name)


ALONE = Names()
"""The names where there is one worker."""
