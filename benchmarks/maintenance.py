"""Cleanup, checks, statistics, metrics, reconciliation, archive over many tasks: is time linear, and memory flat?

The database holds so many tasks, a finished event and an old activity for each series; every tenth series has lost its
original, and its occurrences are what the cleanup finds.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

from bson import ObjectId

from benchmarks.content import Content, content
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Stage, server, stage
from recurrence_pipeline.domain.recurrence import HORIZON

PIECE = 2000
"""Series that are built at a time."""

OLD = timedelta(days=100)
KEPT = timedelta(days=29)
"""The events ended throughout this time: all that the metrics can be asked for."""


def fill(at: Stage, tasks: int) -> None:
    """Store about so many tasks, and all that belongs to them."""
    series = tasks // (HORIZON + 1)
    for start in range(0, series, PIECE):
        made = content("complete", min(PIECE, series - start), first_number=start * (HORIZON + 1) + 1)
        lost = {event["taskId"] for event in made.events[::10]}
        for index, event in enumerate(made.events, start):
            begun = event["createdAt"] - KEPT * (index / series)
            event |= {"status": "completed", "startedAt": begun, "finishedAt": begun, "durationMs": 5, "attempts": 0}
            event |= {"result": {"created": [], "updated": None, "deleted": 0}}
        at.fill(Content([task for task in made.tasks if task["_id"] not in lost], made.events, made.series))
        at.worker.mongo.activities.insert_many(
            {
                "_id": ObjectId(),
                "activityId": start + index + 1,
                "userId": event["userId"],
                "action": "RECURRING_TASK_CREATED",
                "taskId": event["taskId"],
                "message": f"User performed RECURRING_TASK_CREATED :: {event['taskId']}",
                "timestamp": event["createdAt"] - OLD,
            }
            for index, event in enumerate(made.events)
        )


def done(at: Stage, kind: str) -> dict[str, Any]:
    """Have a process of its own do it."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.upkeep", kind],
        env={**os.environ, "MONGODB_URL": at.url, "WORKER_TIMEOUT": "120000"},
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return answer


def main(size: Size) -> Figures:
    """Do all of it over each number of tasks."""
    rows = []
    for tasks in size.tasks:
        with server() as database, stage(database, large=True) as at:
            fill(at, tasks)
            for kind in size.upkeep:
                found = done(at, kind)
                rows.append({"tasks": tasks, "what": kind, **found, "us/task": found["seconds"] / tasks * 1e6})
    return Figures("Maintenance over many tasks, each in a process of its own", rows)
