"""Preparing a database: `init-db` and `import`."""

from pathlib import Path
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import FAILED, OK, Json, Panel, Session, app
from recurrence_pipeline.domain.errors import InvalidInput


@app.command(
    "init-db",
    rich_help_panel=Panel.FIRST_STEPS,
    epilog="Example: MONGODB_URL=mongodb://db.example.org/task-app recurrence init-db",
)
def init_db(
    context: typer.Context,
    *,
    revert: Annotated[
        bool, typer.Option("--revert", help="Write what task_series knows back onto the tasks, to go back a version.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --revert: do it, and not only say what it would do.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Create what the database lacks; may be run at any time."""
    session: Session = context.obj
    if revert:
        return _revert(session, yes=yes, as_json=as_json)
    with session.worker() as worker:
        report = worker.init_db()
    if as_json:
        session.show({"added": report.added, "leftOut": report.left_out}, str, as_json=True)
        return OK
    session.out.print(f"{len(report.added)} added" if report.added else "Everything was there already.")
    for line in (*report.added, *(f"left out: {name}: {why}" for name, why in report.left_out.items())):
        session.out.print(f"  {line}", markup=False)
    return OK


def _revert(session: Session, *, yes: bool, as_json: bool) -> int:
    with session.worker() as worker:
        series = worker.revert(dry_run=not yes)
    done = "written back onto the tasks; task_series is gone" if yes else "would be written back onto the tasks: --yes"
    session.show({"series": series, "written": yes}, lambda _: f"{series} series {done}", as_json=as_json)
    return OK


@app.command(
    "import",
    rich_help_panel=Panel.FIRST_STEPS,
    epilog="Example: recurrence import ./export (or the packaged data: recurrence import --sample)",
)
def import_(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Holds tasks.jsonl, users.jsonl, counters.jsonl, trigger_log.jsonl."),
    ] = None,
    *,
    sample: Annotated[bool, typer.Option("--sample", help="Import the packaged sample data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Import also into a database that holds data.")] = False,
    as_json: Json = False,
) -> int:
    """Load an export (MongoDB Extended JSON, a document a line).

    What is there stays as it is, so that an import that was cut off may be run again. What was deleted since comes
    back, and its events are processed again: into a database that holds data it imports only with --yes.
    """
    from recurrence_pipeline.views.common import import_table

    if (folder is None) is not sample:
        raise typer.BadParameter("name a FOLDER, or say --sample (not both)")
    session: Session = context.obj
    with session.prepared() as worker, session.progress() as bar:
        if (folder is None or folder.is_dir()) and not (yes or worker.is_empty()):
            raise InvalidInput(
                f"the database {worker.mongo.db.name!r} holds data, and what was deleted from it since an import would "
                "come back: nothing was written; say --yes to import all the same"
            )
        task = bar.add_task("import")

        def progress(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        report = worker.import_sample(progress) if folder is None else worker.import_folder(folder, progress)
    session.show(report.as_json(), import_table, as_json=as_json)
    return FAILED if report.refused else OK
