"""What a series is in RFC 5545's words: its rule without SKIP where that can be, its dates, and what differs."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plain_rules import plain_rule
from recurrence_pipeline.domain.recurrence_set import MAX_FORESEEN, SPELT_OUT, RecurrenceSet, recurrence_set
from recurrence_pipeline.domain.rules import REPEAT_TYPES, Skip, parse_rule
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import Cursor, Revision, SeriesMemory
from recurrence_pipeline.domain.zones import UTC, wall_text
from recurrence_pipeline_tests.domain.in_memory import an_id, an_original, ours, utc
from recurrence_pipeline_tests.domain.rule_texts import rule_texts

START = utc(2024, 1, 31, 9)


def told(
    rule: str, *members: Task, start: datetime = START, zone: str = "UTC", made: int = 0, **options: Any
) -> RecurrenceSet:
    """Return the recurrence set of a series of which slots up to `made` were made."""
    word = {} if rule in REPEAT_TYPES else {"rule": rule}
    original = replace(
        an_original(rule if rule in REPEAT_TYPES else "custom", start), recurrence={**word, **options}, timezone=zone
    )
    recalled = Cursor(made, rule) if made else None
    series = Series(original.id, original, members, recalled=recalled)
    return recurrence_set(series, SeriesState(series, original, None))


def texts(times: Iterable[datetime]) -> list[str]:
    return [wall_text(time) for time in times]


# The rule


@pytest.mark.parametrize(
    ("rule", "start", "written"),
    [
        ("daily", "2024-01-31", "FREQ=DAILY"),
        ("weekly", "2024-01-31", "FREQ=WEEKLY"),
        ("monthly", "2024-01-28", "FREQ=MONTHLY"),
        ("monthly", "2024-01-31", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("yearly", "2024-06-30", "FREQ=YEARLY"),
        ("yearly", "2024-02-29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"),
        ("FREQ=MONTHLY;INTERVAL=3;SKIP=BACKWARD", "2024-01-31", "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=-1"),
        ("FREQ=MONTHLY;BYDAY=-1FR;SKIP=FORWARD", "2024-01-26", "FREQ=MONTHLY;BYDAY=-1FR"),
        ("FREQ=YEARLY;BYMONTH=4,10;SKIP=BACKWARD", "2024-10-31", "FREQ=YEARLY;BYMONTH=4,10;BYMONTHDAY=-1"),
        ("FREQ=DAILY;BYDAY=MO,WE;BYSETPOS=1", "2024-01-31", "FREQ=DAILY;BYDAY=MO,WE"),
        ("FREQ=YEARLY", "2024-02-29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2024-02-02", "FREQ=WEEKLY;BYDAY=FR"),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO,SA;BYSETPOS=1,-1;WKST=SU",
            "2024-01-28",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU;WKST=SU",
        ),
    ],
)
def test_a_rule_is_written_in_words_that_calendar_programs_read(rule: str, start: str, written: str) -> None:
    """ical.js (Thunderbird) and libical pass BYSETPOS over in weekly rules; ical.js has Feb 29 on March 1."""
    found = told(rule, start=datetime.fromisoformat(start).replace(hour=9, tzinfo=UTC))
    assert (found.rule, found.added) == (written, ())


@pytest.mark.parametrize(
    ("rule", "start", "written", "beside"),
    [
        ("monthly", "2024-01-29", "FREQ=MONTHLY;BYMONTHDAY=29", ["2025-02-28", "2026-02-28", "2027-02-28"]),
        ("monthly", "2024-01-30", "FREQ=MONTHLY;BYMONTHDAY=30", ["2024-02-29", "2025-02-28", "2026-02-28"]),
        (
            "FREQ=YEARLY;BYMONTH=2,6;BYMONTHDAY=30;SKIP=BACKWARD",
            "2024-02-29",
            "FREQ=YEARLY;BYMONTH=2,6;BYMONTHDAY=30",
            ["2024-02-29", "2025-02-28"],
        ),
        (
            "FREQ=MONTHLY;INTERVAL=5;SKIP=BACKWARD",
            "2024-04-30",
            "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=30",
            ["2025-02-28"],
        ),
        ("FREQ=MONTHLY;SKIP=FORWARD", "2024-01-31", "FREQ=MONTHLY;BYMONTHDAY=31", ["2024-03-01", "2024-05-01"]),
        (
            "FREQ=MONTHLY;BYMONTHDAY=30,31;SKIP=BACKWARD",
            "2024-01-31",
            "FREQ=MONTHLY;BYMONTHDAY=30,31",
            ["2024-02-29", "2025-02-28"],
        ),
    ],
)
def test_a_day_that_months_lack_is_a_date_beside_the_rule(
    rule: str, start: str, written: str | None, beside: list[str]
) -> None:
    """Days of the year, BYSETPOS and RSCALE say it in one rule, and each is misread or refused by some program."""
    found = told(rule, start=datetime.fromisoformat(start).replace(hour=9, tzinfo=UTC))

    assert found.rule == written
    assert texts(found.added)[: len(beside)] == [f"{day}T09:00" for day in beside]
    assert found.added[-1] > START + SPELT_OUT - timedelta(days=5 * 366)


@pytest.mark.parametrize(
    ("rule", "start", "days"),
    [
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "2024-05-13", ["2024-05-13", "2025-05-12", "2026-05-11"]),
        ("FREQ=YEARLY;BYDAY=20MO", "2024-05-13", ["2024-05-13", "2025-05-19", "2026-05-18"]),
        ("FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2024-12-31", ["2024-12-31", "2025-12-31", "2026-12-31"]),
        ("FREQ=YEARLY;BYYEARDAY=-1", "2024-12-31", ["2024-12-31", "2025-12-31", "2026-12-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=14,15;BYSETPOS=-1", "2024-02-15", ["2024-02-15", "2024-03-15", "2024-04-15"]),
        ("FREQ=MONTHLY;BYMONTHDAY=30,31;BYDAY=-1TU", "2024-04-30", ["2024-04-30", "2024-07-30", "2024-12-31"]),
        ("FREQ=MONTHLY;BYDAY=MO,1MO", "2024-02-05", ["2024-02-05", "2024-02-12", "2024-02-19"]),
        ("FREQ=MONTHLY;INTERVAL=4;BYDAY=WE,4TU", "2024-02-07", ["2024-02-07", "2024-02-14", "2024-02-21"]),
        ("FREQ=MONTHLY;INTERVAL=3;BYMONTH=2,4;BYDAY=1MO", "2024-02-05", ["2024-02-05", "2025-02-03", "2026-02-02"]),
        ("FREQ=WEEKLY;INTERVAL=4;BYDAY=SU", "2024-06-25", ["2024-06-25", "2024-06-30", "2024-07-28"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;SKIP=FORWARD", "2024-03-01", ["2024-03-01", "2025-03-01", "2026-03-01"]),
    ],
)
def test_a_rule_that_some_programs_take_for_other_days_is_told_as_dates(rule: str, start: str, days: list[str]) -> None:
    """Thunderbird showed 51 Mondays a year for week 20, KOrganizer nothing for the last day of the year."""
    found = told(rule, start=datetime.fromisoformat(start).replace(hour=9, tzinfo=UTC))

    assert found.rule is None
    assert texts(found.added)[:3] == [f"{day}T09:00" for day in days]
    assert found.added[-1] > START + SPELT_OUT - timedelta(days=2 * 366)


def test_dates_are_told_for_so_many_slots_and_no_more() -> None:
    found = told("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR,SA;BYMONTHDAY=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20")
    assert (found.rule, len(found.added)) == (None, MAX_FORESEEN + 1)


def test_days_that_months_lack_are_told_up_to_the_end_and_those_that_were_deleted_are_not() -> None:
    first, third = occurrence(1, utc(2024, 2, 29, 9)), occurrence(3, utc(2024, 4, 30, 9))
    ended = told("FREQ=MONTHLY;COUNT=15;SKIP=BACKWARD", first, third, start=utc(2024, 1, 30, 9), made=3)
    assert ended.rule == "FREQ=MONTHLY;BYMONTHDAY=30;UNTIL=20250330T090000Z"
    assert (texts(ended.excluded), texts(ended.added)) == (
        ["2024-03-30T09:00"],
        ["2024-02-29T09:00", "2025-02-28T09:00"],
    )

    deleted = told("monthly", start=utc(2024, 1, 30, 9), made=1)
    assert (deleted.excluded, texts(deleted.added)[0]) == ((), "2025-02-28T09:00")


@given(
    rule_texts(),
    st.sampled_from(["OMIT", "BACKWARD", "FORWARD"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001  (a wall clock)
)
def test_a_plain_rule_falls_on_days_of_the_rule_and_on_all_of_them_where_it_says_so(
    text: str, skip: str, start: datetime
) -> None:
    rule = parse_rule(f"{text.partition(';SKIP')[0]};SKIP={skip}")
    plain, is_whole = plain_rule(rule, start)
    assume(plain is not None)
    assert plain is not None
    assert plain.skip is Skip.OMIT

    found, days = list(islice(instances(plain, start), 30)), instances(rule, start)
    if is_whole:
        assert found == list(islice(days, 30))
    else:
        assert found
        assert set(found) <= set(takewhile(lambda at: at <= found[-1], days))


@pytest.mark.parametrize(
    ("until", "zone", "written"),
    [
        ("20240310", "America/New_York", "20240310T063000Z"),
        ("20240310T013000", "America/New_York", "20240310T063000Z"),
        ("20240310T012959", "America/New_York", "20240309T063000Z"),
        ("20240310T063000Z", "America/New_York", "20240310T063000Z"),
        ("20240311", "America/New_York", "20240311T053000Z"),
        ("20240310", "Asia/Tokyo", "20240309T163000Z"),
        ("99991231", "America/New_York", "99991231T063000Z"),
    ],
)
def test_until_is_an_instant_at_the_time_of_day_of_the_slots(until: str, zone: str, written: str) -> None:
    """RFC 5545, section 3.3.10: in UTC where the start has a zone."""
    offset = timedelta(hours=9) if zone == "Asia/Tokyo" else timedelta(hours=-5)
    start = datetime(2024, 2, 1, 1, 30, tzinfo=UTC) - offset
    assert told(f"FREQ=DAILY;UNTIL={until}", start=start, zone=zone).rule == f"FREQ=DAILY;UNTIL={written}"


def test_a_last_slot_in_a_gap_is_not_cut_off_by_an_until_within_it() -> None:
    """02:30 is 03:30 that night, later than 03:00 on the clocks, and yet the wall clock's 02:30 is before 03:00."""
    start = datetime(2024, 3, 8, 7, 30, tzinfo=UTC)
    found = told("FREQ=DAILY;UNTIL=20240310T030000", start=start, zone="America/New_York")
    assert found.rule == "FREQ=DAILY;UNTIL=20240310T073000Z"


def test_a_start_that_is_not_on_its_rule_is_a_date_and_the_count_a_time() -> None:
    """What a rule means then is undefined (section 3.8.5.3), and libraries differ: is it one of COUNT or not?"""
    found = told("FREQ=WEEKLY;BYDAY=MO;COUNT=3")

    assert (found.rule, texts(found.added)) == ("FREQ=WEEKLY;BYDAY=MO;UNTIL=20240212T090000Z", ["2024-01-31T09:00"])


@pytest.mark.parametrize("end", ["COUNT=1", "UNTIL=20240131"])
def test_a_series_that_ends_with_its_start_has_that_date_alone(end: str) -> None:
    found = told(f"FREQ=DAILY;{end}")
    assert (found.rule, texts(found.added)) == (None, ["2024-01-31T09:00"])


def test_a_rule_whose_periods_are_counted_from_before_its_start_is_told_as_dates() -> None:
    """RFC 5545 counts them from the start: what is edited goes on as the first date says."""
    rule = "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=30;SKIP=FORWARD"
    first, anchor = utc(2024, 1, 15, 9), utc(2023, 12, 30, 9)
    edited = Revision(rule, anchor, "UTC", first, 2, 2, utc(2024, 3, 1, 9))
    memory = SeriesMemory(2, (Revision("weekly", first, "UTC", first), edited), at=utc(2024, 3, 1, 9))
    original = replace(an_original("custom", first), recurrence={"rule": rule})
    series = Series(original.id, original, (occurrence(2, utc(2024, 3, 1, 9)),), memory=memory)

    found = recurrence_set(series, SeriesState(series, original, None))
    assert (found.start, found.rule, found.excluded) == (utc(2024, 3, 1, 9), None, ())
    assert texts(found.added)[:4] == [
        "2024-01-15T09:00", "2024-03-01T09:00", "2024-04-30T09:00", "2024-06-30T09:00",
    ]  # fmt: skip


# Dates, and what differs


def occurrence(number: int, due: datetime, **fields: Any) -> Task:
    return replace(ours(number), due_date=due, original_due_date=due, **fields)


def test_what_is_excluded_or_was_deleted_is_taken_out_and_what_has_a_task_is_in() -> None:
    first, fourth = occurrence(1, utc(2024, 2, 1, 9)), occurrence(4, utc(2024, 2, 4, 9))
    found = told(
        "daily", first, fourth, made=4, excluded=["2024-02-01", "2024-02-08T09:00", "2024-02-09T10:00", "2024-02-10"]
    )

    assert texts(found.excluded) == [f"2024-02-{day}T09:00" for day in ("02", "03", "08", "10")]
    assert (found.added, found.changed) == ((), ())


def test_added_dates_are_in_until_they_were_made_and_deleted() -> None:
    added = ["2024-02-05T11:00", "2024-02-06T11:00", "2024-02-07T11:00"]
    task = replace(ours(None), id=an_id(7), due_date=utc(2024, 2, 5, 11), occurrence_at=utc(2024, 2, 5, 11))
    ours_alone = frozenset({utc(2024, 2, 5, 11), utc(2024, 2, 6, 11)})
    memory = SeriesMemory.begun(3, "weekly", START, "UTC", START, added=ours_alone)
    original = replace(an_original("weekly", START), recurrence={"added": added})
    series = Series(original.id, original, (task,), memory=memory)

    found = recurrence_set(series, SeriesState(series, original, None))
    assert texts(found.added) == ["2024-02-05T11:00", "2024-02-07T11:00"]


def test_an_occurrence_that_was_moved_done_or_written_anew_stands_beside_its_slot() -> None:
    due = [utc(2024, 2, day, 9) for day in range(1, 5)]
    moved = replace(occurrence(1, due[0]), due_date=utc(2024, 2, 1, 15))
    done, plain = occurrence(2, due[1], is_completed=True), occurrence(4, due[3])
    renamed = occurrence(3, due[2], title="Now")
    found = told("daily", moved, done, renamed, plain, made=4)

    assert [(each.at, each.due, each.task.id) for each in found.changed] == [
        (due[0], utc(2024, 2, 1, 15), moved.id),
        (due[1], due[1], done.id),
        (due[2], due[2], renamed.id),
    ]


def test_a_start_in_the_hour_that_comes_twice_is_told_exactly() -> None:
    """RFC 5545, section 3.3.5: such a time means the first; slot 0 is the anchor itself, whatever its fold."""
    second = datetime(2024, 11, 3, 6, 30, tzinfo=UTC)
    found = told("daily", start=second, zone="America/New_York")

    assert texts([found.start]) == ["2024-11-03T01:30"]
    assert [(each.at, each.due) for each in found.changed] == [(found.start, second)]


def test_a_task_behind_an_end_that_came_nearer_is_a_date_of_its_own() -> None:
    members = [occurrence(n, utc(2024, 1, 31, 9) + timedelta(days=n)) for n in (1, 2, 3)]
    found = told("FREQ=DAILY;COUNT=3", *members, made=3)

    assert (found.rule, texts(found.added), found.changed) == ("FREQ=DAILY;COUNT=3", ["2024-02-03T09:00"], ())


def test_what_the_previous_worker_made_before_the_first_slot_is_a_date_of_its_own() -> None:
    early = replace(ours(None), id=an_id(9), due_date=utc(2024, 1, 10, 9), original_due_date=utc(2024, 1, 10, 9))
    found = told("daily", early)

    assert texts(found.added) == ["2024-01-10T09:00"]


@pytest.mark.parametrize("number", [20_000, 2**52])
def test_a_slot_number_that_no_life_reaches_is_refused(number: int) -> None:
    """Else one tampered number makes millions of dates."""
    with pytest.raises(InvalidRecurrence, match=f"slot {number} was made"):
        told("daily", occurrence(number, START), made=3)


# Pauses, days off, and dates counted from completion

WEDNESDAY = utc(2027, 4, 28, 9)


def moves(found: RecurrenceSet) -> list[tuple[str, str]]:
    return [(f"{each.at:%m-%d}", f"{each.due:%m-%d}") for each in found.changed]


def test_what_a_pause_with_an_end_holds_is_taken_out() -> None:
    found = told("daily", start=WEDNESDAY, paused=[{"from": "2027-05-01", "until": "2027-05-03"}])

    assert found.rule == "FREQ=DAILY"
    assert texts(found.excluded) == [f"2027-05-0{day}T09:00" for day in (1, 2, 3)]


@pytest.mark.parametrize(
    ("rule", "written"),
    [
        ("daily", "FREQ=DAILY;UNTIL=20270502T090000Z"),
        ("FREQ=DAILY;COUNT=5", "FREQ=DAILY;COUNT=5"),
        ("FREQ=DAILY;COUNT=6", "FREQ=DAILY;UNTIL=20270502T090000Z"),
        ("FREQ=DAILY;UNTIL=20270502", "FREQ=DAILY;UNTIL=20270502T090000Z"),
        ("FREQ=DAILY;UNTIL=20270501", "FREQ=DAILY;UNTIL=20270501T090000Z"),
        ("FREQ=DAILY;UNTIL=20271231", "FREQ=DAILY;UNTIL=20270502T090000Z"),
        ("weekly", None),
    ],
)
def test_a_pause_until_further_notice_ends_the_rule(rule: str, written: str | None) -> None:
    found = told(rule, start=WEDNESDAY, paused=[{"from": "2027-05-03"}, {"from": "2027-06-01"}])
    assert (found.rule, found.excluded, texts(found.added)) == (
        written,
        (),
        [] if written else ["2027-04-28T09:00"],
    )


def test_a_series_that_rests_from_its_start_is_its_start_and_what_was_made() -> None:
    made = occurrence(1, utc(2027, 4, 29, 9))
    found = told("daily", made, start=WEDNESDAY, made=2, paused=[{"from": "0001-01-01"}])

    assert (found.rule, found.excluded) == (None, ())
    assert texts(found.added) == ["2027-04-28T09:00", "2027-04-29T09:00"]


def test_what_was_made_before_it_was_paused_is_told() -> None:
    made = [occurrence(n, utc(2027, 4, 28 + n, 9)) for n in (1, 2)]
    found = told("daily", *made, start=WEDNESDAY, made=2, paused=[{"from": "2027-04-29", "until": "2027-05-01"}])
    assert (texts(found.excluded), found.added, found.changed) == (["2027-05-01T09:00"], (), ())


def test_days_off_that_are_skipped_are_taken_out_and_so_are_added_dates_there() -> None:
    found = told(
        "FREQ=DAILY;COUNT=10",
        start=WEDNESDAY,
        added=["2027-05-15T10:00", "2027-05-18T10:00"],
        shift={"to": "skip", "holidays": "DE"},
    )
    assert [f"{at:%m-%d}" for at in found.excluded] == ["05-01", "05-02", "05-06"]  # the last is Ascension
    assert texts(found.added) == ["2027-05-18T10:00"]


def test_slots_that_are_moved_are_changed_instances_and_two_may_be_on_one_day() -> None:
    found = told("FREQ=DAILY;COUNT=6", start=WEDNESDAY, added=["2027-05-09T10:00"], shift={"to": "next"})

    assert moves(found) == [("05-01", "05-03"), ("05-02", "05-03"), ("05-09", "05-10")]
    assert [each.task.is_completed for each in found.changed] == [False] * 3
    assert (found.excluded, texts(found.added)) == ((), ["2027-05-09T10:00"])


def test_an_occurrence_that_was_made_is_told_where_it_is_whatever_is_said_of_days_off() -> None:
    moved = replace(occurrence(3, utc(2027, 5, 1, 9)), due_date=utc(2027, 4, 30, 9), is_completed=True)
    stayed = occurrence(4, utc(2027, 5, 2, 9))
    found = told("FREQ=DAILY;COUNT=5", moved, stayed, start=WEDNESDAY, made=4, shift={"to": "next"})

    assert moves(found) == [("05-01", "04-30")]
    assert [f"{at:%m-%d}" for at in found.excluded] == ["04-29", "04-30"]


def test_days_off_are_foreseen_for_two_years_and_no_further() -> None:
    found = told("weekly", start=utc(2027, 5, 1, 9), shift={"to": "next"})
    assert len(found.changed) == 105
    assert max(each.at for each in found.changed) == utc(2029, 5, 5, 9)


@pytest.mark.parametrize("rule", ["FREQ=YEARLY;INTERVAL=5000", "FREQ=DAILY"])
def test_looking_ahead_ends_with_the_calendar(rule: str) -> None:
    start = utc(9999, 12, 27, 9) if rule == "FREQ=DAILY" else WEDNESDAY
    found = told(rule, start=start, shift={"to": "skip"})
    assert found.rule == rule


def test_of_a_series_counted_from_completion_what_is_open_is_told_and_no_rule() -> None:
    done = replace(occurrence(1, utc(2027, 5, 1, 9), is_completed=True), occurrence_at=utc(2027, 5, 1, 9))
    opened = replace(occurrence(2, utc(2027, 5, 9, 9), title="Now"), occurrence_at=utc(2027, 5, 8, 9))
    original = replace(
        an_original("daily", WEDNESDAY, completed=True), recurrence={"from": "completion"}, timezone="UTC"
    )
    series = Series(original.id, original, (done, opened))
    found = recurrence_set(series, SeriesState(series, original, None))

    assert (texts([found.start]), found.rule, found.excluded, found.added) == (["2027-05-08T09:00"], None, (), ())
    assert [(each.due, each.task.id) for each in found.changed] == [(utc(2027, 5, 9, 9), opened.id)]


@pytest.mark.parametrize("completed", [False, True])
def test_a_series_counted_from_completion_with_nothing_behind_its_original_is_that(
    completed: bool,  # noqa: FBT001
) -> None:
    original = replace(an_original("daily", WEDNESDAY, completed=completed), recurrence={"from": "completion"})
    series = Series(original.id, original)
    found = recurrence_set(series, SeriesState(series, original, None))

    assert (found.start, found.rule, found.added) == (WEDNESDAY, None, ())
    assert [each.task.is_completed for each in found.changed] == [True] * completed
