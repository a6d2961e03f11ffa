"""Does the last event of a long queue cost what the first did? Time, CPU, round trips and memory by length of queue."""

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.content import mixed
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Database, server, stage

PIECE = 3000
"""Events that are built at a time: what builds them must not run out of memory either."""


def worked_off(database: Database, events: int) -> dict[str, Any]:
    """Let a process of its own process a queue."""
    with stage(database, large=True) as at:
        for start in range(0, events, PIECE):
            at.fill(mixed(min(PIECE, events - start), first=start))
        command = [sys.executable, "-m", "benchmarks.drain", str(events)]
        environment = {**os.environ, "MONGODB_URL": at.url, "WORKER_TIMEOUT": "120000"}
        before = database.cpu()
        answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        found: dict[str, Any] = json.loads(answer.splitlines()[-1])
        if found["events"] != events or at.worker.queries.unfinished():
            raise RuntimeError(f"{found['events']} of {events} events were processed")
        return found | {"server_cpu": database.cpu() - before}


def main(size: Size) -> Figures:
    """Process queues of different lengths, each on a server of its own."""
    rows, memory = [], {}
    for events in size.backlogs:
        with server() as database:
            found = worked_off(database, events)
        memory[str(events)] = found["memory_mb"]
        rows.append(
            {
                "backlog": events,
                "seconds": found["wall"],
                "us/event": found["wall"] / events * 1e6,
                "CPU us/event": found["cpu"] / events * 1e6,
                "server CPU us/event": found["server_cpu"] / events * 1e6,
                "round trips/event": found["round_trips"] / events,
                "MB at first": found["memory_mb"][0],
                "MB half way": found["memory_mb"][len(found["memory_mb"]) // 2],
                "MB at the end": found["memory_mb"][-1],
                "peak MB": found["peak_mb"],
            }
        )
    return Figures("Queues of different lengths, each processed by one process", rows, extra={"memory_mb": memory})
