"""Days off: where a slot on one goes, and whose holidays are when."""

import subprocess
import sys
from datetime import date, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.days_off import WORKDAYS, Shift, ShiftTo, why_unknown
from recurrence_pipeline.domain.zones import UTC

PLACES = ("DE", "DE-BY", "US", "JP", "IN", "SE", "FR-Zone A")
walls = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59), timezones=st.just(UTC))  # noqa: DTZ001
near_walls = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def shifts(to: ShiftTo | None = None) -> st.SearchStrategy[Shift]:
    workdays = st.sets(st.integers(0, 6), min_size=1).map(frozenset)
    places = st.none() | st.sampled_from(PLACES)
    return st.builds(Shift, st.sampled_from(ShiftTo) if to is None else st.just(to), workdays, places)


@given(shifts(), walls)
def test_a_slot_never_lies_on_a_day_off_and_keeps_its_time_of_day(shift: Shift, wall: datetime) -> None:
    moved = shift.moved(wall)
    if moved is not None:
        assert not shift.is_off(moved.date())
        assert moved.timetz() == wall.timetz()


@given(shifts(), walls)
def test_a_slot_on_a_working_day_never_moves(shift: Shift, wall: datetime) -> None:
    assume(not shift.is_off(wall.date()))
    assert shift.moved(wall) == wall


@given(shifts(ShiftTo.SKIP), walls)
def test_skip_passes_over_days_off_and_nothing_else(shift: Shift, wall: datetime) -> None:
    assert (shift.moved(wall) is None) == shift.is_off(wall.date())


@given(st.sampled_from([ShiftTo.PREVIOUS, ShiftTo.NEXT]).flatmap(shifts), near_walls)
def test_a_slot_goes_to_the_nearest_working_day_and_to_the_side_that_is_said(shift: Shift, wall: datetime) -> None:
    moved = shift.moved(wall)
    assert moved is not None
    step = timedelta(days=-1 if shift.to is ShiftTo.PREVIOUS else 1)
    assert (moved - wall) / step >= 0
    between = takewhile(lambda day: day != moved, (wall + step * n for n in range(400)))
    assert all(shift.is_off(day.date()) for day in between)


@pytest.mark.parametrize(
    ("to", "wall"),
    [(ShiftTo.PREVIOUS, datetime(1, 1, 1, 9, tzinfo=UTC)), (ShiftTo.NEXT, datetime(9999, 12, 31, 9, tzinfo=UTC))],
)
def test_a_slot_that_would_leave_the_calendar_is_passed_over(to: ShiftTo, wall: datetime) -> None:
    only_another_day = Shift(to, frozenset({(wall.weekday() + 1) % 7}), "US")
    assert only_another_day.moved(wall) is None


@pytest.mark.parametrize(
    ("place", "day", "is_off"),
    [
        ("DE", "2026-04-03", True),  # Good Friday
        ("DE", "2026-05-14", True),  # Ascension
        ("DE", "2027-03-29", True),  # Easter Monday
        ("DE", "2027-05-17", True),  # Whit Monday
        ("DE", "2026-01-06", False),
        ("DE-BY", "2026-01-06", True),  # Epiphany, in three of the states
        ("DE", "2026-06-04", False),
        ("DE-BY", "2026-06-04", True),  # Corpus Christi
        ("DE", "2027-11-01", False),
        ("DE-BY", "2027-11-01", True),  # All Saints
        ("US", "2026-11-26", True),  # Thanksgiving
        ("US", "2026-07-03", True),  # for Independence Day, a Saturday
        ("US", "2027-07-05", True),  # for Independence Day, a Sunday
        ("US", "2027-12-31", True),  # for New Year's Day of the year after, a Saturday
        ("US", "2027-12-30", False),
        ("JP", "2026-05-06", True),  # for Constitution Day, a Sunday, behind two more holidays
        ("JP", "2026-09-22", True),  # between two holidays
        ("JP", "2027-03-22", True),  # for the equinox, a Sunday
        ("JP", "2026-12-25", False),
    ],
)
def test_the_holidays_of_a_place_are_days_off_and_so_are_the_days_given_for_them(
    place: str,
    day: str,
    is_off: bool,  # noqa: FBT001
) -> None:
    found = date.fromisoformat(day)
    assert found.weekday() in WORKDAYS, "else the weekend would answer"
    assert Shift(ShiftTo.NEXT, holidays=place).is_off(found) is is_off


def test_without_a_place_no_holiday_is_a_day_off() -> None:
    assert not Shift(ShiftTo.NEXT).is_off(date(2026, 12, 25))


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_is_known_is_taken(place: str) -> None:
    assert why_unknown(place) is None


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("XX", "is not a country"),
        ("de", "is not a country"),
        ("DEU", "is not a country"),
        ("utils", "is not a country"),
        ("-BY", "is not a country"),
        ("DE-ZZ", "has no region of DE: BB, BE, BW, BY,"),
        ("DE-", "has no region of DE: BB,"),
        ("US-XX", "and 37 more"),
        ("JP-13", "has no region of JP: there are none"),
    ],
)
def test_a_place_that_is_not_known_is_said_with_the_regions_that_are(place: str, why: str) -> None:
    assert why in str(why_unknown(place))


def test_in_no_place_every_day_of_a_week_is_off_all_year() -> None:
    """Else a series of one weekday there would have no working day, and each of its slots be looked for in vain."""
    from holidays import list_supported_countries  # noqa: PLC0415

    for country in list_supported_countries(include_aliases=False):
        everyday = Shift(ShiftTo.NEXT, frozenset(range(7)), country)
        days = [date(2027, 1, 1) + timedelta(days=n) for n in range(365)]
        assert {day.weekday() for day in days if not everyday.is_off(day)} == set(range(7)), country


def test_a_table_of_holidays_is_made_once_for_a_year() -> None:
    """Else a million slots would make a million tables."""
    code = """
import holidays
from datetime import date, timedelta
from recurrence_pipeline.domain.days_off import Shift, ShiftTo
made, make = [], holidays.country_holidays
holidays.country_holidays = lambda *args, **kwargs: made.append(kwargs["years"]) or make(*args, **kwargs)
shifts = [Shift(ShiftTo.NEXT, holidays="DE-BY") for _ in range(3)]
print(sum(s.is_off(date(2026, 1, 1) + timedelta(days=n)) for s in shifts for n in range(730)) > 600, made)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "True [2026, 2027]\n"


def test_who_names_no_place_does_not_wait_for_the_tables() -> None:
    code = """
import sys
from recurrence_pipeline.domain.recurrence import read_recurrence
assert "holidays" not in sys.modules
read_recurrence("daily", {"shift": {"to": "next"}}).moved
assert "holidays" not in sys.modules
read_recurrence("daily", {"shift": {"to": "next", "holidays": "DE"}})
print("holidays" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"
