"""The page of a series costs the same however long the series is, and tells what happened to its last tasks."""

from typing import Any

import pytest
from bson import ObjectId

from benchmarks.content import long_series
from benchmarks.stage import Database, Stage, stage
from recurrence_pipeline.queries import tasks as queries
from recurrence_pipeline.queries.series_view import SeriesView


def looked_at(at: Stage, members: int) -> tuple[SeriesView, int]:
    """Store a daily series of so many tasks, and an event of each; return its page, and what that cost in commands."""
    made = long_series(members)
    head = made.tasks[0]
    for task in made.tasks:
        fields = {name: task[name] for name in ("userId", "createdAt", "updatedAt")}
        event: dict[str, Any] = {"taskId": task["_id"], "operation": "complete", "status": "completed", **fields}
        made.events.append(event | {"_id": ObjectId(), "availableAt": event["createdAt"]})
    at.fill(made)
    at.commands.sent.clear()
    view = at.worker.series_stories.story(str(head["_id"])).view
    return view, at.commands.sent.total()


def test_the_page_of_a_series_costs_no_more_commands_when_it_is_long(
    mongodb_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asked for the events of each of its tasks: 125 commands for 27 years."""
    monkeypatch.setattr(queries, "EVENTS_OF", 200)
    with stage(Database(mongodb_server, None)) as short, stage(Database(mongodb_server, None)) as long:
        _, of_few = looked_at(short, 600)
        view, of_many = looked_at(long, 2600)

    assert of_many == of_few <= 9
    assert len(view.members) == 2600


def test_the_page_tells_of_the_original_and_of_the_last_tasks(
    mongodb_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "EVENTS_OF", 4)
    with stage(Database(mongodb_server, None)) as at:
        view, _ = looked_at(at, 12)

    by_slot = {member.task.id: member.slot for member in view.members}
    assert sorted(by_slot[str(event["taskId"])] or 0 for event in view.events) == [0, 8, 9, 10, 11]
