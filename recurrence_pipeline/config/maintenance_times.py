"""Days on which the maintenance cannot come on the day that it belongs to. When it comes is in schedules.py.

Where clocks go forward over midnight (America/Nuuk, from 23:00 to 0:00), a day ends before its 23:30: it has neither
that time nor a later one, and its maintenance comes with the first hour of the next day.
"""

from datetime import date, datetime, time, timedelta, timezone, tzinfo

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.zones import time_zone

LOOKED_AHEAD = 366
"""In days: every change of clocks that comes back each year is in it."""


def late_maintenance(settings: Settings, today: date) -> str:
    """Say in a sentence which maintenance comes a day late within a year from today; empty where none does."""
    zone = time_zone(settings.maintenance_timezone)
    times = {
        "DAILY_MAINTENANCE_TIME": settings.daily_maintenance_time,
        "WEEKLY_MAINTENANCE_TIME": settings.weekly_maintenance_time,
    }
    late = {name: day for name, at in times.items() if (day := _first_day_without(zone, at, today)) is not None}
    return "; ".join(
        f"{name}: {day} ends before {times[name]:%H:%M} in {settings.maintenance_timezone} (MAINTENANCE_TIMEZONE), and "
        "what belongs to it comes in the first hour of the next day"
        for name, day in late.items()
    )


def _first_day_without(zone: tzinfo, at: time, today: date) -> date | None:
    """Return the first day that has neither this time nor a later one."""
    for day in (today + timedelta(days=ahead) for ahead in range(LOOKED_AHEAD)):
        shown = datetime.combine(day, at, tzinfo=zone).astimezone(timezone.utc).astimezone(zone)
        if shown.date() > day:
            return day
    return None
