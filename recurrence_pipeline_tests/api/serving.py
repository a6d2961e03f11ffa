"""The API on a real socket, in a thread of the test's process."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import uvicorn
from bson import ObjectId

from recurrence_pipeline.api.server import configuration, listen
from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of what is not encrypted: to read the world's certificates takes each of them 20 ms."""

RECURRENCE = "/internal/worker/tasks/recurrence"
CLEANUP = "/internal/worker/tasks/cleanup"
HEALTH = "/internal/worker/health"
STATS = "/internal/worker/stats"
VALIDATE = "/internal/worker/validate"
EVENTS = "/internal/worker/events"
PREVIEW = "/internal/worker/preview"
SERIES = "/internal/worker/series"
CALENDAR = "/internal/worker/calendar.ics"

FORBIDDEN_KEY = {"error": "Forbidden", "message": "Invalid internal API key"}
FORBIDDEN_PEER = {"error": "Forbidden", "message": "Internal API access restricted"}
NO_SUCH_PATH = {"success": False, "error": "Not Found", "message": "Internal API endpoint not found"}


def bad_request(message: str) -> dict[str, str]:
    """Return the body of a 400."""
    return {"error": "Bad Request", "message": message}


@contextmanager
def serving(worker: Worker) -> Iterator[str]:
    """Serve a worker on a free port of loopback and return the URL."""
    server = uvicorn.Server(configuration(worker))
    (listening,) = listen(["127.0.0.1"], 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started, "the API answers")
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timedelta(seconds=20).total_seconds())
        listening.close()


class Api:
    """A world, and a client that asks its API."""

    def __init__(self, world: World, client: httpx.Client) -> None:
        self.world = world
        self.client = client

    def recurrence(self, operation: object, task_id: object, user_id: object = None) -> httpx.Response:
        """Say what happened to a task, as the application's client does."""
        body = {"operation": operation, "taskId": _text(task_id)}
        return self.client.post(RECURRENCE, json=body | ({} if user_id is None else {"userId": _text(user_id)}))

    def get(self, path: str, **params: object) -> httpx.Response:
        """Ask a question."""
        return self.client.get(path, params={name: str(value) for name, value in params.items()})


def _text(value: object) -> object:
    return str(value) if isinstance(value, ObjectId) else value
