"""Laws of the calendar: what holds for every rule, zone and anchor, and what an independent oracle says."""

from datetime import datetime, timedelta, timezone, tzinfo
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule
from hypothesis import assume, example, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.calendar import (
    next_occurrence,
    occurrences,
    slot,
    slot_number,
    slots,
)
from recurrence_pipeline.domain.rules import REPEAT_TYPES

UTC = timezone.utc
FREQUENCIES = {"daily": DAILY, "weekly": WEEKLY, "monthly": MONTHLY}
ZONES = (
    "UTC", "America/Havana", "America/New_York", "America/Nuuk", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Gaza",
    "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "Pacific/Chatham", "Europe/Dublin", "Antarctica/Casey",
    "Antarctica/Troll",
)  # fmt: skip
"""Changes of half an hour to three hours, in winter, in Ramadan, and at midnight; none that skips a whole day."""

walls = st.datetimes(min_value=datetime(1975, 1, 1), max_value=datetime(2060, 12, 31))  # noqa: DTZ001  (a wall clock)
walls_on_the_31st = st.builds(
    datetime, st.integers(1975, 2060), st.sampled_from((1, 3, 5, 7, 8, 10, 12)), st.just(31), st.integers(0, 23)
)
zones = st.sampled_from(ZONES)
all_zones = st.sampled_from(sorted(available_timezones()))
instants = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
rules = st.sampled_from(sorted(REPEAT_TYPES))
numbers = st.integers(min_value=0, max_value=2000)


def exists(wall: datetime, zone: tzinfo) -> bool:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


@given(wall=walls, zone=zones, rule=rules, count=st.integers(0, 60))
def test_slots_are_sorted_and_unique_on_the_wall_clock(wall: datetime, zone: str, rule: str, count: int) -> None:
    start = wall.replace(tzinfo=ZoneInfo(zone))
    slots = [start, *occurrences(start, rule, count, zone)]
    on_the_wall = [s.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for s in slots]
    assert on_the_wall == sorted(set(on_the_wall))


@given(wall=walls, fold=st.sampled_from((0, 1)), zone=zones, rule=rules, number=numbers)
def test_a_slot_has_the_number_it_was_made_from(wall: datetime, fold: int, zone: str, rule: str, number: int) -> None:
    anchor = wall.replace(tzinfo=ZoneInfo(zone), fold=fold)
    assert slot_number(anchor, rule, slot(anchor, rule, number, zone), zone) == number


@given(wall=walls, zone=zones, rule=rules, number=numbers)
def test_wall_clock_time_survives_dst_wherever_it_exists(wall: datetime, zone: str, rule: str, number: int) -> None:
    here = ZoneInfo(zone)
    assume(exists(wall, here))
    found = slot(wall.replace(tzinfo=here), rule, number, zone).astimezone(here).replace(tzinfo=None)
    if exists(datetime.combine(found, wall.time()), here):
        assert found.time() == wall.time()
    else:
        assert timedelta(0) < found - datetime.combine(found, wall.time()) <= timedelta(hours=3)


@given(wall=walls, zone=zones, rule=rules, head=st.integers(0, 40), tail=st.integers(0, 40))
def test_splitting_a_range_changes_nothing(wall: datetime, zone: str, rule: str, head: int, tail: int) -> None:
    start = wall.replace(tzinfo=ZoneInfo(zone))
    rest = [slot(start, rule, number, zone) for number in range(head + 1, head + tail + 1)]
    assert occurrences(start, rule, head + tail, zone) == occurrences(start, rule, head, zone) + rest


@given(
    wall=walls,
    zone=zones,
    rule=rules,
    offset=st.timedeltas(min_value=timedelta(days=-40), max_value=timedelta(days=400)),
)
def test_the_next_occurrence_is_the_first_slot_strictly_after_the_base(
    wall: datetime, zone: str, rule: str, offset: timedelta
) -> None:
    anchor = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    base = anchor + offset
    expected = next(s for n in range(500) if (s := slot(anchor, rule, n, zone)) > base)
    assert next_occurrence(base, rule, zone, anchor) == expected


@given(wall=walls, zone=zones, rule=rules, number=st.integers(0, 400))
def test_the_occurrence_after_a_slot_is_the_next_slot(wall: datetime, zone: str, rule: str, number: int) -> None:
    anchor = wall.replace(tzinfo=ZoneInfo(zone))
    following = next_occurrence(slot(anchor, rule, number, zone), rule, zone, anchor)
    assert following == slot(anchor, rule, number + 1, zone)
    assert next_occurrence(anchor, rule, zone) == slot(anchor, rule, 1, zone)


@given(wall=walls, zone=zones, rule=st.sampled_from(sorted(FREQUENCIES)), count=st.integers(1, 40))
def test_dateutil_agrees_on_the_wall_clock(wall: datetime, zone: str, rule: str, count: int) -> None:
    """RFC 5545 skips months that lack the day, so a month end is asked for as the last of up to that many days."""
    here = ZoneInfo(zone)
    wall = wall.replace(microsecond=0)
    monthly = {"bymonthday": range(28, wall.day + 1), "bysetpos": -1} if wall.day > 28 else {}
    oracle = rrule(FREQUENCIES[rule], dtstart=wall, **(monthly if rule == "monthly" else {}))  # type: ignore[arg-type]
    naive = list(islice(oracle.xafter(wall), count))
    expected = [time.replace(tzinfo=here).astimezone(UTC) for time in naive]
    assert occurrences(wall.replace(tzinfo=here), rule, count, zone) == expected


@given(wall=walls_on_the_31st, count=st.integers(1, 40))
def test_dateutil_agrees_that_the_31st_is_the_last_day_of_each_month(wall: datetime, count: int) -> None:
    oracle = rrule(MONTHLY, dtstart=wall, bymonthday=-1)
    expected = [time.replace(tzinfo=UTC) for time in islice(oracle.xafter(wall), count)]
    assert occurrences(wall.replace(tzinfo=UTC), "monthly", count) == expected


@given(anchor=instants, zone=all_zones, rule=rules, first=st.integers(0, 70), count=st.integers(1, 4))
def test_an_instant_and_what_the_clocks_show_at_it_are_the_same_anchor(
    anchor: datetime, zone: str, rule: str, first: int, count: int
) -> None:
    """An instant may be counted on in UTC while the clocks do not change; a time on the wall never is."""
    assert slots(anchor, rule, first, count, zone) == slots(anchor.astimezone(ZoneInfo(zone)), rule, first, count, zone)


@given(changed=st.datetimes(min_value=datetime(1915, 1, 1), max_value=datetime(2060, 12, 31)), zone=all_zones)  # noqa: DTZ001
@example(changed=datetime(1939, 9, 5), zone="Africa/Freetown")  # noqa: DTZ001
def test_no_zone_changes_its_clocks_and_changes_them_back_within_a_day(changed: datetime, zone: str) -> None:
    """The calendar looks for changes day by day, and would count on past such a pair of them."""
    here = ZoneInfo(zone)
    hours = [(changed + timedelta(hours=n)).replace(tzinfo=here).utcoffset() for n in range(24 * 40)]
    changes = [n for n, (before, after) in enumerate(pairwise(hours)) if before != after]
    assert all(second - first > 24 for first, second in pairwise(changes))
