"""One command of the maintenance as a process of its own: `python -m benchmarks.upkeep NAME` prints a line of JSON."""

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

KINDS: Mapping[str, Callable[[Worker], Any]] = {
    "stats": lambda worker: worker.health.detailed()["recurringTasks"]["totalTasks"],
    "metrics": lambda worker: len(worker.metrics.latest(timedelta(days=30))),
    "consistency": lambda worker: sum(finding.count for finding in worker.consistency.run()),
    "reconciliation": lambda worker: sum(
        len(piece) for piece in worker.context.task_changes.everything(worker.settings.reconcile_step)
    ),
    "cleanup": lambda worker: worker.maintenance.clean_orphans(confirm=True),
    "archive": lambda worker: worker.maintenance.archive_activities(),
}
"""What is done, and what of the answer shows that it was."""


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


def done(kind: str) -> dict[str, Any]:
    """Do it, and tell what that took."""
    longest = Longest()
    with open_worker(Settings.from_environment(os.environ), clock=utc_now, listeners=[longest]) as worker:
        wall, cpu = time.perf_counter(), time.process_time()
        answer = KINDS[kind](worker)
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
    sys.stdout.write(json.dumps(done(sys.argv[1])) + "\n")
