"""May a task recur? Each refusal by the text that the application shows, with its field and value."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from recurrence_pipeline.domain.errors import InvalidRecurrence, Permanent
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.validation import GRACE, creation_time, validate_recurrence

CREATED = datetime(2024, 1, 10, 12, tzinfo=timezone.utc)
GOOD = Task(id="65" + "0" * 22, repeat_type="daily", due_date=CREATED + timedelta(hours=1))


def refusal(task: Task, asked_at: datetime = CREATED) -> InvalidRecurrence:
    with pytest.raises(InvalidRecurrence) as caught:
        validate_recurrence(task, asked_at=asked_at)
    return caught.value


@pytest.mark.parametrize("rule", ["daily", "weekly", "monthly"])
def test_every_rule_may_recur(rule: str) -> None:
    validate_recurrence(replace(GOOD, repeat_type=rule, timezone="Europe/Berlin"), asked_at=CREATED)


def test_a_task_that_does_not_repeat_needs_nothing_to_be_right() -> None:
    odd = Task(id=GOOD.id, repeat_type="none", due_date="soon", parent_task_id="65" + "1" * 22, timezone="Mars/Olympus")
    validate_recurrence(odd, asked_at=CREATED)


@pytest.mark.parametrize("rule", ["hourly", "Daily", ""])
def test_an_unknown_rule_is_refused_by_its_name(rule: str) -> None:
    error = refusal(replace(GOOD, repeat_type=rule))
    assert (str(error), error.field, error.value) == (f"Invalid repeat type: {rule}", "repeatType", rule)


def test_a_missing_due_date_is_refused() -> None:
    error = refusal(replace(GOOD, due_date=None))
    assert (str(error), error.field, error.value) == ("Due date is required for recurring tasks", "dueDate", None)


@pytest.mark.parametrize("value", ["2024-01-11", 1704931200000, datetime(2024, 1, 11)])  # noqa: DTZ001
def test_a_due_date_that_is_no_moment_in_time_is_refused(value: object) -> None:
    error = refusal(replace(GOOD, due_date=value))
    assert (str(error), error.field, error.value) == ("Due date must be a valid date", "dueDate", value)


def test_a_due_date_more_than_a_day_before_the_creation_is_refused() -> None:
    due = CREATED - GRACE - timedelta(milliseconds=1)
    error = refusal(replace(GOOD, due_date=due))
    assert str(error) == "Due date for recurring tasks should not be more than 1 day in the past"
    assert (error.field, error.value) == ("dueDate", due)


def test_a_due_date_exactly_a_day_before_the_creation_may_stand() -> None:
    validate_recurrence(replace(GOOD, due_date=CREATED - timedelta(days=1)), asked_at=CREATED)


def test_the_past_is_measured_from_the_creation_however_long_ago_that_is() -> None:
    """Else a backlog processed late refuses tasks that were good when they were made."""
    long_ago = datetime(1999, 12, 31, tzinfo=timezone.utc)
    validate_recurrence(replace(GOOD, due_date=long_ago), asked_at=long_ago)


def test_a_sub_task_is_refused() -> None:
    parent = "65" + "1" * 22
    error = refusal(replace(GOOD, parent_task_id=parent))
    assert (str(error), error.field) == ("Sub-tasks cannot have recurring patterns", "parentTaskId")
    assert error.value == parent


def test_an_unknown_time_zone_is_named() -> None:
    error = refusal(replace(GOOD, timezone="Mars/Olympus"))
    assert "'Mars/Olympus'" in str(error)
    assert (error.field, error.value) == ("timezone", "Mars/Olympus")


def test_a_refusal_is_permanent() -> None:
    """Else an event about a task that can never recur is tried again and again."""
    assert isinstance(refusal(replace(GOOD, due_date=None)), Permanent)


def test_the_creation_time_is_the_task_s_own_word_and_else_that_of_its_id() -> None:
    assert creation_time(replace(GOOD, created_at=CREATED)) == CREATED
    assert creation_time(Task(id="659e8640" + "0" * 16)) == datetime(2024, 1, 10, 11, 57, 52, tzinfo=timezone.utc)
