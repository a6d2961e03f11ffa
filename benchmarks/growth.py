"""The numbers behind docs/explanation/growth.md: bytes for each series, the one hot document, shards by user.

What is measured is measured on the server at hand; the rest is computed, or simulated with a fixed seed.
"""

import random
import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import md5
from typing import Any

import bson
from bson import ObjectId

from benchmarks import contention
from benchmarks.content import content
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Stage, server, stage
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.storage.counters import Counters
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.schema import required_indexes

WORKERS = 8
BLOCKS = (1, 10, 100, 500, 1500)
SPEED = contention.Speed(fixed=0.03, per_event=0.00025, per_call=1 / 800)
"""About 30 round trips of a millisecond to a batch, 250 us of our own CPU to an event, and nothing that the database
takes: so the counter, as fast as it is here, is asked as often as can be."""
SHARDS = 8
USERS = 20_000
SEED = 1

OF_THE_APPLICATION = (("userId", "isCompleted"), ("userId", "priority"), ("userId", "category"))
"""Indexes that the application keeps on tasks beside those that we need too."""

RECORD = 5
"""Bytes of an index entry that lead to the document, and end it."""


def main(size: Size) -> Figures:
    """Measure and compute."""
    rows = []
    with server() as database:
        for operation, what in (("create", "one new series"), ("complete", "one completion")):
            with stage(database) as at:
                at.fill(before := content(operation, 3))
                at.worker.drain()
                rows += stored(at, what, {task["_id"] for task in before.tasks if operation != "create"})
        with stage(database) as at:
            calls = [numbers_taken(at, block, size.repeats) for block in BLOCKS]
    return Figures("Growth", [*rows, *calls, *contention.rows(SPEED), *sharded(size.repeats * 50)])


def stored(at: Stage, what: str, known: Container[object]) -> list[dict[str, Any]]:
    """Return what each event came to that was processed, itself included.

    `known` tasks were there before, and so was what is remembered of their series.
    """
    mongo = at.worker.mongo
    kinds = {
        "tasks": [task for task in mongo.tasks.find() if task["_id"] not in known],
        "useractivities": list(mongo.activities.find()),
        "task_events": list(mongo.events.find()),
        "task_series": [series for series in mongo.series.find() if series["_id"] not in known],
    }
    events = len(kinds["task_events"])
    rows: list[dict[str, Any]] = [
        {
            "what": f"{what}, in {name}",
            "documents": len(documents) // events,
            "bytes": sum(len(bson.encode(document)) for document in documents) // events,
            "index bytes": sum(entries(name, document) for document in documents) // events,
        }
        for name, documents in kinds.items()
    ]
    return [*rows, {"what": what} | {n: sum(row[n] for row in rows) for n in ("documents", "bytes", "index bytes")}]


def entries(collection: str, document: Document) -> int:
    """Return the bytes of a document's index entries, before the compression of prefixes that they share."""
    keys = [
        [name for name, _ in i.keys]
        for i in required_indexes(Settings.from_environment({}))
        if i.collection == collection
    ]
    keys += [list(names) for names in OF_THE_APPLICATION] if collection == "tasks" else []
    return sum(RECORD + sum(width(at_path(document, name)) for name in names) for names in [["_id"], *keys])


def at_path(document: Mapping[str, Any], path: str) -> object:
    """Return what stands at a path of fields."""
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def width(value: object) -> int:
    """Return the bytes of a value in an index key (MongoDB's KeyString: a byte for the type, then the value)."""
    match value:
        case ObjectId():
            return 13
        case datetime():
            return 9
        case str():
            return len(value.encode()) + 2
        case bool() | None:
            return 1
        case _:
            return 5


def numbers_taken(at: Stage, block: int, times: int) -> dict[str, Any]:
    """Return how many numbers workers get side by side from the one counter, so many with each call."""
    numbering = Counters(at.worker.mongo, "tasks", "taskId", write_chunk=500)
    each = max(times // 20, 1)

    def take(_: int) -> list[range]:
        return [numbering.take(block) for _ in range(each)]

    begin = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        taken = [numbers for ranges in pool.map(take, range(WORKERS)) for numbers in ranges]
    seconds = time.perf_counter() - begin
    if len({number for numbers in taken for number in numbers}) != WORKERS * each * block:
        raise RuntimeError(f"{WORKERS} workers got numbers twice, in blocks of {block}")
    calls = WORKERS * each
    return {"what": f"counter, blocks of {block}", "calls/s": calls / seconds, "numbers/s": calls * block / seconds}


def sharded(series: int) -> Iterable[dict[str, Any]]:
    """Deal out series over shards by their user, a few of whom have far more than most, and by their task instead."""
    rng = random.Random(SEED)  # noqa: S311 (a simulation)
    users = [ObjectId(rng.randbytes(12)) for _ in range(USERS)]
    weights = [1 / (rank + 10) for rank in range(USERS)]
    owners = rng.choices(users, weights, k=series)
    originals = [ObjectId(rng.randbytes(12)) for _ in range(series)]
    yield spread("shards by userId, hashed", [shard(owner) for owner in owners])
    yield spread("shards by _id, hashed", [shard(original) for original in originals])
    apart = sum(len({shard(key) for key in keys(original)}) > 1 for original in originals)
    yield {"what": "series on more than one shard, by userId", "share %": 0.0}
    yield {"what": "series on more than one shard, by _id", "share %": apart / series * 100}


def keys(original: ObjectId) -> list[ObjectId]:
    """Return the ids of a series."""
    return [original, *(ObjectId(occurrence_id(str(original), slot)) for slot in (1, 2, 3))]


def shard(key: ObjectId) -> int:
    """Return where a hashed shard key puts a value, as good as MongoDB's own hash (of MD5 too)."""
    return int.from_bytes(md5(key.binary, usedforsecurity=False).digest()[:8], "little") % SHARDS


def spread(what: str, places: Sequence[int]) -> dict[str, Any]:
    """Return how full the fullest shard is, where 100 % is its fair share."""
    return {"what": what, "fullest %": max(Counter(places).values()) * SHARDS / len(places) * 100}
