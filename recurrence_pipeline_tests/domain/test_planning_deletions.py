"""Cascades: what hangs on a deleted task goes with it, once, and is counted right."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import Answer, NewActivity, Plan
from recurrence_pipeline.domain.vocabulary import Action, Source
from recurrence_pipeline_tests.domain.in_memory import (
    ALICE,
    BOB,
    ORIGINAL,
    InMemoryTasks,
    a_running_series,
    an_id,
    an_original,
    complete,
    create,
    cursors,
    delete,
    new_slots,
    older,
    ours,
    refusal,
    utc,
    with_cursor,
)


def removed(plan: Plan) -> set[str]:
    return {task_id for removal in plan.removals for task_id in removal.task_ids}


def ids(*tasks: Task) -> set[str]:
    return {task.id for task in tasks}


def test_what_hangs_on_a_deleted_original_goes_with_it() -> None:
    event = delete()
    plan = InMemoryTasks.of(ours(1), ours(2, completed=True), older(3, utc(2024, 2, 4))).plan_deletions(event)
    assert removed(plan) == ids(ours(1), ours(2), older(3, utc(2024, 2, 4)))
    assert plan.answers == {event.id: Answer(deleted=3)}
    assert plan.activities == [NewActivity.of(Action.DELETED, ALICE, ORIGINAL, subject=event.id)]
    assert plan.cursors == [], "no series goes on"


def test_a_deletion_that_was_only_seen_takes_nothing_where_its_original_is_back() -> None:
    """Who tells of a deletion means it. What was seen may have been a program that stores a task anew."""
    tasks = InMemoryTasks.of(an_original(), ours(1), ours(2))
    seen, told = delete(source=Source.RECONCILE), delete()
    assert removed(tasks.plan_deletions(seen)) == set()
    assert tasks.plan_deletions(seen).answers == {seen.id: Answer(deleted=0)}
    assert removed(tasks.plan_deletions(told)) == ids(ours(1), ours(2))
    begun = delete(source=Source.RECONCILE, deleting=(ours(1).id,))
    assert removed(tasks.plan_deletions(begun)) == ids(ours(1), ours(2)), "what has begun is completed"


def test_an_occurrence_made_again_after_it_was_deleted_goes_and_its_siblings_stay() -> None:
    """Else the deletion of one task, met by a worker that is slow or died, would take the whole series."""
    event = delete(ours(2).id)
    back = replace(ours(2, by=create().id), created_at=event.created_at + timedelta(milliseconds=1))
    plan = InMemoryTasks.of(an_original(), ours(1), back, ours(3)).plan_deletions(event)
    assert removed(plan) == ids(back)
    assert plan.answers[event.id].deleted == 1


def test_a_task_of_the_application_that_claims_to_be_younger_than_its_deletion_is_no_task_made_again() -> None:
    """The clocks of two machines differ, and people import tasks with dates of their own."""
    event = delete()
    young = replace(an_original(), created_at=event.created_at + timedelta(days=1))
    assert removed(InMemoryTasks.of(young, ours(1), ours(2)).plan_deletions(event)) == ids(ours(1), ours(2))


def test_what_hangs_on_the_original_but_is_another_user_s_stays() -> None:
    event = delete()
    plan = InMemoryTasks.of(ours(1), ours(2, user=BOB)).plan_deletions(event)
    assert removed(plan) == ids(ours(1))
    assert plan.answers[event.id].deleted == 1


@pytest.mark.parametrize("task_id", [ORIGINAL, ours(1).id, an_id(99)])
def test_where_nothing_hangs_on_it_nothing_is_deleted_and_nothing_is_said(task_id: str) -> None:
    """A deleted occurrence leaves its siblings alone: the application has removed it before it asks."""
    event = delete(task_id)
    plan = InMemoryTasks.of(an_original(), ours(2, user=BOB)).plan_deletions(event)
    assert plan == Plan(answers={event.id: Answer(deleted=0)}, series_of_event={event.id: task_id})


def test_an_occurrence_that_still_exists_takes_its_siblings_along_and_leaves_the_original() -> None:
    plan = a_running_series().plan_deletions(delete(ours(2).id))
    assert removed(plan) == ids(ours(1), ours(2), ours(3))


def test_what_hangs_on_an_occurrence_goes_before_its_siblings() -> None:
    nested = older(9, utc(2024, 2, 4), parent=ours(1).id)
    world = a_running_series()
    world.tasks[nested.id] = nested
    assert removed(world.plan_deletions(delete(ours(1).id))) == {nested.id}


def test_a_deletion_must_say_whose() -> None:
    error = refusal(a_running_series().plan_deletions(delete(user_id=None)))
    assert isinstance(error, InvalidInput)
    assert str(error) == "userId is required for delete operation"


# The cursor: what was deleted stays deleted


def test_the_cursor_moves_past_what_is_deleted_where_the_original_stays() -> None:
    world = InMemoryTasks.of(with_cursor(an_original(), 2), ours(1), ours(2), ours(5))
    plan = world.plan_deletions(delete())
    assert cursors(plan) == {ORIGINAL: (5, "daily")}
    world.apply(plan)
    assert new_slots(world.plan(create(), complete())) == []


@pytest.mark.parametrize("members", [(ours(1), ours(2), ours(3)), (older(1, utc(2024, 2, 2, 9)), ours(3))])
def test_a_cursor_that_is_missing_is_set_by_a_deletion(members: tuple[Task, ...]) -> None:
    plan = InMemoryTasks.of(an_original(), *members).plan_deletions(delete())
    assert cursors(plan) == {ORIGINAL: (3, "daily")}


def test_deleting_a_series_inside_a_series_moves_the_cursor_of_the_outer_one() -> None:
    """The previous worker started one for a create on an occurrence; its tasks lie on slots of the outer series."""
    outer = [older(n, utc(2024, 2, 1 + n, 9)) for n in (1, 2)]
    inner = [older(n, utc(2024, 2, 1 + n, 9), parent=outer[1].id) for n in (3, 4, 5)]
    world = InMemoryTasks.of(an_original(), *outer, *inner)
    plan = world.plan_deletions(delete(outer[1].id))
    assert removed(plan) == ids(*inner)
    assert cursors(plan) == {ORIGINAL: (5, "daily")}
    world.apply(plan)
    assert new_slots(world.plan(complete())) == []


def test_a_cursor_that_is_past_it_all_stays() -> None:
    world = InMemoryTasks.of(with_cursor(an_original(), 5), ours(1), ours(2))
    assert world.plan_deletions(delete()).cursors == []


@pytest.mark.parametrize("original", [an_original("none"), with_cursor(an_original("weekly"), 3, "daily")])
def test_a_series_that_does_not_go_on_is_deleted_like_any_other(original: Task) -> None:
    plan = InMemoryTasks.of(original, ours(1)).plan_deletions(delete())
    assert removed(plan) == ids(ours(1))
    assert plan.cursors == []


# Twice, and after a crash


def test_two_deletions_of_one_series_count_each_task_once() -> None:
    first, second = delete(), delete()
    plan = a_running_series().plan_deletions(second, first)
    assert plan.answers == {first.id: Answer(deleted=3), second.id: Answer(deleted=0)}
    assert [removal.event for removal in plan.removals] == [first]
    assert len(plan.activities) == 1


def test_the_count_after_a_crash_is_what_was_announced_and_what_came_since() -> None:
    """Of three announced, the crash left one."""
    event = delete(deleting=(ours(1).id, ours(2).id, ours(3).id))
    plan = InMemoryTasks.of(ours(3), ours(4)).plan_deletions(event)
    assert plan.answers == {event.id: Answer(deleted=4)}
    assert removed(plan) == ids(ours(1), ours(2), ours(3), ours(4))


def test_the_cursor_still_moves_where_the_crash_came_right_after_announcing() -> None:
    event = delete(deleting=(ours(1).id, ours(2).id))
    plan = InMemoryTasks.of(an_original(), ours(1), ours(2)).plan_deletions(event)
    assert cursors(plan) == {ORIGINAL: (2, "daily")}


def test_what_one_deletion_has_announced_is_not_counted_by_an_older_one() -> None:
    older_event, younger = delete(), delete(deleting=(ours(1).id, ours(2).id, ours(3).id))
    plan = a_running_series().plan_deletions(older_event, younger)
    assert plan.answers == {older_event.id: Answer(deleted=0), younger.id: Answer(deleted=3)}


def test_an_attempt_after_a_crash_does_not_turn_to_the_siblings() -> None:
    """Nothing hangs on the occurrence any more only because the first attempt removed it."""
    nested = an_id(9)
    event = delete(ours(1).id, deleting=(nested,))
    plan = a_running_series().plan_deletions(event)
    assert removed(plan) == {nested}
    assert plan.answers == {event.id: Answer(deleted=1)}


def test_an_attempt_after_a_crash_goes_on_with_the_siblings_it_had_announced() -> None:
    event = delete(ours(1).id, deleting=(ours(1).id, ours(2).id))
    plan = InMemoryTasks.of(replace(an_original(), cursor=None), ours(1), ours(2)).plan_deletions(event)
    assert removed(plan) == ids(ours(1), ours(2))
    assert cursors(plan) == {ORIGINAL: (2, "daily")}
