"""When clocks change: `timezones` (the law of time has changed), and `move-zone` (a user moves)."""

from typing import Annotated

import typer

from recurrence_pipeline.cli.recover import Yes
from recurrence_pipeline.cli.session import FAILED, OK, Json, Panel, Session, app
from recurrence_pipeline.domain.zone_moves import Keep

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


@app.command(
    name="move-zone",
    rich_help_panel=Panel.REPAIR,
    epilog="Example: recurrence move-zone 6b046c55c5f3b9749e06febf Europe/Berlin (then with --yes)",
)
def move_zone(  # noqa: PLR0913 (each is an option of its own)
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER_ID", help="Who moves: 24 hex digits.", show_default=False)],
    zone: Annotated[str, typer.Argument(metavar="ZONE", help="Where to, as IANA names it.", show_default=False)],
    *,
    from_zone: Annotated[
        str | None, typer.Option("--from", metavar="ZONE", help="Only series that are in this zone now.")
    ] = None,
    keep: Annotated[
        Keep, typer.Option("--keep", help="wall-clock: 09:00 stays 09:00. instants: the clocks show another time.")
    ] = Keep.WALL_CLOCK,
    limit: Limit = 100,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Move a user's series to another time zone.

    The originals' zone is set, and the open future tasks move along, but for those that somebody changed.

    What was interrupted is completed by running it again.
    """
    from recurrence_pipeline.views.time_zones import moved_user_view

    session: Session = context.obj
    with session.prepared() as worker:
        done = worker.zone_moves.run(user, zone, since=from_zone, keep=keep, dry_run=not yes, limit=limit)
    session.show(done.as_json(), moved_user_view, as_json=as_json)
    return OK
