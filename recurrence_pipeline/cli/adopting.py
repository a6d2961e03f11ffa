"""`adopt`: may reconciliation also continue what was there before this worker?"""

import typer

from recurrence_pipeline.cli.mending import Yes
from recurrence_pipeline.cli.session import OK, Json, Session, app


@app.command(epilog="Example: recurrence adopt (then, if that is what you want: recurrence adopt --yes)")
def adopt(context: typer.Context, *, yes: Yes = False, as_json: Json = False) -> int:
    """Have older series continued by themselves.

    Without it, a series that was created before the first `init-db` goes on only when an event asks.
    It reads all tasks to say what would come of it. With --yes, the reconcile sensor asks for it piece by piece.
    """
    from recurrence_pipeline.views.common import backlog_view

    session: Session = context.obj
    with session.worker() as worker:
        worker.require_schema()
        backlog = worker.backfill.backlog()
        if yes:
            worker.backfill.adopt()
    session.show(backlog.as_json() | {"adopted": yes or backlog.watermark is None}, backlog_view, as_json=as_json)
    return OK
