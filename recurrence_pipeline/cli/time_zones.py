"""When clocks change: `timezones` (the law of time has changed). By itself nothing is moved; the checks say so."""

from typing import Annotated

import typer

from recurrence_pipeline.cli.recover import Yes
from recurrence_pipeline.cli.session import FAILED, OK, Json, Panel, Session, app

Limit = Annotated[
    int,
    typer.Option(
        "-n", "--limit", metavar="N", min=0, max=10_000, help="List at most so many of each kind; all are counted."
    ),
]


@app.command(
    rich_help_panel=Panel.REPAIR,
    epilog="Example: recurrence timezones (then, if that is what you want: recurrence timezones --yes)",
)
def timezones(
    context: typer.Context,
    *,
    undo: Annotated[
        str | None, typer.Option("--undo", metavar="RUN", help="Put back what this run has moved, as far as it stands.")
    ] = None,
    limit: Limit = 100,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Move open tasks to the hour that they mean.

    Where a country changed its clocks, or the law about them, 09:00 is another instant now.
    Newer time zone data know it, and tasks made with older ones do not.

    Past, completed and changed tasks stay, and so do originals.
    """
    from recurrence_pipeline.views.time_zones import moves_view

    session: Session = context.obj
    with session.prepared() as worker:
        if undo is not None:
            done = worker.time_zones.undo(undo, dry_run=not yes, limit=limit)
        else:
            with session.counting("tasks") as advance:
                done = worker.time_zones.run(dry_run=not yes, limit=limit, progress=advance)
    session.show(done.as_json(), moves_view, as_json=as_json)
    return FAILED if undo is not None and not done.moved and not done.stays else OK
