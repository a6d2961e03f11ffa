"""Numbers and tables for the UI, from the worker's own values. Pure: nothing is read and nothing is decided here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg

from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.worker.summary import Refused

MAX_ROWS = 50
MAX_CELL = 200

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~!&#])")


def cell(value: object) -> str:
    """Return a value as text that stays within its cell and renders as it is, whatever a user wrote in it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    text = " ".join(str(value).split())
    if len(text) > MAX_CELL:
        text = text[: MAX_CELL - 1] + "…"
    return _MARKDOWN.sub(r"\\\1", text)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "None.") -> str:
    """Return a table of at most 50 rows, and how many more there are; `empty` where there is none."""
    all_rows = list(rows)
    if not all_rows:
        return empty
    lines = [columns, ["---"] * len(columns), *([cell(v) for v in row] for row in all_rows[:MAX_ROWS])]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table if len(all_rows) <= MAX_ROWS else f"{table}\n\n{len(all_rows) - MAX_ROWS} more."


def markdown(text: str) -> dg.MarkdownMetadataValue:
    """Return text that the UI renders."""
    return dg.MetadataValue.md(text)


def longest_wait(events: Iterable[TaskEvent]) -> timedelta:
    """Return how long the oldest of the held events waited from its creation to its lease."""
    waits = [event.started_at - event.created_at for event in events if event.started_at is not None]
    return max([timedelta(), *waits])


def refused_table(refused: Iterable[Refused]) -> dg.MarkdownMetadataValue:
    """Return the events that were rejected or failed, with the reasons."""
    rows = [(r.operation.value, r.task_id, r.status, r.code, r.message, r.event_id) for r in refused]
    return markdown(markdown_table(["operation", "task", "outcome", "code", "reason", "event"], rows))


def plan_metadata(event: TaskEvent, plan: Plan) -> dict[str, Any]:
    """Return what an operation would come to."""
    new = [(o.slot, o.original.title, o.due) for o in plan.occurrences]
    answer = plan.answers.get(event.id)
    removed = [(task_id, removal.reason) for removal in plan.removals for task_id in removal.task_ids]
    return {
        "written": False,
        "series": plan.series_of_event.get(event.id, event.task_id),
        "would_create": len(new),
        "would_delete": len(removed),
        "next_task": (answer.updated if answer else None) or "none",
        "occurrences": markdown(markdown_table(["slot", "title", "due"], new)),
        "deletions": markdown(markdown_table(["task", "reason"], removed)),
        "links": markdown(markdown_table(["task", "to original"], [(x.task_id, x.original_id) for x in plan.links])),
        "cursors": markdown(
            markdown_table(["original", "to slot"], [(move.original_id, move.cursor.number) for move in plan.cursors])
        ),
        "refusals": markdown(markdown_table(["code", "reason"], [(e.code, e) for e in plan.refusals.values()])),
    }


def answer_metadata(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an operation came to, from the answer of `process_task_recurrence`."""
    result = answer["result"]
    if isinstance(result, int):
        return {"written": True, "deleted": result}
    if isinstance(result, Mapping):
        linked = [result["updatedTask"]] if result["updatedTask"] else []
        return {
            "written": True,
            "created": len(result["createdTasks"]),
            "created_tasks": _tasks_table(result["createdTasks"]),
            "next_task": _tasks_table(linked),
        }
    return {"written": True, "tasks": len(result), "open_tasks": _tasks_table(result)}


def _tasks_table(tasks: Iterable[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    rows = [(t.get("title"), t.get("occurrenceNumber"), t.get("dueDate"), t.get("_id")) for t in tasks]
    return markdown(markdown_table(["title", "slot", "due", "task"], rows))
