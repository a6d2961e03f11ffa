"""The pages of series, over few series and over many: a page must cost what it shows, and not what is stored.

Asked over HTTP of an API that runs as a process of its own, one after the other.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.content import content
from benchmarks.http_latency import NO_LIMIT, percentiles
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import Stage, server, stage
from recurrence_pipeline.domain.recurrence import HORIZON
from recurrence_pipeline.local.api import running_api
from recurrence_pipeline.queries.series_list import ListQuery

PIECE = 2000
"""Series that are built at a time."""
UI = "/internal/ui"


def fill(at: Stage, series: int) -> None:
    """Store so many series, each with its occurrences and the event that made them."""
    mongo = at.worker.mongo
    for collection in (mongo.tasks, mongo.events):
        collection.drop_indexes()  # made once at the end, they take a fraction of the time
    for start in range(0, series, PIECE):
        made = content("complete", min(PIECE, series - start), first_number=start * (HORIZON + 1) + 1)
        for event in made.events:
            event |= {"status": "completed", "startedAt": event["createdAt"], "finishedAt": event["createdAt"]}
        at.fill(made)
    at.worker.init_db()


def asked(at: Stage, count: int) -> Iterator[tuple[str, Callable[[int], str], Callable[[], Any]]]:
    """Yield what is asked: its name, the address of each time, and the same of the worker, to count round trips."""
    listing, stories = at.worker.series_list, at.worker.series_stories
    rows = listing.page(ListQuery(), size=count).rows
    user, newest = rows[0].user_id, rows[0].id
    middle = rows[0].number // 2
    yield "list, newest", lambda _: UI, lambda: listing.page(ListQuery())
    yield "list, in the middle", lambda _: f"{UI}?after={middle}", lambda: listing.page(ListQuery(after=str(middle)))
    of_user = ListQuery(user_id=user)
    yield "list, one user", lambda n: f"{UI}?user={rows[n % len(rows)].user_id}", lambda: listing.page(of_user)
    yield "one series", lambda n: f"{UI}/series/{rows[n % len(rows)].id}", lambda: stories.story(newest)


def main(size: Size) -> Figures:
    """Ask for each page over each number of series."""
    rows = []
    for series in size.series:
        with tempfile.TemporaryDirectory() as name, server() as database, stage(database, large=True) as at:
            fill(at, series)
            environment = {**os.environ, **NO_LIMIT, "MONGODB_URL": at.url}
            with running_api(Path(name), environment, cwd=Path(name)) as api, api.client(at.worker.settings) as client:
                for what, address, same in asked(at, min(series, 50)):
                    client.get(address(0)).raise_for_status()  # templates are read, connections made
                    p50, p95 = percentiles([seconds(client, address(each)) for each in range(size.looks)])
                    figures = {"p50 ms": p50 * 1e3, "p95 ms": p95 * 1e3, "round trips": at.measure(same).round_trips}
                    rows.append({"series": series, "page": what, **figures})
    return Figures("Pages of series", rows)


def seconds(client: httpx.Client, address: str) -> float:
    """Return how long a page took."""
    begin = time.perf_counter()
    client.get(address).raise_for_status()
    return time.perf_counter() - begin
