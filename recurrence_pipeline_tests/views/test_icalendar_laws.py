"""What is exported is read by other libraries, and has the instants that the worker's own slots have."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import recurring_ical_events
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from icalendar import Calendar

from recurrence_pipeline.domain.calendar import in_utc, timed
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.explain import DayCode, SlotViews
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.instances import last_moment
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.recurrence_set import FORESEEN, recurrence_set
from recurrence_pipeline.domain.rules import REPEAT_TYPES, parse_rule
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.zones import UTC, time_zone, wall_text
from recurrence_pipeline.views.icalendar import calendar_text
from recurrence_pipeline_tests.domain.in_memory import ALICE, ORIGINAL
from recurrence_pipeline_tests.domain.rule_texts import rule_texts
from recurrence_pipeline_tests.domain.test_calendar_laws import ZONES

WINDOW = timedelta(days=800)
NEAR = timedelta(days=40)
"""Slots are moved, and zones differ, by less."""
NOT_THERE = (DayCode.DELETED, DayCode.PAUSED, DayCode.DAY_OFF)
walls = st.datetimes(min_value=datetime(2019, 1, 1), max_value=datetime(2031, 12, 31)).map(  # noqa: DTZ001
    lambda wall: wall.replace(second=0, microsecond=0, tzinfo=UTC)
)


def a_series(
    rule: str, wall: datetime, zone: str, options: Mapping[str, Any], fates: Iterable[str] = ()
) -> tuple[Series, SeriesState]:
    """Return a series in which the first occurrences came to these: open, done, moved or gone."""
    anchor = in_utc(wall, time_zone(zone))
    word = {} if rule in REPEAT_TYPES else {"rule": rule}
    original = Task(
        id=ORIGINAL,
        user_id=ALICE,
        title="Pay rent",
        repeat_type=rule if rule in REPEAT_TYPES else "custom",
        due_date=anchor,
        original_due_date=anchor,
        created_at=anchor,
        timezone=zone,
        recurrence={**word, **options},
    )
    state = SeriesState(Series(ORIGINAL, original), original, None)
    fates = list(fates)
    members = [
        replace(
            original,
            id=occurrence_id(ORIGINAL, number),
            repeat_type="none",
            parent_recurring_id=ORIGINAL,
            occurrence_number=number,
            occurrence_at=at,
            original_due_date=due,
            due_date=due + timedelta(hours=5) if fate == "moved" else due,
            is_completed=fate == "done",
            recurrence=None,
        )
        for fate, (number, at, due) in zip(fates, state.timed(1, len(fates)), strict=False)
        if fate != "gone" and not state.recurrence.excludes(at)
    ]
    series = Series(
        ORIGINAL, original, tuple(members), recalled=Cursor(len(fates), state.recurrence.text) if fates else None
    )
    return series, SeriesState(series, original, None)


def written(series: Series, state: SeriesState) -> str:
    return "".join(calendar_text([[recurrence_set(series, state)]]))


def ours(series: Series, state: SeriesState, end: datetime) -> list[datetime]:
    """Return when there is a task of a series, or will be one, until a time."""
    due = {task.id: task.due_date for task in series.occurrences}
    views = takewhile(lambda view: view.at < end + NEAR, SlotViews(series, state, end).since(None))
    found = {due.get(view.task_id or "", view.utc) for view in views if view.code not in NOT_THERE}
    return sorted(each for each in found if isinstance(each, datetime) and each < end)


def theirs(text: str, begin: datetime, end: datetime) -> list[datetime]:
    """Return the instants that recurring-ical-events finds in a calendar."""
    query = recurring_ical_events.of(Calendar.from_ical(text), components=["VTODO"])
    found = {each.DTSTART.astimezone(UTC) for each in query.between(begin, end)}
    return sorted(each for each in found if begin <= each < end)


def by_the_rfc(text: str, end: datetime) -> list[datetime]:
    """Return the instants that the properties of a calendar with one series say, its rule read as RFC 7529 has it."""
    todos: list[Any] = Calendar.from_ical(text).todos
    [main] = [todo for todo in todos if "RECURRENCE-ID" not in todo]
    zone = main.DTSTART.tzinfo
    start = main.DTSTART.replace(tzinfo=UTC)
    lists: dict[str, set[datetime]] = {
        name: {date.dt.replace(tzinfo=UTC) for each in _properties(main, name) for date in each.dts}
        for name in ("EXDATE", "RDATE")
    }
    slots = {start}
    if "RRULE" in main:
        rule = parse_rule(main["RRULE"].to_ical().decode())
        last = end.astimezone(zone).replace(tzinfo=UTC)
        until = last if (known := last_moment(rule, start, zone)) is None else min(last, known)
        rule = replace(rule, until=until.replace(tzinfo=None))  # on the wall clock
        slots |= {at for at, _ in timed(start, rule, 0, 1000, zone)}
    found = {at: in_utc(at, zone) for at in (slots | lists["RDATE"]) - lists["EXDATE"]}
    for todo in todos:
        if todo is not main:
            at = todo["RECURRENCE-ID"].dt.replace(tzinfo=UTC)
            assert at in found or in_utc(at, zone) >= end, "a changed instance is one of the series"
            found[at] = todo.DTSTART.astimezone(UTC)
    return sorted(each for each in set(found.values()) if each < end)


def _properties(todo: Any, name: str) -> list[Any]:
    found = todo.get(name, [])
    return found if isinstance(found, list) else [found]


@st.composite
def rests(draw: st.DrawFn, wall: datetime) -> dict[str, Any]:
    """Draw pauses, and what becomes of days off."""
    found: dict[str, Any] = {}
    begin = (wall + timedelta(days=draw(st.integers(-3, 500)))).date()
    last = draw(st.sampled_from([None, 0, 3, 40]))
    if draw(st.booleans()):
        until = {} if last is None else {"until": f"{begin + timedelta(days=last)}"}
        found["paused"] = [{"from": f"{begin}", **until}, {"from": "2024-05-01", "until": "2024-05-07"}]
    if draw(st.booleans()):
        workdays = draw(st.sampled_from([[], ["SU", "MO", "TU", "WE", "TH"], ["MO", "TU", "WE", "TH", "FR", "SA"]]))
        to = draw(st.sampled_from(["previous", "next", "skip"]))
        found["shift"] = {"to": to, "workdays": workdays, "holidays": draw(st.sampled_from(["", "DE-BY", "JP"]))}
    return found


@st.composite
def series_of_any_kind(draw: st.DrawFn, *, rested: bool = False) -> tuple[Series, SeriesState]:
    zone = draw(st.sampled_from(ZONES))
    wall = draw(walls)
    rule = draw(rule_texts() | st.sampled_from(sorted(REPEAT_TYPES)))
    if rule not in REPEAT_TYPES:
        later = wall + timedelta(days=draw(st.integers(0, 900)))
        rule += draw(
            st.sampled_from(["", f";COUNT={draw(st.integers(1, 20))}", f";UNTIL={later:%Y%m%d}"])
            | st.just(f";UNTIL={later:%Y%m%dT%H%M%S}{draw(st.sampled_from(['', 'Z']))}")
        )
    try:
        _, state = a_series(rule, wall, zone, {})
    except InvalidRecurrence:
        reject()
    slots = [slot.at for slot in state.timed(1, 12)]
    picked = draw(st.lists(st.sampled_from(slots), max_size=4)) if slots else []
    excluded = [wall_text(at) if draw(st.booleans()) else f"{at:%Y-%m-%d}" for at in picked]
    added = [wall_text(wall + timedelta(hours=hours)) for hours in draw(st.lists(st.integers(1, 9000), max_size=3))]
    fates = draw(st.lists(st.sampled_from(["open", "done", "moved", "gone"]), max_size=6))
    options = {"excluded": excluded, "added": added} | (draw(rests(wall)) if rested else {})
    return a_series(rule, wall, zone, options, fates)


@given(series_of_any_kind())
def test_another_library_finds_the_instants_of_the_slots(drawn: tuple[Series, SeriesState]) -> None:
    """Of any rule: what its own dateutil reads otherwise than the RFC (domain/test_instances.py) is told as dates."""
    series, state = drawn
    assume(
        state.recurrence.rule.ends or state.timed(1, 1)[0].at < state.wall + WINDOW
    )  # else it walks to the year 9999
    end = state.original_date + WINDOW
    text = written(series, state)
    assert theirs(text, state.original_date, end) == ours(series, state, end), text[text.index("BEGIN:VTODO") :]


@given(series_of_any_kind())
def test_the_file_says_the_instants_of_the_slots(drawn: tuple[Series, SeriesState]) -> None:
    series, state = drawn
    end = state.original_date + WINDOW
    text = written(series, state)
    assert by_the_rfc(text, end) == ours(series, state, end), text[text.index("BEGIN:VTODO") :]


@given(series_of_any_kind(rested=True))
def test_the_file_says_the_instants_of_slots_that_are_paused_or_moved_from_days_off(
    drawn: tuple[Series, SeriesState],
) -> None:
    series, state = drawn
    end = state.original_date + FORESEEN - NEAR
    text = written(series, state)
    assert by_the_rfc(text, end) == ours(series, state, end), text[text.index("BEGIN:VTODO") :]


@given(series_of_any_kind(rested=True))
def test_another_library_finds_the_slots_that_are_paused_or_moved_from_days_off(
    drawn: tuple[Series, SeriesState],
) -> None:
    series, state = drawn
    assume(state.recurrence.rule.ends or state.timed(1, 1)[0].at < state.wall + WINDOW)
    begin, end = state.original_date - NEAR, state.original_date + FORESEEN - NEAR
    text = written(series, state)
    assert theirs(text, begin, end) == ours(series, state, end), text[text.index("BEGIN:VTODO") :]
