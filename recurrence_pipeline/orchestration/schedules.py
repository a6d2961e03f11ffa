"""When the maintenance runs by itself. What it consists of is in routine.py.

A tick at a time that a day does not have (the clocks go forward) comes as soon as the day has one that is later; at a
time that a day has twice, it comes once. What was missed while the daemon was down is caught up.
"""

from datetime import time

import dagster as dg

from recurrence_pipeline.orchestration.routine import daily_maintenance, health_checks, weekly_maintenance
from recurrence_pipeline.settings import Settings
from recurrence_pipeline.variables import WEEKDAYS

BY_SCHEDULE = {"trigger": "schedule"}
"""On the schedule and the runs that it starts; who starts the same job by hand leaves it out."""

EVERY_15_MINUTES = "*/15 * * * *"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Return the schedules, at the times that the settings name."""
    crons = [
        (daily_maintenance, _cron(settings.daily_maintenance_time, "*")),
        (weekly_maintenance, _cron(settings.weekly_maintenance_time, settings.weekly_maintenance_day)),
        (health_checks, EVERY_15_MINUTES),
    ]
    return [
        dg.ScheduleDefinition(
            name=f"{job.name}_schedule",
            job=job,
            cron_schedule=cron,
            execution_timezone=settings.maintenance_timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=job.description,
            tags=BY_SCHEDULE,
        )
        for job, cron in crons
    ]


def _cron(at: time, day: str) -> str:
    return f"{at.minute} {at.hour} * * {WEEKDAYS.index(day) if day in WEEKDAYS else day}"
