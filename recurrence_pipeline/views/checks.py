"""What the terminal shows of checks, repairs and resumed series. Beside common.py, by the same rules."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.views.common import Data, plain, table_of, when

SHOWN = 5
"""Samples of each check; --json has them all."""


def findings_view(findings: Sequence[Data]) -> RenderableType:
    """Draw the checks and, of those that found something, what it means and some of it."""
    table = table_of("Checks", "check", "severity", "count")
    for finding in findings:
        table.add_row(finding["name"], finding["severity"] if finding["count"] else "", str(finding["count"]))
    red = [finding for finding in findings if finding["count"]]
    if not red:
        return Group(table, Text("Nothing is wrong."))
    return Group(table, *(part for finding in red for part in _finding(finding)))


def _finding(finding: Data) -> list[RenderableType]:
    lines = [
        Text(f"\n{finding['name']}: {finding['count']}", "bold"),
        Text(finding["explanation"]),
        Text(finding["hint"]),
        *(_sample(sample) for sample in finding["samples"][:SHOWN]),
    ]
    if finding["repairable"]:
        lines.append(Text(f"To see what a repair would change: recurrence check --repair --only {finding['name']}"))
    return list(lines)


def repairs_view(repairs: Sequence[Data]) -> RenderableType:
    """Draw what repairs came to, or would come to."""
    table = table_of("Repairs", "check", "found", "repaired", "left")
    for column in table.columns[1:]:
        column.justify = "right"
    changes: list[RenderableType] = []
    for repair in repairs:
        table.add_row(repair["name"], *(str(repair[key]) for key in ("found", "repaired", "left")))
        if repair["changes"]:
            changes.append(Text(f"\n{repair['name']}", "bold"))
        changes += [_sample(change) for change in repair["changes"][:SHOWN]]
        if repair["refused"]:
            changes.append(Text(repair["refused"], "yellow"))
    if not any(repair["found"] for repair in repairs):
        changes.append(Text("Nothing is to be repaired."))
    written = all(repair["written"] for repair in repairs)
    if not written and any(repair["repaired"] for repair in repairs):
        changes.append(Text("\nNothing was written: this is what would be repaired. Say --yes to do it."))
    return Group(table, *changes)


def resumed_view(data: Data) -> RenderableType:
    """Draw what resuming came to, or would come to."""
    name = f"Series {data['seriesId']} ({data['title']})"
    if data["goesOn"]:
        return Text(f"{name} has not stopped: it has an open task. Nothing was written.")
    table = table_of("Occurrences", "slot", "due (UTC)", "task")
    for new in data["created"]:
        table.add_row(str(new["slot"]), when(new["dueDate"]), new["taskId"])
    done = "was resumed." if data["written"] else "would be resumed. Nothing was written: say --yes to do it."
    return Group(plain(f"{name} {done}"), *([table] if data["created"] else []))


def _sample(sample: Data) -> Text:
    shown = {name: when(value) if isinstance(value, datetime) else value for name, value in sample.items()}
    return Text("- " + ", ".join(f"{name} {value}" for name, value in shown.items() if value not in (None, "")))


COLOURS = {"ok": "green", "warn": "yellow", "error": "bold red"}


def diagnoses_view(diagnoses: Sequence[Data]) -> RenderableType:
    """Draw what was found, and count what is not well."""
    table = table_of("Doctor", "what", "state", "found", "what to do")
    for each in diagnoses:
        state = Text(each["level"], COLOURS[each["level"]])
        table.add_row(plain(each["name"]), state, plain(each["found"]), plain(each["advice"]))
    errors, warnings = (sum(each["level"] == level for each in diagnoses) for level in ("error", "warn"))
    verdict = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}." if errors or warnings else "All is well."
    return Group(table, Text(verdict))
