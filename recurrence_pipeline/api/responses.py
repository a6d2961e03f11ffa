"""Values as JSON the way the application writes it, and the shapes of answers. Pure."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from recurrence_pipeline.api.errors import ApiError
from recurrence_pipeline.views.common import iso

TASK_DEFAULTS: Mapping[str, Any] = {
    "userId": None,
    "title": "",
    "description": "",
    "dueDate": None,
    "originalDueDate": None,
    "priority": "medium",
    "category": "",
    "isCompleted": False,
    "repeatType": "none",
    "parentTaskId": None,
    "parentRecurringId": None,
    "links": [],
    "additionalNotes": "",
    "_id": None,
    "taskId": None,
    "createdAt": None,
    "updatedAt": None,
    "__v": 0,
}
"""The fields of a task in an answer, and what stands where the stored one lacks them. What this system adds to tasks
(occurrenceNumber, timezone) is not part of the contract."""

EVENT_FIELDS = (
    "_id", "operation", "taskId", "userId", "status", "source", "createdAt", "availableAt", "attempts", "startedAt",
    "finishedAt", "durationMs", "errors", "result", "runId",
)  # fmt: skip


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with a JSON body."""
    return Response(_encoded(plain(body)), status, headers, media_type="application/json; charset=utf-8")


def error_answer(error: ApiError) -> Response:
    """Return the answer that an error carries."""
    return json_answer(error.body, error.status, error.headers)


def processed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to an operation that was processed; `data` is what the service says of it."""
    operation, task_id, result = data["operation"], data["taskId"], data["result"]
    match operation:
        case "create":
            result = [task_answer(task) for task in result]
        case "complete":
            # What the service adds to these two (all new tasks of a series that had fallen behind) is not the
            # contract's; the events endpoint names them.
            result = {name: task_answer(result[name]) for name in ("updatedTask", "createdTask")}
    return {
        "success": True,
        "message": f"Successfully processed {operation} for task {task_id}",
        "data": {"success": True, "operation": operation, "taskId": task_id, "result": result},
    }


def task_answer(task: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a task with exactly the fields that the application gives it."""
    return None if task is None else {name: task.get(name, default) for name, default in TASK_DEFAULTS.items()}


def event_answers(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return events, each with what is known of it; who holds one is nobody's business."""
    return [{name: event[name] for name in EVENT_FIELDS if name in event} for event in events]


def cleaned(count: int, when: datetime) -> dict[str, Any]:
    """Return the answer to a cleanup that removed `count` orphans."""
    return {
        "success": True,
        "message": "Cleanup operations completed successfully",
        "data": {
            "timestamp": when,
            "operations": {"orphanedTasksCleanup": {"completed": True, "cleanedCount": count}},
            "success": True,
        },
    }


def plain(value: Any) -> Any:
    """Return a value of the database as JSON has it: dates with milliseconds and Z, whole numbers without a point."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return (int(value) if value.is_integer() else value) if math.isfinite(value) else None
        case datetime():
            return iso(value)
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return str(value)


def _encoded(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a character, which JSON can say and UTF-8 cannot
        return json.dumps(value, separators=(",", ":")).encode()
