"""Is the running system well? `doctor`. What it looks at is in doctor/ and doctor/database.py."""

import typer

from recurrence_pipeline.cli.session import FAILED, OK, Json, Session, app


@app.command(epilog="Example: recurrence doctor (with the environment that the programs have)")
def doctor(context: typer.Context, *, as_json: Json = False) -> int:
    """Look at the whole running system, and say what to do.

    Settings, database, clocks, queue, workers, API, Dagster, disks. Nothing is written.
    It exits with 1 where an error is found; warnings do not count.
    """
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.doctor import examine
    from recurrence_pipeline.doctor.rules import Level
    from recurrence_pipeline.views.checks import diagnoses_view

    session: Session = context.obj
    session = session.located(api=True)
    with session.progress() as bar:
        looking = bar.add_task("looking", total=None)

        def advance(tasks: int) -> None:
            bar.update(looking, completed=tasks, description=f"{tasks} tasks")

        found = list(examine(session.environment, session.settings, utc_now, advance))
    session.show([diagnosis.as_json() for diagnosis in found], diagnoses_view, as_json=as_json)
    return FAILED if any(diagnosis.level is Level.ERROR for diagnosis in found) else OK
