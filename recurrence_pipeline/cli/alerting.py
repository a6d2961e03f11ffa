"""Whether alerts arrive: `test-alert`. What is worth one is looked for by Dagster's `alert_sensor`."""

import typer

from recurrence_pipeline.cli.session import FAILED, OK, Json, Session, app


@app.command("test-alert", epilog="Example: ALERT_URLS='json://hooks.example.org/alerts' recurrence test-alert")
def send_test_alert(context: typer.Context, *, as_json: Json = False) -> int:
    """Send a test alert to all channels of ALERT_URLS."""
    from rich.text import Text

    from recurrence_pipeline.config.clock import utc_now
    from recurrence_pipeline.domain.errors import ConfigurationError
    from recurrence_pipeline.monitoring.alert_rules import Message, Severity
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
