"""The calendar: examples that people can check on paper. What holds for all dates is in test_calendar_laws.py."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from recurrence_pipeline.domain.calendar import next_occurrence, occurrences, slot, slot_number
from recurrence_pipeline.domain.counting import DRIFT
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES
from recurrence_pipeline.domain.zones import UTC, time_zone

NEW_YORK = "America/New_York"


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def local(zone: str, *fields: int) -> datetime:
    return datetime(*fields, tzinfo=ZoneInfo(zone))  # type: ignore[misc, arg-type]


def answer(anchor: datetime, rule: str, number: int, zone: str) -> datetime | InvalidRecurrence:
    try:
        return slot(anchor, rule, number, zone)
    except InvalidRecurrence as refusal:
        return refusal


def days(slots: list[datetime], zone: str = "UTC") -> list[str]:
    return [s.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d") for s in slots]


def clocks(slots: list[datetime], zone: str) -> list[str]:
    return [s.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M") for s in slots]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (utc(2024, 1, 31), ["2024-02-29", "2024-03-31", "2024-04-30"]),
        (utc(2023, 1, 31), ["2023-02-28", "2023-03-31", "2023-04-30"]),
        (utc(2023, 1, 30), ["2023-02-28", "2023-03-30", "2023-04-30"]),
        (utc(2024, 8, 31), ["2024-09-30", "2024-10-31", "2024-11-30"]),
        (utc(2024, 12, 31), ["2025-01-31", "2025-02-28", "2025-03-31"]),
    ],
)
def test_a_short_month_shortens_its_own_slot_and_no_later_one(start: datetime, expected: list[str]) -> None:
    assert days(occurrences(start, "monthly", 3)) == expected


def test_a_century_is_a_leap_year_only_every_fourth_time() -> None:
    assert days(occurrences(utc(2100, 1, 31), "monthly", 1)) == ["2100-02-28"]
    assert days(occurrences(utc(2000, 1, 31), "monthly", 1)) == ["2000-02-29"]


def test_a_feb_29_anchor_stays_on_the_29th_and_comes_back_to_it_in_leap_years() -> None:
    anchor = utc(2024, 2, 29)
    assert days([slot(anchor, "monthly", n) for n in (1, 12, 13, 48)]) == [
        "2024-03-29", "2025-02-28", "2025-03-29", "2028-02-29",
    ]  # fmt: skip


def test_the_time_of_day_survives_a_clamped_day() -> None:
    assert slot(utc(2024, 1, 31, 23, 59), "monthly", 1) == utc(2024, 2, 29, 23, 59)


def test_the_month_end_is_that_of_the_zone_and_not_of_utc() -> None:
    """Jan 31, 20:00 in New York is Feb 1 in UTC, where the series would move to the first of each month."""
    slots = occurrences(local(NEW_YORK, 2024, 1, 31, 20), "monthly", 3, NEW_YORK)
    assert clocks(slots, NEW_YORK) == ["02-29 20:00", "03-31 20:00", "04-30 20:00"]


def test_a_day_and_a_week_cross_the_year_end() -> None:
    assert days(occurrences(utc(2024, 12, 30), "daily", 3)) == ["2024-12-31", "2025-01-01", "2025-01-02"]
    assert days(occurrences(utc(2024, 12, 26), "weekly", 2)) == ["2025-01-02", "2025-01-09"]


def test_daily_passes_through_leap_day_only_where_there_is_one() -> None:
    assert days(occurrences(utc(2024, 2, 28), "daily", 2)) == ["2024-02-29", "2024-03-01"]
    assert days(occurrences(utc(2023, 2, 28), "daily", 2)) == ["2023-03-01", "2023-03-02"]


def test_slots_are_utc_whatever_zone_the_anchor_came_in() -> None:
    (found,) = occurrences(local(NEW_YORK, 2024, 1, 1, 9), "daily", 1, NEW_YORK)
    assert found.tzinfo is UTC
    assert found == utc(2024, 1, 2, 14)


def test_slot_0_is_the_anchor_itself() -> None:
    assert slot(utc(2024, 1, 31, 9), "monthly", 0) == utc(2024, 1, 31, 9)


def test_no_count_gives_no_slots() -> None:
    assert occurrences(utc(2024, 1, 1), "daily", 0) == []


# Clocks in New York go from 02:00 to 03:00 on 2024-03-10, and from 02:00 back to 01:00 on 2024-11-03.


@pytest.mark.parametrize(("month", "day"), [(3, 8), (11, 1)])
def test_both_dst_lines_are_no_lines_in_utc(month: int, day: int) -> None:
    start = utc(2024, month, day, 2)
    assert occurrences(start, "daily", 4) == [start + timedelta(days=n) for n in (1, 2, 3, 4)]


def test_over_the_spring_line_02_00_moves_forward_once_and_is_02_00_again() -> None:
    slots = occurrences(local(NEW_YORK, 2024, 3, 8, 2), "daily", 4, NEW_YORK)
    assert slots == [utc(2024, 3, 9, 7), utc(2024, 3, 10, 7), utc(2024, 3, 11, 6), utc(2024, 3, 12, 6)]
    assert clocks(slots, NEW_YORK) == ["03-09 02:00", "03-10 03:00", "03-11 02:00", "03-12 02:00"]


def test_over_the_autumn_line_02_00_stays_02_00() -> None:
    slots = occurrences(local(NEW_YORK, 2024, 11, 1, 2), "daily", 4, NEW_YORK)
    assert slots == [utc(2024, 11, 2, 6), utc(2024, 11, 3, 7), utc(2024, 11, 4, 7), utc(2024, 11, 5, 7)]


def test_a_time_in_the_gap_moves_forward_by_the_gap_and_the_next_slot_is_back() -> None:
    slots = occurrences(local(NEW_YORK, 2024, 3, 8, 2, 30), "daily", 3, NEW_YORK)
    assert clocks(slots, NEW_YORK) == ["03-09 02:30", "03-10 03:30", "03-11 02:30"]


def test_of_a_time_that_exists_twice_the_first_is_meant() -> None:
    assert slot(local(NEW_YORK, 2024, 11, 2, 1, 30), "daily", 1, NEW_YORK) == utc(2024, 11, 3, 5, 30)


def test_an_anchor_on_the_second_of_two_equal_times_stays_there_and_only_there() -> None:
    second = local(NEW_YORK, 2024, 11, 3, 1, 30).replace(fold=1)
    assert slot(second, "daily", 0, NEW_YORK) == utc(2024, 11, 3, 6, 30)
    assert slot(second.astimezone(UTC), "daily", 0, NEW_YORK) == utc(2024, 11, 3, 6, 30)
    assert slot(second, "daily", 364, NEW_YORK) == utc(2025, 11, 2, 5, 30)
    assert slot(second, "monthly", 72, NEW_YORK) == utc(2030, 11, 3, 5, 30)


def test_a_weekly_and_a_monthly_meeting_keep_their_hour_over_the_line() -> None:
    start = local(NEW_YORK, 2024, 3, 4, 9)
    assert occurrences(start, "weekly", 1, NEW_YORK) == [utc(2024, 3, 11, 13)]
    assert occurrences(start, "monthly", 1, NEW_YORK) == [utc(2024, 4, 4, 13)]


def test_lord_howe_moves_by_half_an_hour() -> None:
    zone = "Australia/Lord_Howe"
    slots = occurrences(local(zone, 2024, 10, 5, 2, 15), "daily", 2, zone)
    assert clocks(slots, zone) == ["10-06 02:45", "10-07 02:15"]


def test_dublin_whose_winter_time_is_the_exception_keeps_the_hour() -> None:
    slots = occurrences(local("Europe/Dublin", 2024, 3, 30, 1, 30), "daily", 2, "Europe/Dublin")
    assert slots == [utc(2024, 3, 31, 1, 30), utc(2024, 4, 1, 0, 30)]
    assert clocks(slots, "Europe/Dublin") == ["03-31 02:30", "04-01 01:30"]


def test_casablanca_which_changes_its_clock_for_ramadan_keeps_the_hour() -> None:
    zone = "Africa/Casablanca"
    assert occurrences(local(zone, 2024, 3, 9, 9), "daily", 2, zone) == [utc(2024, 3, 10, 9), utc(2024, 3, 11, 9)]
    assert slot(local(zone, 2024, 3, 9, 9), "monthly", 2, zone) == utc(2024, 5, 9, 8)


def test_the_day_that_apia_skipped_shares_its_instant_with_the_next() -> None:
    """Counted by instants, the two would be one slot and every later number off by one."""
    zone = "Pacific/Apia"
    slots = occurrences(local(zone, 2011, 12, 28, 9), "daily", 4, zone)
    assert clocks(slots, zone) == ["12-29 09:00", "12-31 09:00", "12-31 09:00", "01-01 09:00"]
    numbers = [slot_number(local(zone, 2011, 12, 28, 9), "daily", s, zone) for s in slots]
    assert numbers == [1, 3, 3, 4]


def test_a_gap_that_pushes_a_slot_over_midnight_does_not_push_its_number() -> None:
    """Clocks in Nuuk went from 23:00 on 2024-03-30 to 00:00 on the day after."""
    zone = "America/Nuuk"
    anchor = local(zone, 2024, 3, 28, 23, 30)
    moved = slot(anchor, "daily", 2, zone)
    assert clocks([moved], zone) == ["03-31 00:30"]
    assert slot_number(anchor, "daily", moved, zone) == 2
    assert next_occurrence(moved - timedelta(minutes=20), "daily", zone, anchor) == moved


def test_drifted_month_ends_count_as_the_month_they_lie_in() -> None:
    anchor = utc(2024, 1, 31)
    drifted = [utc(2024, 2, 29), utc(2024, 3, 29), utc(2024, 4, 29)]
    assert [slot_number(anchor, "monthly", day) for day in drifted] == [1, 2, 3]


def test_a_task_counted_in_another_zone_over_dst_keeps_its_number() -> None:
    """A worker that counts in UTC puts 00:30 in New York at 23:30 of the day before, once winter is there."""
    anchor = local(NEW_YORK, 2024, 11, 1, 0, 30)
    counted_in_utc = anchor.astimezone(UTC) + timedelta(days=5)
    assert slot_number(anchor, "daily", counted_in_utc, NEW_YORK) == 5


def test_within_the_drift_a_time_belongs_to_the_neighbouring_slot_and_beyond_it_does_not() -> None:
    anchor = utc(2024, 1, 1, 0, 30)
    assert slot_number(anchor, "daily", utc(2024, 1, 4, 0, 30) - DRIFT) == 3
    assert slot_number(anchor, "daily", utc(2024, 1, 4, 0, 30) - DRIFT - timedelta(minutes=1)) == 2


@pytest.mark.parametrize(
    ("rule", "when", "number"),
    [("daily", utc(2024, 1, 9), -1), ("weekly", utc(2024, 1, 9), -1), ("monthly", utc(2023, 12, 31), -1)],
)
def test_what_lies_before_the_anchor_has_a_negative_number(rule: str, when: datetime, number: int) -> None:
    assert slot_number(utc(2024, 1, 10), rule, when) == number


def test_the_last_slot_of_the_calendar_has_its_number() -> None:
    """Its neighbour lies past the year 9999 and must not be in the way."""
    assert slot_number(utc(2024, 1, 31), "monthly", utc(9999, 12, 31)) == 95711
    assert slot_number(utc(2024, 1, 31), "monthly", utc(9999, 12, 1)) == 95711


def test_slot_one_million_is_answered_at_once() -> None:
    assert slot(utc(2024, 1, 1), "daily", 1_000_000) == utc(2024, 1, 1) + timedelta(days=1_000_000)


@pytest.mark.parametrize("rule", REPEAT_TYPES)
@pytest.mark.parametrize("number", [10_000_000, 10**12, 10**30])
def test_a_slot_past_the_year_9999_is_refused_by_name(rule: str, number: int) -> None:
    with pytest.raises(InvalidRecurrence, match=f"number: slot {number} .*outside the years 1 to 9999") as caught:
        slot(utc(2024, 1, 1), rule, number)
    assert (caught.value.field, caught.value.value) == ("number", number)


@pytest.mark.parametrize("rule", REPEAT_TYPES)
@pytest.mark.parametrize("zone", ["Asia/Tokyo", NEW_YORK])
def test_the_last_slots_before_the_year_9999_ends_are_given_and_the_next_is_refused(rule: str, zone: str) -> None:
    for year in (9997, 9998, 9999):
        anchor = utc(year, 12, 15, 12)
        numbers = range(1200)
        given = [n for n in numbers if not isinstance(answer(anchor, rule, n, zone), InvalidRecurrence)]
        assert given == list(range(len(given))), "all up to the last, and none after it"
        assert slot(anchor, rule, given[-1], zone).year == 9999


def test_the_next_occurrence_of_an_old_series_needs_no_steps_in_between() -> None:
    anchor = utc(1, 1, 31, 12)
    assert next_occurrence(utc(9999, 1, 31, 12), "monthly", anchor=anchor) == utc(9999, 2, 28, 12)
    assert next_occurrence(utc(9999, 1, 31, 12), "daily", anchor=anchor) == utc(9999, 2, 1, 12)


def test_the_end_of_the_calendar_has_no_next_occurrence() -> None:
    with pytest.raises(InvalidRecurrence, match="outside the years 1 to 9999"):
        next_occurrence(utc(9999, 12, 31), "daily")


def test_the_first_moment_of_the_calendar_is_refused_by_name_or_answered_but_never_an_overflow() -> None:
    first = datetime.min.replace(tzinfo=ZoneInfo("Asia/Tokyo"))
    assert next_occurrence(first, "monthly", "Asia/Tokyo", anchor=utc(2024, 1, 1)) == utc(2024, 1, 1)
    with pytest.raises(InvalidRecurrence, match=r"anchor: 0001-01-01T00:00:00.* outside the years 1 to 9999"):
        slot(first, "daily", 1, "UTC")


@pytest.mark.parametrize(
    "name",
    ["Mars/Olympus", "", "../etc/passwd", "America", "New York", "\0", "/etc/localtime", "é\ud800", "x" * 999],
)
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(InvalidRecurrence, match="is not an IANA time zone") as caught:
        slot(utc(2024, 1, 1), "daily", 1, name)
    assert (caught.value.field, caught.value.value) == ("timezone", name)
    assert str(caught.value).startswith(f"timezone: {name!r}")


@pytest.mark.parametrize("rule", ["none", "hourly", "Daily", ""])
def test_an_unknown_rule_is_named_wherever_it_is_given(rule: str) -> None:
    now = utc(2024, 1, 1)
    questions: list[Callable[[], object]] = [
        lambda: slot(now, rule, 0),
        lambda: slot_number(now, rule, now),
        lambda: occurrences(now, rule, 0),
        lambda: next_occurrence(now, rule),
    ]
    for ask in questions:
        with pytest.raises(InvalidRecurrence, match=f"^Invalid repeat type: {rule}$") as caught:
            ask()
        assert (caught.value.field, caught.value.value) == ("repeatType", rule)


def test_a_naive_time_is_refused_under_the_name_it_was_given() -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    aware = utc(2024, 1, 1)
    questions: dict[str, Callable[[], object]] = {
        "anchor": lambda: slot(naive, "daily", 1),
        "start": lambda: occurrences(naive, "daily", 1),
        "when": lambda: slot_number(aware, "daily", naive),
        "base": lambda: next_occurrence(naive, "daily", anchor=aware),
    }
    for field, ask in questions.items():
        with pytest.raises(InvalidRecurrence, match=f"^{field}: .* is not a date with a time zone$") as caught:
            ask()
        assert (caught.value.field, caught.value.value) == (field, naive)


@pytest.mark.parametrize("number", [-1, 1.0, 1.5, "3", True, None])
def test_a_number_that_is_no_count_is_named(number: object) -> None:
    questions: dict[str, Callable[[], object]] = {
        "number": lambda: slot(utc(2024, 1, 1), "daily", number),  # type: ignore[arg-type]
        "count": lambda: occurrences(utc(2024, 1, 1), "daily", number),  # type: ignore[arg-type]
    }
    for field, ask in questions.items():
        with pytest.raises(InvalidRecurrence, match=f"^{field}: ") as caught:
            ask()
        assert (caught.value.field, caught.value.value) == (field, number)
        assert repr(number) in str(caught.value)


def test_no_zone_means_utc() -> None:
    assert time_zone(None) is UTC
    assert slot(local(NEW_YORK, 2024, 3, 9, 9), "daily", 1) == utc(2024, 3, 10, 14)
