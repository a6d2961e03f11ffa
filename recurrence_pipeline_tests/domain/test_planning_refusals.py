"""Whose series an event speaks of, and what becomes of events whose task is elsewhere, changed, or not there."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recurrence_pipeline.domain.errors import OriginalNotFound, TaskNotVisibleYet
from recurrence_pipeline.domain.ids import activity_id, occurrence_id
from recurrence_pipeline.domain.model import ErrorRecord, Task
from recurrence_pipeline.domain.plan import Answer, NewActivity, Plan, Reparent
from recurrence_pipeline.domain.planning import failure_activity
from recurrence_pipeline.domain.vocabulary import Action, Source
from recurrence_pipeline_tests.domain.in_memory import (
    ALICE,
    NOW,
    ORIGINAL,
    InMemoryTasks,
    a_running_series,
    an_id,
    an_original,
    complete,
    create,
    cursors,
    new_days,
    new_slots,
    older,
    ours,
    refusal,
    utc,
    with_cursor,
)

# Series inside series, and series that changed


def test_an_event_that_names_an_occurrence_speaks_of_its_series() -> None:
    world = a_running_series()
    event = create(occurrence_id(ORIGINAL, 2))
    plan = world.plan(event)
    assert plan == Plan(answers={event.id: Answer()}, series_of_event={event.id: ORIGINAL})


def test_a_create_on_an_occurrence_completes_its_series_and_starts_none_inside_it() -> None:
    plan = InMemoryTasks.of(an_original(), ours(1)).plan(create(occurrence_id(ORIGINAL, 1)))
    assert new_slots(plan) == [2, 3]
    assert {new.original.id for new in plan.occurrences} == {ORIGINAL}


def test_the_next_occurrence_is_linked_to_the_original_where_it_hangs_on_another_task() -> None:
    middle, nested = older(1, utc(2024, 2, 2, 9)), older(2, utc(2024, 2, 3, 9), parent=an_id(1))
    event = complete(middle.id)
    plan = InMemoryTasks.of(an_original(completed=True), middle, nested).plan(event)
    assert plan.links == [Reparent(nested.id, middle.id, ORIGINAL)]
    assert plan.answers[event.id].updated == nested.id


def test_tasks_that_hang_on_each_other_in_a_circle_end_the_search() -> None:
    a, b = older(1, utc(2024, 2, 2), parent=an_id(2)), older(2, utc(2024, 2, 3), parent=an_id(1))
    assert isinstance(refusal(InMemoryTasks.of(a, b).plan(create(a.id))), OriginalNotFound)


def test_a_series_goes_on_by_its_rule_until_an_edit_of_it_is_followed() -> None:
    world = InMemoryTasks.of(with_cursor(an_original("weekly"), 3, "daily"), ours(1), ours(2), ours(3))
    plan = world.plan(complete())
    assert new_days(plan) == ["02-05"]
    assert cursors(plan) == {ORIGINAL: (4, "daily")}


def test_one_bad_series_costs_the_others_nothing() -> None:
    bad_series = replace(an_original("hourly"), id=an_id(77))
    good, bad = create(), create(bad_series.id)
    plan = InMemoryTasks.of(an_original(), bad_series).plan(bad, good)
    assert list(plan.refusals) == [bad.id]
    assert list(plan.answers) == [good.id]
    assert new_slots(plan) == [1, 2, 3]


# Tasks that are not there


def test_a_task_that_a_young_outbox_event_names_is_waited_for() -> None:
    """The application may write the event a moment before the task can be read."""
    event = create(created_at=NOW - timedelta(seconds=29))
    error = refusal(InMemoryTasks().plan(event))
    assert isinstance(error, TaskNotVisibleYet)
    assert error.until == NOW + timedelta(seconds=1)


@pytest.mark.parametrize("source", [Source.API, Source.RECONCILE, Source.MANUAL])
def test_everybody_else_is_answered_at_once(source: Source) -> None:
    assert isinstance(refusal(InMemoryTasks().plan(create(created_at=NOW, source=source))), OriginalNotFound)


def test_an_outbox_event_of_30_seconds_is_waited_for_no_longer() -> None:
    assert isinstance(refusal(InMemoryTasks().plan(create(created_at=NOW - timedelta(seconds=30)))), OriginalNotFound)


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(days=1), timedelta(days=3650)])
def test_an_event_from_the_future_is_waited_for_as_one_written_now(ahead: timedelta) -> None:
    """Its first failed try says since when: else an event that names no task waits until the clock that wrote it."""
    first = create(created_at=NOW + ahead)
    error = refusal(InMemoryTasks().plan(first))
    assert isinstance(error, TaskNotVisibleYet)
    assert error.until == NOW + timedelta(seconds=30)

    tried = ErrorRecord("transient", "TASK_NOT_VISIBLE_YET", "", NOW - timedelta(seconds=30), 1)
    assert isinstance(refusal(InMemoryTasks().plan(replace(first, errors=(tried,)))), OriginalNotFound)


def test_an_occurrence_whose_original_is_gone_is_refused_and_left_where_it_is_at_first() -> None:
    assert str(refusal(InMemoryTasks.of(ours(1)).plan(complete(ours(1).id, term=1)))) == "Original task not found"


@pytest.mark.parametrize("names", [ORIGINAL, occurrence_id(ORIGINAL, 2)])
def test_a_later_attempt_removes_what_an_earlier_one_left_under_a_gone_original(names: str) -> None:
    event = create(names, term=2)
    of_others: list[Task] = [older(1, utc(2024, 2, 2, 9)), ours(3), ours(4, by=create().id)]
    plan = InMemoryTasks.of(ours(1, by=event.id), ours(2, by=event.id), *of_others).plan(event)
    (removal,) = plan.removals
    assert isinstance(plan.refusals[event.id], OriginalNotFound)
    assert removal.event == replace(event, user_id=ours(1).user_id), "whose tasks they are, whoever asked"
    assert sorted(removal.task_ids) == sorted([ours(1).id, ours(2).id])


def test_nothing_is_removed_while_the_original_may_still_become_visible() -> None:
    event = create(term=2, created_at=NOW)
    assert InMemoryTasks.of(ours(1)).plan(event).removals == []


# What users are told of failures


def test_a_failure_is_told_to_the_user_of_the_event_or_else_of_the_task() -> None:
    named, unnamed = create(user_id=an_id(3)), create()
    text = "Due date must be a valid date"
    told = failure_activity(named, an_original(), text)
    assert told == NewActivity(
        activity_id(Action.CREATE_FAILED, ORIGINAL), Action.CREATE_FAILED, an_id(3), ORIGINAL, text
    )
    assert failure_activity(unnamed, an_original(), text) == replace(told, user_id=ALICE)
    assert failure_activity(unnamed, None, text) is None
