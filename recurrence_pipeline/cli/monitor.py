"""How is it going: `report`, `doctor`, `test-alert`. Figures for a quick look are `stats --since`."""

from pathlib import Path
from typing import Annotated

import typer

from recurrence_pipeline.cli.session import FAILED, OK, TIMES, Json, Panel, Session, app, written


@app.command(rich_help_panel=Panel.CARE, epilog="Example: recurrence report --since 7d --output report")
def report(
    context: typer.Context,
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help=f"Where the span to report on begins: {TIMES}.")
    ] = "7d",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FOLDER", help="A folder that gets report.md and its pictures; made if missing."
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Report on the last week, with pictures.

    It has the figures, and what got worse than in the three weeks before. Another span is compared with three of its
    own length. Without --output it is printed, without pictures.
    """
    from rich.markdown import Markdown

    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.times import since as beginning
    from recurrence_pipeline.monitoring.report import performance_report

    session: Session = context.obj
    now = utc_now()
    window = now - beginning("since", since, now)
    with session.prepared() as worker:
        threshold = worker.settings.degradation_threshold
        made = performance_report(worker.metrics, now, threshold=threshold, window=window)
    files = written(made.write, output)
    data = {"worse": [each.as_json() for each in made.worse], "files": files, "markdown": made.markdown}
    session.show(data, lambda _: "\n".join(files) if files else Markdown(made.without_pictures()), as_json=as_json)
    return OK


@app.command(
    "test-alert",
    rich_help_panel=Panel.CARE,
    epilog="Example: ALERT_URLS='json://hooks.example.org/alerts' recurrence test-alert",
)
def send_test_alert(context: typer.Context, *, as_json: Json = False) -> int:
    """Send a test alert to all channels of ALERT_URLS."""
    from rich.text import Text

    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.errors import ConfigurationError
    from recurrence_pipeline.domain.severity import Severity
    from recurrence_pipeline.monitoring.alert_rules import Message
    from recurrence_pipeline.monitoring.alerts import Alerts
    from recurrence_pipeline.monitoring.channels import open_channels

    session: Session = context.obj
    settings = session.settings()
    channels = open_channels(settings.alert_addresses())
    if not channels:
        raise ConfigurationError("ALERT_URLS: not set, so that alerts go to the log only")
    now = utc_now()
    message = Message(Severity.WARNING, "a test", "Alerts arrive here.", now, now, settings.dagster_ui_url)
    refused = Alerts(channels, cooldown=settings.alert_cooldown).say(message)
    told = {name: {"taken": reason is None, "reason": reason} for name, reason in refused.items()}
    lines = [f"{name}: {f'NOT taken: {reason}' if reason else 'taken'}" for name, reason in refused.items()]
    session.show(told, lambda _: Text("\n".join(lines)), as_json=as_json)
    return FAILED if any(refused.values()) else OK


@app.command(
    rich_help_panel=Panel.CARE, epilog="Example: recurrence doctor (with the environment that the programs have)"
)
def doctor(context: typer.Context, *, as_json: Json = False) -> int:
    """Look at the whole running system, and say what to do.

    Settings, database, clocks, queue, workers, API, Dagster, disks. Nothing is written.
    It exits with 1 where an error is found; warnings do not count.
    """
    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.doctor import examine
    from recurrence_pipeline.domain.severity import Severity
    from recurrence_pipeline.views.checks import diagnoses_view

    session: Session = context.obj
    session = session.located(api=True)
    with session.counting("looking") as advance:
        found = list(examine(session.environment, session.settings, utc_now, advance))
    session.show([diagnosis.as_json() for diagnosis in found], diagnoses_view, as_json=as_json)
    return FAILED if any(diagnosis.severity is Severity.ERROR for diagnosis in found) else OK
