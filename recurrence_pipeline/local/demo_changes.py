"""The last part of `recurrence demo`: two series of its own, an edit that is followed, and a completion that counts.

Here is also how the demo stores a task: as an export, which is imported.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.local.stack import LocalStack
from recurrence_pipeline.storage.sample import edit_task
from recurrence_pipeline.views.changes import difference_data, difference_view, summary
from recurrence_pipeline.views.common import when

USER = "6b0500000000000000000d05"
EDITED = "6b0500000000000000000de2"
FROM_COMPLETION = "6b0500000000000000000de3"
NUMBERS = (1_000_100, 1_000_101)
"""Above those that the rest of the demo gives."""


def shown_changes(system: LocalStack, home: Path) -> RenderableType:
    """Edit a daily series, look at what follows, have it followed; then complete a task that counts from completion."""
    worker, now = system.worker, datetime.now(timezone.utc)
    anchor = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    plants = {"repeatType": "custom", "recurrence": {"rule": "FREQ=DAILY;INTERVAL=3", "from": "completion"}}
    done = {"isCompleted": True, "completedAt": _date(now)}
    tasks = (
        task_document(EDITED, NUMBERS[0], "Walk the dog", anchor, repeatType="daily"),
        task_document(FROM_COMPLETION, NUMBERS[1], "Water the plants", anchor, **plants, **done),
    )
    worker.import_folder(export_of(home / "two-series", *tasks))

    worker.process_task_recurrence(EDITED, "create")
    edit_task(worker.mongo, EDITED, {"repeatType": "custom", "recurrence": {"rule": "FREQ=WEEKLY;BYDAY=MO,TH"}}, now)
    table = difference_view(
        difference_data(worker.change(EDITED, "update")), timezone=worker.queries.series(EDITED).timezone
    )
    followed = summary(difference_data(worker.change(EDITED, "update", dry_run=False)))

    following = worker.process_task_recurrence(FROM_COMPLETION, "complete")["result"]["updatedTask"]
    return Group(
        Text("\nA daily task is edited: every Monday and Thursday. What follows (recurrence update):", "bold"),
        table,
        Text(f"And with --yes. {followed}"),
        Text("\nEvery 3 days from completion", "bold"),
        Text(f"Done today, {when(now)}: the next one is due {when(following['dueDate'])}."),
    )


def task_document(task_id: str, number: int, title: str, due: datetime, **fields: Any) -> Mapping[str, Any]:
    """Return a task as an export of the application has it."""
    date = _date(due)
    return {
        "_id": {"$oid": task_id},
        "taskId": number,
        "userId": {"$oid": USER},
        "title": title,
        "description": "",
        "dueDate": date,
        "originalDueDate": date,
        "priority": "high",
        "category": "home",
        "isCompleted": False,
        "parentTaskId": None,
        "parentRecurringId": None,
        "links": [],
        "additionalNotes": "",
        "createdAt": date,
        "updatedAt": date,
        "__v": 0,
        **fields,
    }


def export_of(folder: Path, *tasks: Mapping[str, Any]) -> Path:
    """Write an export that holds these tasks, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return folder


def _date(time: datetime) -> Mapping[str, str]:
    return {"$date": time.isoformat().replace("+00:00", "Z")}
