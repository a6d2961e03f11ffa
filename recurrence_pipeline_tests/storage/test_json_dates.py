"""Dates as JavaScript programs write them: what is understood, and that the rest stays what it is."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.storage.json_dates import read_date

TEN = datetime(2024, 11, 5, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "written",
    [
        1730800800000,
        1730800800000.0,
        "2024-11-05T10:00:00.000Z",
        "2024-11-05T10:00:00Z",
        "2024-11-05T10:00Z",
        "2024-11-05t10:00z",
        "2024-11-05T10:00:00",
        "2024-11-05 10:00",
        "2024-11-05T12:00:00+02:00",
        "2024-11-05T04:30:00.0-05:30",
        "Tue, 05 Nov 2024 10:00:00 GMT",
        "Tue, 5 Nov 2024 10:00:00 +0000",
        "05 Nov 2024 10:00 UT",
        "Tue, 05 Nov 2024 05:00:00 -0500",
        "Tue, 05 Nov 2024 10:00:00 -0000",
        "  Tue, 05 Nov 2024 10:00:00 GMT ",
    ],
)
def test_a_date_may_be_written_in_each_of_the_ways_of_a_javascript_program(written: object) -> None:
    assert read_date(written) == TEN


def test_a_day_without_a_time_begins_in_utc_and_parts_of_a_second_count() -> None:
    assert read_date("2024-11-05") == TEN.replace(hour=0)
    assert read_date("2024-11-05T10:00:00.5Z") == TEN + timedelta(milliseconds=500)
    assert read_date("2024-11-05T10:00:00.123456Z") == TEN + timedelta(microseconds=123456)
    assert read_date(-1) == datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "written",
    [
        "soon", "", "2024", "20241105", "2024-W45-2", "2024-02-30", "2024-13-01T00:00:00Z", "2024-11-05T25:00:00Z",
        "2024-11-05T10", "1730800800000", "Tue, 31 Feb 2024 10:00:00 GMT", "Tue, 05 Nov 2024", "5 Foo 2024 10:00 GMT",
        0, "Tue, 05 Nov 2024 10:00:00", "05.11.2024", "11/05/2024", "٢٠٢٤-11-05", "0000-01-01",
        "99 Nov 2024 99:99:99 GMT",
        True, False, None, [], {}, ["2024-11-05"], 1e300, -1e300, 10**30, float("nan"), float("inf"), 8.64e15,
    ],
)  # fmt: skip
def test_anything_else_stays_what_it_is(written: object) -> None:
    found = read_date(written)
    assert found is written


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_what_to_json_and_to_utc_string_write_is_read_back(date: datetime) -> None:
    date = date.replace(microsecond=date.microsecond // 1000 * 1000)
    assert read_date(date.isoformat(timespec="milliseconds").replace("+00:00", "Z")) == date
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    if date.year >= 1900:  # two digits, and then three, once meant a year since 1900 (RFC 2822, section 4.3)
        text = f"{days[date.weekday()]}, {date.day:02} {months[date.month - 1]} {date:%Y %H:%M:%S} GMT"
        assert read_date(text) == date.replace(microsecond=0)


@given(st.one_of(st.text(max_size=40), st.floats(), st.integers(), st.from_regex(r"[0-9:.TZ +-]{4,30}")))
def test_nothing_breaks_the_reading(value: object) -> None:
    found = read_date(value)
    assert found is value or isinstance(found, datetime)
