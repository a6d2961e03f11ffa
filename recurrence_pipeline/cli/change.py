"""Following a change of mind: `update` (an edited series), `reopen` (a completion taken back), `skip` (one slot).

Each only shows what it would change, slot by slot, until it is told `--yes`.
"""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from recurrence_pipeline.cli.session import OK, Json, Panel, Session, TaskId, app
from recurrence_pipeline.domain.vocabulary import Operation

if TYPE_CHECKING:
    from recurrence_pipeline.bootstrap import Worker
    from recurrence_pipeline.domain.difference import Difference

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it, only show what would be done.")]


@app.command(
    rich_help_panel=Panel.WORK, epilog="Example: recurrence update 6b046c55c5f3b9749e06fec5 --from-slot 4 --yes"
)
def update(
    context: typer.Context,
    task_id: TaskId,
    *,
    from_slot: Annotated[
        int | None,
        typer.Option("--from-slot", metavar="N", min=0, help="The first slot to change: this and all following."),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Bring a series in line with its edited original.

    Open tasks that are ahead, and that nobody has touched, get its title and other fields, and move to the days of its
    rule. What is done, past or touched stays, and so does the original itself.
    """
    session: Session = context.obj
    with session.prepared() as worker:
        difference = worker.change(task_id, Operation.UPDATE.value, slot=from_slot, dry_run=not yes)
        show_difference(session, worker, difference, as_json=as_json)
    return OK


@app.command(rich_help_panel=Panel.WORK, epilog="Example: recurrence reopen 6b046c55c5f3b9749e06fec5 --yes")
def reopen(context: typer.Context, task_id: TaskId, *, yes: Yes = False, as_json: Json = False) -> int:
    """Take back what a completion made.

    The task is open again. Where somebody has touched, completed or deleted some of it, that is refused, and the reason
    names what.
    """
    session: Session = context.obj
    with session.prepared() as worker:
        difference = worker.change(task_id, Operation.REOPEN.value, dry_run=not yes)
        show_difference(session, worker, difference, as_json=as_json)
    return OK


@app.command(
    rich_help_panel=Panel.WORK,
    epilog="Example: recurrence skip 6b046c55c5f3b9749e06fec5 --slot 4 --yes (and with --undo it is wanted again)",
)
def skip(
    context: typer.Context,
    task_id: TaskId,
    *,
    slot: Annotated[
        int | None, typer.Option("--slot", metavar="N", min=1, help="Which slot; not given: that of the task.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Have the slot wanted again, and its task put back.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Leave one slot of a series out.

    Its open task goes, with a copy kept, and the series goes on: the next slot takes its place.
    """
    session: Session = context.obj
    with session.prepared() as worker:
        difference = worker.change(task_id, Operation.SKIP.value, slot=slot, undo=undo, dry_run=not yes)
        show_difference(session, worker, difference, as_json=as_json)
    return OK


def show_difference(session: Session, worker: "Worker", difference: "Difference", *, as_json: bool) -> None:
    """Print what a change comes to, on the wall clock of its series."""
    from recurrence_pipeline.views.changes import difference_data, difference_view

    timezone = "UTC" if as_json else worker.queries.series(difference.series_id).timezone
    session.show(difference_data(difference), partial(difference_view, timezone=timezone), as_json=as_json)
