"""When the maintenance runs by itself. What it consists of is in jobs.py.

At a time that a day does not have (the clocks go forward) a tick comes within an hour after they did; at a time that a
day has twice, it comes once. Where clocks jump over midnight that hour is the next day's, of which is warned. Of what
was missed while the daemon was down, the last tick is caught up.
"""

from collections.abc import Callable, Collection
from datetime import time, timedelta
from functools import partial

import dagster as dg
import structlog

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.fields import WEEKDAYS
from recurrence_pipeline.config.maintenance_times import late_maintenance
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.orchestration.asset_checks import few_queries, sum_of_all
from recurrence_pipeline.orchestration.jobs import ABOUT
from recurrence_pipeline.orchestration.maintenance_jobs import WRITTEN, daily_maintenance
from recurrence_pipeline.orchestration.naming import ALONE, SCHEDULES, Names, ScheduleName
from recurrence_pipeline.orchestration.resources import WorkerResource, worker_of

EVERY_15_MINUTES = "*/15 * * * *"

EVERY_DAY = "1-31,L"
EVERY_WEEK = range(1, 6)
"""What cron strings say of the maintenance instead of `*` and a weekday: each day of a month, each such day of a month.

Dagster walks along plain daily and weekly cron strings in a way of its own, for which clocks jump by an hour, on the
hour, between 1 and 4. At a time that is jumped over or repeated elsewhere a tick comes too early (Europe/Dublin 01:30),
or the daemon fails from then on, at each look, until somebody turns the schedule off and on (Antarctica/Troll 01:30,
Africa/Cairo 23:30, America/Havana 00:30). Other cron strings it leaves to croniter, which is right in all of them.
"""

STARTS = {"recurrence/starts": "runs"}
"""On the schedules; their runs have no tags but Dagster's, which say what started them."""

Request = Callable[[dg.ScheduleEvaluationContext], dg.RunRequest]

DESCRIPTIONS = {**ABOUT, "daily_maintenance": daily_maintenance.description}
"""A schedule says what its job does."""

log = structlog.get_logger(__name__)

FEW = 20_000
"""So many tasks are passed over in some seconds."""


def build_schedules(
    settings: Settings, names: Names = ALONE, running: Collection[ScheduleName] = SCHEDULES
) -> list[dg.ScheduleDefinition]:
    """Return the schedules, at the times that the settings name, and warn of days on which those cannot be kept.

    Those that are not to be `running` wait to be turned on.
    """
    if late := late_maintenance(settings, utc_now().date()):
        log.warning("maintenance a day late", days=late)
    zone = settings.maintenance_timezone
    weekly = _weekly(settings.weekly_maintenance_time, settings.weekly_maintenance_day)

    def schedule(name: ScheduleName, cron: str, zone: str, request: Request, *resources: str) -> dg.ScheduleDefinition:
        job = name.removesuffix("_schedule")
        status = dg.DefaultScheduleStatus.RUNNING if name in running else dg.DefaultScheduleStatus.STOPPED
        return dg.schedule(
            name=names(name),
            job_name=names(job),
            cron_schedule=cron,
            execution_timezone=zone,
            default_status=status,
            description=DESCRIPTIONS[job],
            tags=STARTS,
            required_resource_keys=set(resources),
        )(request)

    return [
        schedule("daily_maintenance_schedule", _daily(settings.daily_maintenance_time), zone, _written),
        schedule("weekly_maintenance_schedule", weekly, zone, lambda _: dg.RunRequest()),
        schedule("daily_report_schedule", "10 0 * * *", "UTC", partial(_ended, timedelta(days=1))),
        schedule("weekly_report_schedule", "20 0 * * 0", "UTC", partial(_ended, timedelta(weeks=1))),
        schedule("health_checks_schedule", EVERY_15_MINUTES, zone, partial(_affordable, names), names.worker),
    ]


def _written(_: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_config=WRITTEN)


def _ended(length: timedelta, context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the partition that ended last, in UTC as the partitions are: of a tick that is made up for, its own."""
    return dg.RunRequest(partition_key=f"{context.scheduled_execution_time - length:%Y-%m-%d}")


def _affordable(names: Names, context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for all checks where tasks are few, else for those that cost no pass over them."""
    if _are_few(worker_of(context, names)):
        return dg.RunRequest()
    return dg.RunRequest(
        asset_selection=[names.key("worker_health")], asset_check_keys=[*few_queries(names), sum_of_all(names)]
    )


def _are_few(worker: WorkerResource) -> bool:
    """Say whether a pass over all tasks takes seconds; where nobody can say, it is not even tried."""
    try:
        return worker.open().context.tasks.count_roughly() <= FEW
    except (DatabaseUnavailable, Transient):
        return False


def _daily(at: time) -> str:
    return f"{at.minute} {at.hour} {EVERY_DAY} * *"


def _weekly(at: time, day: str) -> str:
    return f"{at.minute} {at.hour} * * {','.join(f'{WEEKDAYS.index(day)}#{week}' for week in EVERY_WEEK)}"
