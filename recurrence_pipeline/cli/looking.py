"""Looking, without changing anything: `preview`, `series`, `stats` and `version`."""

import platform
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import OK, Json, Session, TaskId, app


@app.command(epilog="Example: recurrence preview 6b046c55c5f3b9749e06fec5 -n 24")
def preview(
    context: typer.Context,
    task_id: TaskId,
    *,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="How many slots.")] = 10,
    as_json: Json = False,
) -> int:
    """Show when a series comes next, and what is odd about it."""
    from recurrence_pipeline.report import preview_data, preview_table

    session: Session = context.obj
    with session.worker() as worker:
        slots = worker.service.preview(task_id, count)
    session.show(preview_data(slots), preview_table, as_json=as_json)
    return OK


@app.command(epilog="Example: recurrence series 6b046c55c5f3b9749e06fec5")
def series(context: typer.Context, task_id: TaskId, *, as_json: Json = False) -> int:
    """Show a task's series, and why nothing more came."""
    from recurrence_pipeline.report import series_data, series_view

    session: Session = context.obj
    with session.worker() as worker:
        view = worker.service.series(task_id)
    session.show(series_data(view), series_view, as_json=as_json)
    return OK


@app.command(epilog="Example: recurrence stats --json")
def stats(
    context: typer.Context,
    *,
    user_id: Annotated[str | None, typer.Option("--user-id", help="Count the tasks of this user only.")] = None,
    as_json: Json = False,
) -> int:
    """Count tasks by kind, and events by what became of them."""
    from recurrence_pipeline.report import events_data, stats_view

    session: Session = context.obj
    with session.worker() as worker:
        worker.require_schema()
        found = worker.service.get_detailed_stats(user_id)
        events = events_data(worker.service.event_counts(), worker.service.refusals())
    session.show(found | events, stats_view, as_json=as_json)
    return OK


@app.command(epilog="Example: recurrence version --json")
def version(context: typer.Context, *, as_json: Json = False) -> int:
    """Print the versions of this package and its main parts."""
    session: Session = context.obj
    names = ("recurrence-pipeline", "dagster", "pymongo")
    versions = {name: installed_version(name) for name in names} | {"python": platform.python_version()}
    session.show(versions, lambda found: "\n".join(f"{n} {v}" for n, v in found.items()), as_json=as_json)
    return OK
