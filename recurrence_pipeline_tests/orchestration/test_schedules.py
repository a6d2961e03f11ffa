"""When the maintenance runs: at the times that the settings name, on the wall clock of their zone."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone
from itertools import islice, takewhile
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import dagster as dg
import pytest
import yaml
from dagster._utils.schedules import schedule_execution_time_iterator  # what the daemon walks along
from structlog.testing import capture_logs

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.scheduler import NewestTimeZones
from recurrence_pipeline.orchestration.schedules import build_schedules
from recurrence_pipeline_tests.time_zones import OLDER, asked, on_system, system_data

BERLIN = ZoneInfo("Europe/Berlin")
SHIPPED = Path(__file__).parents[2] / "dagster.yaml"


def schedules(**environment: str) -> dict[str, dg.ScheduleDefinition]:
    return {each.job_name: each for each in build_schedules(Settings.from_environment(environment), Names())}


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


# Wherever and however clocks change


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 28, tzinfo=timezone.utc)


def changes() -> dict[tuple[datetime, timedelta], str]:
    """Return when in 400 days clocks change, by how much, and a zone in which they do."""
    use_newest_time_zone_data()
    found: dict[tuple[datetime, timedelta], str] = {}
    for name in sorted(available_timezones()):
        zone, at = ZoneInfo(name), NOW
        while at < NOW + 400 * DAY:
            step = DAY if (at + DAY).astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset() else HOUR / 2
            by = ((at + step).astimezone(zone).utcoffset() or HOUR) - (at.astimezone(zone).utcoffset() or HOUR)
            at += step
            if by and step < DAY:
                found.setdefault((at, by), name)
    return found


def expected(zone: ZoneInfo, on: date, at: time) -> list[datetime]:
    """Return the times in UTC at which clocks show this; none where they jump over it."""
    walls = {datetime.combine(on, at, tzinfo=zone).replace(fold=fold).astimezone(timezone.utc) for fold in (0, 1)}
    return sorted(wall for wall in walls if wall.astimezone(zone).replace(tzinfo=None) == datetime.combine(on, at))


def ticks_between(schedule: dg.ScheduleDefinition, begin: datetime, end: datetime) -> list[datetime]:
    times = schedule_execution_time_iterator(begin.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
    return [time.astimezone(timezone.utc) for time in takewhile(lambda time: time <= end, times)]


def faults(name: str, change: datetime, at: time) -> list[str]:
    """Say where around a change the maintenance does not come once a day, and as soon as it can."""
    zone, day = ZoneInfo(name), change.astimezone(ZoneInfo(name)).date()
    environment = {"MAINTENANCE_TIMEZONE": name, "DAILY_MAINTENANCE_TIME": f"{at:%H:%M}"}
    environment |= {"WEEKLY_MAINTENANCE_TIME": f"{at:%H:%M}", "WEEKLY_MAINTENANCE_DAY": f"{day:%A}"}
    every = schedules(**environment)
    daily, weekly = every["daily_maintenance"], every["weekly_maintenance"]
    end = change + 3 * DAY
    ticks = ticks_between(daily, change - 3 * DAY, end)
    wrong = []
    for on in (day + days * DAY for days in (-2, -1, 0, 1)):
        wanted = expected(zone, on, at)
        served = [tick for tick in ticks if (tick in wanted if wanted else change <= tick <= change + HOUR)]
        if len(served) != 1:
            wrong.append(f"{on}: {served} of {wanted}")
    if len(ticks) > 7:
        wrong.append(f"{len(ticks)} ticks in 6 days")
    if not set(ticks_between(weekly, change - DAY, change + DAY)) <= set(ticks):
        wrong.append("the weekly one comes at another time")
    return wrong + lost(daily, ticks, end)


def lost(schedule: dg.ScheduleDefinition, ticks: list[datetime], end: datetime) -> list[str]:
    """Say when the daemon, which looks from its last look on, finds other ticks than those, or fails."""
    wrong = []
    for looked in (tick + timedelta(seconds=1) + looks * HOUR / 2 for tick in ticks[1:4] for looks in range(5)):
        try:
            following = ticks_between(schedule, looked, end)
        except Exception as error:  # noqa: BLE001 (whatever it is, the daemon would meet it at each look)
            wrong.append(f"{looked}: {error}")
        else:
            if following != [tick for tick in ticks if tick >= looked]:
                wrong.append(f"{looked}: {following}")
    return wrong


def test_in_every_zone_the_maintenance_comes_once_a_day_and_never_too_early() -> None:
    """Dagster's plain cron strings come early (Dublin, Chatham), or make the daemon fail for ever (Troll, Cairo)."""
    found = {}
    every = changes()
    assert len(every) > 20
    for (change, by), name in every.items():
        before = (change - timedelta(seconds=1)).astimezone(ZoneInfo(name)) + timedelta(seconds=1)
        lowest = min(before.replace(tzinfo=None), before.replace(tzinfo=None) + by)
        for minutes in (0, 15, 30, 45):
            at = (lowest + timedelta(minutes=minutes)).time()
            if wrong := faults(name, change, at):
                found[name, at] = wrong
    assert found == {}


def test_a_time_that_a_day_ends_before_is_warned_of_when_the_code_is_loaded() -> None:
    """In Nuuk clocks jump from 23:00 to midnight: no tick on that day can be at or after 23:30."""
    with capture_logs() as lines:
        schedules(MAINTENANCE_TIMEZONE="America/Nuuk", DAILY_MAINTENANCE_TIME="23:30")
        schedules(MAINTENANCE_TIMEZONE="America/Nuuk", DAILY_MAINTENANCE_TIME="22:30")
        schedules(MAINTENANCE_TIMEZONE="Antarctica/Troll", DAILY_MAINTENANCE_TIME="01:30")
    (line,) = lines
    assert line["log_level"] == "warning"
    assert line["days"].startswith("DAILY_MAINTENANCE_TIME: ")
    assert "ends before 23:30 in America/Nuuk (MAINTENANCE_TIMEZONE)" in line["days"]


def test_schedules_follow_the_newest_time_zone_data_in_dagster_s_own_programs(tmp_path: Path) -> None:
    """The daemon and the web server load dagster.yaml and no code of ours; by older data it is an hour off."""
    program = """
import json
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from dagster import DagsterInstance
from dagster._utils.schedules import schedule_execution_time_iterator
def ticks():
    begin = datetime(2026, 12, 1, tzinfo=timezone.utc).timestamp()
    times = schedule_execution_time_iterator(begin, "0 2 1-31,L * *", "America/Vancouver")
    return [time.astimezone(timezone.utc).hour for time in islice(times, 2)]
before = ticks()
with DagsterInstance.from_config({home!r}):
    print(json.dumps([before, ticks()]))
"""
    home = tmp_path / "home"
    environment = on_system(system_data(tmp_path / "zoneinfo", OLDER), home)
    (home / "dagster.yaml").write_text(SHIPPED.read_text())
    assert asked(program.replace("{home!r}", repr(str(home))), **environment) == [[10, 10], [9, 9]]


def test_schedules_follow_the_newest_time_zone_data_in_the_code_server(tmp_path: Path) -> None:
    program = """
import json
from datetime import datetime, timezone
from dagster._utils.schedules import schedule_execution_time_iterator
from recurrence_pipeline.definitions import defs
schedule = defs().resolve_schedule_def("daily_maintenance_schedule")
begin = datetime(2026, 12, 1, tzinfo=timezone.utc).timestamp()
tick = next(schedule_execution_time_iterator(begin, schedule.cron_schedule, schedule.execution_timezone))
print(json.dumps(tick.isoformat()))
"""
    environment = on_system(system_data(tmp_path / "zoneinfo", OLDER), tmp_path / "home")
    assert asked(program, **environment, MAINTENANCE_TIMEZONE="America/Vancouver") == "2026-12-01T02:00:00-07:00"


@pytest.mark.parametrize("path", [SHIPPED, *sorted((SHIPPED.parent / "deploy").glob("dagster.*.yaml"))], ids=str)
def test_every_dagster_yaml_that_we_ship_names_the_scheduler(path: Path) -> None:
    named = {"module": NewestTimeZones.__module__, "class": NewestTimeZones.__name__}
    assert yaml.safe_load(path.read_text())["scheduler"] == named
