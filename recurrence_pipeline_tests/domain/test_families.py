"""Slots by their numbers: for any rule what counting its instances one by one gives, from wherever one begins."""

from datetime import datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.calendar import is_counted, next_occurrence, slot, slot_number, slots
from recurrence_pipeline.domain.counting import Known
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.families import family_of
from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.rules import parse_rule
from recurrence_pipeline.domain.zones import UTC
from recurrence_pipeline_tests.domain.in_memory import utc
from recurrence_pipeline_tests.domain.rule_texts import rule_texts

anchors = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001
    max_value=datetime(2060, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda wall: wall.replace(microsecond=0))

COMMON = (
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=WEEKLY;INTERVAL=2",
    "FREQ=WEEKLY;BYDAY=MO,TH",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
    "FREQ=MONTHLY;BYMONTHDAY=1,15",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
    "FREQ=MONTHLY;BYMONTHDAY=30;SKIP=FORWARD",
    "FREQ=MONTHLY;INTERVAL=3;SKIP=BACKWARD",
    "FREQ=MONTHLY;BYDAY=2TU",
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR",
    "FREQ=MONTHLY;BYMONTH=3,9;BYDAY=1MO",
    "FREQ=YEARLY;INTERVAL=2;SKIP=BACKWARD",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;SKIP=FORWARD",
    "FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1,15",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
)
"""What nearly everybody uses."""

GENERAL = (
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
    "FREQ=YEARLY;BYYEARDAY=1,100,-1",
    "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
)

any_rule = st.one_of(st.sampled_from(COMMON), rule_texts()).filter(lambda text: not parse_rule(text).ends)


def counted(text: str, anchor: datetime, count: int) -> list[datetime]:
    return [anchor, *islice(instances(parse_rule(text), anchor), count - 1)]


@pytest.mark.parametrize("text", COMMON)
def test_what_nearly_everybody_uses_is_found_by_number_alone(text: str) -> None:
    assert not is_counted(text)


@pytest.mark.parametrize("text", GENERAL)
def test_rules_with_more_in_one_period_than_in_another_are_counted(text: str) -> None:
    assert is_counted(text)


@given(text=any_rule, anchor=anchors, first=st.integers(0, 40), count=st.integers(0, 30))
def test_a_number_stands_for_the_instance_that_counting_gives_it(
    text: str, anchor: datetime, first: int, count: int
) -> None:
    assert slots(anchor, text, first, count) == counted(text, anchor, first + count + 1)[first : first + count]


@given(text=any_rule, anchor=anchors, known=st.integers(0, 40), on=st.integers(1, 10))
def test_slots_counted_on_from_a_known_one_are_the_same(text: str, anchor: datetime, known: int, on: int) -> None:
    found = counted(text, anchor, known + on + 4)
    assume(len(found) > known)
    at = Known(known, found[known])
    assert slots(anchor, text, known + on, 3, known=at) == slots(anchor, text, known + on, 3)


@given(text=any_rule, anchor=anchors, number=st.integers(0, 60), known=st.integers(0, 60))
def test_a_slot_of_any_rule_has_the_number_it_was_made_from(
    text: str, anchor: datetime, number: int, known: int
) -> None:
    found = counted(text, anchor, number + 1)
    assume(len(found) > max(number, known))
    assert slot_number(anchor, text, found[number]) == number
    assert slot_number(anchor, text, found[number], known=Known(known, found[known])) == number


SEVERAL_IN_EACH_PERIOD = (
    "FREQ=WEEKLY;INTERVAL=3;BYDAY=TU,SU",
    "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1,15",
    "FREQ=YEARLY;INTERVAL=2;BYMONTH=1,7",
    "FREQ=YEARLY;INTERVAL=2;BYMONTH=1,7;BYMONTHDAY=1,15",
    "FREQ=MONTHLY;BYMONTH=3,9;BYDAY=1MO,1TU",
)


@given(text=st.sampled_from(SEVERAL_IN_EACH_PERIOD), anchor=anchors, days=st.integers(0, 3000))
def test_a_day_between_slots_stands_for_the_one_before(text: str, anchor: datetime, days: int) -> None:
    assume(anchor.day <= 28)
    day = anchor + timedelta(days)
    before = sum(1 for _ in takewhile(lambda each: each <= day, instances(parse_rule(text), anchor)))
    assert family_of(parse_rule(text)).number(anchor, day) == before


@given(text=any_rule, anchor=anchors, days=st.integers(-30, 900))
def test_the_next_of_any_rule_is_its_first_slot_behind_a_time(text: str, anchor: datetime, days: int) -> None:
    base = anchor + timedelta(days, hours=5)
    later = (found for found in instances(parse_rule(text), anchor) if found > base)
    expected = anchor if base < anchor else next(later, None)
    assume(expected is not None)
    assert next_occurrence(base, text, None, anchor) == expected


@given(anchor=anchors, count=st.integers(1, 20), first=st.integers(0, 30))
def test_count_counts_the_anchor_and_nothing_comes_behind_it(anchor: datetime, count: int, first: int) -> None:
    text = f"FREQ=WEEKLY;BYDAY=MO,WE;COUNT={count}"
    assert len(slots(anchor, text, first, 40)) == max(count - first, 0)


def test_a_slot_past_the_end_is_refused_with_the_rule() -> None:
    with pytest.raises(InvalidRecurrence, match="slot 3 lies past the end of FREQ=DAILY;COUNT=3"):
        slot(utc(2027, 1, 1, 9), "FREQ=DAILY;COUNT=3", 3)


def test_a_date_as_until_includes_that_day_in_the_zone_of_the_series() -> None:
    anchor = utc(2027, 1, 1, 23)  # Jan 2, 08:00 in Tokyo
    found = slots(anchor, "FREQ=DAILY;UNTIL=20270104", 0, 10, "Asia/Tokyo")
    assert found == [anchor, utc(2027, 1, 2, 23), utc(2027, 1, 3, 23)]


def test_an_anchor_that_is_not_on_the_rule_is_slot_0_and_before_the_first_instance() -> None:
    anchor = utc(2027, 1, 5, 9)  # a Tuesday
    assert slots(anchor, "FREQ=WEEKLY;BYDAY=MO", 0, 3) == [anchor, utc(2027, 1, 11, 9), utc(2027, 1, 18, 9)]


def test_leap_day_becomes_the_last_of_february_and_comes_back() -> None:
    found = slots(utc(2024, 2, 29, 9), "yearly", 0, 5)
    assert [f"{each:%m-%d}" for each in found] == ["02-29", "02-28", "02-28", "02-28", "02-29"]


@pytest.mark.parametrize("rule", ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "FREQ=DAILY;INTERVAL=900;BYMONTH=1"])
def test_the_last_moment_of_the_calendar_has_a_number_by_every_rule(rule: str) -> None:
    """Imports write it where there is no date."""
    anchor = utc(2024, 1, 1, 9)
    assert is_counted(rule)
    assert slot_number(anchor, rule, utc(9999, 12, 31, 23, 59)) >= slot_number(anchor, rule, utc(9990, 1, 1)) > 0


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/New_York"])
def test_the_end_of_the_calendar_is_an_end_in_every_zone(zone: str) -> None:
    """Calendars write it for "for ever"."""
    anchor = utc(2027, 1, 1, 9)
    assert slots(anchor, "FREQ=DAILY;UNTIL=99991231T235959Z", 0, 3, zone) == slots(anchor, "FREQ=DAILY", 0, 3, zone)
    assert slots(anchor, "FREQ=DAILY;UNTIL=00010101T000000Z", 0, 3, zone) == [anchor]


def test_what_lies_behind_the_calendar_lies_behind_the_end_of_a_rule() -> None:
    anchor = utc(2027, 1, 1, 9)
    assert slots(anchor, "FREQ=YEARLY;INTERVAL=5000;UNTIL=20301231", 0, 4) == [anchor]
    assert slots(anchor, "FREQ=YEARLY;INTERVAL=5000;UNTIL=20301231", 2, 1) == []


def test_a_time_as_until_includes_its_whole_second() -> None:
    """An anchor may have milliseconds; RFC 5545 has none."""
    anchor = utc(2027, 1, 1, 9) + timedelta(milliseconds=123)
    assert len(slots(anchor, "FREQ=DAILY;UNTIL=20270103T090000Z", 0, 9)) == 3
