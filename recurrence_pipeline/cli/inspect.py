"""Looking, without changing anything: `preview`, `explain`, `stats` and `version`."""

import platform
from datetime import date as calendar_date
from enum import Enum
from functools import partial
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import OK, TIMES, Json, Panel, Session, TaskId, app
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.times import instant


@app.command(rich_help_panel=Panel.LOOK, epilog="Example: recurrence preview 6b046c55c5f3b9749e06fec5 -n 24")
def preview(
    context: typer.Context,
    task_id: TaskId,
    *,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=1000, help="How many slots.")] = 10,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help=f"Begin behind then, not now: {TIMES}.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Begin with slot 0, the first.")] = False,
    as_json: Json = False,
) -> int:
    """Show when a series comes next, and what is there already."""
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.views.common import preview_table, slots_data

    begin = instant("from", since, utc_now())
    session: Session = context.obj
    with session.worker() as worker:
        preview = worker.queries.preview(task_id, count, since=begin, from_start=everything)
    session.show(slots_data(preview.slots), partial(preview_table, words=preview.words), as_json=as_json)
    return OK


@app.command(rich_help_panel=Panel.LOOK, epilog="Example: recurrence explain 6b046c55c5f3b9749e06fec5 2027-02-28")
def explain(
    context: typer.Context,
    task_id: TaskId,
    date: Annotated[str, typer.Argument(metavar="DATE", help="A day on the wall clock of the series: 2027-02-28.")],
    *,
    as_json: Json = False,
) -> int:
    """Say why there is, or is not, a task of a series on a day."""
    from recurrence_pipeline.views.common import explanation_data, explanation_view

    session: Session = context.obj
    try:
        day = calendar_date.fromisoformat(date)
    except ValueError:
        raise InvalidInput(f"date: {date!r} is not a date such as 2027-02-28") from None
    with session.worker() as worker:
        explanation = worker.queries.explain(task_id, day)
    session.show(explanation_data(task_id, explanation), explanation_view, as_json=as_json)
    return OK


class By(str, Enum):
    """How long the parts of a span are."""

    HOUR = "hour"
    DAY = "day"


@app.command(rich_help_panel=Panel.LOOK, epilog="Example: recurrence stats --since 7d --by hour")
def stats(
    context: typer.Context,
    *,
    user_id: Annotated[
        str | None, typer.Option("--user-id", metavar="ID", help="Count this user's tasks, and no events.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help=f"How long events took, how many succeeded ..., since then: {TIMES}."
        ),
    ] = None,
    by: Annotated[By | None, typer.Option("--by", help="With --since: figures of each hour or of each day.")] = None,
    as_json: Json = False,
) -> int:
    """Count tasks by kind, and events by what became of them.

    With --since: the figures of the events that ended since then, by operation and over time.
    """
    from recurrence_pipeline.views.common import events_data, stats_view

    session: Session = context.obj
    if since is not None:
        if user_id is not None:
            raise InvalidInput(
                f"user-id: {user_id!r} cannot be asked for with --since: events are measured of all users"
            )
        return _metrics(session, since, by, as_json=as_json)
    if by is not None:
        raise InvalidInput(f"by: {by.value!r} needs --since, such as --since 7d")
    with session.prepared() as worker:
        found = worker.health.detailed(user_id)
        if user_id is None:
            found |= events_data(worker.queries.event_counts(), worker.queries.refusals())
        else:
            found["workerStatus"].pop("queue")  # everybody's events are counted there
    session.show(found, stats_view, as_json=as_json)
    return OK


def _metrics(session: Session, since: str, by: By | None, *, as_json: bool) -> int:
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.times import since as beginning
    from recurrence_pipeline.views.metrics import BY_HOUR_UP_TO, metrics_data, metrics_view

    now = utc_now()
    begins = beginning("since", since, now)
    with session.prepared() as worker:
        measured = worker.metrics.measure(begins)
        queue = worker.queries.queue()
    if by is None:
        by = By.HOUR if now - begins <= BY_HOUR_UP_TO else By.DAY
    session.show(metrics_data(measured, by.value, queue, now), metrics_view, as_json=as_json)
    return OK


@app.command(rich_help_panel=Panel.LOOK, epilog="Example: recurrence version --json")
def version(context: typer.Context, *, as_json: Json = False) -> int:
    """Print the versions of all parts and of time zone data."""
    session: Session = context.obj
    names = ("recurrence-pipeline", "dagster", "pymongo")
    versions = {name: installed_version(name) for name in names} | {"python": platform.python_version()}
    zones = use_newest_time_zone_data()
    lines = "\n".join(f"{name} {number}" for name, number in {**versions, "time zone data": zones}.items())
    session.show(versions | {"timeZoneData": zones.as_json()}, lambda _: lines, as_json=as_json)
    return OK
