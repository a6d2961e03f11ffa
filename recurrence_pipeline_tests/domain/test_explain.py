"""What is odd about a slot, in words."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.explain import DayCode, SlotView, SlotViews
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.rules import REPEAT_TYPES
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline_tests.domain.in_memory import ORIGINAL, InMemoryTasks, an_original, complete, create, ours, utc
from recurrence_pipeline_tests.domain.test_planning_laws import ANCHOR, options


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
def lives(draw: st.DrawFn) -> tuple[InMemoryTasks, datetime]:
    """Draw a series that was created, had some of its tasks completed and some deleted, and a moment to look at it."""
    said = draw(options())
    word = draw(st.sampled_from(sorted(REPEAT_TYPES))) if said is None else "custom"
    world = InMemoryTasks.of(replace(an_original(word, ANCHOR), recurrence=said))
    world.apply(world.plan(create()))
    for _ in range(draw(st.integers(0, 4))):
        chosen = draw(st.sampled_from(sorted(world.tasks)))
        if draw(st.booleans()):
            world.check_off(chosen)
            world.apply(world.plan(complete(chosen)))
        elif chosen != ORIGINAL:
            del world.tasks[chosen]
    return world, ANCHOR + timedelta(days=draw(st.integers(-5, 90)))


def looked_at(world: InMemoryTasks, now: datetime) -> tuple[SeriesState, SlotViews]:
    series = world.snapshot().series[ORIGINAL]
    assert series.original is not None
    state = SeriesState(series, series.original, None)
    return state, SlotViews(series, state, now)


@given(life=lives())
def test_every_day_has_one_answer_and_it_is_what_the_worker_does(life: tuple[InMemoryTasks, datetime]) -> None:
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
def test_a_preview_and_an_explanation_say_the_same_of_a_slot(life: tuple[InMemoryTasks, datetime]) -> None:
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
    _, views = looked_at(InMemoryTasks.of(original), utc(2027, 1, 5))
    found = views.on(date.fromisoformat(day))
    assert (found.code.value, found.text[: len(text)]) == (code, text)


def test_of_two_slots_of_a_day_the_one_that_has_a_task_counts() -> None:
    """Else a day would be called empty on which a task stands, because another of that day was deleted."""
    original = replace(an_original("daily"), recurrence={"added": ["2024-02-02T15:00"], "horizon": 2})
    world = InMemoryTasks.of(original)
    world.apply(world.plan(create()))
    _, views = looked_at(world, utc(2024, 2, 1))
    assert said_of(views, "2024-02-02")[1].startswith("Slot 1, ")

    del world.tasks[occurrence_id(ORIGINAL, 1)]
    _, views = looked_at(world, utc(2024, 2, 1))
    code, text = said_of(views, "2024-02-02")
    assert (code, text[:38]) == ("open", "An added date, Fri 2024-02-02 15:00: t")


# Pauses and days off


FRIDAY = utc(2027, 4, 30, 9)


def shifted_series(rule: str, to: str, *members: Task, now: datetime = FRIDAY, **shift: object) -> SlotViews:
    said = {"rule": rule, "shift": {"to": to, **shift}}
    original = replace(an_original("custom", FRIDAY), recurrence=said, created_at=utc(2027, 4, 1))
    series = Series(original.id, original, members)
    return SlotViews(series, SeriesState(series, original, None), now)


def said_of(views: SlotViews, day: str) -> tuple[str, str]:
    found = views.on(date.fromisoformat(day))
    return found.code.value, found.text


def test_a_paused_day_is_explained_with_the_pause_and_what_was_written_about_it() -> None:
    paused = [
        {"from": "2027-05-01", "until": "2027-05-02", "note": "{away}"},
        {"from": "2027-05-10", "until": "2027-05-10"},
        {"from": "2027-06-01"},
    ]
    original = replace(an_original("daily", FRIDAY), recurrence={"paused": paused}, created_at=utc(2027, 4, 1))
    _, views = looked_at(InMemoryTasks.of(original), FRIDAY)

    assert [said_of(views, f"2027-{day}") for day in ("05-02", "05-10", "06-02")] == [
        ("paused", "Slot 2, Sun 2027-05-02 09:00: paused from 2027-05-01 until 2027-05-02: {away}"),
        ("paused", "Slot 10, Mon 2027-05-10 09:00: paused from 2027-05-10 until 2027-05-10."),
        ("paused", "Slot 33, Wed 2027-06-02 09:00: paused from 2027-06-01 until further notice."),
    ]
    assert said_of(views, "2027-05-03")[0] == "to_be_made"


def test_what_is_excluded_is_that_before_it_is_paused_or_off() -> None:
    said = {"excluded": ["2027-05-01"], "paused": [{"from": "2027-05-01"}], "shift": {"to": "skip"}}
    original = replace(an_original("daily", FRIDAY), recurrence=said, created_at=utc(2027, 4, 1))
    _, views = looked_at(InMemoryTasks.of(original), FRIDAY)

    assert [said_of(views, f"2027-05-0{day}")[0] for day in (1, 2)] == ["excluded", "paused"]


def test_a_day_off_that_is_skipped_is_explained() -> None:
    views = shifted_series("FREQ=DAILY", "skip", holidays="DE")

    text = "Slot 6, Thu 2027-05-06 09:00: a day off, which recurrence.shift skips, so that no task is made."
    assert said_of(views, "2027-05-06") == ("day_off", text)  # Ascension


@pytest.mark.parametrize(
    ("to", "days", "text"),
    [
        ("next", ("2027-05-01", "2027-05-03"), "Slot 1, Mon 2027-05-03 09:00 (moved from Sat 2027-05-01, a day off):"),
        (
            "previous",
            ("2027-05-01", "2027-04-29"),
            "Slot 1, Thu 2027-04-29 09:00 (moved from Sat 2027-05-01, a day off):",
        ),
    ],
)
def test_a_slot_that_was_moved_is_found_on_the_day_of_the_rule_and_where_it_went(
    to: str, days: tuple[str, str], text: str
) -> None:
    rule = "FREQ=MONTHLY;BYMONTHDAY=1"
    views = shifted_series(rule, to, workdays=["MO", "TU", "WE", "TH"])  # the Friday it begins on is off, too

    found = [views.on(date.fromisoformat(day)) for day in days]
    assert [each.text[: len(text)] for each in found] == [text, text]
    assert found[0].slot == found[1].slot
    slot = found[0].slot
    assert slot is not None
    assert (slot.at, slot.utc.date().isoformat(), slot.code) == (utc(2027, 5, 1, 9), days[1], DayCode.TO_BE_MADE)
    assert said_of(views, "2027-05-02")[0] == "not_on_rule"


def test_a_day_has_the_slot_of_its_own_and_names_those_that_were_moved_there() -> None:
    code, text = said_of(shifted_series("FREQ=DAILY", "next"), "2027-05-03")

    assert code == "to_be_made"
    assert text.startswith("Slot 3, Mon 2027-05-03 09:00: ")
    assert text.endswith(" Moved to that day, too: Slot 2 of Sun 2027-05-02, Slot 1 of Sat 2027-05-01.")


def test_where_the_days_own_slot_is_passed_over_the_one_that_was_moved_there_counts() -> None:
    said = {"excluded": ["2027-05-03"], "shift": {"to": "next"}}
    original = replace(an_original("daily", FRIDAY), recurrence=said, created_at=utc(2027, 4, 1))
    _, views = looked_at(InMemoryTasks.of(original), FRIDAY)

    code, text = said_of(views, "2027-05-03")
    assert code == "to_be_made"
    assert text.startswith("Slot 2, Mon 2027-05-03 09:00 (moved from Sun 2027-05-02, a day off): ")
    assert text.endswith(" Moved to that day, too: Slot 1 of Sat 2027-05-01.")


def test_a_task_is_told_where_it_was_made_whatever_is_said_of_days_off_now() -> None:
    moved = replace(ours(1), shifted_to=utc(2027, 5, 3, 9), due_date=utc(2027, 5, 3, 9))
    stayed = replace(ours(2), due_date=utc(2027, 5, 2, 9))
    views = shifted_series("FREQ=DAILY", "next", moved, stayed)

    code, text = said_of(views, "2027-05-01")
    assert (code, text[:60]) == ("open", "Slot 1, Mon 2027-05-03 09:00 (moved from Sat 2027-05-01, a d")
    assert said_of(views, "2027-05-02") == ("open", f"Slot 2, Sun 2027-05-02 09:00: task {stayed.id} is open.")
    assert said_of(views, "2027-05-03")[1].endswith(" Moved to that day, too: Slot 1 of Sat 2027-05-01.")


def test_a_task_that_was_moved_is_found_there_when_days_off_are_no_longer_named() -> None:
    moved = replace(ours(1), shifted_to=utc(2027, 5, 3, 9), due_date=utc(2027, 5, 3, 9))
    original = replace(an_original("custom", FRIDAY), recurrence={"rule": "FREQ=DAILY;BYDAY=SA"})
    series = Series(original.id, original, (moved,))
    views = SlotViews(series, SeriesState(series, original, None), FRIDAY)

    assert [views.on(date(2027, 5, day)).slot for day in (1, 3)] == [next(islice(views.since(None), 1, 2))] * 2
    assert said_of(views, "2027-05-03")[1].startswith("Slot 1, Mon 2027-05-03 09:00 (moved from Sat 2027-05-01, ")


def test_the_original_stays_where_it_is_on_a_day_off() -> None:
    said = {"shift": {"to": "next"}}
    original = replace(an_original("daily", utc(2027, 5, 1, 9)), recurrence=said, created_at=utc(2027, 4, 1))
    _, views = looked_at(InMemoryTasks.of(original), FRIDAY)

    assert said_of(views, "2027-05-01") == ("open", f"Slot 0, Sat 2027-05-01 09:00: task {ORIGINAL} is open.")


@pytest.mark.parametrize(
    ("to", "now", "numbers"),
    [
        ("next", utc(2027, 5, 2, 12), [1, 2, 3, 4]),  # on Sunday, the slot of Saturday is still to come
        ("next", utc(2027, 5, 3, 12), [4, 5, 6, 7]),
        ("previous", utc(2027, 4, 30, 8), [0, 1, 2, 3]),
        ("previous", utc(2027, 4, 30, 12), [3, 4, 5, 6]),  # the slots of the weekend are over on Friday
    ],
)
def test_a_preview_begins_with_what_is_due_next(to: str, now: datetime, numbers: list[int]) -> None:
    views = shifted_series("FREQ=DAILY", to, now=now)
    assert [slot.number for slot in islice(views.since(now), 4)] == numbers


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({"paused": [{"from": "2027-05-03"}], "added": ["2027-05-01T10:00"]}, [0, 1, None, 2]),
        ({"paused": [{"from": "2027-05-01", "until": "2027-05-31"}, {"from": "2027-06-02"}]}, [0, 32]),
        ({"rule": "FREQ=WEEKLY;BYDAY=SA", "shift": {"to": "skip"}}, [0]),
    ],
)
def test_a_preview_ends_where_a_series_rests_or_never_goes_on(
    options: dict[str, object], numbers: list[int | None]
) -> None:
    """Else it would be looked through to the year 9999."""
    word = "custom" if "rule" in options else "daily"
    original = replace(an_original(word, FRIDAY), recurrence=options, created_at=utc(2027, 4, 1))
    _, views = looked_at(InMemoryTasks.of(original), FRIDAY)
    assert [slot.number for slot in views.since(None)] == numbers


def test_a_preview_may_begin_with_the_calendar() -> None:
    first = next(shifted_series("FREQ=DAILY", "next").since(datetime.min.replace(tzinfo=timezone.utc)))
    assert first.number == 0


@given(
    to=st.sampled_from(["previous", "next", "skip"]),
    rule=st.sampled_from(["FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=SA,TU", "FREQ=MONTHLY;COUNT=9"]),
    workdays=st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1),
    holidays=st.sampled_from(["", "DE-BY", "JP"]),
)
def test_every_slot_is_found_on_the_day_of_the_rule_and_on_the_day_it_is_due(
    to: str, rule: str, workdays: set[str], holidays: str
) -> None:
    views = shifted_series(rule, to, workdays=sorted(workdays), holidays=holidays)
    for slot in islice(views.since(None), 1, 60):
        assert views.on(slot.at.date()).slot == slot
        there = views.on(slot.local.date())
        assert there.slot == slot or f"Slot {slot.number} of {slot.at:%a %Y-%m-%d}" in there.text
