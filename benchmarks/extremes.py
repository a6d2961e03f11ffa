"""What is out of proportion: a series of 10,000 tasks, a user with 100,000 series, 1,000 clients of the API at once.

Hardly anybody has such a series: a daily one has 10,000 tasks after 27 years. What is asked of it must be answered.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bson import ObjectId

from benchmarks.content import OPERATIONS, Content, content, long_series
from benchmarks.http_latency import NO_LIMIT, percentiles
from benchmarks.maintenance import PIECE, done
from benchmarks.programs import usage
from benchmarks.report import Figures, Row
from benchmarks.size import Size
from benchmarks.stage import Database, Stage, free_number, server, stage
from benchmarks.upkeep import OF_A_USER
from recurrence_pipeline.client.base import ClientOptions
from recurrence_pipeline.client.messages import (
    RETRIES,
    Call,
    Delivered,
    Delivery,
    NoReply,
    Reply,
    Trigger,
    TriggerError,
)
from recurrence_pipeline.client.protocol import Send, Steps, Wait, WorkerProtocol
from recurrence_pipeline.client.transport import PATH
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.fingerprint import DIGEST
from recurrence_pipeline.domain.recurrence import HORIZON
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.local.api import LocalApi, running_api
from recurrence_pipeline.queries.series_list import ListQuery
from recurrence_pipeline.storage.documents import Document, digest


def main(size: Size) -> Figures:
    """Measure each of them."""
    with server() as database:
        rows = list(chain.from_iterable(of_members(database, members) for members in size.members))
    for series in size.of_one_user:
        with server() as database:
            rows += of_a_user(database, series)
    with server() as database:
        rows += chain.from_iterable(of_a_crowd(database, clients) for clients in size.crowds)
    return Figures("Out of proportion", rows)


def of_members(database: Database, members: int) -> Iterator[Row]:
    """Return what it costs to do, and to look at, one thing of a series of so many tasks."""
    with stage(database) as at:
        at.fill(made := long_series(members))
        for what, work in on_a_series(at, made.tasks):
            cost = at.measure(work)
            figures = {"ms": cost.wall * 1e3, "CPU ms": cost.cpu * 1e3, "round trips": cost.round_trips}
            yield {"tasks of the series": members, "what": what, **figures}


def on_a_series(at: Stage, tasks: Sequence[Document]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is done, in an order in which each finds something to do."""
    worker, original = at.worker, tasks[0]
    series, user = str(original["_id"]), str(original["userId"])
    next_open = tasks[-HORIZON - 1]
    yield "the list's row", partial(worker.series_list.page, ListQuery(user))
    yield "the page of the series", partial(worker.series_stories.story, series)
    yield "preview of 10", partial(worker.queries.preview, series)
    yield "explain a day", partial(worker.queries.explain, series, next_open["dueDate"].date())
    flag(at, next_open, isCompleted=True)
    yield "complete", partial(worker.process_task_recurrence, str(next_open["_id"]), "complete", user)
    flag(at, next_open, isCompleted=False)
    yield "reopen", partial(worker.change, str(next_open["_id"]), "reopen", dry_run=False)
    yield "skip", partial(worker.change, series, "skip", slot=len(tasks) - 1, dry_run=False)
    flag(at, original, title="Another title")
    yield "update", partial(worker.change, series, "update", dry_run=False)
    worker.mongo.tasks.delete_one({"_id": original["_id"]})
    yield "delete", partial(worker.process_task_recurrence, series, "delete", user)


def flag(at: Stage, task: Document, **fields: object) -> None:
    """Change a task as the application does."""
    at.worker.mongo.tasks.update_one({"_id": task["_id"]}, {"$set": fields})


def of_a_user(database: Database, series: int) -> Iterator[Row]:
    """Return what it costs to ask for a user who has so many series, in a process of its own each."""
    with stage(database, large=True) as at:
        users = [ObjectId()]
        for start in range(0, series, PIECE):
            count, number = min(PIECE, series - start), start * (HORIZON + 1) + 1
            made = content("complete", count, first_number=number, users=users)
            at.fill(Content([task | {DIGEST: digest(task)} for task in made.tasks], [], made.series))
        for kind in OF_A_USER:
            yield {"series of the user": series, "what": kind, **done(at, kind, "user")}


def of_a_crowd(database: Database, clients: int) -> Iterator[Row]:
    """Return how so many clients are answered that ask at once, each on a connection of its own that it keeps."""
    with tempfile.TemporaryDirectory() as name, stage(database) as at:
        made = content("create", clients, first_number=free_number(at.worker.mongo))
        made.events.clear()
        at.fill(made)
        environment = {**os.environ, **NO_LIMIT, "MONGODB_URL": at.url}
        with running_api(Path(name), environment, cwd=Path(name)) as api:
            begin = time.perf_counter()
            lives = asyncio.run(crowd(api, made.tasks))
            wall, used = time.perf_counter() - begin, usage(api.program.process.pid)
    for index, operation in enumerate(OPERATIONS):
        answers = [life[index] for life in lives]
        p50, p95 = percentiles([answer.seconds for answer in answers])
        yield {
            "clients": clients,
            "what": operation,
            "done": sum(answer.is_done for answer in answers),
            "lost": sum(not answer.is_done for answer in answers),
            "asked twice": sum(answer.waits == 1 for answer in answers),
            "thrice": sum(answer.waits > 1 for answer in answers),
            "p50 s": p50,
            "p95 s": p95,
            "longest s": max(answer.seconds for answer in answers),
            "all requests/s": len(lives) * len(OPERATIONS) / wall,
            "API MB": used.memory,
            "threads": used.threads,
        }


@dataclass(slots=True)
class Answered:
    """What came of one operation: how long it took in all, and how often the client waited before it asked again."""

    is_done: bool = False
    seconds: float = 0.0
    waits: int = 0


async def crowd(api: LocalApi, originals: Sequence[Document]) -> list[list[Answered]]:
    """Have a client for each series create, complete and delete it, and return what came of each."""
    return await asyncio.gather(*(client(api, original) for original in originals))


async def client(api: LocalApi, original: Document) -> list[Answered]:
    """Ask three times as our client does, again and after a wait where that says so, without all that httpx needs."""
    protocol = WorkerProtocol(RETRIES, utc_now, random.random, secret=None, has_outbox=False)
    connection, answers = Connection(urlsplit(api.url)), list[Answered]()
    for operation in OPERATIONS:
        trigger = Trigger(Operation(operation), str(original["_id"]), str(original["userId"]))
        answers.append(await followed(protocol.deliver(trigger), connection))
    connection.close()
    return answers


async def followed(steps: Steps[Delivery], connection: "Connection") -> Answered:
    """Take the steps of a delivery."""
    answered, begin = Answered(), time.perf_counter()
    came_of_it: object = None
    try:
        while True:
            match steps.send(came_of_it):
                case Send(call):
                    came_of_it = await connection.send(call)
                case Wait(duration):
                    answered.waits += 1
                    await asyncio.sleep(duration.total_seconds())
                    came_of_it = None
    except (StopIteration, TriggerError) as end:
        answered.is_done = isinstance(end, StopIteration) and isinstance(end.value, Delivered)
    answered.seconds = time.perf_counter() - begin
    return answered


class Connection:
    """A connection that is kept, and opened again once it is of no more use."""

    def __init__(self, url: SplitResult) -> None:
        self._url = url
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, call: Call) -> Reply | NoReply:
        """Ask as `Transport` does, and as patiently."""
        try:
            return await asyncio.wait_for(self._ask(call), ClientOptions().timeout.total_seconds())
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            self.close()
            return NoReply(repr(error))

    async def _ask(self, call: Call) -> Reply:
        self._open = self._open or await asyncio.open_connection(self._url.hostname, self._url.port)
        reader, writer = self._open
        body = call.content() or b""
        head = (
            f"{call.method} {PATH}{call.path} HTTP/1.1\r\nHost: {self._url.netloc}\r\nContent-Length: {len(body)}\r\n"
        )
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        return await answer(reader)

    def close(self) -> None:
        """Close it."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def answer(reader: asyncio.StreamReader) -> Reply:
    """Read one answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(first.split()[1]), body, headers.get("retry-after"))
