"""Counting what goes wrong between this process and the database, as the driver sees it. What is made of it is api/'s.

A write that the database refuses inside a bulk is an answer, not an error, and a command that never found a server was
not sent: of those the failed heartbeats tell.
"""

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any

from pymongo import monitoring

HEARTBEAT = "heartbeat"
"""Stands for the command with which the driver looks, every 10 s, whether a server is there."""


class DatabaseErrors(monitoring.CommandListener, monitoring.ServerHeartbeatListener):
    """Counts commands that failed, by their name and the server's name (or number) for the cause."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how often each (command, cause) was met; no number ever falls."""
        with self._lock:
            return dict(self._counts)

    def failed(self, event: Any) -> None:
        """Count a command, or a heartbeat, that failed."""
        if isinstance(event, monitoring.CommandFailedEvent):
            self._count(event.command_name, _cause(event.failure))
        else:
            self._count(HEARTBEAT, type(event.reply).__name__)

    def started(self, event: Any) -> None:
        """Nothing has gone wrong yet."""

    def succeeded(self, event: Any) -> None:
        """Nothing went wrong."""

    def _count(self, command: str, cause: str) -> None:
        with self._lock:
            self._counts[command, cause] += 1


def _cause(failure: Mapping[str, Any]) -> str:
    for name in ("codeName", "code", "errtype"):
        if failure.get(name):
            return str(failure[name])
    return "unknown"
