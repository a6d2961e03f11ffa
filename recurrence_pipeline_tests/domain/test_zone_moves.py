"""What becomes of dates and of what slots are counted from, when a user moves to another time zone."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.calendar import in_utc, timed
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.recurrence import Recurrence, read_recurrence
from recurrence_pipeline.domain.zone_moves import Keep, SeriesClock, Stays, moved_clock, moved_dates
from recurrence_pipeline.domain.zones import time_zone, wall_clock
from recurrence_pipeline_tests.world import utc

PHOENIX, TORONTO, TOKYO = "America/Phoenix", "America/Toronto", "Asia/Tokyo"
ZONES = st.sampled_from([PHOENIX, TORONTO, TOKYO, "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "UTC"])
NINE = utc(2026, 12, 11, 9)


def task(due: datetime, **fields: Any) -> Task:
    return Task("1" * 24, due_date=due, **({"original_due_date": due} | fields))


def clock(rule: str = "daily", **fields: Any) -> SeriesClock:
    return SeriesClock(rule, NINE, PHOENIX, **fields)


def plain(rule: str = "daily") -> Recurrence:
    return read_recurrence(rule) if rule.islower() else read_recurrence("custom", {"rule": rule})


@given(st.integers(0, 20 * 365 * 1440).map(lambda minutes: utc(2020, 1, 1) + timedelta(minutes=minutes)), ZONES, ZONES)
def test_a_kept_wall_clock_shows_the_same_and_kept_instants_are_the_same(wall: datetime, here: str, to: str) -> None:
    due = in_utc(wall, time_zone(here))

    kept = moved_dates(task(due, occurrence_at=wall), here, to, Keep.WALL_CLOCK)
    assert kept is not None
    assert (kept.due, kept.original_due, kept.slot) == (in_utc(wall, time_zone(to)), kept.due, wall)

    moved = moved_dates(task(due, occurrence_at=wall), here, to, Keep.INSTANTS)
    assert moved is not None
    assert (moved.due, moved.original_due) == (due, due)
    assert moved.slot == wall_clock("due", due, time_zone(to))


def test_a_slot_that_a_day_off_moved_keeps_both_of_its_times() -> None:
    shifted = task(utc(2026, 12, 14, 16), occurrence_at=NINE, shifted_to=utc(2026, 12, 14, 9))
    kept = moved_dates(shifted, PHOENIX, TORONTO, Keep.WALL_CLOCK)
    assert kept is not None
    assert (kept.due, kept.slot, kept.shifted_to) == (utc(2026, 12, 14, 14), NINE, utc(2026, 12, 14, 9))
    moved = moved_dates(shifted, PHOENIX, TORONTO, Keep.INSTANTS)
    assert moved is not None
    assert (moved.due, moved.slot, moved.shifted_to) == (
        utc(2026, 12, 14, 16), utc(2026, 12, 11, 11), utc(2026, 12, 14, 11),
    )  # fmt: skip


def test_an_older_task_without_its_wall_clock_keeps_what_its_instant_shows() -> None:
    dates = moved_dates(task(utc(2026, 12, 11, 16)), PHOENIX, TORONTO, Keep.WALL_CLOCK)
    assert dates is not None
    assert (dates.due, dates.slot) == (utc(2026, 12, 11, 14), None)


def test_what_has_no_due_date_has_nothing_to_move() -> None:
    assert moved_dates(Task("1" * 24), PHOENIX, TORONTO, Keep.WALL_CLOCK) is None


def test_a_series_that_keeps_its_wall_clock_changes_its_zone_only() -> None:
    known = clock(start=utc(2027, 1, 1, 9), at=utc(2027, 1, 4, 9))
    moved = moved_clock(known, plain(), TOKYO, Keep.WALL_CLOCK, None)
    assert moved == SeriesClock("daily", NINE, TOKYO, utc(2027, 1, 1, 9), utc(2027, 1, 4, 9))


def test_a_series_that_keeps_its_instants_counts_from_where_the_next_one_is() -> None:
    """In winter Toronto is two hours ahead of Phoenix, in summer three: later slots follow the clock of the next."""
    winter = moved_clock(clock(at=NINE), plain(), TORONTO, Keep.INSTANTS, utc(2026, 12, 12, 16))
    summer = moved_clock(clock(at=NINE), plain(), TORONTO, Keep.INSTANTS, utc(2027, 7, 12, 16))
    assert isinstance(winter, SeriesClock)
    assert isinstance(summer, SeriesClock)
    assert (winter.anchor.hour, winter.at, summer.anchor.hour) == (11, utc(2026, 12, 11, 11), 12)


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        ("daily", False),
        ("weekly", False),
        ("FREQ=DAILY;INTERVAL=3", False),
        ("FREQ=WEEKLY;BYDAY=FR", True),
        ("FREQ=MONTHLY;BYDAY=2FR", True),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", True),
    ],
)
def test_a_rule_that_names_days_stays_where_clocks_show_another(rule: str, stays: bool) -> None:  # noqa: FBT001
    moved = moved_clock(clock(rule), plain(rule), TOKYO, Keep.INSTANTS, None)
    assert (moved is Stays.OTHER_DAYS) is stays
    if isinstance(moved, SeriesClock):
        zone = time_zone(TOKYO)
        before = [at for at, _ in timed(NINE, rule, 0, 20, zone)]
        assert [at for at, _ in timed(moved.anchor, rule, 0, 20, zone)] == [at + timedelta(hours=16) for at in before]


@pytest.mark.parametrize(
    "options",
    [
        {"excluded": ["2027-05-01T09:00"]},
        {"added": ["2027-05-01"]},
        {"paused": [{"from": "2027-01-01"}]},
        {"rule": "FREQ=DAILY;UNTIL=20280101T090000"},
    ],
    ids=str,
)
def test_a_series_with_dates_of_its_old_clock_stays_where_its_time_would_change(options: dict[str, Any]) -> None:
    recurrence = read_recurrence("daily", options)
    assert moved_clock(clock(), recurrence, TORONTO, Keep.INSTANTS, None) is Stays.DATES
    assert isinstance(moved_clock(clock(), recurrence, TORONTO, Keep.WALL_CLOCK, None), SeriesClock)
    assert isinstance(moved_clock(clock(), recurrence, "Etc/GMT+7", Keep.INSTANTS, None), SeriesClock), "the same time"
