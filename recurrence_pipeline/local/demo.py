"""`recurrence demo`: the packaged sample, processed by the real system on throwaway data, and what came of it."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.domain.zones import time_zone
from recurrence_pipeline.local.console import LocalConsole, exit_status
from recurrence_pipeline.local.dagster import Run
from recurrence_pipeline.local.demo_changes import USER, export_of, shown_changes, task_document
from recurrence_pipeline.local.stack import LocalStack, running
from recurrence_pipeline.local.supervisor import Stopped, locked
from recurrence_pipeline.local.up_file import KEPT_IN
from recurrence_pipeline.queries.series_view import SeriesView
from recurrence_pipeline.views.common import events_data, events_table, figures_table

LONGEST_STANDSTILL = timedelta(minutes=5)
"""How long nothing may come of it before the demo gives up."""
RUN_END_PATIENCE = timedelta(seconds=60)


def run_demo(settings_environment: Mapping[str, str], folder: Path, console: Console) -> int:
    """Run the system on a fresh copy of the sample until every event is processed, and show what came of it.

    All of it lives in `.recurrence/demo` under `folder`, which is emptied first and, after a success, last. Where
    MONGODB_URL is set, the data go to a database of their own on that server, which is dropped at the end.

    Returns:
        0; or 1 where something failed and 2 where a setting is wrong, which is printed; or 128 + the number of the
        signal that stopped it.
    """
    return exit_status(console, partial(_demo, settings_environment, (folder / KEPT_IN).resolve()))


def _demo(environment: Mapping[str, str], kept_in: Path, narrator: LocalConsole) -> int:
    home = kept_in / "demo"
    with locked(kept_in / "demo.lock"):
        shutil.rmtree(home, ignore_errors=True)
        try:
            failure = _worked_off_and_shown(environment, home, narrator)
        except Stopped:
            shutil.rmtree(home, ignore_errors=True)
            raise
        if failure:
            raise DatabaseUnavailable(f"{failure} The logs are in {home / 'logs'}")
        shutil.rmtree(home, ignore_errors=True)
    narrator.say("Done: everything is stopped, and nothing is left behind. To keep it running: recurrence up")
    return 0


def _worked_off_and_shown(environment: Mapping[str, str], home: Path, narrator: LocalConsole) -> str:
    """Do it, and return what went wrong with the work."""
    with running(home, environment, narrator.say, throwaway=True) as system:
        narrator.say("Importing the sample data")
        system.worker.import_sample()
        system.dagster.wait_until_ready(system.programs)
        narrator.say(f"Dagster answers at {system.dagster.url}; its sensor finds the events and starts runs")
        _wait_until_worked_off(system, narrator.console)
        failure = _show(system, narrator.console)
        narrator.console.print(shown_through_the_api(system, home))
        narrator.console.print(shown_changes(system, home))
        return failure


def _wait_until_worked_off(system: LocalStack, console: Console) -> None:
    """Return once every event has an end and no run is under way.

    Raises:
        DatabaseUnavailable: a process ended, or nothing happened for too long.
    """
    queries = system.worker.queries
    total = left = queries.unfinished()
    deadline = monotonic() + LONGEST_STANDSTILL.total_seconds()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        bar = progress.add_task("Events processed", total=total, completed=0)
        while left:
            sleep(0.25)
            system.check()
            now_left = queries.unfinished()
            if now_left != left:
                left, deadline = now_left, monotonic() + LONGEST_STANDSTILL.total_seconds()
                progress.update(bar, completed=total - left)
            if monotonic() > deadline:
                raise DatabaseUnavailable(_standstill(system, left))
    deadline = monotonic() + RUN_END_PATIENCE.total_seconds()
    while not all(run.finished for run in system.dagster.runs()) and monotonic() < deadline:
        sleep(0.25)
        system.check()


def _standstill(system: LocalStack, left: int) -> str:
    runs = ", ".join(f"{run.id[:8]} {run.status}" for run in system.dagster.runs()) or "none"
    return (
        f"{counted(left, 'event')} left, and none was finished for {LONGEST_STANDSTILL.total_seconds():g} s; "
        f"Dagster's runs: {runs}\n{system.dagster.programs[-1].last_lines()}"
    )


def _show(system: LocalStack, console: Console) -> str:
    """Print what came of it, and return what went wrong."""
    queries = system.worker.queries
    counts = queries.event_counts()
    totals = queries.totals()
    runs = system.dagster.runs()
    figures = {
        "occurrencesCreated": totals["created"],
        "occurrencesDeleted": totals["deleted"],
        "activitiesWritten": totals["activities"],
    }
    console.print()
    console.print(events_table(events_data(counts, queries.refusals())))
    console.print(figures_table("What came of them", figures))
    console.print(runs_table(runs))
    console.print(series_table(queries.series))
    dead = sum(count for (_, status), count in counts.items() if status == EventStatus.FAILED.value)
    if dead:
        return f"{counted(dead, 'event')} failed for good: dead letters."
    return ""


SHOWN_SERIES = (
    ("6b046c56c5f3b9749e06ff21", "nothing is done yet: 3 ahead"),
    ("6b046c55c5f3b9749e06fed5", "the first one is done: one more behind the next"),
    ("6b046c58c5f3b9749e070265", "counted from the 31st, month ends and all"),
    ("6b046c61c5f3b9749e070e13", "the previous worker drifted to the 30th; what it made stays"),
    ("6b046c63c5f3b9749e071002", "two weekdays; the first one is done"),
    ("6b046c63c5f3b9749e071004", "any rule of RFC 5545"),
    ("6b046c63c5f3b9749e071010", "with two dates more than the rule has"),
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
    return f"{view.words} at {anchor:%H:%M}\n({view.timezone})"


def _next_due(view: SeriesView) -> list[str]:
    """Return the due dates of the open occurrences."""
    zone = time_zone(view.timezone)
    dates = [
        member.task.due_date
        for member in view.members
        if member.task.id != view.id and not member.task.is_completed and isinstance(member.task.due_date, datetime)
    ]
    return [f"{date.astimezone(zone):%a %Y-%m-%d}" for date in sorted(dates)[:SHOWN_DATES]]


RECURRENCE = "/internal/worker/tasks/recurrence"
TASK = "6b0500000000000000000de1"
NUMBER = 1_000_000
"""Above the numbers of the sample's tasks."""


def shown_through_the_api(system: LocalStack, home: Path) -> Table:
    """Store a task as the application does, say over HTTP what happens to it, and draw the answers.

    Raises:
        DatabaseUnavailable: an answer was not a success.
    """
    anchor = datetime(datetime.now(timezone.utc).year + 1, 1, 31, 9, tzinfo=timezone.utc)
    task = task_document(TASK, NUMBER, "Pay the rent", anchor, repeatType="monthly")
    system.worker.import_folder(export_of(home / "a-task", task))
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
        raise DatabaseUnavailable(f"The internal API did not answer to {operation}: {error}") from error
    if not answer.is_success:
        raise DatabaseUnavailable(f"The internal API answered {answer.status_code} to {operation}: {answer.text}")
    return answer


def _lines(result: Any) -> Iterator[str]:
    match result:
        case list():
            yield from (f"made: due {task['dueDate']}" for task in result)
        case {"updatedTask": updated, "createdTask": created}:
            yield f"next: due {updated['dueDate'] if updated else '-'}"
            yield f"made: due {created['dueDate'] if created else '-'}"
        case _:
            yield f"{counted(result, 'occurrence')} deleted"
