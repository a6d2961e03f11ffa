"""The calendar over HTTP: whose it is, who may have it, and that it is whole, whatever it costs."""

import gc
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from bson import ObjectId
from icalendar import Calendar
from pymongo import MongoClient, monitoring

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.logs import configure
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import CALENDAR, FORBIDDEN_KEY, FORBIDDEN_PEER, STATS, Api, serving
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World, utc

KEY = {"x-internal-api-key": "s3cret"}
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "calendar-feed.md"
SECRET = "a secret of the application: " + "x" * 64


def a_token(user_id: object, **claims: object) -> str:
    return jwt.encode({"_id": str(user_id), **claims}, SECRET, algorithm="HS256")


def titles(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted(str(todo["SUMMARY"]) for todo in Calendar.from_ical(answer.text).todos)


@pytest.fixture
def guarded(open_api: OpenApi) -> Api:
    """Return an API with a key and a secret, and a series of this user and one of somebody else's."""
    api = open_api(INTERNAL_API_KEY="s3cret", JWT_SECRET=SECRET)
    api.world.create(utc(2024, 1, 2, 9), "daily", title="mine")
    theirs = api.world.add_task(utc(2024, 1, 2, 9), "weekly", title="theirs", userId=ObjectId())
    api.world.add_event("create", theirs)
    api.world.add_task(utc(2024, 1, 2, 9), "none", title="once")
    api.world.work()
    return api


# Whose


def test_a_key_opens_everybodys_calendar_or_that_of_one_user(guarded: Api) -> None:
    guarded.client.headers.update(KEY)
    answer = guarded.get(CALENDAR)

    assert titles(answer) == ["mine", "theirs"]
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert titles(guarded.get(CALENDAR, userId=guarded.world.user)) == ["mine"]
    assert titles(guarded.get(CALENDAR, userId=str(guarded.world.user).upper())) == ["mine"]
    assert titles(guarded.get(CALENDAR, userId="")) == ["mine", "theirs"]
    assert titles(guarded.get(CALENDAR, userId=ObjectId())) == []


@pytest.mark.parametrize("in_address", [True, False])
def test_a_token_opens_the_calendar_of_its_user_alone(guarded: Api, *, in_address: bool) -> None:
    token = a_token(guarded.world.user)
    said: dict[str, Any] = (
        {"params": {"token": token}} if in_address else {"headers": {"Authorization": f"Bearer {token}"}}
    )

    assert titles(guarded.client.get(CALENDAR, **said)) == ["mine"]
    params = said.get("params", {}) | {"userId": str(guarded.world.user)}
    assert titles(guarded.client.get(CALENDAR, **said | {"params": params})) == ["mine"]
    answer = guarded.client.get(CALENDAR, **said | {"params": params | {"userId": str(ObjectId())}})
    assert (answer.status_code, answer.json()["message"]) == (403, "The tasks belong to another user")


def test_a_user_whose_id_is_stored_as_text_has_a_calendar(guarded: Api) -> None:
    guarded.world.add_task(utc(2024, 1, 2, 9), "daily", title="imported", userId=str(guarded.world.user))

    assert titles(guarded.get(CALENDAR, token=a_token(guarded.world.user))) == ["imported", "mine"]


# Who may not


def test_a_token_in_the_address_that_is_not_valid_opens_nothing(guarded: Api) -> None:
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    wrong = ["", "x.y.z", a_token("nobody"), a_token(guarded.world.user, exp=past), a_token(guarded.world.user) + "x"]
    for token in wrong:
        answer = guarded.get(CALENDAR, token=token)
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN_KEY)


def test_a_header_counts_before_the_address(guarded: Api) -> None:
    """Else a link that somebody was sent would say who they are."""
    headers = {"Authorization": f"Bearer {a_token(ObjectId())}"}
    assert titles(guarded.client.get(CALENDAR, params={"token": a_token(guarded.world.user)}, headers=headers)) == []


def test_a_token_in_the_address_opens_nothing_but_the_calendar(guarded: Api) -> None:
    """Addresses are kept in more places than headers are."""
    assert guarded.get(STATS, token=a_token(guarded.world.user)).status_code == 403


def test_a_user_who_is_gone_can_be_refused(open_api: OpenApi) -> None:
    api = open_api(JWT_SECRET=SECRET, JWT_REQUIRE_USER="true")
    assert api.get(CALENDAR, token=a_token(api.world.user)).status_code == 403


@pytest.mark.parametrize("settings", [{}, {"JWT_SECRET": SECRET}])
def test_without_a_key_nobody_from_elsewhere_has_a_calendar(open_api: OpenApi, settings: dict[str, str]) -> None:
    api = open_api(**settings)
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=api.client.base_url, transport=transport, trust_env=False) as client:
        answer = client.get(CALENDAR)
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN_PEER)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("userId=6b04", "Valid userId is required"),
        ("userId[$ne]=", "userId must be one plain value"),
        ("token=a&token=b", "token must be one plain value"),
        ("sort=1", "Unknown query parameter: sort"),
    ],
)
def test_a_query_that_cannot_be_right_is_named(api: Api, query: str, message: str) -> None:
    answer = api.client.get(f"{CALENDAR}?{query}")
    assert (answer.status_code, answer.json()["message"]) == (400, message)


@pytest.mark.usefixtures("logging_as_before")
def test_no_log_ever_has_a_token(guarded: Api, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the log could read the tasks."""
    log = tmp_path / "worker.log"
    configure(Settings.from_environment({"LOG_FILE": str(log), "LOG_LEVEL": "DEBUG"}), readable=True)
    good, bad = a_token(guarded.world.user), a_token(guarded.world.user) + "y"
    paths = (CALENDAR, f"{CALENDAR}/", CALENDAR.upper(), f"{CALENDAR}x", STATS)
    for path in paths:
        for token in (good, bad):
            guarded.get(path, token=token)
            guarded.get(path, token=token, sort=1)
    guarded.client.get(f"{CALENDAR}?token={good}&{'x' * 20_000}")

    def requests() -> list[Any]:
        lines = map(json.loads, log.read_text().splitlines())
        return [line for line in lines if line["event"] == "request"]

    wait_until(lambda: len(requests()) == 4 * len(paths) + 1, "the last request is logged, after its answer")
    written = log.read_text() + "".join(capfd.readouterr())
    assert {line["caller"] for line in requests()} == {f"user {guarded.world.user}", None}
    assert good.split(".")[2] not in written
    assert good.split(".")[1] not in written


# Whole, or not at all


class Cutting(monitoring.CommandListener):
    """Makes every command fail as soon as so many pages of series were read."""

    def __init__(self, url: str, after: int) -> None:
        self._url, self._left = url, after

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        is_page = event.command_name == "aggregate" and "$group" in str(event.command)
        self._left -= is_page
        if is_page and not self._left:
            with MongoClient[Document](self._url) as client:
                data = {"failCommands": ["find", "aggregate"], "errorCode": 13}
                client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.mark.parametrize("pages", [1, 3])
def test_a_database_that_goes_away_cuts_a_calendar_off_and_never_ends_it(mongodb_url: str, pages: int) -> None:
    """A calendar that looks whole and is not takes tasks away in the program that reads it."""
    world = World(mongodb_url, MONGODB_READ_CHUNK="2")
    for _ in range(8):
        world.add_task(utc(2024, 1, 2, 9), "daily", title="x" * 100_000)
    try:
        with (
            open_worker(world.settings, listeners=[Cutting(mongodb_url, pages)]) as worker,
            serving(worker) as url,
            httpx.Client(base_url=url, trust_env=False) as client,
        ):
            if pages == 1:
                assert client.get(CALENDAR).status_code == 503
            else:
                with client.stream("GET", CALENDAR) as answer:
                    assert answer.status_code == 200
                    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                        answer.read()
    finally:
        with MongoClient[Document](mongodb_url) as client:
            client.admin.command("configureFailPoint", "failCommand", mode="off")
        world.close()


def fill(world: World, tasks: int) -> None:
    """Store series of four tasks each, of this many tasks in all."""
    template = world.task(world.add_task(utc(2024, 1, 2, 9), "daily", description="x" * 200, timezone="Europe/Berlin"))
    documents: list[Document] = []
    for first in range(int(template["taskId"]) + 1, int(template["taskId"]) + tasks, 4):
        head = ObjectId()
        documents.append(template | {"_id": head, "taskId": first})
        for slot in (1, 2, 3):
            due = utc(2024, 1, 2 + slot, 9)
            hanging = {"parentRecurringId": head, "occurrenceNumber": slot, "dueDate": due, "originalDueDate": due}
            documents.append(template | hanging | {"_id": ObjectId(), "taskId": first + slot})
    for chunk in chunks(documents, 300):  # thousands in one command take a busy machine longer than WORKER_TIMEOUT
        world.worker.mongo.tasks.insert_many(chunk)
    last = int(documents[-1]["taskId"])
    world.worker.mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": last}})


def cost_of(api: Api) -> tuple[int, int]:
    """Return how many blocks of memory there are at most while a calendar comes in, and how many to-dos it had."""
    gc.collect()
    before, most, todos = sys.getallocatedblocks(), 0, 0
    with api.client.stream("GET", CALENDAR, timeout=120) as answer:
        for piece in answer.iter_raw():
            todos += piece.count(b"BEGIN:VTODO")
            most = max(most, sys.getallocatedblocks() - before)
    return most, todos


@pytest.mark.long
def test_ten_times_the_tasks_need_no_more_memory(open_api: OpenApi) -> None:
    """100,000 tasks are no more than a page at a time."""
    api = open_api(WORKER_TIMEOUT="60000")
    fill(api.world, 1000)
    cost_of(api)  # what is imported and remembered once is not counted
    few, small = cost_of(api)
    fill(api.world, 9000)
    many, large = cost_of(api)

    assert (small, large) == (251, 2502)
    assert many - few < 3 * (large - small), "not even three objects for each to-do more, which has dozens"


# The page


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
def test_the_lines_of_the_page_bring_a_calendar(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY="s3cret", JWT_SECRET=SECRET)
    owner = ObjectId("6b046c55c5f3b9749e06fe97")
    api.world.add_task(utc(2024, 1, 2, 9), "daily", title="theirs", userId=owner)
    api.world.add_task(utc(2024, 1, 2, 9), "daily", title="of somebody else")
    api_url = str(api.client.base_url).rstrip("/") + "/internal/worker"
    variables = {**os.environ, "API": api_url, "INTERNAL_API_KEY": "s3cret", "JWT_SECRET": SECRET}
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    python = ("$(.venv/bin/python", f"$({sys.executable}")
    set_up = "".join(block.replace(*python) for block in blocks if block.startswith("TOKEN="))
    asked = [block for block in blocks if block.startswith("curl ")]

    assert (bool(set_up), len(asked)) == (True, 2)
    for line in asked:
        ran = subprocess.run(["bash", "-ec", set_up + line], env=variables, capture_output=True, text=True, check=True)  # noqa: S607
        assert [str(todo["SUMMARY"]) for todo in Calendar.from_ical(ran.stdout).todos] == ["theirs"], line
