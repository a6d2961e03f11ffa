"""Series: `series` lists them, shows one, or writes its page to a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recurrence_pipeline.cli.session import OK, Json, Panel, Session, app
from recurrence_pipeline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from recurrence_pipeline.bootstrap import Worker
    from recurrence_pipeline.queries.series_list import ListQuery, SeriesRow

MOST = 10_000


@app.command(
    rich_help_panel=Panel.LOOK, epilog="Example: recurrence series 6b046c55c5f3b9749e06fec5 --html series.html"
)
def series(  # noqa: PLR0913 (what is asked for)
    context: typer.Context,
    task_id: Annotated[
        str | None,
        typer.Argument(metavar="TASK_ID", help="A task of the series; not given: list series.", show_default=False),
    ] = None,
    *,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the page of this series.")] = None,
    user_id: Annotated[str | None, typer.Option("--user-id", metavar="ID", help="List this user's series.")] = None,
    search: Annotated[str, typer.Option("--search", metavar="TEXT", help="List those with this in the title.")] = "",
    overdue: Annotated[
        bool, typer.Option("--overdue", help="List those with open tasks whose time has passed.")
    ] = False,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=MOST, help="List so many.")] = 50,
    as_json: Json = False,
) -> int:
    """List series, or show one and why nothing more came.

    With --html the page that the API shows of it is written to a file, which needs nothing beside it.
    """
    from recurrence_pipeline.queries.series_list import ListQuery
    from recurrence_pipeline.views.common import series_data, series_view
    from recurrence_pipeline.views.series_list import list_data, list_view

    session: Session = context.obj
    query = ListQuery(user_id=user_id, search=search, overdue=overdue)
    if task_id is None:
        if html is not None:
            raise InvalidInput(f"html: {str(html)!r} needs a TASK_ID: the page of one series is written")
        with session.prepared() as worker:
            rows = _listed(worker, query, count)
        session.show(list_data(rows), list_view, as_json=as_json)
        return OK
    if query != ListQuery():
        raise InvalidInput(f"TASK_ID: {task_id!r} names one series: --user-id, --search and --overdue list several")
    if html is not None:
        return _write_page(session, task_id, html)
    with session.worker() as worker:
        view = worker.queries.series(task_id)
    session.show(series_data(view), series_view, as_json=as_json)
    return OK


def _listed(worker: "Worker", query: "ListQuery", count: int) -> "list[SeriesRow]":
    from dataclasses import replace

    rows: list[SeriesRow] = []
    while len(rows) < count:
        found = worker.series_list.page(query)
        rows += found.rows
        if found.next is None:
            break
        query = replace(query, after=found.next)
    return rows[:count]


def _write_page(session: Session, task_id: str, file: Path) -> int:
    from recurrence_pipeline.api.ui.clocks import Clock
    from recurrence_pipeline.api.ui.rendering import file_text
    from recurrence_pipeline.api.ui.series_page import Links, series_values
    from recurrence_pipeline.cli.export import write

    with session.worker() as worker:
        story = worker.series_stories.story(task_id)
        links = Links(worker.settings.task_url or "", worker.settings.dagster_ui_url)
    write([file_text("series.html.j2", series_values(story, Clock(story.view.timezone), links))], file)
    return OK
