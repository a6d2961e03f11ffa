"""Throughput, own CPU and round trips of each operation, against two loops that leave the same documents.

`of prebuilt`: the worker's speed as a share of the loop's; `of best`: where the loop ends many events with one update,
as the worker does; `unheld`: where it ends each by itself and does not even mark them as in work. CPU is
our own, for each event; `server` is the database's.

The prebuilt loop has all documents ready and only writes them; the bare loop reads what it must and builds them. What
either of them is, and is not, is said in its module.
"""

from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import bare_loop, prebuilt
from benchmarks.bulk import update
from benchmarks.content import OPERATIONS, Content, content
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Cost, Database, server, stage


@dataclass(frozen=True, slots=True)
class Costs:
    """What one round cost each of them; of the prebuilt loop, marking the events as in work apart from the rest."""

    worker: Cost
    holding: Cost
    writing: Cost
    ending: Cost
    ending_together: Cost
    bare: Cost

    @property
    def unheld(self) -> Cost:
        """What it cost the prebuilt loop, had it not marked the events as in work."""
        return self.writing + self.ending

    @property
    def prebuilt(self) -> Cost:
        """What it cost the prebuilt loop."""
        return self.holding + self.writing + self.ending

    @property
    def best(self) -> Cost:
        """What it cost the prebuilt loop that ends many events with one update."""
        return self.holding + self.writing + self.ending_together


def compare(database: Database, written: Content) -> Costs:
    """Have the worker and both loops leave the same documents, each on a fresh database with the same content."""
    with stage(database) as at:
        at.fill(written)
        worker = at.measure(at.worker.drain)
        writes = prebuilt.writes_of(at.worker.mongo, written)
    with stage(database) as at:
        at.fill(written)
        mongo = at.worker.mongo
        holding = at.measure(lambda: prebuilt.hold_all(mongo, writes))
        writing = at.measure(lambda: prebuilt.write(mongo, writes))
        ends = prebuilt.one_by_one(writes.outcomes)
        ending = at.measure(lambda: update(mongo.events, ends))
        prebuilt.hold_all(mongo, writes)
        ends_together = prebuilt.together(writes.outcomes)
        ending_together = at.measure(lambda: update(mongo.events, ends_together))
    with stage(database) as at:
        at.fill(written)
        mongo = at.worker.mongo
        bare = at.measure(lambda: bare_loop.work(mongo))
    return Costs(worker, holding, writing, ending, ending_together, bare)


def row(operation: str, count: int, rounds: list[Costs]) -> dict[str, Any]:
    """Sum the rounds up: ratios are taken within a round, and of those the median."""
    return {
        "operation": operation,
        "events": count,
        "events/s": count / median(costs.worker.wall for costs in rounds),
        "of prebuilt": median(costs.prebuilt.wall / costs.worker.wall for costs in rounds),
        "of best": median(costs.best.wall / costs.worker.wall for costs in rounds),
        "unheld": median(costs.unheld.wall / costs.worker.wall for costs in rounds),
        "of bare": median(costs.bare.wall / costs.worker.wall for costs in rounds),
        "CPU us": median(costs.worker.cpu for costs in rounds) / count * 1e6,
        "prebuilt us": median(costs.prebuilt.cpu for costs in rounds) / count * 1e6,
        "bare us": median(costs.bare.cpu for costs in rounds) / count * 1e6,
        "CPU/prebuilt": median(costs.worker.cpu / costs.prebuilt.cpu for costs in rounds),
        "CPU/bare": median(costs.worker.cpu / costs.bare.cpu for costs in rounds),
        "server/bare": median(costs.worker.server_cpu / max(costs.bare.server_cpu, 0.01) for costs in rounds),
        "trips": max(costs.worker.round_trips for costs in rounds) / count,
        "bare trips": max(costs.bare.round_trips for costs in rounds) / count,
    }


def main(size: Size) -> Figures:
    """Run all operations."""
    with server() as database:
        compare(database, content("create", min(size.events, 500)))  # warms up all sides
        rows = [
            row(
                operation, size.events, [compare(database, content(operation, size.events)) for _ in range(size.rounds)]
            )
            for operation in OPERATIONS
        ]
    return Figures("The worker against two loops that leave the same documents", rows)
