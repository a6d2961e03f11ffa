"""A simulation: many workers take numbers from one counter, a call for each batch. When does the counter hold them up?

A worker thinks for as long as a batch takes it, then asks for the batch's numbers; the counter answers one call after
the other. That is all there is to it: no database is asked here, and the same seed gives the same answer.
"""

import heapq
import random
from dataclasses import dataclass
from typing import Any

SEED = 1
SPREAD = 0.2
"""A batch takes up to this share more or less than the mean."""

WORKERS = (1, 10, 100, 1000)
BATCHES = (1, 10, 100, 500)
TURNS = 50
"""Batches of each worker."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one worker by itself, and of the counter; both in seconds."""

    fixed: float
    """What a batch takes whatever its size: its round trips."""
    per_event: float
    per_call: float


def simulated(workers: int, batch: int, speed: Speed) -> tuple[float, float]:
    """Return the events a second of all workers, and the share of their time that they wait for the counter."""
    rng = random.Random(SEED)  # noqa: S311 (a simulation)
    mean = speed.fixed + batch * speed.per_event
    asking = [(rng.uniform(0, mean), worker) for worker in range(workers)]
    heapq.heapify(asking)
    free, waited, turns = 0.0, 0.0, workers * TURNS
    for _ in range(turns):
        at, worker = heapq.heappop(asking)
        waited += max(free - at, 0)
        free = max(free, at) + speed.per_call
        heapq.heappush(asking, (free + mean * rng.uniform(1 - SPREAD, 1 + SPREAD), worker))
    return turns * batch / free, waited / (turns * (mean + speed.per_call) + waited)


def rows(speed: Speed) -> list[dict[str, Any]]:
    """Simulate each number of workers with each size of batch."""
    found = []
    for batch in BATCHES:
        alone, _ = simulated(1, batch, speed)
        for workers in WORKERS:
            events, waiting = simulated(workers, batch, speed)
            found.append(
                {
                    "what": f"{workers} workers, batches of {batch}",
                    "events/s": events,
                    "of so many alone %": events / (alone * workers) * 100,
                    "waiting %": waiting * 100,
                }
            )
    return found
