"""Series that the previous worker wrote: no cursor, no slot numbers, drifted month ends, tasks made twice."""

from dataclasses import replace

from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline_tests.domain.in_memory import (
    ORIGINAL,
    InMemoryTasks,
    an_original,
    complete,
    create,
    cursors,
    new_days,
    new_slots,
    older,
    ours,
    utc,
)


def weekly_review(*weeks: int) -> InMemoryTasks:
    """Return a weekly series due 02-01, with the occurrences of the weeks after."""
    return InMemoryTasks.of(
        an_original("weekly", utc(2024, 2, 1, 9)), *(older(n, utc(2024, 2, 1 + 7 * n, 9)) for n in weeks)
    )


def test_completing_a_weekly_review_with_two_ahead_makes_the_third_and_the_fourth() -> None:
    """The lowest new slot is the answer's created task: 02-22, after 02-08 and 02-15."""
    world = weekly_review(1, 2)
    event = complete()
    plan = world.plan(event)
    assert new_days(plan) == ["02-22", "02-29"]
    assert plan.answers[event.id].updated == older(1, utc(2024, 2, 8)).id
    assert plan.answers[event.id].created == (occurrence_id(ORIGINAL, 3), occurrence_id(ORIGINAL, 4))
    assert plan.links == [], "it hangs on the original already"
    assert cursors(plan) == {ORIGINAL: (4, "weekly")}


def test_completing_with_three_ahead_makes_the_fourth() -> None:
    assert new_slots(weekly_review(1, 2, 3).plan(complete())) == [4]


def test_a_create_makes_nothing_where_the_older_worker_made_it_all_and_sets_the_cursor() -> None:
    plan = weekly_review(1, 2, 3).plan(create())
    assert (plan.occurrences, cursors(plan)) == ([], {ORIGINAL: (3, "weekly")})


def test_a_slot_below_the_last_one_is_not_filled_in() -> None:
    """The previous worker left no gaps: what is not there was deleted by a person."""
    assert new_slots(weekly_review(2, 3).plan(create(), complete())) == [4]


def test_drifted_month_ends_are_the_slots_of_their_months() -> None:
    """Counted from the last result, Jan 31 became Feb 29 and then Mar 29: March must not get a second report."""
    drifted = (older(1, utc(2024, 2, 29, 17)), older(2, utc(2024, 3, 29, 17)))
    plan = InMemoryTasks.of(an_original("monthly", utc(2024, 1, 31, 17)), *drifted).plan(complete())
    assert [new.due for new in plan.occurrences] == [utc(2024, 4, 30, 17), utc(2024, 5, 31, 17)]


def test_tasks_made_twice_count_once() -> None:
    twins = (older(11, utc(2024, 2, 8, 9)), older(0, utc(2024, 2, 15, 9)))
    world = weekly_review(1, 2)
    world.tasks |= {twin.id: twin for twin in twins}
    assert new_slots(world.plan(complete())) == [3, 4]
    event = complete(twins[0].id)
    assert world.plan(event).answers[event.id].updated == twins[1].id, "the twin on the same day is not the next one"


def test_a_slot_that_the_older_worker_filled_is_not_filled_again_past_the_cursor() -> None:
    """It still ran beside this system for a while."""
    world = weekly_review(4)
    world.tasks[ORIGINAL] = replace(world.tasks[ORIGINAL], cursor=Cursor(3, "weekly"))
    plan = world.plan(complete(older(4, utc(2024, 2, 29, 9)).id))
    assert new_slots(plan) == [5, 6, 7, 8]


def test_a_missing_cursor_is_counted_from_the_older_tasks_alone() -> None:
    """Slot 4 is of ours, and slot 3 was lost between two inserts: it is made up for."""
    world = weekly_review(1, 2)
    world.tasks[ours(4).id] = ours(4)
    assert new_slots(world.plan(complete())) == [3]


def test_the_day_is_that_of_the_series_zone_and_not_of_utc() -> None:
    """20:00 in New York is the next day in UTC, before and after the change of its clock."""
    original = replace(an_original("daily", utc(2024, 3, 9, 1)), timezone="America/New_York")
    world = InMemoryTasks.of(original, older(1, utc(2024, 3, 10, 1)), older(2, utc(2024, 3, 11, 0)))
    plan = world.plan(complete())
    assert [new.due for new in plan.occurrences] == [utc(2024, 3, 12, 0), utc(2024, 3, 13, 0)]


def test_an_occurrence_whose_due_date_was_moved_keeps_the_slot_it_was_made_for() -> None:
    world = weekly_review(1, 2)
    moved = older(2, utc(2024, 2, 15, 9))
    world.tasks[moved.id] = replace(moved, due_date=utc(2024, 12, 24))
    assert new_slots(world.plan(complete())) == [3, 4]
