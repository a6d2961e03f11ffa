"""What is odd about a slot, in words."""

from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from recurrence_pipeline.domain.explain import SlotView, SlotViews
from recurrence_pipeline.domain.model import Series
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline_tests.domain.world import an_original


def local(zone: str, *parts: int) -> datetime:
    year, month, day, hour, minute = parts
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone))


def preview_slot(anchor: datetime, repeat_type: str, number: int, zone: str) -> SlotView:
    original = replace(an_original(repeat_type, anchor), created_at=anchor, timezone=zone)
    series = Series(original.id, original)
    return next(islice(SlotViews(series, SeriesState(series, original, None), anchor).since(None), number, None))


@pytest.mark.parametrize(
    ("anchor", "repeat_type", "number", "zone", "shown", "offset", "note"),
    [
        (local("UTC", 2024, 1, 31, 9, 0), "monthly", 1, "UTC", "2024-02-29 09:00", "+00:00", "31 clamped to 29"),
        (local("UTC", 2024, 1, 31, 9, 0), "monthly", 2, "UTC", "2024-03-31 09:00", "+00:00", ""),
        (
            local("America/New_York", 2024, 3, 9, 2, 30),
            "daily",
            1,
            "America/New_York",
            "2024-03-10 03:30",
            "-04:00",
            "02:30 does not exist, moved to 03:30",
        ),
        (
            local("America/New_York", 2024, 11, 2, 1, 30),
            "daily",
            1,
            "America/New_York",
            "2024-11-03 01:30",
            "-04:00",
            "01:30 exists twice, the first is meant",
        ),
        (
            local("Australia/Lord_Howe", 2024, 10, 5, 2, 15),
            "daily",
            1,
            "Australia/Lord_Howe",
            "2024-10-06 02:45",
            "+11:00",
            "02:15 does not exist, moved to 02:45",
        ),
        (
            local("America/New_York", 2023, 12, 31, 2, 30),
            "monthly",
            2,
            "America/New_York",
            "2024-02-29 02:30",
            "-05:00",
            "31 clamped to 29",
        ),
        (local("Asia/Kolkata", 2024, 1, 1, 9, 0), "weekly", 3, "Asia/Kolkata", "2024-01-22 09:00", "+05:30", ""),
    ],
)
def test_a_slot_is_shown_in_local_time_with_what_is_odd_about_it(  # noqa: PLR0917
    anchor: datetime, repeat_type: str, number: int, zone: str, shown: str, offset: str, note: str
) -> None:
    preview = preview_slot(anchor, repeat_type, number, zone)

    assert (f"{preview.local:%Y-%m-%d %H:%M}", preview.offset, preview.note) == (shown, offset, note)
    assert preview.local.astimezone(timezone.utc) == preview.utc  # PEP 495: comparing across zones ignores the fold


def test_a_night_without_midnight_starts_an_hour_late_and_says_so() -> None:
    """In Beirut the clocks go forward at midnight: 2024-03-31 00:00 does not exist."""
    anchor = local("Asia/Beirut", 2024, 2, 29, 0, 0)

    assert preview_slot(local("Asia/Beirut", 2024, 3, 30, 0, 0), "daily", 1, "Asia/Beirut").note == (
        "00:00 does not exist, moved to 01:00"
    )
    assert preview_slot(anchor, "monthly", 1, "Asia/Beirut").note == ""


def test_the_anchor_itself_is_never_odd() -> None:
    second_of_two = local("America/New_York", 2024, 11, 3, 1, 30).replace(fold=1)

    assert preview_slot(second_of_two, "daily", 0, "America/New_York").note == ""
