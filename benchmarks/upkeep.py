"""One thing that walks over much, as a process of its own: so that memory and CPU are its own and nobody else's.

`python -m benchmarks.upkeep all NAME` prints a line of JSON: `all` over everything, `user` for one user;
the names are the keys below.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from pymongo import monitoring

from benchmarks.stage import most_memory
from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.queries.series_list import ListOrder, ListQuery
from recurrence_pipeline.reconciliation.rules import START, ScanState


def backlog(worker: Worker) -> int:
    """Count what backfilling would ask for, as if everything had been there before us."""
    worker.context.watermark.keep_out(utc_now())
    found = worker.backfill.backlog().series
    worker.backfill.run()
    return found


def swept(worker: Worker) -> int:
    """Look as `reconcile_sensor` does until everything has been seen once; return how many events were written."""
    found = worker.reconciliation.look()
    asked = found.asked
    while ScanState.parse(found.position, utc_now()).sweep != START:
        found = worker.reconciliation.look(found.position)
        asked += found.asked
    return asked


KINDS: Mapping[str, Callable[[Worker], Any]] = {
    "stats": lambda worker: worker.health.detailed()["recurringTasks"]["totalTasks"],
    "metrics": lambda worker: len(worker.metrics.latest(timedelta(days=30))),
    "consistency": lambda worker: sum(finding.count for finding in worker.consistency.run()),
    "reconciliation": lambda worker: sum(
        len(piece) for piece in worker.context.task_changes.everything(worker.settings.reconcile_step)
    ),
    "backfill": backlog,
    "time zones": lambda worker: worker.time_zones.run(dry_run=False).moved,
    "cleanup": lambda worker: worker.maintenance.clean_orphans(confirm=True),
    "archive": lambda worker: worker.maintenance.archive_activities(),
    "sweep": swept,
}
"""What is done, and what of the answer shows that it was."""


def somebody(worker: Worker) -> str:
    """Return the id of the user whose series are asked for: there is one."""
    return str((worker.mongo.tasks.find_one() or {})["userId"])


OF_A_USER: Mapping[str, Callable[[Worker], Any]] = {
    "stats": lambda worker: worker.health.detailed(somebody(worker))["recurringTasks"]["totalTasks"],
    "list, newest": lambda worker: len(worker.series_list.page(ListQuery(somebody(worker))).rows),
    "list, next due": lambda worker: len(
        worker.series_list.page(ListQuery(somebody(worker), order=ListOrder.DUE)).rows
    ),
    "calendar": lambda worker: sum(len(page) for page in worker.calendar.pages(somebody(worker))),
    "move to another zone": lambda worker: worker.zone_moves.run(somebody(worker), "Asia/Kolkata", dry_run=False).moved,
}
"""What is asked for one user."""


class Longest(monitoring.CommandListener):
    """Keeps how many commands there were and how long the longest took: so long others may have waited for it."""

    def __init__(self) -> None:
        self.count, self.seconds, self.name = 0, 0.0, ""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Nothing is known yet."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Count it."""
        self.count += 1
        if event.duration_micros / 1e6 > self.seconds:
            self.seconds, self.name = event.duration_micros / 1e6, event.command_name

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing here is expected to fail."""


def done(kind: str, kinds: Mapping[str, Callable[[Worker], Any]] = KINDS) -> dict[str, Any]:
    """Do it, and tell what that took."""
    longest = Longest()
    with open_worker(Settings.from_environment(os.environ), clock=utc_now, listeners=[longest]) as worker:
        wall, cpu = time.perf_counter(), time.process_time()
        answer = kinds[kind](worker)
        return {
            "answer": answer,
            "seconds": time.perf_counter() - wall,
            "CPU s": time.process_time() - cpu,
            "peak MB": most_memory(),
            "commands": longest.count,
            "longest s": longest.seconds,
            "longest command": longest.name,
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(done(sys.argv[2], {"all": KINDS, "user": OF_A_USER}[sys.argv[1]])) + "\n")
