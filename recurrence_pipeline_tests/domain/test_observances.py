"""When clocks change, as a calendar file says it, read back: the instants are those of the zone."""

from datetime import datetime, timedelta, tzinfo
from functools import cache
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from dateutil.tz import tzical
from hypothesis import given

from recurrence_pipeline.domain.observances import FIRST, LAST, Observance, observances
from recurrence_pipeline.domain.zones import UTC
from recurrence_pipeline.views.icalendar import zone_text
from recurrence_pipeline_tests.domain.test_calendar_laws import ZONES, all_zones

ODD = (*ZONES[1:], "Europe/Berlin", "Europe/London", "Africa/Cairo", "Asia/Beirut", "America/Vancouver")


def starts(each: Observance, until: int) -> list[datetime]:
    if each.rule is None:
        return list(each.starts)
    return list(rrulestr(f"{each.rule};UNTIL={until}0101T000000", dtstart=each.starts[0]))


@cache
def changes(zone: tzinfo, first: int, last: int) -> list[tuple[datetime, timedelta]]:
    """Return the instants at which a zone's clocks change, found minute by minute, and what they are ahead of UTC."""
    found: list[tuple[datetime, timedelta]] = []
    time, end, step = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC), timedelta(hours=12)
    while time < end:
        if ahead(time + step, zone) != ahead(time, zone):
            minutes = (time + timedelta(minutes=minute) for minute in range(721))
            change = next(minute for minute in minutes if ahead(minute, zone) != ahead(time, zone))
            found.append((change, ahead(change, zone)))
        time += step
    return found


def ahead(time: datetime, zone: tzinfo) -> timedelta:
    return time.astimezone(zone).utcoffset() or timedelta()


@pytest.mark.parametrize("name", ODD)
def test_the_observances_are_the_changes_of_the_clocks(name: str) -> None:
    zone = ZoneInfo(name)
    _, *parts = observances(zone)
    told = sorted(
        (start.replace(tzinfo=UTC) - each.before, each.after.ahead) for each in parts for start in starts(each, 2041)
    )

    assert [each for each in told if 2015 <= each[0].year < 2040] == changes(zone, 2015, 2040)


@pytest.mark.parametrize("name", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Europe/Dublin"])
def test_what_comes_by_a_rule_goes_on_for_ever(name: str) -> None:
    rules = [each.rule for each in observances(ZoneInfo(name)) if each.rule]

    assert len(rules) == 2


def test_dates_of_a_zone_whose_changes_follow_no_weekday_of_the_month_are_told_one_by_one() -> None:
    """Nuuk's clocks change on the day before the last Sunday: that is no weekday with a number."""
    _, *parts = observances(ZoneInfo("America/Nuuk"))

    assert max(start.year for each in parts for start in each.starts) == LAST.year - 1


def test_the_first_observance_holds_from_the_beginning_and_a_fixed_offset_has_no_other() -> None:
    [only] = observances(ZoneInfo("Etc/GMT-3"))

    assert (only.before, only.after.ahead) == (timedelta(hours=3), timedelta(hours=3))
    assert only.starts == [FIRST.replace(tzinfo=None) + timedelta(hours=3)]


@pytest.mark.parametrize("name", ODD)
def test_another_library_reads_the_zone_and_has_its_times(name: str) -> None:
    """Of icalendar's own zones it does not: summer time begins an hour late there."""
    zone = ZoneInfo(name)
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{zone_text(zone)}END:VCALENDAR\r\n"
    read: Any = tzical(StringIO(text.replace("\r\n", "\n"))).get(name)

    for instant, _ in changes(zone, 2020, 2031):
        for around in (timedelta(minutes=-1), timedelta(), timedelta(minutes=45), timedelta(days=90)):
            time = instant + around
            local = time.astimezone(zone)
            if local.fold == 0:  # of times that come twice, the RFC has words for the first only
                assert read.utcoffset(local.replace(tzinfo=None)) == local.utcoffset(), time


@given(all_zones)
def test_any_zone_there_is_can_be_told_in_little_room(name: str) -> None:
    """A calendar has one for each zone in it."""
    assert len(zone_text(ZoneInfo(name))) < 8000
