"""Responses as the contract has them, from what the worker says: their contents, and their JSON. Pure.

What their shapes are is said in schemas.py and errors.py.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response, StreamingResponse

from recurrence_pipeline.api.errors import UNREACHABLE, ApiError
from recurrence_pipeline.api.schemas import CleanupResponse, Event, RecurrenceResponse, Task, UnhealthyResponse
from recurrence_pipeline.api.series_schemas import ChangeResponse
from recurrence_pipeline.domain.difference import Difference
from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.views.changes import difference_data

_TASK_DEFAULTS = {field.alias or name: field.default for name, field in Task.model_fields.items()}
_EVENT_FIELDS = [field.alias or name for name, field in Event.model_fields.items()]


class CalendarResponse(StreamingResponse):
    """An iCalendar file, sent as it is made."""

    media_type = "text/calendar"


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body."""
    return Response(_encoded(plain(body)), status, headers, media_type="application/json; charset=utf-8")


def error_response(error: ApiError) -> Response:
    """Return the response that an error carries."""
    return json_response(error.body, error.status, error.headers)


def unhealthy(state: Mapping[str, Any]) -> ApiError:
    """Return the response of a worker that cannot work, whatever hosts the `error` in its state names."""
    data: Any = {**state, "error": UNREACHABLE}
    return ApiError(503, UnhealthyResponse(success=False, data=data))


def processed(data: Mapping[str, Any]) -> RecurrenceResponse:
    """Return the response to an operation that was processed; `data` is what the service says of it."""
    operation, task_id, result = data["operation"], data["taskId"], data["result"]
    match operation:
        case "create":
            result = [task_of(task) for task in result]
        case "complete":
            # What the service adds to these two (all new tasks of a series that had fallen behind) is not the
            # contract's; the events endpoint names them.
            result = {name: task_of(result[name]) for name in ("updatedTask", "createdTask")}
    return {
        "success": True,
        "message": f"Successfully processed {operation} for task {task_id}",
        "data": {"success": True, "operation": operation, "taskId": task_id, "result": result},
    }


def changed(operation: Operation, task_id: str, difference: Difference) -> ChangeResponse:
    """Return the response to a change of a series."""
    done = f"Successfully processed {operation.value} for task {task_id}"
    message = done if difference.written else f"Dry run: nothing was written for task {task_id}"
    data: Any = difference_data(difference)
    return {"success": True, "message": message, "data": data}


def task_of(task: Mapping[str, Any] | None) -> Any:
    """Return the `Task` of a stored one."""
    return None if task is None else {name: task.get(name, default) for name, default in _TASK_DEFAULTS.items()}


def event_of(event: Mapping[str, Any]) -> Any:
    """Return the `Event` of a stored one."""
    return {name: event[name] for name in _EVENT_FIELDS if name in event}


def cleaned(count: int, when: datetime) -> CleanupResponse:
    """Return the response to a cleanup that removed `count` orphans."""
    return {
        "success": True,
        "message": "Cleanup operations completed successfully",
        "data": {
            "timestamp": iso(when),
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
