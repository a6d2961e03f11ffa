"""One create, one complete and one delete through the internal API, for the demo to show."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table
from rich.text import Text

from recurrence_pipeline.domain.errors import Outage
from recurrence_pipeline.local.system import System

RECURRENCE = "/internal/worker/tasks/recurrence"
TASK = "6b0500000000000000000de1"
USER = "6b0500000000000000000d05"
NUMBER = 1_000_000
"""Above the numbers of the sample's tasks."""


def shown_through_the_api(system: System, home: Path) -> Table:
    """Store a task as the application does, say over HTTP what happens to it, and draw the answers.

    Raises:
        Outage: an answer was not a success.
    """
    anchor = datetime(datetime.now(timezone.utc).year + 1, 1, 31, 9, tzinfo=timezone.utc)
    system.worker.import_folder(_folder(home / "a-task", anchor))
    table = Table(title="One task through the internal API", title_justify="left", title_style="bold", show_lines=True)
    for column in ("POST /internal/worker/tasks/recurrence", "status", "answer"):
        table.add_column(column)
    with system.api.client(system.worker.settings) as client:
        for operation, user_id in (("create", None), ("complete", None), ("delete", USER)):
            answer = _said(client, operation, user_id)
            table.add_row(
                f"{operation} of a monthly task, due {anchor:%Y-%m-%d}",
                str(answer.status_code),
                Text("\n".join(_lines(answer.json()["data"]["result"]))),
            )
    return table


def _said(client: httpx.Client, operation: str, user_id: str | None) -> httpx.Response:
    body = {"taskId": TASK, "operation": operation} | ({"userId": user_id} if user_id else {})
    try:
        answer = client.post(RECURRENCE, json=body)
    except httpx.HTTPError as error:
        raise Outage(f"The internal API did not answer to {operation}: {error}") from error
    if not answer.is_success:
        raise Outage(f"The internal API answered {answer.status_code} to {operation}: {answer.text}")
    return answer


def _lines(result: Any) -> Iterator[str]:
    match result:
        case list():
            yield from (f"made: due {task['dueDate']}" for task in result)
        case {"updatedTask": updated, "createdTask": created}:
            yield f"next: due {updated['dueDate'] if updated else '-'}"
            yield f"made: due {created['dueDate'] if created else '-'}"
        case _:
            yield f"{result} occurrences deleted"


def _folder(folder: Path, anchor: datetime) -> Path:
    """Write an export that holds one task."""
    date = {"$date": anchor.isoformat().replace("+00:00", "Z")}
    task = {
        "_id": {"$oid": TASK},
        "taskId": NUMBER,
        "userId": {"$oid": USER},
        "title": "Pay the rent",
        "description": "",
        "dueDate": date,
        "originalDueDate": date,
        "priority": "high",
        "category": "home",
        "isCompleted": False,
        "repeatType": "monthly",
        "parentTaskId": None,
        "parentRecurringId": None,
        "links": [],
        "additionalNotes": "",
        "createdAt": date,
        "updatedAt": date,
        "__v": 0,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tasks.jsonl").write_text(json.dumps(task) + "\n")
    return folder
