"""Which tasks lie elsewhere than their wall clock says: gaps and overlaps as for every slot."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.time_zone_changes import Stays, is_ahead, time_zone_change
from recurrence_pipeline.domain.zones import time_zone
from recurrence_pipeline_tests.world import utc

BERLIN = "Europe/Berlin"
NOW = utc(2026, 1, 1)


def occurrence(wall: datetime, due: object, **fields: Any) -> Task:
    fields = {"original_due_date": due, "timezone": BERLIN, "is_touched": False, **fields}
    return Task("1" * 24, due_date=due, occurrence_at=wall, parent_recurring_id="2" * 24, **fields)


@pytest.mark.parametrize(
    ("wall", "due"),
    [
        (utc(2027, 3, 28, 2, 30), utc(2027, 3, 28, 1, 30)),  # in a gap: 03:30
        (utc(2027, 10, 31, 2, 30), utc(2027, 10, 31, 0, 30)),  # twice: the first
        (utc(2027, 6, 1, 9), utc(2027, 6, 1, 7)),
    ],
    ids=["gap", "twice", "summer"],
)
def test_a_slot_is_where_every_slot_of_that_wall_clock_is(wall: datetime, due: datetime) -> None:
    assert time_zone_change(occurrence(wall, due), None, "UTC") is None
    change = time_zone_change(occurrence(wall, due + timedelta(hours=1)), None, "UTC")
    assert change is not None
    assert (change.due, change.original_due, change.stays) == (due, due, None)


@given(
    st.integers(0, 100 * 365 * 86_400).map(lambda seconds: utc(2000, 1, 1) + timedelta(seconds=seconds)),
    st.sampled_from([BERLIN, "America/Vancouver", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
    st.integers(-86_400, 86_400),
)
def test_what_should_move_is_what_lies_elsewhere_and_moved_it_lies_right(wall: datetime, zone: str, off: int) -> None:
    right = in_utc(wall, time_zone(zone))
    change = time_zone_change(occurrence(wall, right + timedelta(seconds=off), timezone=zone), None, "UTC")
    assert (change is None) is (off == 0)
    if change is not None:
        assert change.due == right
        assert time_zone_change(occurrence(wall, change.due, timezone=zone), None, "UTC") is None


def test_only_an_open_task_that_is_due_in_the_future_is_ahead() -> None:
    wall = utc(2027, 6, 1, 9)
    assert is_ahead(occurrence(wall, wall), NOW)
    assert not is_ahead(occurrence(wall, NOW), NOW)
    assert not is_ahead(occurrence(wall, wall, is_completed=True), NOW)
    assert not is_ahead(occurrence(wall, "soon"), NOW)
    assert not is_ahead(occurrence(wall, wall, odd_ids={"_id": 5}), NOW)


def test_a_task_without_a_zone_is_in_the_zone_that_is_set() -> None:
    wall = utc(2027, 6, 1, 9)
    assert time_zone_change(occurrence(wall, utc(2027, 6, 1, 7), timezone=None), None, BERLIN) is None


def test_of_what_says_no_wall_clock_nothing_is_told_but_where_clocks_never_change() -> None:
    task = Task("1" * 24, due_date=NOW, original_due_date=NOW, parent_recurring_id="2" * 24)
    change = time_zone_change(task, None, BERLIN)
    assert change is not None
    assert (change.stays, change.due) == (Stays.UNKNOWN, None)
    assert time_zone_change(task, None, "UTC") is None


def test_a_zone_or_a_time_that_cannot_be_is_named() -> None:
    for task in (
        occurrence(utc(2027, 6, 1), NOW, timezone="Mars/Base"),
        occurrence(utc(9999, 12, 31, 23), NOW, timezone="Pacific/Honolulu"),
    ):
        change = time_zone_change(task, None, "UTC")
        assert change is not None
        assert change.stays is Stays.INVALID
