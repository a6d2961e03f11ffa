"""What the one door answers, and what it refuses before anything is written."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    InvalidRecurrence,
    OriginalNotFound,
    ProcessingFailed,
)
from recurrence_pipeline.domain.explain import SlotView
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)
SOME_ID = "6b046c58c5f3b9749e070265"


def test_creating_answers_with_the_tasks_in_the_shape_of_the_contract(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")

    answer = world.worker.process_task_recurrence(str(original), "create")

    assert {name: answer[name] for name in ("success", "operation", "taskId")} == {
        "success": True,
        "operation": "create",
        "taskId": str(original),
    }
    assert [task["dueDate"] for task in answer["result"]] == world.due_dates(original)
    assert all(isinstance(task[name], str) for task in answer["result"] for name in ("_id", "userId"))
    assert {task["parentRecurringId"] for task in answer["result"]} == {str(original)}


def test_creating_again_answers_with_the_occurrences_that_are_open(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    first = world.worker.process_task_recurrence(str(original), "create")["result"]

    assert world.worker.process_task_recurrence(str(original), "create")["result"] == first


def test_completing_the_last_of_nothing_new_answers_with_null(world: World) -> None:
    original = world.create(ANCHOR, "daily", isCompleted=True)

    answer = world.worker.process_task_recurrence(str(original), "complete")["result"]

    assert (answer["createdTask"], answer["createdTasks"]) == (None, [])
    assert answer["updatedTask"]["dueDate"] == utc(2024, 1, 16, 9)


def test_deleting_what_is_not_there_answers_0(world: World) -> None:
    assert world.worker.process_task_recurrence(str(ObjectId()), "delete", str(world.user))["result"] == 0


@pytest.mark.parametrize(
    ("task_id", "operation", "user_id", "text"),
    [
        ("abc", "create", None, "taskId: 'abc' is not an id of 24 hex digits"),
        (SOME_ID, "destroy", None, "operation: 'destroy' is not one of create, complete, delete, update, reopen, skip"),
        (SOME_ID, "delete", None, "userId is required for delete operation"),
        (SOME_ID, "delete", "me", "userId: 'me' is not an id of 24 hex digits"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_written(
    world: World, task_id: str, operation: str, user_id: str | None, text: str
) -> None:
    for ask in (world.worker.process_task_recurrence, world.worker.enqueue, world.worker.plan):
        with pytest.raises(InvalidInput) as refused:
            ask(task_id, operation, user_id)
        assert str(refused.value) == text
    assert world.worker.mongo.events.count_documents({}) == 0


def test_a_refusal_says_which_operation_why_and_that_trying_again_is_no_use(world: World) -> None:
    with pytest.raises(ProcessingFailed) as failed:
        world.worker.process_task_recurrence(str(ObjectId()), "create")

    error = failed.value
    assert str(error) == "Worker processing failed for operation: create: Original task not found"
    assert (error.cause_code, error.retryable) == ("ORIGINAL_NOT_FOUND", False)


def test_a_plan_shows_what_would_be_made_and_writes_nothing(world: World) -> None:
    original = world.add_task(ANCHOR, "daily")
    before = world.everything()

    event, plan = world.worker.plan(str(original), "create")

    assert [new.slot for new in plan.occurrences] == [1, 2, 3]
    assert len(plan.answers[event.id].created) == 3
    assert world.everything() == before
    assert world.worker.mongo.events.count_documents({}) == 0


def test_working_off_pending_events_stops_at_the_limit(world: World) -> None:
    for _ in range(5):
        world.add_event("create", world.add_task(ANCHOR, "daily"))

    assert world.worker.process_pending(3).events == 3
    assert world.worker.queries.unfinished() == 2
    assert world.worker.process_pending().events == 2


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"repeatType": "hourly"}, "Invalid repeat type: hourly"),
        ({"repeatType": "daily"}, "Due date is required for recurring tasks"),
        ({"repeatType": "daily", "dueDate": "soon"}, "Due date must be a valid date"),
        (
            {"repeatType": "daily", "dueDate": "2023-12-30T00:00:00.000Z"},
            "Due date for recurring tasks should not be more than 1 day in the past",
        ),
        (
            {"repeatType": "daily", "dueDate": "2024-02-01T00:00:00.000Z", "parentTaskId": "6b046c58c5f3b9749e070265"},
            "Sub-tasks cannot have recurring patterns",
        ),
    ],
)
def test_a_task_that_may_not_recur_is_told_why(world: World, task: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRecurrence) as refused:
        world.worker.validate_recurrence(task)

    assert str(refused.value) == reason


@pytest.mark.parametrize("task", [{}, {"repeatType": "none"}, {"repeatType": "weekly", "dueDate": "2024-01-02"}])
def test_a_task_that_may_recur_or_need_not_is_fine(world: World, task: dict[str, Any]) -> None:
    world.worker.validate_recurrence(task)

    assert world.worker.mongo.tasks.count_documents({}) == 0


def test_a_series_is_shown_with_its_slots_events_and_why_nothing_more_came(world: World) -> None:
    original = world.create(ANCHOR, "daily")
    second = world.occurrences(original)[1]["_id"]
    world.worker.mongo.tasks.delete_one({"_id": second})

    view = world.worker.queries.series(str(world.occurrences(original)[0]["_id"]))

    assert (view.id, view.cursor, view.timezone) == (str(original), 3, "UTC")
    assert [member.slot for member in view.members] == [0, 1, 3]
    assert [event["operation"] for event in view.events] == ["create"]
    assert "Slot 3 was the last made, because none is completed: completing a later one makes more." in view.remarks
    assert "Once made, or passed over, and not there now (never made again): slots 2." in view.remarks


def test_a_series_that_may_not_recur_says_so(world: World) -> None:
    task = world.add_task(ANCHOR, "daily", parentTaskId=ObjectId())

    assert world.worker.queries.series(str(task)).remarks == (
        "Nothing is made: Sub-tasks cannot have recurring patterns",
    )


def test_the_rest_of_a_series_without_its_original_is_still_shown(world: World) -> None:
    original = world.create(ANCHOR, "daily")
    world.worker.mongo.tasks.delete_one({"_id": original})

    view = world.worker.queries.series(str(original))

    assert [member.slot for member in view.members] == [1, 2, 3]
    assert view.remarks[0].startswith("The original is gone")


def test_a_preview_begins_with_what_is_ahead_of_now_and_says_what_stands_there(world: World) -> None:
    rent = world.create(utc(2024, 1, 31, 9), "monthly")
    second = world.occurrences(rent)[1]["_id"]
    world.now = utc(2024, 2, 1)

    ahead = world.worker.queries.preview(str(rent), 4).slots

    assert [(slot.number, slot.code.value, slot.note) for slot in ahead] == [
        (1, "open", "31 clamped to 29"),
        (2, "open", ""),
        (3, "open", "31 clamped to 30"),
        (4, "ahead", ""),
    ]
    assert ahead[1].task_id == str(second)
    assert world.worker.queries.preview(str(second), 4).slots == ahead, "asked of any task of the series"


def test_a_preview_begins_where_it_is_told_to(world: World) -> None:
    rent = world.create(utc(2024, 1, 31, 9), "monthly")

    def preview(task_id: str, count: int, **begin: Any) -> Sequence[SlotView]:
        return world.worker.queries.preview(task_id, count, **begin).slots

    world.now = utc(2024, 9, 1)

    assert [slot.number for slot in preview(str(rent), 2)] == [8, 9]
    assert [slot.number for slot in preview(str(rent), 2, since=utc(2030, 1, 1))] == [72, 73]
    first, second = preview(str(rent), 2, from_start=True)
    assert (first.number, first.code.value, second.number, second.code.value) == (0, "overdue", 1, "overdue")


@pytest.mark.parametrize("ask", ["preview", "series"])
def test_what_is_not_there_is_said_to_be_not_there(world: World, ask: str) -> None:
    with pytest.raises(OriginalNotFound):
        getattr(world.worker.queries, ask)(str(ObjectId()))


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_a_preview_of_no_or_too_many_slots_is_refused(world: World, count: int) -> None:
    task = world.add_task(ANCHOR, "daily")

    with pytest.raises(InvalidRecurrence, match=f"count: {count} is not between 1 and 1000"):
        world.worker.queries.preview(str(task), count)


def test_programs_written_against_a_door_of_its_own_still_find_all_of_the_work(world: World) -> None:
    """`open_worker(settings).service` was the door to everything."""
    world.add_event("create", world.add_task(utc(2024, 1, 2), "daily"))
    assert world.worker.service.next_due() == world.now
    assert world.worker.service.process_pending().occurrences_created == 3
    assert world.worker.service.reconciliation.look(None).asked == 0
    assert world.worker.service.maintenance.clean_orphans() == 0


@pytest.mark.parametrize("operation", ["create", "delete"])
def test_an_operation_that_takes_long_before_its_first_write_is_stored_with_a_lease_that_lasts(
    world: World, operation: str
) -> None:
    original = world.add_task(ANCHOR, "daily") if operation == "create" else world.create(ANCHOR, "daily")
    ticks, stored = count(), list[bool]()

    def clock() -> datetime:
        return world.now + next(ticks) * world.settings.lease / 4

    def look(_step: WriteStep) -> None:
        found = world.worker.mongo.events.find_one({"operation": operation, "status": "processing"})
        stored.extend([] if found is None else [found["lease"]["until"] > found["startedAt"] + world.settings.lease])

    with open_worker(world.settings, clock=clock, on_step=look) as worker:
        assert worker.process_task_recurrence(str(original), operation, str(world.user))["success"]

    assert stored[0]
    assert world.worker.mongo.events.count_documents({"operation": operation, "status": "completed"}) == 1


def test_an_operation_that_is_cut_off_before_its_first_write_leaves_nothing(world: World) -> None:
    """Its caller is told that the database is away, and nobody does it behind his back."""
    original = world.add_task(ANCHOR, "daily")
    fail = {"failCommands": ["aggregate"], "appName": "recurrence-pipeline", "errorCode": 13}
    admin = world.worker.mongo.client.admin
    admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=fail)

    with pytest.raises(DatabaseUnavailable):
        world.worker.process_task_recurrence(str(original), "create", str(world.user))

    assert world.worker.mongo.events.count_documents({}) == 0
    assert world.worker.process_task_recurrence(str(original), "create", str(world.user))["success"]
