"""Throughput, own CPU and round trips of each operation, against a bare loop that makes the same writes."""

from statistics import median
from typing import Any

from benchmarks import bare
from benchmarks.content import OPERATIONS, Content, content
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Cost, Database, server, stage


def compare(database: Database, written: Content) -> tuple[Cost, Cost, Cost, Cost]:
    """Have the worker, then the loop, make the same writes, each on a fresh database with the same content.

    Returns what it cost the worker; the loop to write; to hold the events; and to read what the worker decides on.
    """
    with stage(database) as at:
        at.fill(written)
        ours = at.measure(at.worker.drain)
        writes = bare.writes_of(at.worker.mongo, written)
    with stage(database) as at:
        at.fill(written)
        mongo = at.worker.mongo
        reading = at.measure(lambda: bare.read(mongo, written))
        holding = at.measure(lambda: bare.hold(mongo, written))
        writing = at.measure(lambda: bare.write(mongo, writes))
    return ours, writing, holding, reading


def row(operation: str, count: int, rounds: list[tuple[Cost, Cost, Cost, Cost]]) -> dict[str, Any]:
    """Sum the rounds up: ratios are taken within a round, and of those the median."""
    return {
        "operation": operation,
        "events": count,
        "events/s": count / median(ours.wall for ours, *_ in rounds),
        "of the loop": median((write.wall + hold.wall) / ours.wall for ours, write, hold, _ in rounds),
        "no holds": median(write.wall / ours.wall for ours, write, *_ in rounds),
        "server CPU": median((w.server_cpu + h.server_cpu) / max(o.server_cpu, 0.01) for o, w, h, _ in rounds),
        "CPU us/event": median(ours.cpu for ours, *_ in rounds) / count * 1e6,
        "CPU/loop's": median(ours.cpu / (write.cpu + hold.cpu) for ours, write, hold, _ in rounds),
        "CPU/reading loop's": median(o.cpu / (w.cpu + h.cpu + r.cpu) for o, w, h, r in rounds),
        "round trips/event": max(ours.round_trips for ours, *_ in rounds) / count,
    }


def main(size: Size) -> Figures:
    """Run all operations."""
    with server() as database:
        compare(database, content("create", min(size.events, 500)))  # warms up both sides
        rows = [
            row(
                operation, size.events, [compare(database, content(operation, size.events)) for _ in range(size.rounds)]
            )
            for operation in OPERATIONS
        ]
    return Figures("The worker against a bare loop that makes the same writes", rows)
