"""Heartbeats of a process of the API, and alerts about a Dagster that leaves none.

Whoever else finds something to tell is Dagster's alert sensor, which cannot tell of its own end. What is said and when
is decided as there: in monitoring/alert_rules.py, and in monitoring/heartbeat_rules.py.
"""

import threading
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import structlog

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.monitoring.alerts import Alerts, State
from recurrence_pipeline.monitoring.channels import open_channels
from recurrence_pipeline.monitoring.heartbeat_rules import Heartbeats, stand_still
from recurrence_pipeline.storage.alert_turns import AlertTurns
from recurrence_pipeline.storage.heartbeats import Part
from recurrence_pipeline.storage.timeouts import time_limit

DAEMONS = "/deployment/daemons"
"""Page of Dagster's UI."""
LAST_WORD = timedelta(seconds=2)
"""How long the end of a process waits for a database that does not answer."""

log = structlog.get_logger(__name__)


class Watch:
    """What one process does each minute. Safe to end while it looks."""

    def __init__(self, worker: Worker, port: int) -> None:
        settings = worker.settings
        self._alerts = Alerts(open_channels(settings.alert_addresses()), cooldown=settings.alert_cooldown)
        self._link = f"{settings.dagster_ui_url}{DAEMONS}"
        self._turns = AlertTurns(worker.mongo)
        self._parts = worker.parts
        self._process = self._parts.process(Part.API, uuid4().hex, port)
        self._beating = threading.Lock()
        self._ended = False
        self._failing = False

    def look(self) -> None:
        """Leave a heartbeat, and tell of Dagster. A database that is away is told once, in the log."""
        try:
            found = self._beat()
            if found is not None and found.is_watchful(self._process):
                self._tell(found)
        except RecurrenceError as error:
            if not self._failing:
                log.warning("no heartbeat can be left, and Dagster is not watched", error=str(error))
            self._failing = True
        else:
            self._failing = False

    def end(self) -> None:
        """Take the heartbeat back; a look that is under way leaves none after that."""
        self._ended = True
        idle = self._beating.acquire(timeout=LAST_WORD.total_seconds())
        try:
            with time_limit(LAST_WORD), suppress(RecurrenceError):
                self._parts.leave(self._process)
        finally:
            if idle:
                self._beating.release()

    def _beat(self) -> Heartbeats | None:
        with self._beating:
            return None if self._ended else self._parts.beat(self._process)

    def _tell(self, found: Heartbeats) -> None:
        """Tell what is new and what is over, if there is something, and if no other process is at it."""
        incidents = stand_still(found, Part.API, self._link)
        if not incidents and State.from_text(self._turns.remembered()) == State():
            return
        turn = self._turns.take(found.now)
        if turn is not None:
            state = State.from_text(turn.state).without(found.forgotten)
            state, _ = self._alerts.look(state, incidents, now=found.now)
            self._turns.end(turn, state.as_text())
