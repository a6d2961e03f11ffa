"""Processing events, or asking for it: `process` and `trigger`."""

from signal import SIGTERM
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import MofNCompleteColumn

from recurrence_pipeline.cli.change import show_difference
from recurrence_pipeline.cli.session import OK, Json, Panel, Session, TaskId, app
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.vocabulary import CHANGES, Operation

if TYPE_CHECKING:
    from recurrence_pipeline.worker.summary import BatchSummary


@app.command(rich_help_panel=Panel.WORK, epilog="Example: recurrence process --until-empty")
def process(
    context: typer.Context,
    *,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="Wait for retries, until no event is unfinished.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("-n", "--limit", metavar="N", min=1, help="Process at most so many events.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Stay, process events as they come, and find what was never queued.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", metavar="N/M", help="With --follow, of M workers side by side: which events this one prefers."
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Process due events here and now, without Dagster.

    Ctrl-C or SIGTERM lets the batch that has begun finish, and the summary tells what was done.
    With --follow it is a service: it waits for an outage to end, and SIGTERM is no failure.
    """
    from recurrence_pipeline.views.common import figures_table
    from recurrence_pipeline.worker.signals import stop_on_signal

    session: Session = context.obj
    if follow and (until_empty or limit is not None):
        raise InvalidInput(f"follow: says nothing to --{'until-empty' if until_empty else 'limit'}")
    if shard is not None and not follow:
        raise InvalidInput("shard: says nothing without --follow")
    if follow:
        return _follow(session, shard, as_json=as_json)
    with session.prepared() as worker, session.progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("events", total=worker.queries.unfinished())

        def advance(so_far: "BatchSummary") -> bool:
            ended = so_far.events - so_far.count("retried")
            bar.update(task, completed=ended, total=ended + worker.queries.unfinished())
            return not stop.asked()

        with stop_on_signal() as stop:
            summary = worker.drain(limit=limit, until_empty=until_empty, go_on=advance)
        unfinished = worker.queries.unfinished()
        worker.tell_host()
    data = summary.as_json() | {"unfinished": unfinished}
    session.show(data, lambda data: figures_table("Processed", data), as_json=as_json)
    return stop.exit_code


def _follow(session: Session, shard: str | None, *, as_json: bool) -> int:
    """Work until a signal comes; SIGTERM is a wish that was granted."""
    from recurrence_pipeline.api.presence import present
    from recurrence_pipeline.domain.shards import WHOLE_QUEUE, shard_from
    from recurrence_pipeline.views.common import figures_table
    from recurrence_pipeline.worker.signals import stop_on_signal

    preferred = WHOLE_QUEUE if shard is None else shard_from(shard)
    with session.prepared() as worker, present(worker.tell_host), stop_on_signal() as stop:
        session.err.print("Following the queue; Ctrl-C or SIGTERM ends it", soft_wrap=True)
        summary = worker.follower.run(lambda: not stop.asked(), shard=preferred)
    session.show(summary.as_json(), lambda data: figures_table("Processed", data), as_json=as_json)
    return OK if stop.signal == SIGTERM else stop.exit_code


@app.command(
    rich_help_panel=Panel.WORK,
    epilog="Example: recurrence trigger complete 6b046c55c5f3b9749e06fec5 --now",
)
def trigger(  # noqa: PLR0913 (each is an option of its own)
    context: typer.Context,
    operation: Annotated[Operation, typer.Argument(help="What happened to the task.", show_default=False)],
    task_id: TaskId,
    *,
    user_id: Annotated[
        str | None, typer.Option("--user-id", metavar="ID", help="Whose task it is; a delete needs it.")
    ] = None,
    slot: Annotated[
        int | None,
        typer.Option("--slot", metavar="N", min=0, help="Of skip: which slot. Of update: the first one to change."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Of skip: have the slot wanted again.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Process it at once and print the result.")] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Needed where tasks may go; without it those operations only show what would be."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Enqueue an event, as the application does.

    `delete`, `update`, `reopen` and `skip` may take tasks away: without --yes they only show which.
    """
    from recurrence_pipeline.views.common import result_view
    from recurrence_pipeline.views.recovery import deletion_data, deletion_view

    session: Session = context.obj
    if operation not in CHANGES and (slot is not None or undo):
        raise InvalidInput(f"{'undo' if slot is None else 'slot'}: says nothing to {operation.value}")
    with session.prepared() as worker:
        if operation is Operation.DELETE and not yes:
            event, plan = worker.plan(task_id, operation.value, user_id)
            session.show(deletion_data(event, plan), deletion_view, as_json=as_json)
            return OK
        if operation in CHANGES and (now or not yes):
            difference = worker.change(task_id, operation.value, slot=slot, undo=undo, dry_run=not yes)
            show_difference(session, worker, difference, as_json=as_json)
            return OK
        if now:
            result = worker.process_task_recurrence(task_id, operation.value, user_id)
            session.show(result, result_view, as_json=as_json)
            return OK
        event_id = worker.enqueue(task_id, operation.value, user_id, slot=slot, undo=undo)
    added = {"eventId": event_id, "operation": operation.value, "taskId": task_id, "status": "pending"}
    session.show(added, lambda _: f"Event {event_id} is pending: {operation.value} of task {task_id}.", as_json=as_json)
    return OK
