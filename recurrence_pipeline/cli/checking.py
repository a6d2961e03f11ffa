"""Checking the data (`check`), and resuming a series that stopped (`resume`)."""

from typing import Annotated

import typer

from recurrence_pipeline.cli.mending import Yes
from recurrence_pipeline.cli.session import FAILED, OK, Json, Session, TaskId, app


@app.command(epilog="Example: recurrence check (then, to mend it: recurrence check --repair --yes)")
def check(
    context: typer.Context,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Show what a repair would change; with --yes, repair.")
    ] = False,
    yes: Yes = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this check; may be given more than once.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Check that the data are consistent, and repair them.

    It exits with 1 where a check of severity error finds something.
    With --repair it exits with 1 where something stays that a repair is there for.
    """
    from recurrence_pipeline.maintenance.checks import Severity
    from recurrence_pipeline.views.checks import findings_view, repairs_view

    if yes and not repair:
        raise typer.BadParameter("--yes goes with --repair")
    session: Session = context.obj
    with session.worker() as worker, session.progress() as bar:
        worker.require_schema()
        looking = bar.add_task("tasks", total=None)

        def advance(looked_at: int) -> None:
            bar.update(looking, completed=looked_at, description=f"{looked_at} tasks")

        if repair:
            repairs = worker.consistency.repair(only, dry_run=not yes, progress=advance)
        else:
            findings = worker.consistency.run(only=only, progress=advance)
    if repair:
        session.show([r.as_json() for r in repairs], repairs_view, as_json=as_json)
        return FAILED if any(r.left for r in repairs) else OK
    session.show([f.as_json() for f in findings], findings_view, as_json=as_json)
    return FAILED if any(f.count and f.severity is Severity.ERROR for f in findings) else OK


@app.command(epilog="Example: recurrence resume 6b046c55c5f3b9749e06fec5 --yes")
def resume(context: typer.Context, task_id: TaskId, *, yes: Yes = False, as_json: Json = False) -> int:
    """Make a stopped series go on.

    It stopped because everything open in it was deleted: its next 3 slots are made.
    Slots that lie in the past are passed over. A series that has an open task is left as it is.
    """
    from recurrence_pipeline.views.checks import resumed_view

    session: Session = context.obj
    with session.worker() as worker:
        worker.require_schema()
        done = worker.resumption.resume(task_id, dry_run=not yes)
    session.show(done.as_json(), resumed_view, as_json=as_json)
    return OK
