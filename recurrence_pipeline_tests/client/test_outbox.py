"""A trigger that could not be delivered waits in the database, and no key is seen on any way it can take."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.client import AccessDenied, Lost, Queued, Refused, Unavailable, WorkerTrigger, outbox
from recurrence_pipeline.config import logs
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.stub_server import Reaction, answers, drops, hangs, stub_server, unused_port
from recurrence_pipeline_tests.subjects import Subject
from recurrence_pipeline_tests.world import World, utc

CANARY = "canary-5f0c2b"


@pytest.fixture(params=["sync", "async"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    world = World(mongodb_url)
    yield world
    world.close()


def nobody() -> str:
    return f"http://127.0.0.1:{unused_port()}"


def only_event(world: World) -> Document:
    (event,) = world.worker.mongo.events.find()
    return event


def test_what_was_not_delivered_is_written_down_once_and_worked_off(
    subject: Subject, world: World, mongodb_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a task that is created while the worker restarts has no occurrences."""
    task_id = world.add_task(utc(2100, 1, 1, 9), "daily")
    with subject.open(nobody(), database_url=mongodb_url) as client:
        queued = client.call("trigger_task_creation", task_id)

    event = only_event(world)
    assert isinstance(queued, Queued)
    assert queued.event_id == str(event["_id"])
    assert (event["operation"], event["taskId"], event["status"]) == ("create", task_id, "pending")
    assert event["source"] == "outbox"
    (line,) = [record for record in caplog.records if record.message.startswith("trigger queued: ")]
    assert vars(line)["event_id"] == queued.event_id

    with open_worker(world.settings) as worker:  # on the real clock, which wrote the event
        worker.process_pending()
    assert world.event(event["_id"])["status"] == "completed"
    assert len(world.occurrences(task_id)) == 3


def test_a_deletion_keeps_its_user(subject: Subject, world: World, mongodb_url: str) -> None:
    task_id = world.create(utc(2100, 1, 1, 9), "daily")
    world.worker.mongo.events.delete_many({})
    with subject.open(nobody(), database_url=mongodb_url) as client:
        assert isinstance(client.call_safely("trigger_task_deletion", task_id, world.user), Queued)
    assert only_event(world)["userId"] == world.user


@pytest.mark.parametrize(
    ("method", "asked", "written"),
    [
        ("update", {"from_slot": 4}, {"operation": "update", "fromSlot": 4}),
        ("reopen", {}, {"operation": "reopen"}),
        ("skip", {"slot": 2, "undo": True}, {"operation": "skip", "slot": 2, "undo": True}),
    ],
)
def test_a_change_of_a_series_keeps_its_slot(
    subject: Subject,
    world: World,
    mongodb_url: str,
    method: str,
    asked: dict[str, Any],
    written: dict[str, Any],
) -> None:
    task_id = world.create(utc(2100, 1, 1, 9), "daily")
    world.worker.mongo.events.delete_many({})
    with subject.open(nobody(), database_url=mongodb_url) as client:
        assert isinstance(client.call(method, task_id, **asked), Queued)
    event = only_event(world)
    assert {name: event.get(name) for name in written} == written
    assert {"slot", "fromSlot", "undo"} & event.keys() == {"slot", "fromSlot", "undo"} & written.keys()


def test_a_dry_run_is_never_written_down(subject: Subject, world: World, mongodb_url: str) -> None:
    """Else a question that nobody answered would be done later."""
    for method in ("update", "reopen", "skip"):
        with subject.open(nobody(), database_url=mongodb_url) as client, pytest.raises(Unavailable):
            client.call(method, "f" * 24, dry_run=True)
    assert list(world.worker.mongo.events.find()) == []


@pytest.mark.parametrize(
    "reaction",
    [
        hangs,
        answers(500),
        answers(429, Retry_After="1"),
        answers(200, b"It works!"),
        answers(403, {"error": "Forbidden", "message": "Invalid internal API key"}),
        answers(404, b"Cannot POST"),
    ],
)
def test_whatever_kept_it_from_the_worker_it_is_there_once(
    subject: Subject, world: World, mongodb_url: str, reaction: Reaction
) -> None:
    """A request that timed out may have been done as well; to do it again changes nothing."""
    task_id = world.add_task(utc(2100, 1, 1, 9), "daily")
    with stub_server() as server:
        server.will(reaction)
        short = {"timeout": timedelta(milliseconds=100)} if reaction is hangs else {}
        with subject.open(server.url, database_url=mongodb_url, options=short) as client:
            assert isinstance(client.call("trigger_task_completion", task_id), Queued)
    assert only_event(world)["taskId"] == task_id


def test_what_the_worker_refuses_is_not_written_down(subject: Subject, world: World, mongodb_url: str) -> None:
    with stub_server() as server:
        server.will(answers(422, {"error": "Unprocessable Entity", "code": "INVALID_RECURRENCE", "message": "no"}))
        with subject.open(server.url, database_url=mongodb_url) as client, pytest.raises(Refused):
            client.call("trigger_task_creation", world.user)
    assert list(world.worker.mongo.events.find()) == []


@pytest.mark.parametrize("task_id", ["", "6b04", "{'$ne': None}", "g" * 24])
def test_what_no_event_can_say_is_refused(subject: Subject, world: World, mongodb_url: str, task_id: str) -> None:
    with subject.open(nobody(), database_url=mongodb_url) as client, pytest.raises(Refused, match="taskId") as caught:
        client.call("trigger_task_creation", task_id)
    assert (caught.value.status, caught.value.reason) == (None, "INVALID_INPUT")
    assert list(world.worker.mongo.events.find()) == []


def test_without_worker_and_database_it_says_why_of_both(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PATIENCE", timedelta(milliseconds=200))
    with subject.open(nobody(), database_url=f"mongodb://127.0.0.1:{unused_port()}/task-app") as client:
        lost = client.call("trigger_task_creation", "6b046c55c5f3b9749e06fec5")
        assert client.call_safely("trigger_task_creation", "6b046c55c5f3b9749e06fec5") is None
    assert isinstance(lost, Lost)
    assert "ConnectError" in lost.reason
    assert "outbox: " in lost.reason
    assert "mongodb://" not in lost.reason


def test_a_database_that_nobody_works_on_takes_no_events(
    subject: Subject, mongodb_url: str, mongodb_janitor: MongoClient[Document]
) -> None:
    """In a database whose name has a typing error an event would wait for ever."""
    with subject.open(nobody(), database_url=mongodb_url) as client:
        lost = client.call("trigger_task_creation", "6b046c55c5f3b9749e06fec5")
    assert isinstance(lost, Lost)
    assert "recurrence init-db" in lost.reason
    name = mongodb_url.rpartition("/")[2].partition("?")[0]
    assert mongodb_janitor[name].list_collection_names() == []


def test_an_outbox_of_ones_own_is_used(subject: Subject) -> None:
    class Shelf:
        def __init__(self) -> None:
            self.kept: list[tuple[Any, ...]] = []

        def enqueue(
            self, task_id: str, operation: str, user_id: str | None, *, slot: int | None = None, undo: bool = False
        ) -> str:
            self.kept.append((task_id, operation, user_id, slot, undo))
            return "on the shelf"

    shelf = Shelf()
    with subject.open(nobody(), outbox=shelf) as client:
        queued = client.call("trigger_task_deletion", "a", "b")
        client.call("skip", "f" * 24, 3, undo=True)
    assert queued.event_id == "on the shelf"
    assert shelf.kept == [("a", "delete", "b", None, False), ("f" * 24, "skip", None, 3, True)]


def test_the_environment_names_the_database(world: World, mongodb_url: str) -> None:
    task_id = str(world.add_task(utc(2100, 1, 1, 9), "daily"))
    with stub_server() as server:
        server.will(answers(403))
        environment = {"PORT": str(server.server_port), "MONGODB_URL": mongodb_url}
        with WorkerTrigger.from_environment(environment) as trigger:
            assert isinstance(trigger.trigger_task_creation(task_id), Queued)
        with (
            WorkerTrigger.from_environment(environment | {"MONGODB_URL": " "}) as trigger,
            pytest.raises(AccessDenied),
        ):
            trigger.trigger_task_creation(task_id)
    assert only_event(world)["status"] == "pending"


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    "reaction",
    [
        drops,
        answers(200, {"success": True, "data": {"result": []}}),
        answers(200, CANARY.encode()),
        answers(403, {"error": CANARY, "message": f"wrong key {CANARY}", "code": CANARY}),
        answers(422, {"error": CANARY, "message": f"{CANARY} is no task", "code": CANARY}),
        answers(500, {"message": f"x-internal-api-key: {CANARY}"}),
    ],
)
def test_the_key_is_in_no_log_and_in_no_error(
    subject: Subject,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    reaction: Reaction,
) -> None:
    """Also where the other side sends it back, and with every library at its most talkative."""
    logs.configure(Settings.from_environment({"LOG_LEVEL": "debug"}))
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with stub_server() as server:
        server.will(reaction)
        with subject.open(server.url, key=CANARY) as client:
            for method in ("trigger_task_creation", "validate_recurrence"):
                argument: object = "6b046c55c5f3b9749e06fec5" if method == "trigger_task_creation" else {}
                try:
                    said.append(str(client.call(method, argument)))
                except Exception as error:  # noqa: BLE001 - whatever it is
                    said.append(f"{error!r} {error} {getattr(error, 'message', '')} {getattr(error, 'reason', '')}")
                said.append(str(client.call_safely(method, argument)))
            assert server.heard[0].headers["x-internal-api-key"] == CANARY, "it was sent"
    captured = capfd.readouterr()
    assert CANARY not in "".join([*said, captured.out, captured.err, caplog.text])
    assert "httpcore" in caplog.text, "the libraries did talk"
