"""What is odd about a slot, in words."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.explain import DayCode, SlotView, SlotViews
from recurrence_pipeline.domain.model import Series
from recurrence_pipeline.domain.rules import REPEAT_TYPES
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline_tests.domain.test_planning_laws import ANCHOR, options
from recurrence_pipeline_tests.domain.world import ORIGINAL, World, an_original, complete, create, utc


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


@st.composite
def lives(draw: st.DrawFn) -> tuple[World, datetime]:
    """Draw a series that was created, had some of its tasks completed and some deleted, and a moment to look at it."""
    said = draw(options())
    word = draw(st.sampled_from(sorted(REPEAT_TYPES))) if said is None else "custom"
    world = World.of(replace(an_original(word, ANCHOR), recurrence=said))
    world.apply(world.plan(create()))
    for _ in range(draw(st.integers(0, 4))):
        chosen = draw(st.sampled_from(sorted(world.tasks)))
        if draw(st.booleans()):
            world.check_off(chosen)
            world.apply(world.plan(complete(chosen)))
        elif chosen != ORIGINAL:
            del world.tasks[chosen]
    return world, ANCHOR + timedelta(days=draw(st.integers(-5, 90)))


def looked_at(world: World, now: datetime) -> tuple[SeriesState, SlotViews]:
    series = world.snapshot().series[ORIGINAL]
    assert series.original is not None
    state = SeriesState(series, series.original, None)
    return state, SlotViews(series, state, now)


@given(life=lives())
def test_every_day_has_one_answer_and_it_is_what_the_worker_does(life: tuple[World, datetime]) -> None:
    world, now = life
    state, views = looked_at(world, now)
    tasks = sorted(
        world.tasks.items(), key=lambda item: item[0] in state.slots
    )  # of two on a day, the one with a number
    standing = {state.place(i).date(): task for i, task in tasks}
    made = {f"{new.at:%Y-%m-%d}" for new in world.plan(create()).occurrences}
    for number in range(-5, 120):
        day = (ANCHOR + timedelta(days=number)).date()
        explanation = views.on(day)
        assert explanation.text
        there = explanation.code in {DayCode.DONE, DayCode.OPEN, DayCode.OVERDUE}
        assert there == (day in standing)
        if there:
            assert (explanation.code is DayCode.DONE) == standing[day].is_completed
        if explanation.code is DayCode.TO_BE_MADE:
            assert day.isoformat() in made


@given(life=lives())
def test_a_preview_and_an_explanation_say_the_same_of_a_slot(life: tuple[World, datetime]) -> None:
    _, views = looked_at(*life)
    slots = list(islice(views.since(None), 30))
    assert [slot.at for slot in slots] == sorted({slot.at for slot in slots})
    for slot in slots:
        explanation = views.on(slot.at.date())
        assert explanation.slot is not None
        if explanation.slot.at == slot.at:
            assert explanation.slot == slot


@pytest.mark.parametrize(
    ("day", "code", "text"),
    [
        ("2027-01-01", "before_start", "The series begins on 2027-01-04."),
        ("2027-01-04", "overdue", f"Slot 0, Mon 2027-01-04 09:00: task {ORIGINAL} is open, and its time has passed."),
        ("2027-01-05", "not_on_rule", "Tue 2027-01-05 is not on the rule: every Monday, 5 times in all."),
        ("2027-01-11", "excluded", "Slot 1, Mon 2027-01-11 09:00: excluded by recurrence.excluded, so that no task"),
        ("2027-01-12", "to_be_made", "An added date, Tue 2027-01-12 09:00: due to be made by the next event"),
        ("2027-01-18", "to_be_made", "Slot 2, Mon 2027-01-18 09:00: due to be made by the next event of the series."),
        ("2027-02-01", "ahead", "Slot 4, Mon 2027-02-01 09:00: not made yet: the series is kept 2 ahead of its next"),
        ("2027-02-08", "past_end", "Mon 2027-02-08 lies past the end of the rule: every Monday, 5 times in all."),
    ],
)
def test_a_day_is_explained_in_one_line(day: str, code: str, text: str) -> None:
    said = {"rule": "FREQ=WEEKLY;COUNT=5", "excluded": ["2027-01-11"], "added": ["2027-01-12"], "horizon": 2}
    original = replace(an_original("custom", utc(2027, 1, 4, 9)), recurrence=said, created_at=utc(2027, 1, 1))
    _, views = looked_at(World.of(original), utc(2027, 1, 5))
    found = views.on(date.fromisoformat(day))
    assert (found.code.value, found.text[: len(text)]) == (code, text)
