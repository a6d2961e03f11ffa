"""What the terminal shows: values -> plain data for programs -> tables for people. No database, no Dagster here.

The functions named `..._data` fix the keys that `--json` prints; the others draw from just that data.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recurrence_pipeline.domain.explain import Explanation, SlotView
from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.domain.words import counted, cut

if TYPE_CHECKING:  # at run time it would bring the database along
    from recurrence_pipeline.queries.series_view import Member, SeriesView

Data = Mapping[str, Any]

CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")
LONGEST_TEXT = 500
"""Characters of one text: a title may have megabytes."""


def to_json(data: object) -> str:
    """Return plain data as JSON; dates as ISO 8601 with milliseconds and Z."""
    return json.dumps(data, default=lambda value: iso(value) if isinstance(value, datetime) else str(value), indent=2)


# Data for programs


def events_data(counts: Mapping[tuple[str, str], int], refusals: Iterable[Data]) -> dict[str, Any]:
    """Return the events by operation and status, and the reasons of those that were refused."""
    return {
        "events": [{"operation": o, "status": s, "count": n} for (o, s), n in sorted(counts.items())],
        "reasons": [dict(row) for row in refusals],
    }


def slots_data(slots: Iterable[SlotView]) -> list[dict[str, Any]]:
    """Return slots: `local` is wall-clock time with its offset, `utc` the same instant, `taskId` what stands there."""
    return [_slot(each) for each in slots]


def _slot(slot: SlotView) -> dict[str, Any]:
    return {
        "slot": slot.number,
        "local": slot.local.isoformat(),
        "utc": iso(slot.utc),
        "offset": slot.offset,
        "note": slot.note,
        "state": slot.code.value,
        "taskId": slot.task_id,
    }


def explanation_data(task_id: str, explanation: Explanation) -> dict[str, Any]:
    """Return why there is, or is not, a task of a series on a day."""
    return {
        "taskId": task_id,
        "date": explanation.day.isoformat(),
        "code": explanation.code.value,
        "text": explanation.text,
        "slot": _slot(explanation.slot) if explanation.slot else None,
    }


def series_data(view: "SeriesView") -> dict[str, Any]:
    """Return a series with its members by slot and its events, newest first."""
    original = view.original
    return {
        "seriesId": view.id,
        "title": original.title if original else None,
        "repeatType": original.repeat_type if original else None,
        "rule": view.rule,
        "words": view.words,
        "anchor": original.anchor if original else None,
        "timezone": view.timezone,
        "cursor": view.cursor,
        "members": [_member(member, view.id) for member in view.members],
        "events": [dict(event) for event in view.events],
        "remarks": list(view.remarks),
    }


def _member(member: "Member", series_id: str) -> dict[str, Any]:
    task = member.task
    return {
        "slot": member.slot,
        "id": task.id,
        "kind": "original" if task.id == series_id else "occurrence",
        "dueDate": task.due_date,
        "isCompleted": task.is_completed,
        "title": task.title,
    }


# Tables for people


def events_table(data: Data) -> RenderableType:
    """Draw the events by operation and status, and why some were refused."""
    statuses = sorted({row["status"] for row in data["events"]})
    table = table_of("Events", "operation", *statuses)
    for operation in sorted({row["operation"] for row in data["events"]}):
        counts = {row["status"]: row["count"] for row in data["events"] if row["operation"] == operation}
        table.add_row(operation, *(str(counts.get(status, 0)) for status in statuses))
    if not data["events"]:
        return Text("No events.")
    return Group(table, reasons_table(data["reasons"])) if data["reasons"] else table


def reasons_table(reasons: Sequence[Data]) -> RenderableType:
    """Draw why events were rejected or failed."""
    table = table_of("Why events ended rejected or failed", "operation", "status", "reason", "count")
    for row in reasons:
        table.add_row(
            row["operation"], row["status"], plain(row["reason"] or "(no reason recorded)"), str(row["count"])
        )
    return table


def backlog_view(data: Data) -> RenderableType:
    """Draw what backfilling came to, or would come to."""
    if data["watermark"] is None:
        return Text("Everything is reconciled already: nothing was there before, or it has been backfilled.")
    asked = data["asked"]
    lines = [
        f"Of {counted(data['lookedAt'], 'task')} these belong to series from before {when(data['watermark'])} UTC, and "
        "wait:",
        f"{counted(asked['new'], 'original')} never processed, "
        f"{counted(asked['behind'], 'completed task')} of series behind.",
        f"{data['series']} series would be continued, with {counted(data['occurrences'], 'new occurrence')}.",
    ]
    done = "They are backfilled: the reconcile sensor asks for them piece by piece."
    lines.append(done if data["backfilled"] else "Nothing was written: say --yes to have it done.")
    refused = table_of("Series that would be refused", "reason", "count")
    for row in data["refused"]:
        refused.add_row(plain(row["reason"]), str(row["count"]))
    samples = table_of("Some of the tasks", "task", "reason", "title")
    for row in data["samples"]:
        samples.add_row(row["taskId"], row["reason"], plain(row["title"]))
    tables = [*([refused] if data["refused"] else []), *([samples] if data["samples"] else [])]
    return Group(*map(Text, lines), *tables)


def figures_table(title: str, data: Data) -> RenderableType:
    """Draw the whole numbers of a result, one a line."""
    table = table_of(title, "figure", "count")
    for name, count in data.items():
        if type(count) is int:
            table.add_row(_words(name), str(count))
    return table


def import_table(data: Data) -> RenderableType:
    """Draw what became of each file."""
    table = table_of("Imported", "file", "read", "added", "already there", "refused")
    for file in data["files"]:
        table.add_row(file["file"], *(str(file[key]) for key in ("read", "added", "alreadyThere", "refused")))
    reasons = [Text(reason, "yellow") for file in data["files"] for reason in file["reasons"]]
    return Group(table, *reasons)


def preview_table(rows: Iterable[Data], words: str = "") -> RenderableType:
    """Draw the slots of a series, under its rule in words."""
    table = table_of(words[:1].upper() + words[1:], "slot", "local time", "UTC", "state", "note")
    for row in rows:
        local = datetime.fromisoformat(row["local"])
        utc = row["utc"].replace("T", " ").removesuffix("Z").removesuffix(".000")
        number = "+" if row["slot"] is None else str(row["slot"])
        shown = f"{local:%a %Y-%m-%d %H:%M} {row['offset']}"
        table.add_row(number, shown, utc, row["state"].replace("_", " "), row["note"])
    return table


def explanation_view(data: Data) -> RenderableType:
    """Draw a day, explained."""
    return Text(f"{data['text']} [{data['code']}]")


def series_view(data: Data) -> RenderableType:
    """Draw a series, its events, and why nothing more came."""
    lines = [
        f"Series {data['seriesId']}" + (f": {data['title']}" if data["title"] else ""),
        f"{data['words'] or data['repeatType'] or 'no original'}, from {when(data['anchor'])}, "
        f"time zone {data['timezone']}, "
        f"cursor {'-' if data['cursor'] is None else data['cursor']}",
    ]
    members = table_of("Members", "slot", "due (UTC)", "done", "", "id")
    for member in data["members"]:
        slot = "?" if member["slot"] is None else str(member["slot"])
        done = "yes" if member["isCompleted"] else "no"
        kind = "original" if member["kind"] == "original" else ""
        members.add_row(slot, when(member["dueDate"]), done, kind, member["id"])
    remarks = [plain(f"- {remark}") for remark in data["remarks"]]
    return Group(*map(plain, lines), members, event_list(data["events"]), *remarks)


def event_list(events: Sequence[Data]) -> RenderableType:
    """Draw events, one a row, with why each ended as it did."""
    if not events:
        return Text("No events.")
    table = table_of("Events, newest first", "created (UTC)", "task, and event", "what became of it")
    for event in events:
        ids = f"{event.get('taskId')}\n{event['_id']}"
        table.add_row(when(event.get("createdAt")), ids, Text("\n").join(_fate(event)))
    return table


def _fate(event: Data) -> Iterator[Text]:
    """Yield the lines that tell what became of an event."""
    attempts = event.get("attempts") or 0
    failures = f" after {counted(attempts, 'failure')}" if isinstance(attempts, int) and attempts else ""
    asked = " undone" * (event.get("undo") is True) + "".join(
        f" {word} slot {event[name]}" for word, name in (("of", "slot"), ("from", "fromSlot")) if name in event
    )
    yield plain(f"{event.get('operation')}{asked}: {event.get('status')}{failures}")
    errors = event.get("errors") if event.get("status") != "completed" else None
    last = errors[-1] if isinstance(errors, list) and errors else None
    if isinstance(last, Mapping):
        yield plain(f"{last.get('code')}: {last.get('message')}")


def result_view(data: Data) -> RenderableType:
    """Draw what an operation that was processed at once came to."""
    result, task_id = data["result"], data["taskId"]
    match data["operation"]:
        case "delete":
            return Text(f"{counted(result, 'occurrence')} of task {task_id} deleted.")
        case "complete":
            updated = result["updatedTask"]
            following = f"due {when(updated['dueDate'])}" if updated else "none"
            parts = [Text(f"Task {task_id} counts as completed; the next occurrence: {following}.")]
            made = result["createdTasks"]
        case _:
            parts = []
            made = result
    return Group(*parts, tasks_table("Occurrences", made) if made else Text("Nothing new was made."))


def stats_view(data: Data) -> RenderableType:
    """Draw the statistics of tasks, and the events where they are told."""
    whose = "all users" if data["userId"] == "all_users" else f"user {data['userId']}"
    by_word = {f"{word}Recurring": count for word, count in data["byFrequency"].items()}
    tasks = figures_table(f"Tasks of {whose}", data["recurringTasks"] | by_word)
    return Group(tasks, events_table(data)) if "events" in data else tasks


def tasks_table(title: str, tasks: Iterable[Data]) -> RenderableType:
    """Draw tasks as the application has them."""
    table = table_of(title, "slot", "due (UTC)", "id", "title")
    for task in tasks:
        slot = str(task.get("occurrenceNumber", "-"))
        title_text = plain(task.get("title", ""))
        table.add_row(slot, when(task.get("dueDate")), task["_id"], title_text)
    return table


WHOLE = frozenset(
    {"task", "id", "event", "task, and event", "deletion, and by whom", "due (UTC)", "created (UTC)", "UTC"}
)
"""Columns of ids, which people copy, and of times: never broken, however narrow the terminal is."""


def table_of(title: str, *columns: str) -> Table:
    """Return an empty table; columns of numbers are aligned to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        numeric = column in {"count", "read", "added", "already there", "refused", "slot", "number"}
        whole = column in WHOLE
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=whole)
    return table


def when(value: object) -> str:
    """Return a time in UTC as people read it."""
    if not isinstance(value, datetime):
        return "-" if value is None else plain(value).plain
    return f"{value.astimezone(timezone.utc):%a %Y-%m-%d %H:%M:%S}"


def plain(value: object) -> Text:
    """Return text of one line that is no markup and moves no cursor, whatever people write in their titles.

    A terminal would obey the control characters in it, and show text that turns its direction in another order.
    """
    return Text(cut(CONTROLS.sub("\ufffd", " ".join(str(value).split())), LONGEST_TEXT))


def _words(name: str) -> str:
    """Return `recurringTasks` as words."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)
