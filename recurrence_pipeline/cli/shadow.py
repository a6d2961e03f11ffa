"""A look at the previous worker before it is replaced: `shadow`."""

from pathlib import Path
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import OK, TIMES, Json, Panel, Session, app, written


@app.command(rich_help_panel=Panel.LOOK, epilog="Example: recurrence shadow --since 30d --output FOLDER")
def shadow(
    context: typer.Context,
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help=f"What happened from this time on is compared: {TIMES}.")
    ] = "7d",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FOLDER", help="A folder that gets shadow.md and its picture."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Hold what the previous worker made against what this one would.

    It only reads: a database user with the role `read` is enough, and `init-db` is not needed. What people did since
    then (tasks created, completed) is put to the planner, series by series; the tasks that it would have made are held
    against those that are there. Without --output it is printed, without the picture.
    """
    from rich.markdown import Markdown

    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.times import since as beginning

    session: Session = context.obj
    begin = beginning("since", since, utc_now())
    with session.worker() as worker, session.counting("comparing") as advance:
        made = worker.shadow.compare(begin, advance)
    files = written(made.write, output)
    data = made.as_json() | {"files": files}
    session.show(data, lambda _: "\n".join(files) if files else Markdown(made.without_pictures()), as_json=as_json)
    return OK
