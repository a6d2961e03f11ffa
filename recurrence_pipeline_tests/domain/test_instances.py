"""Where rules of any kind fall: the RFCs' own examples by name, edges, and the laws. The anchor is slot 0."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, example, given
from hypothesis import strategies as st

from conformance.examples import RFC_5545, RFC_7529, listed
from recurrence_pipeline.domain.calendar import timed
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.instances import begun_later, instances, last_moment, require_instance
from recurrence_pipeline.domain.rules import parse_rule
from recurrence_pipeline_tests.domain.rule_texts import rule_texts

NINE = timedelta(hours=9)
at = datetime.fromisoformat
"""A time on the wall clock."""


def days(text: str, start: str, count: int = 40) -> list[str]:
    """Return the first days of a series, the anchor first, as month and day, with the year where it changes."""
    anchor = datetime.fromisoformat(start) + NINE
    rule = parse_rule(text)
    wanted = count if rule.count is None else min(rule.count, count)
    rule = replace(rule, until=last_moment(rule, anchor, ZoneInfo("America/New_York")))
    return shown([anchor, *islice(instances(rule, anchor), wanted - 1)])


def shown(found: list[datetime]) -> list[str]:
    assert all(each.time() == found[0].time() for each in found)
    return [f"{each:%Y-%m-%d}" for each in found]


OURS = {
    "a start that is not on the rule counts": (
        "FREQ=WEEKLY;BYDAY=MO;COUNT=3", "2026-11-25", "2026: 11/25 11/30 12/7"),
    "forward and the first of a month are one day": (
        "FREQ=MONTHLY;BYMONTHDAY=1,31;SKIP=FORWARD", "2027-04-01", "2027: 4/1 5/1 5/31 6/1 7/1 7/31"),
    "a day counted from behind that is not there": (
        "FREQ=MONTHLY;BYMONTHDAY=-31;SKIP=BACKWARD", "2027-03-01", "2027: 3/1 3/31 5/1 5/31 7/1"),
    "the last day of the year": ("FREQ=YEARLY;BYYEARDAY=-1", "2027-12-31", "2027: 12/31;2028: 12/31"),
    "day 366, backward": (
        "FREQ=YEARLY;BYYEARDAY=366;SKIP=BACKWARD", "2028-12-31", "2028: 12/31;2029: 12/31;2030: 12/31"),
    "week 53 is only where there is one": ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO", "2026-12-28", "2026: 12/28;2032: 12/27"),
    "week 1 may begin in the year before": (
        "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", "2024-01-01", "2024: 1/1 12/30;2025: 12/29;2027: 1/4"),
    "every other year's week 1 is that of its own year": (
        "FREQ=YEARLY;INTERVAL=2;BYWEEKNO=1;BYDAY=MO", "2024-01-01", "2024: 1/1;2025: 12/29;2028: 1/3"),
    "where days are named besides week numbers, the start's weekday is not implied": (
        "FREQ=YEARLY;BYWEEKNO=52;BYMONTHDAY=24", "2026-12-24", "2026: 12/24;2029: 12/24;2030: 12/24;2031: 12/24"),
    "nor where days of the year are": (
        "FREQ=YEARLY;BYWEEKNO=1,53;BYYEARDAY=1", "2026-01-01", "2026: 1/1;2027: 1/1;2029: 1/1;2030: 1/1"),
    "the last weekday of the year": (
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-12-31", "2026: 12/31;2027: 12/31;2028: 12/29"),
    "a date-only end includes its day": ("FREQ=DAILY;UNTIL=20261127", "2026-11-25", "2026: 11/25-27"),
    "a fifth Monday is not in every month": (
        "FREQ=MONTHLY;BYDAY=5MO", "2026-11-30", "2026: 11/30;2027: 3/29 5/31 8/30 11/29"),
    "weekdays of a year, numbered": ("FREQ=YEARLY;BYDAY=1MO,-1MO", "2027-01-04", "2027: 1/4 12/27;2028: 1/3 12/25"),
    "numbered weekdays count in the month where months are named": (
        "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU", "2027-03-28", "2027: 3/28 10/31;2028: 3/26 10/29"),
}  # fmt: skip


@pytest.mark.parametrize("name", RFC_5545)
def test_the_examples_of_rfc_5545(name: str) -> None:
    text, start, expected = RFC_5545[name]
    wanted = listed(expected)
    found = days(text, start, 400 if "COUNT" in text or "UNTIL" in text else len(wanted))
    assert found == wanted


@pytest.mark.parametrize("name", RFC_7529)
def test_the_examples_of_rfc_7529(name: str) -> None:
    text, start, expected = RFC_7529[name]
    assert days(text, start, len(listed(expected))) == listed(expected)


@pytest.mark.parametrize("name", OURS)
def test_what_the_rfcs_leave_unsaid(name: str) -> None:
    text, start, expected = OURS[name]
    bounded = "COUNT" in text or "UNTIL" in text
    assert days(text, start, 400 if bounded else len(listed(expected))) == listed(expected)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=YEARLY;BYMONTH=2;BYDAY=MO;BYYEARDAY=200",
    ],
)
def test_a_rule_without_any_day_is_refused(text: str) -> None:
    with pytest.raises(InvalidRecurrence, match="has no day in 400 years") as raised:
        require_instance(parse_rule(text), at("2027-01-01T09"))
    assert raised.value.field == "recurrence.rule"


def test_the_end_of_the_calendar_ends_every_rule() -> None:
    for text in ("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY;SKIP=FORWARD", "FREQ=YEARLY;BYWEEKNO=1,52"):
        found = list(instances(parse_rule(text), at("9999-11-30T09")))
        assert found == sorted(found)
        assert all(each.year == 9999 for each in found)


anchors = st.datetimes(at("1900-01-01"), at("2200-01-01")).map(lambda found: found.replace(microsecond=0))


@given(rule_texts(), anchors, st.integers(1, 25))
def test_begun_anywhere_a_rule_goes_on_as_from_its_start(text: str, anchor: datetime, split: int) -> None:
    """A series of any age costs what a new one costs, for it goes on from its last slot."""
    rule = parse_rule(text)
    whole = list(islice(instances(rule, anchor), 30))
    assert whole == sorted(set(whole))
    assert all(each > anchor for each in whole)
    assume(len(whole) > split)
    assert list(islice(instances(rule, anchor, whole[split - 1]), 30 - split)) == whole[split:]
    between = whole[split - 1] + (whole[split] - whole[split - 1]) / 2
    assert next(instances(rule, anchor, between)) == whole[split]


@given(rule_texts(), anchors, st.integers(1, 25))
@example("FREQ=YEARLY;INTERVAL=2;BYWEEKNO=1;BYDAY=MO", at("2024-01-03T09:00"), 1)
@example("FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1,31;SKIP=FORWARD", at("2024-02-01T09:00"), 1)
def test_a_series_that_starts_at_a_later_instance_has_the_others_behind_it(
    text: str, anchor: datetime, split: int
) -> None:
    rule = parse_rule(text)
    found = list(islice(instances(rule, anchor), split + 5))
    assume(len(found) > split)
    start = found[split - 1]
    slots = timed(start, begun_later(rule, anchor), 0, len(found) - split + 1, ZoneInfo("UTC"))
    assert [at for at, _ in slots] == found[split - 1 :]


@given(rule_texts(rich=False), anchors)
def test_dateutil_agrees_wherever_the_rfc_leaves_no_choice(text: str, anchor: datetime) -> None:
    """Left out is what it reads otherwise.

    It knows no SKIP, ends the weeks of a year with the year, takes `MO,1MO` for what is both, and counts positions in
    the first week of a series from the start of the series.
    """
    ours = list(islice(instances(parse_rule(text), anchor), 20))
    assume(ours)  # where there is none, theirs walks on to the year 9999, for minutes
    theirs = (each for each in rrulestr(text, dtstart=anchor) if each > anchor)
    assert list(islice(theirs, len(ours))) == ours


@given(rule_texts(), anchors)
def test_printing_and_reading_are_inverse(text: str, anchor: datetime) -> None:
    rule = parse_rule(text)
    assert parse_rule(str(rule)) == rule
    assert hash(parse_rule(str(rule))) == hash(rule)
    assert list(islice(instances(parse_rule(str(rule)), anchor), 5)) == list(islice(instances(rule, anchor), 5))


def test_until_is_read_in_the_zone_of_the_series() -> None:
    rule = parse_rule("FREQ=DAILY;UNTIL=20270102T020000Z")
    assert last_moment(rule, at("2027-01-01T09"), ZoneInfo("America/New_York")) == at("2027-01-01T21:00:00.999999")
    day = parse_rule("FREQ=DAILY;UNTIL=20270102")
    assert last_moment(day, at("2027-01-01T09"), ZoneInfo("Asia/Tokyo")) == datetime.combine(date(2027, 1, 2), time.max)
