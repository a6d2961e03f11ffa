"""When the maintenance runs: at the times that the settings name, on the wall clock of their zone."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator  # what the daemon walks along

from recurrence_pipeline.orchestration.schedules import build_schedules
from recurrence_pipeline.settings import Settings

BERLIN = ZoneInfo("Europe/Berlin")


def schedules(**environment: str) -> dict[str, dg.ScheduleDefinition]:
    return {schedule.job.name: schedule for schedule in build_schedules(Settings.from_environment(environment))}


def ticks(schedule: dg.ScheduleDefinition, after: datetime, count: int) -> Sequence[str]:
    """Return the next ticks, on the wall clock of the zone that `after` is in, with the offset from UTC."""
    assert schedule.execution_timezone is not None
    times = schedule_execution_time_iterator(after.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
    return [f"{time.astimezone(after.tzinfo):%a %d %H:%M %z}" for time in islice(times, count)]


def test_the_daily_maintenance_runs_at_2_the_weekly_on_sunday_at_3_and_the_health_every_15_minutes_in_utc() -> None:
    every = schedules()
    noon = datetime(2026, 3, 1, 12, tzinfo=ZoneInfo("UTC"))

    assert ticks(every["daily_maintenance"], noon, 2) == ["Mon 02 02:00 +0000", "Tue 03 02:00 +0000"]
    assert ticks(every["weekly_maintenance"], noon, 2) == ["Sun 08 03:00 +0000", "Sun 15 03:00 +0000"]
    assert ticks(every["health_checks"], noon, 3) == ["Sun 01 12:00 +0000", "Sun 01 12:15 +0000", "Sun 01 12:30 +0000"]


def test_times_are_those_of_the_settings() -> None:
    every = schedules(
        DAILY_MAINTENANCE_TIME="23:05", WEEKLY_MAINTENANCE_DAY="friday", MAINTENANCE_TIMEZONE="Asia/Kolkata"
    )
    noon = datetime(2026, 3, 1, 12, tzinfo=ZoneInfo("Asia/Kolkata"))

    assert ticks(every["daily_maintenance"], noon, 1) == ["Sun 01 23:05 +0530"]
    assert ticks(every["weekly_maintenance"], noon, 1) == ["Fri 06 03:00 +0530"]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("02:30", ["Sat 28 02:30 +0100", "Sun 29 03:00 +0200", "Mon 30 02:30 +0200"]),
        ("03:00", ["Sat 28 03:00 +0100", "Sun 29 03:00 +0200", "Mon 30 03:00 +0200"]),
    ],
)
def test_where_the_clocks_go_forward_there_is_one_tick_a_day(time: str, expected: list[str]) -> None:
    """On 29 March 2026 Berlin has no time from 02:00 to 03:00."""
    daily = schedules(DAILY_MAINTENANCE_TIME=time, MAINTENANCE_TIMEZONE="Europe/Berlin")["daily_maintenance"]

    assert ticks(daily, datetime(2026, 3, 27, 12, tzinfo=BERLIN), 3) == expected


def test_where_the_clocks_go_back_there_is_one_tick_a_day() -> None:
    """On 25 October 2026 Berlin has the time from 02:00 to 03:00 twice."""
    daily = schedules(DAILY_MAINTENANCE_TIME="02:30", MAINTENANCE_TIMEZONE="Europe/Berlin")["daily_maintenance"]

    found = ticks(daily, datetime(2026, 10, 23, 12, tzinfo=BERLIN), 3)

    assert [tick[:12] for tick in found] == ["Sat 24 02:30", "Sun 25 02:30", "Mon 26 02:30"]


def test_schedules_are_on_by_default() -> None:
    every = schedules().values()
    assert {schedule.default_status for schedule in every} == {dg.DefaultScheduleStatus.RUNNING}
