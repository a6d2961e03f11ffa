"""Judging a task, what it hangs on, and its series, without a database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.plan import CastId, CursorMove, DateFromDue, Reparent
from recurrence_pipeline.domain.series_memory import Cursor, SeriesMemory
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.maintenance.rules import CheckContext, Issue, change, judge_hanging, judge_series, judge_task
from recurrence_pipeline_tests.domain.in_memory import (
    ALICE,
    BOB,
    CREATED,
    NOW,
    ORIGINAL,
    an_id,
    an_original,
    older,
    ours,
    series_of,
    utc,
    with_cursor,
)

AT = CheckContext(NOW, None, None)
DAY = timedelta(days=1)


def judged(original: Task, *occurrences: Task, at: CheckContext = AT) -> list[Issue]:
    return list(judge_series(series_of(original, *occurrences), original, at))


def names(issues: list[Issue]) -> list[str]:
    return [issue.check.name for issue in issues]


def dated(task: Task) -> Task:
    """Return an occurrence of a daily series with the date of its slot."""
    due = utc(2024, 2, 1, 9) + (task.occurrence_number or 0) * DAY
    return replace(task, due_date=due, original_due_date=due)


THREE = tuple(dated(ours(number)) for number in (1, 2, 3))
RUNNING = with_cursor(an_original(), 3)


def test_a_series_3_ahead_is_sound() -> None:
    assert judged(RUNNING, *THREE) == []


# How far a series is


def test_slots_owed_past_the_cursor_are_asked_for_in_the_name_of_the_task_completed_last() -> None:
    second = replace(THREE[1], is_completed=True)
    (issue,) = judged(RUNNING, THREE[0], second, THREE[2])

    assert (issue.check.name, issue.sample["missing"]) == ("series_behind", "4, 5, 6")
    assert isinstance(issue.fix, TaskEvent)
    assert (issue.fix.operation, issue.fix.task_id) == (Operation.COMPLETE, second.id)
    assert issue.fix.source is Source.RECONCILE


def test_the_same_lack_is_asked_for_under_the_same_id() -> None:
    done = replace(RUNNING, is_completed=True)
    first, again = (judged(done, *THREE, at=CheckContext(NOW + later * DAY, None, None)) for later in (0, 7))
    assert isinstance(first[0].fix, TaskEvent)
    assert isinstance(again[0].fix, TaskEvent)
    assert first[0].fix.id == again[0].fix.id


def test_what_people_deleted_is_not_missing() -> None:
    assert judged(RUNNING, THREE[2]) == []
    assert judged(RUNNING) == [], "the original can still be completed"


def test_a_series_of_which_all_that_was_open_is_gone_has_stopped() -> None:
    done = replace(with_cursor(an_original(completed=True), 4))
    assert names(judged(done)) == ["series_stopped"]
    assert names(judged(done, dated(ours(4)))) == []


def test_a_new_series_is_behind_and_one_that_began_before_us_is_not() -> None:
    before, after = (CheckContext(NOW, None, CREATED + shift) for shift in (-DAY, DAY))
    assert names(judged(an_original(), at=before)) == ["series_behind"]
    assert names(judged(an_original(), at=after)) == []


def test_a_series_that_we_began_is_ours_whenever_it_was_created() -> None:
    """Cut off before its cursor was written: the slots are owed."""
    after = CheckContext(NOW, None, CREATED + DAY)
    assert names(judged(an_original(), THREE[0], at=after)) == ["series_behind"]


def test_a_task_that_may_not_recur_and_never_did_is_not_a_running_series() -> None:
    """Its event was rejected, and says why."""
    long_past = replace(an_original(due=utc(2023, 1, 1)), created_at=CREATED)
    assert judged(long_past) == []


@pytest.mark.parametrize(
    "spoiled",
    [
        replace(RUNNING, timezone="Mars/Base"),
        replace(an_original("hourly"), cursor=Cursor(3, "hourly")),
        replace(with_cursor(an_original("monthly", utc(9999, 11, 30)), 1)),
    ],
    ids=["zone", "rule", "end of time"],
)
def test_a_running_series_that_cannot_be_continued_is_named_with_the_reason(spoiled: Task) -> None:
    found = judged(spoiled)
    assert names(found) == ["series_unworkable"]
    assert found[0].sample["reason"]


def test_a_series_that_never_lacked_so_much_is_not_asked_for() -> None:
    """One spoiled number must not fill a user's list with thousands of tasks."""
    spoiled = replace(ours(5000), is_completed=True)
    found = judged(RUNNING, *THREE, spoiled)
    assert names(found) == ["cursor_behind", "series_unworkable"]
    assert [issue.fix for issue in found] == [None, None]


# Cursors


def test_a_cursor_is_raised_over_what_is_there_and_not_over_a_gap() -> None:
    behind = with_cursor(an_original(), 1)
    (issue,) = judged(behind, *THREE)
    assert issue.check.name == "cursor_behind"
    assert isinstance(issue.fix, CursorMove)
    assert (issue.fix.series_id, issue.fix.memory.number) == (ORIGINAL, 3)

    found = judged(behind, THREE[0], THREE[2])
    assert names(found) == ["cursor_behind", "series_behind"]
    assert found[0].fix is None, "slot 2 may still be owed"
    assert found[1].sample["missing"] == "2"


def test_a_cursor_is_ahead_unless_the_slot_it_stands_on_was_made_once() -> None:
    (issue,) = judged(with_cursor(an_original(), 9), *THREE)
    assert (issue.check.name, issue.unless_made) == ("cursor_ahead", ours(9).id)
    assert judged(with_cursor(an_original(), 9), *THREE, dated(ours(9))) == []


def test_the_cursor_of_an_original_that_took_anothers_place_is_not_doubted() -> None:
    """What was made before has ids of the original that is gone."""
    assert judged(replace(with_cursor(an_original(), 9), original_slot=2), *THREE[2:]) == []


def test_a_first_date_that_was_moved_is_named_with_the_date_the_series_goes_on_from() -> None:
    moved = replace(RUNNING, due_date=utc(2024, 2, 11, 9), original_due_date=utc(2024, 2, 11, 9))
    found = list(judge_series(replace(series_of(RUNNING, *THREE), original=moved), moved, AT))

    assert names(found) == ["first_date_moved"]
    assert (found[0].sample["began"], found[0].sample["originalDueDate"]) == (utc(2024, 2, 1, 9), moved.due_date)


def test_a_series_that_was_worked_on_and_is_not_remembered_is_remembered_by_the_repair() -> None:
    lost = series_of(an_original(), *THREE, recalled=Cursor(3, "daily"))
    (issue,) = judge_series(lost, an_original(), AT)

    assert issue.check.name == "series_memory_missing"
    assert isinstance(issue.fix, CursorMove)
    assert (issue.fix.memory.number, issue.fix.is_new) == (3, True)


# Likeness, and slots


def test_two_on_one_slot_are_named_together_the_original_included() -> None:
    twins = (older(7, utc(2024, 2, 3, 9)), older(8, utc(2024, 2, 1, 9)))
    found = judged(RUNNING, *THREE, *twins)
    assert [(d.check.name, d.sample["slot"], d.sample["tasks"]) for d in found] == [
        ("slot_clashes", 0, 2),
        ("slot_clashes", 2, 2),
    ]
    assert found[1].sample["taskIds"] == ", ".join(sorted([THREE[1].id, twins[0].id]))


def test_drifted_month_ends_do_not_clash() -> None:
    drifted = (older(1, utc(2024, 2, 29)), older(2, utc(2024, 3, 29)), older(3, utc(2024, 4, 29)))
    tasks = (replace(task, repeat_type="monthly") for task in drifted)
    assert judged(an_original("monthly", utc(2024, 1, 31)), *tasks) == []


def test_an_occurrence_of_another_user_or_rule_is_named_beside_its_original() -> None:
    found = judged(RUNNING, replace(THREE[0], user_id=BOB), replace(THREE[1], repeat_type="weekly"), THREE[2])
    assert names(found) == ["repeat_type_differs", "owner_differs"]
    assert (found[0].sample["repeatType"], found[0].sample["ofOriginal"]) == ("weekly", "daily")
    assert (found[1].sample["userId"], found[1].sample["ownerOfOriginal"]) == (BOB, ALICE)


def test_a_series_counted_in_another_rule_is_judged_no_further() -> None:
    found = judged(with_cursor(an_original(completed=True), 3, "weekly"), *THREE)
    assert names(found) == ["repeat_type_differs"]
    assert found[0].sample["taskId"] == ORIGINAL


# Single tasks, and what they hang on


def test_a_task_without_original_date_gets_the_date_that_counts_now() -> None:
    due = utc(2024, 2, 1, 9)
    (issue,) = judge_task(replace(an_original(due=due), original_due_date=None))
    assert (issue.check.name, issue.fix) == ("missing_original_due_date", DateFromDue(ORIGINAL, due))


@pytest.mark.parametrize(("due", "original_due"), [(None, None), ("soon", None), (utc(2024, 2, 1), "soon")])
def test_where_there_is_no_date_to_take_or_something_to_lose_a_person_decides(
    due: object, original_due: object
) -> None:
    (issue,) = judge_task(replace(an_original(due=due), original_due_date=original_due))
    assert (issue.check.name, issue.fix) == ("missing_original_due_date", None)


def test_a_sub_task_that_repeats_is_named_with_its_task() -> None:
    (issue,) = judge_task(replace(an_original(), parent_task_id=an_id(9)))
    assert (issue.check.name, issue.sample["parentTaskId"]) == ("recurring_subtasks", an_id(9))


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("parentRecurringId", ORIGINAL.upper(), ORIGINAL),
        ("userId", ALICE, ALICE),
        ("parentTaskId", {"$oid": ORIGINAL}, ORIGINAL),
        ("parentRecurringId", "tomorrow", None),
        ("userId", 5, None),
        ("_id", ORIGINAL, None),
    ],
)
def test_an_id_of_another_type_is_found_and_cast_where_it_says_which_is_meant(
    field: str, value: object, meant: str | None
) -> None:
    """The `_id` of a document cannot be changed."""
    (issue,) = judge_task(replace(an_original("none"), odd_ids={field: value}))

    assert (issue.check.name, issue.sample["field"]) == ("wrong_id_types", field)
    assert issue.fix == (None if meant is None else CastId(ORIGINAL, field, value, meant))


def test_what_hangs_on_an_occurrence_is_hung_on_the_original_of_the_series() -> None:
    nested = replace(THREE[1], parent_recurring_id=THREE[0].id)
    (issue,) = judge_hanging(nested, THREE[0], RUNNING)
    assert (issue.check.name, issue.fix) == ("nested_occurrences", Reparent(nested.id, THREE[0].id, ORIGINAL))


@pytest.mark.parametrize(
    "head", [None, replace(RUNNING, user_id=BOB), THREE[2]], ids=["gone", "of another user", "a circle"]
)
def test_what_hangs_on_an_occurrence_stays_where_no_original_of_the_user_is_above(head: Task | None) -> None:
    (issue,) = judge_hanging(replace(THREE[1], parent_recurring_id=THREE[0].id), THREE[0], head)
    assert (issue.check.name, issue.fix) == ("nested_occurrences", None)


def test_what_hangs_on_nothing_is_an_orphan_and_what_hangs_on_an_original_is_sound() -> None:
    assert [d.check.name for d in judge_hanging(THREE[0], None, None)] == ["orphans"]
    assert list(judge_hanging(THREE[0], RUNNING, RUNNING)) == []


def test_each_mending_says_what_it_changes() -> None:
    event = TaskEvent(an_id(1), Operation.COMPLETE, ORIGINAL, NOW)
    assert [
        change(fix)
        for fix in (
            Reparent(an_id(1), an_id(2), ORIGINAL),
            DateFromDue(ORIGINAL, utc(2024, 2, 1, 9)),
            CastId(ORIGINAL, "userId", ALICE, ALICE),
            CursorMove(ORIGINAL, SeriesMemory.begun(7, "daily", utc(2024, 2, 1, 9), "UTC")),
            event,
        )
    ] == [
        f"parentRecurringId: {ORIGINAL}",
        "originalDueDate: 2024-02-01T09:00:00+00:00",
        f"userId: ObjectId {ALICE}",
        "cursor.number: 7",
        f"event: complete of task {ORIGINAL}",
    ]
