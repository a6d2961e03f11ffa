"""The API and its database as two real processes: killed, stopped, away and back, and asked by many at once."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from time import monotonic

import httpx
import pytest
from bson import ObjectId

from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.local.processes import ended
from recurrence_pipeline_tests.api.serving import HEALTH, NO_SUCH_PATH, RECURRENCE
from recurrence_pipeline_tests.marked import Command, recurrence
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World

pytestmark = pytest.mark.timeout(400)

TIMEOUT = timedelta(seconds=3)
STARTED = timedelta(seconds=60)
CANARY = "canary-key-1f7c"
SETTINGS = {
    "PORT": "0",
    "HOST": "127.0.0.1",
    "WORKER_TIMEOUT": str(int(TIMEOUT.total_seconds() * 1000)),
    "WORKER_LEASE": "2000",
    "WORKER_LEASE_MARGIN": "500",
    "INTERNAL_API_KEY": CANARY,
    "RATE_LIMIT_PER_MINUTE": "0",
}
TOMORROW = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)


class Site:
    """A database, and the world in it as tests see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.world = World(self.url, now=datetime.now(timezone.utc).replace(microsecond=0))

    def hold_up(self, command: str, application: str, **how: object) -> None:
        """Make the database hold up commands of one application."""
        data = {"failCommands": [command], "appName": application, **how}
        self.world.worker.mongo.client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)

    def go_on(self) -> None:
        self.world.worker.mongo.client.admin.command("configureFailPoint", "failCommand", mode="off")

    def events(self) -> list[str]:
        return [event["status"] for event in self.world.worker.mongo.events.find()]


class SiteOfItsOwn(Site):
    """A site whose database is a process of its own, on a port that stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.server = self._start(0)
        super().__init__(with_database(self.server.url(""), "task-app"))

    def _start(self, port: int) -> EmbeddedServer:
        return EmbeddedServer.start(self._folder / "mongodb", port=port, arguments=["--enable-test-commands"])

    def database_away(self) -> None:
        self.server.kill()

    def database_back(self) -> None:
        self.server = self._start(self.server.port)


class Api:
    """A running `recurrence api`."""

    def __init__(self, command: Command) -> None:
        self.command = command
        wait_until(
            lambda: command.found(r"Internal API: (.+)\n") or command.process.poll() is not None,
            "the API says where it is",
            timeout=STARTED,
        )
        self.urls = command.found(r"Internal API: (.+)\n").split(", ")
        self.url = self.urls[0]
        assert self.url, command.printed()
        self.client = httpx.Client(
            base_url=self.url, headers={"x-internal-api-key": CANARY}, timeout=30, trust_env=False
        )

    def create(self, task_id: ObjectId) -> httpx.Response:
        return self.client.post(RECURRENCE, json={"taskId": str(task_id), "operation": "create"})


@pytest.fixture
def site(mongodb_url: str) -> Iterator[Site]:
    site = Site(mongodb_url)
    yield site
    site.go_on()
    site.world.close()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[SiteOfItsOwn]:
    """Return a site whose database can be killed and frozen."""
    site = SiteOfItsOwn(tmp_path)
    yield site
    site.world.close()
    site.server.kill()


@pytest.fixture
def start_api(tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Return a function that starts an API on a site; no key is in anything that any of them printed."""
    with ExitStack() as stack:
        commands: list[Command] = []

        def started(site: Site, **environment: str) -> Api:
            url = site.url + "&appName=api"
            command = stack.enter_context(
                recurrence("api", folder=tmp_path, environment={**SETTINGS, "MONGODB_URL": url, **environment})
            )
            commands.append(command)
            api = Api(command)
            stack.callback(api.client.close)
            return api

        yield started
        for command in commands:
            assert CANARY not in command.printed()


@contextmanager
def in_background(call: Callable[[], httpx.Response]) -> Iterator[list[httpx.Response | httpx.HTTPError]]:
    """Send a request while the test goes on; its answer is in the list at the end."""
    answers: list[httpx.Response | httpx.HTTPError] = []

    def run() -> None:
        try:
            answers.append(call())
        except httpx.HTTPError as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield answers
    thread.join(60)


def test_fifty_identical_creates_at_once_make_one_set_of_occurrences(site: Site, start_api: Callable[..., Api]) -> None:
    """The application's own worker made a set for each."""
    api = start_api(site, WORKER_TIMEOUT="30000")
    task_id = site.world.add_task(TOMORROW, "daily")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: api.create(task_id), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    ids = {tuple(task["_id"] for task in answer.json()["data"]["result"]) for answer in answers}
    assert ids == {tuple(str(task["_id"]) for task in site.world.occurrences(task_id))}
    assert len(site.world.occurrences(task_id)) == 3


def test_what_kill_minus_9_interrupts_the_queue_completes(site: Site, start_api: Callable[..., Api]) -> None:
    """The API dies between its writes: the occurrences are there, the cursor and the outcome are not."""
    api = start_api(site)
    task_id = site.world.add_task(TOMORROW, "daily")
    site.hold_up("update", "api", blockConnection=True, blockTimeMS=60_000)
    with in_background(lambda: api.create(task_id)) as answers:
        wait_until(lambda: len(site.world.occurrences(task_id)) == 3, "the occurrences are inserted")
        assert site.events() == ["processing"]
        api.command.process.kill()
    assert isinstance(answers[0], httpx.HTTPError), "nobody was told that it was done"
    site.go_on()

    worker = site.world.worker
    site.world.pass_time(seconds=1)
    assert worker.process_pending().events == 0, "the dead API still holds the event"
    site.world.pass_time(seconds=60)
    assert worker.process_pending().count("completed") == 1
    assert len(site.world.occurrences(task_id)) == 3
    assert site.world.actions() == ["RECURRING_TASK_CREATED"] * 3

    again = start_api(site).create(task_id)
    assert (again.status_code, len(again.json()["data"]["result"])) == (200, 3)


def test_a_database_that_is_away_is_told_in_time_and_then_found_again(
    own_site: SiteOfItsOwn, start_api: Callable[..., Api]
) -> None:
    api = start_api(own_site)
    task_id = own_site.world.add_task(TOMORROW, "daily")
    assert api.client.get(HEALTH).status_code == 200
    own_site.database_away()

    begun = monotonic()
    health = api.client.get(HEALTH)
    assert (health.status_code, health.json()["data"]["status"]) == (503, "unhealthy")
    assert monotonic() - begun < 2

    begun = monotonic()
    answer = api.create(task_id)
    assert monotonic() - begun < TIMEOUT.total_seconds()
    assert (answer.status_code, answer.json()) == (
        503,
        {
            "success": False,
            "error": "Service Unavailable",
            "code": "OUTAGE",
            "message": "Worker processing failed for operation: create: "
            "the database cannot be worked with at the moment",
            "retryable": True,
        },
    )
    assert int(answer.headers["Retry-After"]) >= 1
    assert api.client.get("/nothing").json() == NO_SUCH_PATH

    own_site.database_back()
    wait_until(lambda: api.client.get(HEALTH).status_code == 200, "the API finds its database again")
    assert len(api.create(task_id).json()["data"]["result"]) == 3


def test_a_database_that_hangs_is_told_in_time(own_site: SiteOfItsOwn, start_api: Callable[..., Api]) -> None:
    """A frozen server takes connections and answers nothing: worse than one that is gone."""
    api = start_api(own_site)
    assert api.client.get(HEALTH).status_code == 200
    os.killpg(own_site.server.process.pid, signal.SIGSTOP)
    try:
        with in_background(lambda: api.create(ObjectId())):
            begun = monotonic()
            assert api.client.get(HEALTH).status_code == 503
            assert monotonic() - begun < 2
            begun = monotonic()
            assert api.create(ObjectId()).status_code == 503
            assert monotonic() - begun < TIMEOUT.total_seconds()
    finally:
        os.killpg(own_site.server.process.pid, signal.SIGCONT)


def test_the_api_starts_without_its_database(own_site: SiteOfItsOwn, start_api: Callable[..., Api]) -> None:
    """Else the order in which machines come up would matter."""
    own_site.database_away()
    api = start_api(own_site)
    assert api.client.get(HEALTH).status_code == 503
    own_site.database_back()
    wait_until(lambda: api.client.get(HEALTH).status_code == 200, "the API finds its database")


def test_sigterm_finishes_what_has_begun(site: Site, start_api: Callable[..., Api]) -> None:
    api = start_api(site, WORKER_TIMEOUT="60000", WORKER_LEASE="60000")
    task_id = site.world.add_task(TOMORROW, "daily")
    site.hold_up("update", "api", blockConnection=True, blockTimeMS=700)
    with in_background(lambda: api.create(task_id)) as answers:
        wait_until(lambda: len(site.world.occurrences(task_id)) == 3, "the request is in flight")
        api.command.process.send_signal(signal.SIGTERM)
    assert isinstance(answers[0], httpx.Response)
    assert answers[0].status_code == 200
    assert ended(api.command.process, timedelta(seconds=60))
    assert api.command.process.returncode == 0, api.command.printed()
    assert site.events() == ["completed"]


def test_an_api_that_began_while_its_database_hung_stops_when_it_is_told(
    own_site: SiteOfItsOwn, start_api: Callable[..., Api]
) -> None:
    """It looks at the database when it begins, for as long as WORKER_TIMEOUT lets it."""
    os.killpg(own_site.server.process.pid, signal.SIGSTOP)
    try:
        api = start_api(own_site, WORKER_TIMEOUT="600000", WORKER_LEASE="600000")
        wait_until(lambda: api.client.get("/nothing").status_code == 404, "it answers")
        api.command.process.send_signal(signal.SIGTERM)
        assert ended(api.command.process, timedelta(seconds=60))
    finally:
        os.killpg(own_site.server.process.pid, signal.SIGCONT)


def test_a_restarted_api_answers_the_same(site: Site, start_api: Callable[..., Api]) -> None:
    task_id = site.world.add_task(TOMORROW, "weekly")
    first = start_api(site)
    before = first.create(task_id).json()
    first.command.process.send_signal(signal.SIGTERM)
    assert ended(first.command.process, timedelta(seconds=60))
    assert start_api(site).create(task_id).json() == before


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_takes_the_heartbeat_back_and_kill_minus_9_does_not(
    site: Site, start_api: Callable[..., Api], ending: signal.Signals
) -> None:
    """What was stopped on purpose is no cause for an alert; what was killed is."""
    parts = site.world.worker.parts
    stopped, killed = start_api(site), start_api(site)
    wait_until(lambda: len(parts.rows()) == 2, "both leave a heartbeat")
    killed.command.process.kill()
    stopped.command.process.send_signal(ending)
    assert ended(stopped.command.process, timedelta(seconds=60))
    (left,) = parts.rows()
    assert str(left["where"]).rpartition(":")[2] == killed.url.rpartition(":")[2]


def test_a_port_that_is_taken_is_named(site: Site, start_api: Callable[..., Api], tmp_path: Path) -> None:
    port = start_api(site).url.rpartition(":")[2]
    environment = {**SETTINGS, "MONGODB_URL": site.url, "PORT": port}
    with recurrence("api", folder=tmp_path, environment=environment) as second:
        assert second.process.wait(60) == 2
        assert f"PORT: {port} on 127.0.0.1: Address already in use" in second.printed()


def test_a_secret_that_can_be_guessed_is_named_and_nothing_is_served(site: Site, tmp_path: Path) -> None:
    environment = {**SETTINGS, "MONGODB_URL": site.url, "JWT_SECRET": "s3cret"}
    with recurrence("api", folder=tmp_path, environment=environment) as api:
        assert api.process.wait(60) == 2
        assert "JWT_SECRET: 6 bytes can be guessed" in api.printed()
        assert "Internal API: " not in api.printed()


def test_the_api_listens_on_both_families_of_loopback(site: Site, start_api: Callable[..., Api]) -> None:
    """`localhost` is ::1 to some clients and 127.0.0.1 to others."""
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    urls = start_api(site, HOST="").urls
    assert [url.rpartition(":")[0] for url in urls] == ["http://127.0.0.1", "http://[::1]"]
    for url in urls:
        answer = httpx.get(url + HEALTH, headers={"x-internal-api-key": CANARY}, trust_env=False)
        assert answer.status_code == 200


def test_the_package_is_a_command_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "recurrence_pipeline", "api", "--help"], capture_output=True, text=True, check=True
    )
    assert "internal HTTP API" in ran.stdout
