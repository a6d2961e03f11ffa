"""The Node application against the worker: straight, through a proxy of its own, and through one in front of it.

These tests need Node and npm, and nginx for the last of them; elsewhere they are skipped.
"""

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest

from recurrence_pipeline.client import Delivered, WorkerTrigger
from recurrence_pipeline_tests.node.conftest import Ask, Serve, running
from recurrence_pipeline_tests.stub_server import unused_port
from recurrence_pipeline_tests.world import World, utc

DUE = utc(2100, 1, 1, 9)
RECURRENCE = "tasks/recurrence"
UNKNOWN = "f" * 24
PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "http-api.md"
PROXIES = ["middleware", "plain"]


@pytest.fixture
def world(shared_url: str) -> Iterator[World]:
    """Return the data of a user of the application, in the database of all these tests."""
    world = World(shared_url)
    yield world
    world.close()


def operation(name: str, task_id: object, user_id: object = None) -> tuple[str, str, dict[str, str]]:
    """Return a call of the application's client."""
    body = {"operation": name, "taskId": str(task_id)}
    return ("post", RECURRENCE, body if user_id is None else body | {"userId": str(user_id)})


def due_dates(tasks: list[dict[str, Any]]) -> list[str]:
    return [task["dueDate"] for task in tasks]


def test_the_applications_client_works_against_the_worker(ask: Ask, api_process: Serve, world: World) -> None:
    task_id, user = world.add_task(DUE, "daily"), world.user
    port = api_process(INTERNAL_API_KEY="s3cret")
    created, completed, deleted, health, stats, valid, cleaned = ask(
        port,
        operation("create", task_id),
        operation("complete", task_id),
        operation("delete", task_id, user),
        ("get", "health"),
        ("get", f"stats?userId={user}"),
        ("post", "validate", {"task": {"repeatType": "weekly", "dueDate": "2999-01-01T00:00:00.000Z"}}),
        ("post", "tasks/cleanup"),
        key="s3cret",
    )

    answers = [created, completed, deleted, health, stats, valid, cleaned]
    assert [(answer["status"], answer["sent"]) for answer in answers] == [(200, 1)] * 7
    assert created["body"]["message"] == f"Successfully processed create for task {task_id}"
    assert due_dates(created["body"]["data"]["result"]) == [f"2100-01-0{day}T09:00:00.000Z" for day in (2, 3, 4)]
    result = completed["body"]["data"]["result"]
    assert due_dates([result["updatedTask"], result["createdTask"]]) == [
        "2100-01-02T09:00:00.000Z",
        "2100-01-05T09:00:00.000Z",
    ]
    assert deleted["body"]["data"]["result"] == 4
    assert health["body"]["data"]["status"] == "healthy"
    assert stats["body"]["data"]["userId"] == str(user)
    assert valid["body"]["data"]["valid"] is True
    assert cleaned["body"]["data"]["operations"] == {"orphanedTasksCleanup": {"completed": True, "cleanedCount": 0}}


def test_the_applications_client_sends_what_fails_once_more_to_no_harm(
    ask: Ask, api_process: Serve, world: World
) -> None:
    port = api_process(INTERNAL_API_KEY="s3cret")
    unknown, bad = ask(port, operation("create", UNKNOWN), operation("create", "6b04"), key="s3cret")
    (stranger,) = ask(port, operation("create", UNKNOWN), key="wrong")

    assert (unknown["status"], unknown["sent"], unknown["body"]["code"]) == (404, 2, "ORIGINAL_NOT_FOUND")
    assert (bad["status"], bad["body"]) == (400, {"error": "Bad Request", "message": "Valid taskId is required"})
    assert stranger["body"] == {"error": "Forbidden", "message": "Invalid internal API key"}


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_application_passes_on_what_is_for_the_worker(
    ask: Ask, api_process: Serve, application: Serve, world: World, proxy: str
) -> None:
    """It calls /internal on its own PORT, as it always did."""
    first, second = world.add_task(DUE, "daily"), world.add_task(DUE, "daily")
    port = application(proxy, api_process(INTERNAL_API_KEY="s3cret"))
    created, health, nowhere = ask(
        port, operation("create", first), ("get", "health"), ("get", "elsewhere"), key="s3cret"
    )
    with WorkerTrigger(f"http://localhost:{port}", key="s3cret") as trigger:
        assert isinstance(trigger.trigger_task_creation(str(second)), Delivered)
    own = httpx.post(f"http://127.0.0.1:{port}/api/echo", json={"its": "own"}, trust_env=False)

    assert due_dates(created["body"]["data"]["result"]) == due_dates_of(world, first)
    assert len(world.occurrences(second)) == 3
    assert health["body"]["data"]["status"] == "healthy"
    assert (nowhere["status"], nowhere["body"]["message"]) == (404, "Internal API endpoint not found")
    assert own.json() == {"its": "own"}, "its other routes are untouched"


def due_dates_of(world: World, task_id: Any) -> list[str]:
    return [f"{due:%Y-%m-%dT%H:%M:%S}.000Z" for due in world.due_dates(task_id)]


@pytest.mark.parametrize("proxy", PROXIES)
def test_while_the_worker_is_away_the_application_answers_for_it_and_the_trigger_is_kept(
    ask: Ask, application: Serve, mongodb_url: str, proxy: str
) -> None:
    with closing(World(mongodb_url)) as world:
        task_id = world.add_task(DUE, "daily")
        port = application(proxy, unused_port())
        (answer,) = ask(port, operation("create", task_id))
        with WorkerTrigger(f"http://localhost:{port}", database_url=mongodb_url) as trigger:
            trigger.safe_trigger(trigger.trigger_task_creation, str(task_id))
        assert (answer["status"] in {502, 504}, answer["sent"]) == (True, 2)
        assert [event["taskId"] for event in world.worker.mongo.events.find()] == [task_id]


# Who may ask, when somebody stands in between


def own_address() -> str:
    """Return an address of this machine that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has loopback only")
        address = str(probe.getsockname()[0])
    if address.startswith("127."):
        pytest.skip("this machine has loopback only")
    return address


def health(address: str, port: int, **headers: str) -> int:
    """Ask for health at an address of the application, and return the status."""
    url = f"http://{address}:{port}/internal/worker/health"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(url, headers=named, trust_env=False).status_code


@contextmanager
def nginx(folder: Path, worker_port: int) -> Iterator[int]:
    """Run the reverse proxy of docs/how-to/http-api.md in front of the worker."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    (location,) = re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    port = unused_port()
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; master_process off; pid nginx.pid; error_log stderr notice;
        events {{}}
        http {{
          access_log off;
          client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
          server {{
            listen {port};
            {location.replace("127.0.0.1:3001", f"127.0.0.1:{worker_port}")}
          }}
        }}
        """
    )
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with running(command, folder, {}, promise="using the "):
        yield port


Between = Callable[[int], Any]


@pytest.fixture(params=[*PROXIES, "nginx"])
def between(request: pytest.FixtureRequest, tmp_path: Path) -> Between:
    """Return what stands between client and worker: either proxy of the application, or nginx in front of it."""
    if request.param == "nginx":
        return lambda worker_port: nginx(tmp_path, worker_port)
    application: Serve = request.getfixturevalue("application")
    return lambda worker_port: nullcontext(application(request.param, worker_port))


def test_with_a_key_only_the_key_counts(api_process: Serve, between: Between, world: World) -> None:
    with between(api_process(INTERNAL_API_KEY="s3cret")) as port:
        assert health("127.0.0.1", port, x_internal_api_key="s3cret") == 200
        assert health("127.0.0.1", port) == 403


def test_with_a_trusted_proxy_whoever_asks_it_from_elsewhere_stays_outside(
    api_process: Serve, between: Between, world: World
) -> None:
    """To the worker every request comes from loopback: without this, all the world would be on this machine."""
    elsewhere = own_address()
    with between(api_process(TRUSTED_PROXIES="127.0.0.1,::1")) as port:
        assert health("127.0.0.1", port) == 200
        assert health(elsewhere, port) == 403
        assert health(elsewhere, port, x_forwarded_for="127.0.0.1") == 403, "nobody is believed to be somebody else"


def test_with_neither_whoever_reaches_the_proxy_reaches_the_worker(
    api_process: Serve, between: Between, world: World
) -> None:
    """Why docs/how-to/http-api.md asks for one of the two. What keeps web pages out is easily written by a program."""
    with between(api_process()) as port:
        assert health(own_address(), port, host="localhost") == 200


def test_the_client_works_through_the_reverse_proxy(ask: Ask, api_process: Serve, world: World, tmp_path: Path) -> None:
    task_id = world.add_task(DUE, "daily")
    with nginx(tmp_path, api_process(INTERNAL_API_KEY="s3cret")) as port:
        (created,) = ask(port, operation("create", task_id), key="s3cret")
    assert (created["status"], created["sent"]) == (200, 1)
    assert due_dates(created["body"]["data"]["result"]) == due_dates_of(world, task_id)
