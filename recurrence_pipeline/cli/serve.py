"""Programs that run for longer: `demo`, `up` and `api`."""

from typing import Annotated

import typer

from recurrence_pipeline.cli.session import HERE, OK, Folder, Panel, Session, app


@app.command(rich_help_panel=Panel.FIRST_STEPS, epilog="Example: recurrence demo")
def demo(context: typer.Context, *, folder: Folder = HERE) -> int:
    """Show the work on sample data, in a database of its own."""
    from recurrence_pipeline.local.demo import run_demo

    session: Session = context.obj
    session.settings()
    return int(run_demo(session.environment, folder, session.out))


@app.command(rich_help_panel=Panel.FIRST_STEPS, epilog="Example: recurrence up (then open http://localhost:3000)")
def up(
    context: typer.Context,
    *,
    folder: Folder = HERE,
    sample: Annotated[
        bool, typer.Option("--sample", help="Load the sample data, also into a database that is not empty.")
    ] = False,
) -> int:
    """Run everything here: a database, Dagster, its UI and the API.

    Where MONGODB_URL is set, that database is used, and none is started. A new one of its own gets the sample data.
    """
    from recurrence_pipeline.local.up import run_up

    session: Session = context.obj
    session.settings()
    return int(run_up(session.environment, folder, session.out, with_sample=sample))


@app.command(
    rich_help_panel=Panel.SERVE,
    epilog="Example: PORT=3000 INTERNAL_API_KEY=... recurrence api (its page is at /internal/docs)",
)
def api(context: typer.Context) -> int:
    """Serve the internal HTTP API.

    SIGTERM lets it finish what it has begun.
    It listens on PORT at HOST. Where INTERNAL_API_KEY is not set, only this machine may ask.
    With PROMETHEUS_METRICS=true, METRICS_PORT has metrics for Prometheus, without a key.
    """
    from recurrence_pipeline.config.importing import importing

    with importing():
        from recurrence_pipeline.api.presence import present
        from recurrence_pipeline.api.server import listeners, serve
        from recurrence_pipeline.storage.command_errors import DatabaseErrors

    session: Session = context.obj

    def listening(urls: list[str], metrics: list[str]) -> None:
        for name, found in (("Internal API", urls), ("Metrics", metrics)):
            if found:
                session.out.print(f"{name}: {', '.join(found)}", soft_wrap=True)

    errors = DatabaseErrors()
    with session.worker(listeners=listeners(session.settings(), errors)) as worker, present(worker.tell_host):
        serve(worker, errors, listening=listening)
    return OK
