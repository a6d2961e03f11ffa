"""Putting something right: `events`, `replay`, `restore` (a deletion is undone), `resume` (a series goes on).

What changes something only shows what it would do until it is told `--yes`.
"""

from enum import Enum
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import FAILED, OK, TIMES, Json, Panel, Session, TaskId, app
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it, only show what would be done.")]


class RefusedStatus(str, Enum):
    """What `--status` of `replay` takes."""

    FAILED = EventStatus.FAILED.value
    REJECTED = EventStatus.REJECTED.value


@app.command(rich_help_panel=Panel.LOOK, epilog="Example: recurrence events --status rejected --limit 50")
def events(
    context: typer.Context,
    *,
    status: Annotated[EventStatus | None, typer.Option("--status", help="Only events of this status.")] = None,
    task_id: Annotated[
        str | None, typer.Option("--task", metavar="ID", help="Only events that name this task.")
    ] = None,
    limit: Annotated[
        int, typer.Option("-n", "--limit", metavar="N", min=1, max=10_000, help="How many, the newest first.")
    ] = 20,
    as_json: Json = False,
) -> int:
    """List events: what became of each, and why it was refused."""
    from recurrence_pipeline.views.common import event_list

    session: Session = context.obj
    with session.prepared() as worker:
        found = worker.queries.events(limit=limit, status=status, task_id=task_id)
    session.show(found, event_list, as_json=as_json)
    return OK


@app.command(
    rich_help_panel=Panel.REPAIR, epilog="Example: recurrence replay --code ORIGINAL_NOT_FOUND --since 24h --yes"
)
def replay(  # noqa: PLR0913 (each is an option of its own)
    context: typer.Context,
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="EVENT_ID", help="Only these events: 24 hex digits each.")
    ] = None,
    *,
    code: Annotated[
        str | None,
        typer.Option("--code", metavar="CODE", help="Only those whose last error has this code, such as TRANSIENT."),
    ] = None,
    status: Annotated[RefusedStatus | None, typer.Option("--status", help="Only those of this status.")] = None,
    operation: Annotated[Operation | None, typer.Option("--operation", help="Only those of this operation.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help=f"Only those that ended since then: {TIMES}."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only those that ended before; as --since.")
    ] = None,
    limit: Annotated[
        int, typer.Option("-n", "--limit", metavar="N", min=1, help="At most so many, the longest waiting first.")
    ] = 10_000,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Give failed and rejected events another try.

    An event that is refused again says so once more on the event, and tells its user nothing twice.
    """
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.times import instant
    from recurrence_pipeline.domain.vocabulary import REFUSED
    from recurrence_pipeline.recovery.replay import EventFilter
    from recurrence_pipeline.views.recovery import replay_view

    session: Session = context.obj
    now = utc_now()
    selection = EventFilter(
        statuses=REFUSED if status is None else [EventStatus(status.value)],
        operation=operation,
        code=code,
        since=instant("since", since, now),
        until=instant("until", until, now),
    )
    with session.prepared() as worker:
        done = worker.dead_letters.replay(selection, event_ids or (), limit=limit, dry_run=not yes)
    session.show(done.as_json(), replay_view, as_json=as_json)
    return FAILED if done.left else OK


@app.command(
    rich_help_panel=Panel.REPAIR,
    epilog="Example: recurrence restore (lists deletions), then recurrence restore DELETION_ID --yes",
)
def restore(
    context: typer.Context,
    deletion: Annotated[
        str | None,
        typer.Argument(metavar="DELETION_ID", help="The deletion, as the list names it.", show_default=False),
    ] = None,
    *,
    limit: Annotated[
        int, typer.Option("-n", "--limit", metavar="N", min=1, max=10_000, help="How many deletions to list.")
    ] = 20,
    again: Annotated[bool, typer.Option("--again", help="Also what was put back before and has gone since.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Put back what a cascade or a cleanup deleted.

    Without a deletion, the latest ones are listed.

    Where the original is gone for good, the earliest open task becomes the original.
    """
    from recurrence_pipeline.views.recovery import deletions_view, restore_view

    session: Session = context.obj
    with session.prepared() as worker:
        if deletion is None:
            session.show(worker.deletions.recent(limit), deletions_view, as_json=as_json)
            return OK
        done = worker.deletions.restore(deletion, dry_run=not yes, again=again)
    session.show(done.as_json(), restore_view, as_json=as_json)
    return FAILED if done.refused else OK


@app.command(rich_help_panel=Panel.REPAIR, epilog="Example: recurrence resume 6b046c55c5f3b9749e06fec5 --yes")
def resume(context: typer.Context, task_id: TaskId, *, yes: Yes = False, as_json: Json = False) -> int:
    """Make a stopped series go on.

    It stopped because everything open in it was deleted: its next 3 slots are made.
    Slots that lie in the past are passed over. A series that has an open task is left as it is.
    """
    from recurrence_pipeline.views.checks import resumed_view

    session: Session = context.obj
    with session.prepared() as worker:
        done = worker.resumption.resume(task_id, dry_run=not yes)
    session.show(done.as_json(), resumed_view, as_json=as_json)
    return OK
