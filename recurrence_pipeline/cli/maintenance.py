"""Is the data right, and is anything missing: `check`, `maintenance`, `backfill`. By themselves they run in Dagster."""

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from recurrence_pipeline.cli.recover import Yes
from recurrence_pipeline.cli.session import FAILED, OK, Json, Panel, Session, app
from recurrence_pipeline.domain.errors import CleanupRefused

if TYPE_CHECKING:
    from recurrence_pipeline.bootstrap import Worker


class Which(str, Enum):
    """Which maintenance."""

    DAILY = "daily"
    WEEKLY = "weekly"


@app.command(
    rich_help_panel=Panel.CARE,
    epilog="Example: recurrence maintenance daily (then, if that is what you want: with --yes)",
)
def maintenance(
    context: typer.Context,
    which: Annotated[Which, typer.Argument(help="daily cleans up and archives; weekly checks.", show_default=False)],
    *,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm", help="With --yes: delete orphans even where they are so many that it looks like a mistake."
        ),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Do what the schedules do every day, or every week.

    daily: delete orphans, archive old activities, take the health. weekly: check the consistency of all data, and say
    what got worse; it changes nothing. It exits with 1 where something is wrong.
    """
    session: Session = context.obj
    with session.prepared() as worker:
        if which is Which.WEEKLY:
            return _weekly(session, worker, as_json=as_json)
        if not yes:
            return _daily_dry_run(session, worker, as_json=as_json)
        return _daily(session, worker, confirm=confirm, as_json=as_json)


def _daily_dry_run(session: Session, worker: "Worker", *, as_json: bool) -> int:
    from rich.console import Group
    from rich.text import Text

    from recurrence_pipeline.views.common import figures_table

    told = Text("Nothing was written: say --yes to do it.")
    data = worker.maintenance.pending() | {"written": False}
    session.show(data, lambda data: Group(figures_table("To be done", data), told), as_json=as_json)
    return OK


def _daily(session: Session, worker: "Worker", *, confirm: bool, as_json: bool) -> int:
    """Do all parts; a cleanup that wants a confirmation keeps none from being done, and is raised at last."""
    from recurrence_pipeline.views.common import figures_table

    deleted, refused = 0, None
    try:
        deleted = worker.maintenance.clean_orphans(confirm=confirm)
    except CleanupRefused as error:
        refused = error
    forgotten = worker.maintenance.forget_series()
    moved = worker.maintenance.archive_activities()
    health = worker.health.status()
    done = {"orphansDeleted": deleted, "seriesForgotten": forgotten, "activitiesArchived": moved}
    data = {"health": health["status"], **done, **health["stats"], "written": True}
    session.show(data, lambda data: figures_table("Done", data), as_json=as_json)
    if refused is not None:
        raise refused
    return OK if health["status"] == "healthy" else FAILED


def _weekly(session: Session, worker: "Worker", *, as_json: bool) -> int:
    from rich.console import Group
    from rich.markdown import Markdown

    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.severity import Severity
    from recurrence_pipeline.monitoring.report import performance_report
    from recurrence_pipeline.views.checks import findings_view

    results = worker.consistency.run()
    report = performance_report(worker.metrics, utc_now(), threshold=worker.settings.degradation_threshold)
    data = {"findings": [r.as_json() for r in results], "worse": [figure.as_json() for figure in report.worse]}
    session.show(
        data, lambda _: Group(findings_view(data["findings"]), Markdown(report.without_pictures())), as_json=as_json
    )
    wrong = any(result.severity is Severity.ERROR for result in results)
    return FAILED if wrong or report.worse else OK


@app.command(
    rich_help_panel=Panel.REPAIR,
    epilog="Example: recurrence check (then, to repair it: recurrence check --repair --yes)",
)
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
    from recurrence_pipeline.domain.severity import Severity
    from recurrence_pipeline.views.checks import findings_view, repairs_view

    if yes and not repair:
        raise typer.BadParameter("--yes goes with --repair")
    session: Session = context.obj
    with session.prepared() as worker, session.counting("tasks") as advance:
        if repair:
            repairs = worker.consistency.repair(only, dry_run=not yes, progress=advance)
        else:
            results = worker.consistency.run(only=only, progress=advance)
    if repair:
        session.show([r.as_json() for r in repairs], repairs_view, as_json=as_json)
        return FAILED if any(r.left for r in repairs) else OK
    session.show([r.as_json() for r in results], findings_view, as_json=as_json)
    return FAILED if any(r.severity is Severity.ERROR for r in results) else OK


@app.command(
    rich_help_panel=Panel.REPAIR,
    epilog="Example: recurrence backfill (then, if that is what you want: recurrence backfill --yes)",
)
def backfill(context: typer.Context, *, yes: Yes = False, as_json: Json = False) -> int:
    """Have older series continued by themselves.

    Without it, a series that was created before the first `init-db` goes on only when an event asks.
    It reads all tasks to say what would come of it. With --yes, the reconcile sensor asks for it piece by piece.
    """
    from recurrence_pipeline.views.common import backlog_view

    session: Session = context.obj
    with session.prepared() as worker:
        backlog = worker.backfill.backlog()
        if yes:
            worker.backfill.run()
    session.show(backlog.as_json() | {"backfilled": yes or backlog.watermark is None}, backlog_view, as_json=as_json)
    return OK
