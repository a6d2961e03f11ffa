"""How much is measured: tiny in the tests, quick to see that all works, full for figures."""

from dataclasses import dataclass

UPKEEP = (
    "stats", "metrics", "consistency", "reconciliation", "backfill", "time zones", "cleanup", "archive", "sweep",
)  # fmt: skip
"""What walks over everything, as benchmarks/upkeep.py knows it, in this order: the later ones change what is there."""

USUALLY = 100_000
"""The longest backlog and the most tasks, unless more is asked for: a million take hours."""


@dataclass(frozen=True, slots=True)
class Size:
    """What each benchmark takes from here; durations are in seconds."""

    events: int
    rounds: int
    batches: tuple[int, ...]
    backlogs: tuple[int, ...]
    tasks: tuple[int, ...]
    upkeep: tuple[str, ...]
    series: tuple[int, ...]
    looks: int
    clients: tuple[int, ...]
    requests: int
    arrivals: int
    seldom: int
    rested: int
    idle_timeout: int
    idle: int
    flood: int
    repeats: int
    seconds: float
    peers: bool
    members: tuple[int, ...]
    of_one_user: tuple[int, ...]
    crowds: tuple[int, ...]


TINY = Size(
    events=12, rounds=1, batches=(5, 10), backlogs=(10, 30), tasks=(40,), upkeep=("stats",), series=(3,), looks=2,
    clients=(1, 2), requests=4, arrivals=1, seldom=0, rested=1, idle_timeout=1, idle=2, flood=20, repeats=20,
    seconds=0, peers=False, members=(6, 8), of_one_user=(4,), crowds=(3,),
)  # fmt: skip
QUICK = Size(
    events=500, rounds=1, batches=(50, 500), backlogs=(100, 1000), tasks=(2000,), upkeep=UPKEEP, series=(100, 1000),
    looks=10, clients=(1, 10), requests=60, arrivals=3, seldom=0, rested=1, idle_timeout=5, idle=5, flood=200,
    repeats=100, seconds=0.002, peers=False, members=(10, 100), of_one_user=(100, 1000), crowds=(100,),
)  # fmt: skip
FULL = Size(
    events=1000, rounds=3, batches=(1, 10, 50, 100, 250, 500, 1000), backlogs=(100, 1000, 10_000, 100_000, 1_000_000),
    tasks=(10_000, 100_000, 1_000_000), upkeep=UPKEEP, series=(1000, 100_000), looks=50,
    clients=(1, 10, 50), requests=450, arrivals=20, seldom=8,
    rested=5, idle_timeout=60, idle=60, flood=2000, repeats=2000, seconds=0.1, peers=True,
    members=(100, 1000, 10_000), of_one_user=(1000, 10_000, 100_000), crowds=(100, 1000),
)  # fmt: skip
