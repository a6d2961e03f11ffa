"""A worker as a process of its own, which processes a queue: so that memory and CPU are its own and nobody else's.

`python -m benchmarks.drain`, with MONGODB_URL in the environment, prints one line of JSON.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.stage import Commands, most_memory
from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.worker.summary import BatchSummary

SAMPLES = 20


def resident() -> float:
    """Return how much memory this process has now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def drained(total: int) -> dict[str, Any]:
    """Process everything, and tell what that took and how memory went."""
    commands, memory = Commands(), [resident()]
    step = max(total // SAMPLES, 1)

    def look(so_far: BatchSummary) -> bool:
        if so_far.events >= len(memory) * step:
            memory.append(resident())
        return True

    with open_worker(Settings.from_environment(os.environ), listeners=[commands]) as worker:
        worker.queries.queue(at_most=1)
        commands.sent.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        summary = worker.drain(go_on=look)
        return {
            "events": summary.events,
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "round_trips": commands.sent.total(),
            "memory_mb": [round(value, 1) for value in memory],
            "peak_mb": most_memory(),
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(drained(int(sys.argv[1]))) + "\n")
