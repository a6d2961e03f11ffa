"""What a task may say of its recurrence beside the rule: read as it is meant, and refused by field and value."""

import re
from datetime import date, datetime
from typing import Any

import pytest
from bson import Binary, Code, Decimal128, Int64, ObjectId, Regex
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.days_off import WORKDAYS, Shift, ShiftTo
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.recurrence import Missed, Pause, Recurrence, read_recurrence
from recurrence_pipeline.domain.zones import UTC
from recurrence_pipeline_tests.domain.in_memory import utc
from recurrence_pipeline_tests.storage.values import odd_values

NEXT = {"to": "next"}
YEAR = {"from": "2027-01-01", "until": "2027-12-31"}


def read(**options: Any) -> Recurrence:
    return read_recurrence("daily", {name.rstrip("_"): value for name, value in options.items()})


def refused(**options: Any) -> InvalidRecurrence:
    with pytest.raises(InvalidRecurrence) as caught:
        read(**options)
    return caught.value


@pytest.mark.parametrize("options", [{}, {"from_": "schedule", "missed": "each", "subtasks": False}, {"shift": {}}])
def test_what_says_nothing_is_as_if_it_were_not_there(options: dict[str, Any]) -> None:
    assert read(**options, horizon=3) == read_recurrence("daily")
    assert read(**options).is_plain


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"from_": "completion"}, "from_completion", True),
        ({"missed": "latest"}, "missed", Missed.LATEST),
        ({"missed": "next"}, "missed", Missed.NEXT),
        ({"subtasks": True}, "subtasks", True),
        ({"horizon": 60.0}, "horizon", 60),
        ({"horizon": Int64(1)}, "horizon", 1),
        ({"copy": ["tags", "tags", "projectId"]}, "copy", ("tags", "projectId")),
        ({"paused": [{"from": "2027-01-01"}]}, "paused", (Pause(date(2027, 1, 1)),)),
        (
            {"paused": [{**YEAR, "note": "away", "_id": ObjectId()}, {"from": "2029-02-01", "until": "2029-02-01"}]},
            "paused",
            (Pause(date(2027, 1, 1), date(2027, 12, 31), "away"), Pause(date(2029, 2, 1), date(2029, 2, 1))),
        ),
        ({"shift": NEXT}, "shift", Shift(ShiftTo.NEXT, WORKDAYS)),
        ({"shift": {"to": "skip", "workdays": []}}, "shift", Shift(ShiftTo.SKIP, WORKDAYS)),
        ({"shift": {"to": "skip", "holidays": "", "_id": 1}}, "shift", Shift(ShiftTo.SKIP)),
        (
            {"shift": {"to": "previous", "workdays": ["SU", "MO", "SU"] * 5, "holidays": "DE-BY"}},
            "shift",
            Shift(ShiftTo.PREVIOUS, frozenset({0, 6}), "DE-BY"),
        ),
    ],
)
def test_an_option_is_read_as_it_is_meant(options: dict[str, Any], field: str, value: object) -> None:
    assert getattr(read(**options), field) == value


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        # from, missed, subtasks, horizon, copy
        ({"from_": "Completion"}, "from", "Completion"),
        ({"from_": True}, "from", True),
        ({"from_": ["completion"]}, "from", ["completion"]),
        ({"from_": Code("completion")}, "from", Code("completion")),
        ({"from_": b"completion"}, "from", b"completion"),
        ({"missed": "last"}, "missed", "last"),
        ({"missed": 1}, "missed", 1),
        ({"missed": ["each"]}, "missed", ["each"]),
        ({"missed": Code("next")}, "missed", Code("next")),
        ({"subtasks": "true"}, "subtasks", "true"),
        ({"subtasks": 1}, "subtasks", 1),
        ({"subtasks": [True]}, "subtasks", [True]),
        ({"horizon": Int64(61)}, "horizon", Int64(61)),
        ({"horizon": 2.5}, "horizon", 2.5),
        ({"horizon": float("inf")}, "horizon", float("inf")),
        ({"horizon": Decimal128("2")}, "horizon", Decimal128("2")),
        ({"horizon": "2"}, "horizon", "2"),
        ({"copy": [["tags"]]}, "copy[0]", ["tags"]),
        ({"copy": ["tags", b"x"]}, "copy[1]", b"x"),
        ({"copy": "tags"}, "copy", "tags"),
        # paused
        ({"paused": "2027-01-01"}, "paused", "2027-01-01"),
        ({"paused": {"from": "2027-01-01"}}, "paused", {"from": "2027-01-01"}),
        ({"paused": [[YEAR]]}, "paused[0]", [YEAR]),
        ({"paused": [YEAR, "2027-01-01"]}, "paused[1]", "2027-01-01"),
        ({"paused": [None]}, "paused[0]", None),
        ({"paused": [{}]}, "paused[0].from", None),
        ({"paused": [{"until": "2027-01-01"}]}, "paused[0].from", None),
        ({"paused": [{"from": "2027-01-01T09:00"}]}, "paused[0].from", "2027-01-01T09:00"),
        ({"paused": [{"from": "2027-02-29"}]}, "paused[0].from", "2027-02-29"),
        ({"paused": [{"from": utc(2027, 1, 1)}]}, "paused[0].from", utc(2027, 1, 1)),
        ({"paused": [{"from": Code("2027-01-01")}]}, "paused[0].from", Code("2027-01-01")),
        ({"paused": [{"from": 20270101}]}, "paused[0].from", 20270101),
        ({"paused": [{**YEAR, "until": "2026-12-31"}]}, "paused[0].until", "2026-12-31"),
        ({"paused": [{**YEAR, "until": ["2027-12-31"]}]}, "paused[0].until", ["2027-12-31"]),
        ({"paused": [{**YEAR, "until": "forever"}]}, "paused[0].until", "forever"),
        ({"paused": [{**YEAR, "note": 7}]}, "paused[0].note", 7),
        ({"paused": [{**YEAR, "note": Code("away")}]}, "paused[0].note", Code("away")),
        ({"paused": [YEAR, {**YEAR, "to": "2027-12-31"}]}, "paused[1].to", "2027-12-31"),
        # shift
        ({"shift": "next"}, "shift", "next"),
        ({"shift": [NEXT]}, "shift", [NEXT]),
        ({"shift": True}, "shift", True),
        ({"shift": {"workdays": ["MO"]}}, "shift.to", None),
        ({"shift": {"to": "forward"}}, "shift.to", "forward"),
        ({"shift": {"to": ["next"]}}, "shift.to", ["next"]),
        ({"shift": {"to": Code("next")}}, "shift.to", Code("next")),
        ({"shift": {"to": Regex("next")}}, "shift.to", Regex("next")),
        ({"shift": {**NEXT, "workdays": "MO"}}, "shift.workdays", "MO"),
        ({"shift": {**NEXT, "workdays": ["MO", "mo"]}}, "shift.workdays[1]", "mo"),
        ({"shift": {**NEXT, "workdays": [1]}}, "shift.workdays[0]", 1),
        ({"shift": {**NEXT, "workdays": [["MO", "TU"]]}}, "shift.workdays[0]", ["MO", "TU"]),
        ({"shift": {**NEXT, "workdays": [Code("MO")]}}, "shift.workdays[0]", Code("MO")),
        ({"shift": {**NEXT, "holidays": "Germany"}}, "shift.holidays", "Germany"),
        ({"shift": {**NEXT, "holidays": "DE-ZZ"}}, "shift.holidays", "DE-ZZ"),
        ({"shift": {**NEXT, "holidays": ["DE"]}}, "shift.holidays", ["DE"]),
        ({"shift": {**NEXT, "holidays": True}}, "shift.holidays", True),
        ({"shift": {**NEXT, "holidays": Code("DE")}}, "shift.holidays", Code("DE")),
        ({"shift": {**NEXT, "holidays": Binary(b"DE", 128)}}, "shift.holidays", Binary(b"DE", 128)),
        ({"shift": {**NEXT, "holiday": "DE"}}, "shift.holiday", "DE"),
        ({"pause": []}, "pause", []),
    ],
)
def test_what_cannot_be_is_refused_with_the_field_and_the_value(
    options: dict[str, Any], field: str, value: object
) -> None:
    error = refused(**options)

    assert (error.field, error.value) == (f"recurrence.{field}", value)
    assert str(error).startswith(f"recurrence.{field}: {value!r:.80} ")


def test_too_long_a_list_is_refused_by_its_length() -> None:
    assert "recurrence.paused: 'a list of 1001'" in str(refused(paused=[YEAR] * 1001))
    assert "recurrence.shift.workdays: 'a list of 1001'" in str(refused(shift={**NEXT, "workdays": ["MO"] * 1001}))


def test_a_region_that_is_not_known_is_refused_with_those_that_are() -> None:
    error = refused(shift={**NEXT, "holidays": "DE-ZZ"})
    assert "recurrence.shift.holidays: 'DE-ZZ' has no region of DE: BB, BE, BW, BY, HB" in str(error)


@pytest.mark.parametrize(
    ("options", "field"),
    [({"horizon": 2}, "horizon"), ({"missed": "latest"}, "missed"), ({"added": ["2027-01-01"]}, "added")],
)
def test_what_means_nothing_where_the_next_is_counted_from_completion_is_refused(
    options: dict[str, Any], field: str
) -> None:
    error = refused(from_="completion", **options)

    assert error.field == f"recurrence.{field}"
    assert repr(options[field]) in str(error)
    assert read(from_="schedule", **options) != read()


def test_counted_from_completion_one_task_is_kept_open() -> None:
    found = read(from_="completion", missed="each", horizon=1.0, added=[], excluded=["2027-01-01"], shift=NEXT)
    assert (found.horizon, read(from_="completion").horizon) == (1, 1)


def field_refused(name: str, value: object) -> str:
    """Return the field that an option is refused by; its own where it is read."""
    try:
        read_recurrence("daily", {name: value})
    except InvalidRecurrence as error:
        return str(error.field)
    return f"recurrence.{name}"


@given(st.sampled_from(["from", "missed", "paused", "shift", "subtasks", "horizon", "copy"]), odd_values)
def test_whatever_is_stored_is_read_or_refused_by_name(name: str, value: object) -> None:
    for wrapped in (value, [value], {"from": value, "to": value, "workdays": value, "holidays": value}):
        assert re.match(rf"recurrence\.{name}\b", field_refused(name, wrapped))


# What the options mean for a slot


def test_a_pause_includes_both_of_its_days() -> None:
    found = read(paused=[{**YEAR, "note": "away"}, {"from": "2029-01-01"}])
    ends = [utc(2026, 12, 31, 9), utc(2027, 1, 1), utc(2027, 12, 31, 23), utc(2028, 1, 1), utc(2028, 12, 31, 23)]

    assert [found.pause_at(at) is not None for at in ends] == [False, True, True, False, False]
    assert found.pause_at(datetime(9999, 12, 31, tzinfo=UTC)) == Pause(date(2029, 1, 1))
    assert not found.is_plain


@pytest.mark.parametrize(
    ("options", "is_passed_over"),
    [
        ({}, False),
        ({"excluded": ["2027-05-01"]}, True),
        ({"paused": [YEAR]}, True),
        ({"shift": {"to": "skip"}}, True),
        ({"shift": {"to": "skip", "workdays": ["SA"]}}, False),
        ({"shift": {"to": "skip", "workdays": ["SA"], "holidays": "DE"}}, True),
        ({"shift": {"to": "next"}}, False),
    ],
)
def test_a_slot_is_passed_over_where_it_is_excluded_paused_or_skipped(
    options: dict[str, Any],
    is_passed_over: bool,  # noqa: FBT001
) -> None:
    labour_day = utc(2027, 5, 1, 9)  # a Saturday
    assert read(**options).passes_over(labour_day) is is_passed_over


def test_slots_of_a_weekend_may_go_to_one_day_and_the_day_of_the_rule_says_whether_they_are_paused() -> None:
    """Each keeps its number, so that both are made; a pause is about the days that the rule names."""
    found = read(shift=NEXT, paused=[{"from": "2027-05-03", "until": "2027-05-03"}])

    assert [found.moved(utc(2027, 5, day, 9)) for day in (1, 2)] == [utc(2027, 5, 3, 9)] * 2
    assert [found.passes_over(utc(2027, 5, day, 9)) for day in (1, 2, 3)] == [False, False, True]
