"""What `demo` shows beside the tables of report.py: Dagster's runs, and some series as people see them."""

from collections.abc import Callable, Iterable
from datetime import datetime

from rich.table import Table

from recurrence_pipeline.domain.zones import time_zone
from recurrence_pipeline.local.dagster_programs import Run
from recurrence_pipeline.worker.inspection import SeriesView

SHOWN_SERIES = (
    ("6b046c56c5f3b9749e06ff21", "nothing is done yet: 3 ahead"),
    ("6b046c55c5f3b9749e06fed5", "the first one is done: one more behind the next"),
    ("6b046c58c5f3b9749e070265", "counted from the 31st, month ends and all"),
    ("6b046c61c5f3b9749e070e13", "the older worker drifted to the 30th; what it made stays"),
)
"""Series of the sample data: `_id` of the original, and what can be seen."""

SHOWN_DATES = 4


def runs_table(runs: Iterable[Run]) -> Table:
    """Draw Dagster's runs with their durations."""
    table = Table(title="Dagster's runs", title_justify="left", title_style="bold")
    for column in ("run", "job", "status"):
        table.add_column(column)
    table.add_column("seconds", justify="right")
    for run in runs:
        seconds = f"{run.ended - run.began:.1f}" if run.began is not None and run.ended is not None else "-"
        table.add_row(run.id[:8], run.job, run.status, seconds)
    return table


def series_table(look_up: Callable[[str], SeriesView]) -> Table:
    """Draw a few series of the sample: what, how often, when next."""
    table = Table(title="Some of the series", title_justify="left", title_style="bold", show_lines=True)
    for column in ("task", "rule", "next due", "what to see"):
        table.add_column(column)
    for series_id, what in SHOWN_SERIES:
        view = look_up(series_id)
        if view.original is not None:
            table.add_row(view.original.title, rule(view), "\n".join(_next_due(view)), what)
    return table


def rule(view: SeriesView) -> str:
    """Return the rule of a series in words."""
    if view.original is None or not isinstance(view.original.anchor, datetime):
        return "-"
    anchor = view.original.anchor.astimezone(time_zone(view.timezone))
    match view.original.repeat_type:
        case "weekly":
            day = f"every {anchor:%A}"
        case "monthly":
            day = f"monthly on day {anchor.day}"
        case other:
            day = other
    return f"{day} at {anchor:%H:%M}\n({view.timezone})"


def _next_due(view: SeriesView) -> list[str]:
    """Return the due dates of the open occurrences."""
    zone = time_zone(view.timezone)
    dates = [
        member.task.due_date
        for member in view.members
        if member.task.id != view.id and not member.task.is_completed and isinstance(member.task.due_date, datetime)
    ]
    return [f"{date.astimezone(zone):%a %Y-%m-%d}" for date in sorted(dates)[:SHOWN_DATES]]
