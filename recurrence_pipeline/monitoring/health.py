"""How the work is going: status and statistics. Numbers over time belong to the metrics, findings to consistency."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.recurrence import REPEAT_WORDS
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.monitoring.parts import Parts
from recurrence_pipeline.storage.documents import object_id
from recurrence_pipeline.storage.event_queries import EventQueries
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline.storage.timeouts import is_timeout, time_limit

STATISTICS = (
    "totalTasks", "recurringTasks", "recurringInstances", "dailyRecurring", "weeklyRecurring", "monthlyRecurring",
)  # fmt: skip


class Health:
    """Counts tasks and events. Every figure is read when asked for."""

    def __init__(
        self, mongo: Mongo, tasks: Tasks, log: EventQueries, parts: Parts, *, clock: Callable[[], datetime]
    ) -> None:
        self._mongo = mongo
        self._tasks = tasks
        self._log = log
        self._parts = parts
        self._clock = clock

    def statistics(self, user_id: str | None = None) -> dict[str, int]:
        """Count tasks by kind, of one user or of all.

        Originals are recurring tasks, occurrences recurring instances; a document without the fields is neither.
        """
        return self._counted(user_id)[0]

    def _counted(self, user_id: str | None) -> tuple[dict[str, int], dict[str, int]]:
        """Return the figures of the HTTP contract, and the originals by what their `repeatType` says."""
        rows = self._tasks.count_by_kind(user_id)
        originals = {
            word: sum(r["count"] for r in rows if r.get("repeatType") == word and not r["isOccurrence"])
            for word in REPEAT_WORDS
        }
        figures = {
            "totalTasks": sum(row["count"] for row in rows),
            "recurringTasks": sum(originals.values()),
            "recurringInstances": sum(row["count"] for row in rows if row["isOccurrence"]),
            "dailyRecurring": originals["daily"],
            "weeklyRecurring": originals["weekly"],
            "monthlyRecurring": originals["monthly"],
        }
        return figures, originals

    def queue(self) -> dict[str, int]:
        """Count events by status; every status has a figure."""
        counts = dict.fromkeys((status.value for status in EventStatus), 0)
        for (_, status), count in self._log.count_by_operation_and_status().items():
            counts[status] = counts.get(status, 0) + count
        return counts

    def status(self, *, patience: timedelta | None = None, counting: timedelta | None = None) -> dict[str, Any]:
        """Return the health in the shape of the HTTP contract; an outage makes it unhealthy, not an error.

        A part that stands still is named in `parts`, and makes nothing unhealthy: this process can work. Nor does a
        database that gives a sign of life and no figures in time: they are null, and `notTaken` says why.

        Args:
            patience: how long the database may take for a sign of life; None for as long as for any command.
            counting: how long it may take for the figures.
        """
        reasons: dict[str, str] = {}

        def taken(name: str, figures: Callable[[], Any], otherwise: Any) -> Any:
            try:
                return figures()
            except RecurrenceError as error:
                if not is_timeout(error):
                    raise
                reasons[name] = f"not read in time: {error}"
                return otherwise

        try:
            with time_limit(patience) if patience else nullcontext():
                self._mongo.ping()
            with time_limit(counting) if counting else nullcontext():
                parts = taken("parts", self._parts.rows, None)
                statistics = taken("stats", self.statistics, dict.fromkeys(STATISTICS))
        except RecurrenceError as error:
            return self._status("unhealthy", "unavailable", {}) | {"error": str(error)}
        found = {"parts": parts} | ({"notTaken": reasons} if reasons else {})
        return self._status("healthy", "operational", statistics) | found

    def detailed(self, user_id: str | None = None) -> dict[str, Any]:
        """Return statistics of one user, or of all, with the state of the worker.

        Raises:
            InvalidInput: `user_id` is not an id.
        """
        if user_id is not None:
            object_id(user_id, "userId")
        queue = self.queue()
        figures, by_frequency = self._counted(user_id)
        return {
            "timestamp": self._clock(),
            "userId": user_id or "all_users",
            "recurringTasks": figures,
            "byFrequency": by_frequency,
            "workerStatus": _services("operational") | {"status": "operational", "queue": queue},
        }

    def _status(self, status: str, services: str, statistics: dict[str, Any]) -> dict[str, Any]:
        return {
            "status": status,
            "timestamp": self._clock(),
            "services": _services(services),
            "stats": statistics,
        }


def _services(state: str) -> dict[str, Any]:
    """Return the state of each part, as the contract names them."""
    return {"tasksWorker": state, "recurrenceEngine": state}
