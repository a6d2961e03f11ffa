"""Numbers and tables for the UI, from the worker's own values. Pure: nothing is read and nothing is decided here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import dagster as dg

from recurrence_pipeline.domain.difference import ChangeKind, Difference
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.domain.words import cut
from recurrence_pipeline.monitoring.figures import ALL, MILLISECONDS
from recurrence_pipeline.worker.summary import RefusedOutcome

if TYPE_CHECKING:
    from recurrence_pipeline.monitoring.frames import Measured

DRY_RUN = "Only show what would be done; set it to false to do it."
"""What the launchpad says of `dry_run`."""

MAX_ROWS = 50
MAX_CELL = 200

Table = dg.TableMetadataValue | dg.TextMetadataValue


def cell(value: object) -> str:
    """Return a value as the text of one cell, on one line and not too long, whatever a user wrote in it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    return cut(" ".join(str(value).split()), MAX_CELL)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table of at most 50 rows, and how many more there are; the word none where there is no row.

    Not Markdown: that is behind a link in the UI, and would take what users wrote for markup.
    """
    all_rows = list(rows)
    if not all_rows:
        return dg.MetadataValue.text("none")
    shown = [[cell(value) for value in row] for row in all_rows[:MAX_ROWS]]
    if len(all_rows) > MAX_ROWS:
        shown.append([f"{len(all_rows) - MAX_ROWS} more", *[""] * (len(columns) - 1)])
    return dg.MetadataValue.table([dg.TableRecord(dict(zip(columns, row, strict=True))) for row in shown])


def markdown(text: str) -> dg.MarkdownMetadataValue:
    """Return text of our own that the UI renders."""
    return dg.MetadataValue.md(text)


def longest_wait(events: Iterable[TaskEvent]) -> timedelta:
    """Return how long the oldest of the held events waited from its creation to its lease."""
    waits = [event.started_at - event.created_at for event in events if event.started_at is not None]
    return max([timedelta(), *waits])


def refused_table(refused: Iterable[RefusedOutcome]) -> Table:
    """Return the events that were rejected or failed, with the reasons."""
    rows = [(r.operation.value, r.task_id, r.status, r.code, r.message, r.event_id) for r in refused]
    return table(["operation", "task", "outcome", "code", "reason", "event"], rows)


def events_table(events: Iterable[Mapping[str, Any]]) -> Table:
    """Return events, as `WorkerService.events` has them, and why those that were not completed were not."""
    rows = [
        (e["createdAt"], e["operation"], e["taskId"], e["status"], _last_error(e) if e["status"] != "completed" else "")
        for e in events
    ]
    return table(["created", "operation", "task", "status", "reason"], rows)


FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "tasksProcessed": "events_processed",
        "successRate": "success_percent",
        "errorRate": "error_percent",
        "p95": "p95_processing_ms",
        "avgProcessingTime": "average_processing_ms",
        "maxProcessingTime": "longest_processing_ms",
        "avgQueueAge": "average_queue_wait_ms",
        "maxQueueAge": "longest_queue_wait_ms",
        "retryRate": "retried_percent",
        "timeoutRate": "timed_out_percent",
        "recurringInstancesCreated": "occurrences_created",
        "tasksProcessedPerHour": "events_per_hour",
        "p50": "p50_processing_ms",
        "p99": "p99_processing_ms",
    }
)
"""The figures of monitoring/figures.py, the most important first, by the names that have their units."""


def figures_metadata(measured: "Measured") -> dict[str, Any]:
    """Return figures to plot, of all operations, and a table by operation in which durations are as people read them.

    What has no value, such as a rate of nothing, is left out: it cannot be plotted, and 0 would be a lie.
    """
    by_operation: Mapping[Any, Mapping[Any, float]] = measured.in_all().round(3).to_dict("index")
    rows = [[FIGURES[name], *(_figure(name, row[name]) for row in by_operation.values())] for name in FIGURES]
    plotted = {FIGURES[name]: float(by_operation[ALL][name]) for name in FIGURES if not isnan(by_operation[ALL][name])}
    return plotted | {"figures": table(["figure", *map(str, by_operation)], rows)}


def _figure(name: str, value: float) -> str:
    if isnan(value):
        return ""
    return lasting(timedelta(milliseconds=value)) if name in MILLISECONDS else f"{value:g}"


def plan_metadata(event: TaskEvent, plan: Plan) -> dict[str, Any]:
    """Return what an operation would come to."""
    new = [(o.name, o.original.title, o.due) for o in plan.occurrences]
    answer = plan.answers.get(event.id)
    removed = [(task_id, removal.reason) for removal in plan.removals for task_id in removal.task_ids]
    return {
        "written": False,
        "series": plan.series_of_event.get(event.id, event.task_id),
        "would_create": len(new),
        "would_delete": len(removed),
        "next_task": (answer.updated if answer else None) or "none",
        "occurrences": table(["slot", "title", "due"], new),
        "deletions": table(["task", "reason"], removed),
        "links": table(["task", "to original"], [(x.task_id, x.original_id) for x in plan.links]),
        "cursors": table(["original", "to slot"], [(move.series_id, move.memory.number) for move in plan.cursors]),
        "refusals": table(["code", "reason"], [(e.code, e) for e in plan.refusals.values()]),
    }


def difference_metadata(difference: Difference) -> dict[str, Any]:
    """Return what an operation changes in a series, slot by slot."""
    rows = [(c.kind.value, c.slot, c.was, c.due, c.task_id, c.why) for c in difference.changes]
    counts = Counter(change.kind for change in difference.changes)
    return {
        "written": difference.written,
        "series": difference.series_id,
        **{kind.value: counts[kind] for kind in ChangeKind},
        "changes": table(["what", "slot", "was", "due", "task", "why"], rows),
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


def _tasks_table(tasks: Iterable[Mapping[str, Any]]) -> Table:
    rows = [(t.get("title"), t.get("occurrenceNumber"), t.get("dueDate"), t.get("_id")) for t in tasks]
    return table(["title", "slot", "due", "task"], rows)


def _last_error(event: Mapping[str, Any]) -> str:
    errors = event.get("errors") or [{}]
    return str(errors[-1].get("message", ""))
