"""How long the internal API takes to answer, while 1, 10 or 50 clients ask one thing after the other."""

import os
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import quantiles

from benchmarks.content import OPERATIONS, content
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Stage, free_number, server, stage
from recurrence_pipeline.client.transport import PATH
from recurrence_pipeline.local.api import LocalApi, running_api
from recurrence_pipeline.storage.documents import Document

NO_LIMIT = {"RATE_LIMIT_PER_MINUTE": "0", "PORT": "", "HOST": "", "INTERNAL_API_KEY": ""}


def percentiles(values: list[float]) -> tuple[float, float]:
    """Return the median, and what 95 % stay below."""
    if len(values) == 1:
        return values[0], values[0]
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[9], cuts[18]


def lives(api: LocalApi, at: Stage, originals: list[Document]) -> dict[str, list[float]]:
    """Have one client create, complete and delete each of these series, and return how long each answer took."""
    took: dict[str, list[float]] = defaultdict(list)
    with api.client(at.worker.settings) as client:
        for original in originals:
            for operation in OPERATIONS:
                body = {"taskId": str(original["_id"]), "operation": operation, "userId": str(original["userId"])}
                begin = time.perf_counter()
                client.post(f"{PATH}/tasks/recurrence", json=body).raise_for_status()
                took[operation].append(time.perf_counter() - begin)
    return took


def round_trips(at: Stage) -> dict[str, int]:
    """Return how many commands each operation sends to the database when it is processed by itself."""
    (original,) = (made := content("create", 1, first_number=free_number(at.worker.mongo))).tasks
    made.events.clear()
    at.fill(made)
    counted = {}
    for operation in OPERATIONS:
        ids = (str(original["_id"]), operation, str(original["userId"]))
        counted[operation] = at.measure(partial(at.worker.process_task_recurrence, *ids)).round_trips
    return counted


def under_load(api: LocalApi, at: Stage, clients: int, each: int) -> dict[str, list[float]]:
    """Let clients ask side by side."""
    made = content("create", clients * each, first_number=free_number(at.worker.mongo))
    made.events.clear()
    at.fill(made)
    took: dict[str, list[float]] = defaultdict(list)
    with ThreadPoolExecutor(clients) as pool:
        shares = [made.tasks[index::clients] for index in range(clients)]
        for answer in pool.map(lambda share: lives(api, at, share), shares):
            for operation, times in answer.items():
                took[operation] += times
    return took


def main(size: Size) -> Figures:
    """Ask with each number of clients."""
    rows = []
    with tempfile.TemporaryDirectory() as name, server() as database, stage(database) as at:
        counted = round_trips(at)
        environment = {**os.environ, **NO_LIMIT, "MONGODB_URL": at.url}
        with running_api(Path(name), environment, cwd=Path(name)) as api:
            under_load(api, at, 1, 2)  # connections are made, modules loaded
            for clients in size.clients:
                begin = time.perf_counter()
                took = under_load(api, at, clients, max(size.requests // (len(OPERATIONS) * clients), 1))
                wall = time.perf_counter() - begin
                for operation in OPERATIONS:
                    p50, p95 = percentiles(took[operation])
                    rows.append(
                        {
                            "clients": clients,
                            "operation": operation,
                            "requests": len(took[operation]),
                            "p50 ms": p50 * 1e3,
                            "p95 ms": p95 * 1e3,
                            "round trips": counted[operation],
                            "all requests/s": sum(map(len, took.values())) / wall,
                        }
                    )
    return Figures("One operation at a time through the internal API", rows)
