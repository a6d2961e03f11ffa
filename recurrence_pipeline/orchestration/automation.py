"""What runs by itself and does not: sensors and schedules that fail at each tick, parts of the daemon that stand still.

Dagster goes on, and shows it on a page that nobody looks at; work is left undone all the same. Read from its storage.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import dagster as dg

from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.monitoring.alert_rules import Incident
from recurrence_pipeline.orchestration.own import Own

TICKS = {"SENSOR": 3, "SCHEDULE": 1}
"""How many ticks in a row must have failed: a sensor ticks every few seconds, a schedule once a day or a week."""
LOOK_BACK = timedelta(days=8)
"""What has not ticked for longer is no longer in the code."""
AUTOMATION, DAEMONS = "/automation", "/deployment/daemons"
"""Pages of Dagster's UI."""
SENSOR_DAEMON = "SENSOR"


def failing_ticks(instance: dg.DagsterInstance, own: Own, now: datetime) -> Iterator[Incident]:
    """Yield the sensors and schedules of a worker that are on and fail at each tick; links are paths in the UI."""
    if instance.schedule_storage is None:  # nothing can run by itself
        return
    for state in instance.all_instigator_state():
        needed = TICKS.get(state.instigator_type.value)
        if needed is None or state.status.value == "STOPPED":
            continue
        if not own.is_automation(state.name, state.repository_selector.location_name):
            continue
        ticks = instance.get_ticks(
            state.instigator_origin_id, state.selector_id, after=(now - LOOK_BACK).timestamp(), limit=needed + 1
        )
        ended = [tick for tick in ticks if tick.status.value != "STARTED"][:needed]  # the newest first
        if len(ended) == needed and all(tick.status.value == "FAILURE" for tick in ended):
            kind = state.instigator_type.value.lower()
            began = datetime.fromtimestamp(ended[-1].timestamp, timezone.utc)
            why = _innermost(ended[0].error)
            yield Incident(f"tick:{state.name}", f"{kind} {state.name} fails at each tick", why, AUTOMATION, began)


def still_daemons(instance: dg.DagsterInstance, now: datetime) -> Iterator[Incident]:
    """Yield the parts of the daemon that have given a sign of life, and do no more; links are paths in the UI."""
    for name, status in instance.get_daemon_statuses().items():
        heartbeat = status.last_heartbeat
        if not status.required or status.healthy or heartbeat is None:
            continue
        since = datetime.fromtimestamp(heartbeat.timestamp, timezone.utc)
        text = f"No sign of life for {lasting(now - since)}. Its log says why; restart dagster-daemon."
        yield Incident(f"daemon:{name}", f"{name} of dagster-daemon stands still", text, DAEMONS, since)


def daemon_id(instance: dg.DagsterInstance) -> str:
    """Return what names the daemon from its start to its end; nothing where there is none.

    The code server is no use for that: one that the daemon has for itself is replaced each minute.
    """
    status = instance.get_daemon_statuses().get(SENSOR_DAEMON)
    return (status.last_heartbeat.daemon_id if status and status.last_heartbeat else None) or ""


def _innermost(error: object) -> str:
    """Return the message of the error at the bottom of a tick's chain of causes."""
    while (cause := getattr(error, "cause", None)) is not None:
        error = cause
    return " ".join(str(getattr(error, "message", None) or "It says no more.").split())
