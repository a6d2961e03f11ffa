"""Everything that walks over all tasks, over many of them: is time linear, and memory flat?

The database holds so many tasks, a finished event and an old activity for each series. Every tenth series has lost its
original, and its occurrences are what the cleanup finds. Of every tenth the clocks have changed: its occurrences are an
hour off. Nothing is remembered of every tenth, as of what was there before us: backfilling counts it. All of them are
one slot behind, which the sweep of reconciliation asks for.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId

from benchmarks.content import Content, content
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Stage, server, stage
from recurrence_pipeline.domain.fingerprint import DIGEST
from recurrence_pipeline.domain.recurrence import HORIZON
from recurrence_pipeline.domain.zones import wall_text
from recurrence_pipeline.storage.documents import Document, digest

PIECE = 2000
"""Series that are built at a time."""

ELSEWHERE = "Asia/Kolkata"
OLD = timedelta(days=100)
KEPT = timedelta(days=29)
"""The events ended throughout this time: all that the metrics can be asked for."""


def fill(at: Stage, tasks: int) -> None:
    """Store about so many tasks, and all that belongs to them."""
    series = tasks // (HORIZON + 1)
    at.worker.mongo.counters.update_one({"_id": "useractivities"}, {"$set": {"sequence_value": series}}, upsert=True)
    for start in range(0, series, PIECE):
        made = content("complete", min(PIECE, series - start), first_number=start * (HORIZON + 1) + 1)
        lost = {event["taskId"] for event in made.events[::10]}
        forgotten = {event["taskId"] for event in made.events[3::10]}
        elsewhere = {event["taskId"] for event in made.events[5::10]}
        made.series = [series for series in made.series if series["_id"] not in forgotten]
        made.tasks = [an_hour_off(task) if task["parentRecurringId"] in elsewhere else task for task in made.tasks]
        for index, task in enumerate(made.tasks, start * (HORIZON + 1)):
            changed = task["createdAt"] - KEPT * (index / tasks)
            task |= {"createdAt": changed, "updatedAt": changed}  # not all at once, as nobody's tasks are
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


def an_hour_off(task: Document) -> Document:
    """Return an occurrence as it stands where the clocks of its zone have changed since it was made."""
    meant = (task["dueDate"] + timedelta(hours=1)).astimezone(ZoneInfo(ELSEWHERE))
    moved = task | {"timezone": ELSEWHERE, "occurrenceAt": wall_text(meant.replace(tzinfo=None))}
    return moved | {DIGEST: digest(moved)}


def done(at: Stage, kind: str, whose: str = "all") -> dict[str, Any]:
    """Have a process of its own do it; `whose` is "all", or "user" for what is asked for one."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.upkeep", whose, kind],
        env={**os.environ, "MONGODB_URL": at.url, "WORKER_TIMEOUT": "120000"},
        check=False,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise RuntimeError(f"{kind} failed: {found.stdout[-2000:]}{found.stderr[-4000:]}")
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
