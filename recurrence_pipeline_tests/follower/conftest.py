"""A database in a replica set, whose `tasks` keep what they were before they were deleted; and a worker that stays."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.follower import looks
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Listener
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World

SELDOM = {"WORKER_LOOK_INTERVAL": "600000", "WORKER_TIMEOUT": "4000"}
"""A look every 10 minutes: what is found before that, a stream has told of."""

Following = Callable[..., AbstractContextManager[Worker]]


def keep_pre_images(world: World) -> None:
    """Have the server keep what a task was before it is deleted."""
    world.worker.mongo.db.command("collMod", "tasks", changeStreamPreAndPostImages={"enabled": True})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have looks without a stream come quicker: two of them are waited for before looks get rare."""
    monkeypatch.setattr(looks, "BETWEEN_LOOKS", timedelta(milliseconds=100))


@pytest.fixture
def live(replica_set_url: str) -> Iterator[World]:
    """Return a world whose server has change streams."""
    with closing(World(replica_set_url, now=None, **SELDOM)) as world:
        yield world


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """Return a server of the test's own, which may be killed, and whose commands fail where a test wants it."""
    server = EmbeddedServer.start(tmp_path / "own", arguments=["--enable-test-commands"])
    yield server
    server.kill()


@pytest.fixture
def breakable(own_server: EmbeddedServer) -> Iterator[World]:
    with closing(World(own_server.url("watched") + "&heartbeatFrequencyMS=500", WORKER_TIMEOUT="2000")) as world:
        keep_pre_images(world)
        yield world


@pytest.fixture
def following() -> Following:
    """Return what runs a follower beside a world, until the end of a block."""

    @contextmanager
    def follow(world: World, *, listener: Listener | None = None, **environment: str) -> Iterator[Worker]:
        settings = Settings.from_environment({"MONGODB_URL": world.settings.mongodb_url, **SELDOM, **environment})
        over: list[bool] = []
        listeners = [listener] if listener else []
        with open_worker(settings, clock=lambda: world.now, chance=lambda: 0.0, listeners=listeners) as worker:
            thread = Thread(target=lambda: worker.follower.run(lambda: not over))
            thread.start()
            try:
                yield worker
            finally:
                over.append(True)
                thread.join()

    return follow


def listening(worker: Worker) -> None:
    """Return once a stream is alive, and what was there before it has been looked at."""
    wait_until(lambda: worker.watcher.alive and worker.task_looks.pause() > 60, "a stream is alive, and looks are rare")


def kill_streams(url: str, code: int | None = None) -> None:
    """Break the next answer to whoever listens, with an error of the server or by closing the connection."""
    how = {"closeConnection": True} if code is None else {"errorCode": code}
    with MongoClient[Document](url) as client:
        point = {"failCommands": ["getMore"], **how}
        client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=point)
