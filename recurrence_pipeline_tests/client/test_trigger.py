"""The client against whatever may answer on a socket; each promise is one of both clients."""

import inspect
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.client import (
    AccessDenied,
    AsyncWorkerTrigger,
    Delivered,
    Lost,
    Refused,
    Unavailable,
    WorkerTrigger,
)
from recurrence_pipeline.domain.errors import ConfigurationError, InvalidInput
from recurrence_pipeline_tests.stub_server import (
    Reaction,
    StubServer,
    answers,
    babbles,
    breaks_off,
    drops,
    hangs,
    pours,
    stub_server,
    trickles,
    unused_port,
)
from recurrence_pipeline_tests.subjects import Subject

TASK, USER = "6b046c55c5f3b9749e06fec5", "6b046c55c5f3b9749e06febf"
DATA = {"success": True, "operation": "create", "taskId": TASK, "result": []}
DONE = answers(200, {"success": True, "message": "Successfully processed", "data": DATA})
HEALTH = {"status": "healthy", "timestamp": "2024-01-01T12:00:00.000Z", "services": {}, "stats": {}}
SHORT = {"timeout": timedelta(milliseconds=100)}


@pytest.fixture(params=["sync", "async"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


@pytest.fixture
def worker() -> Iterator[StubServer]:
    """Return what the client takes for the worker."""
    with stub_server() as server:
        yield server


def bad(status: int, message: str, **more: Any) -> Reaction:
    return answers(status, {"error": "Some Error", "message": message, **more})


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        public = {n: m for n, m in inspect.getmembers(kind, inspect.isfunction) if not n.startswith("_")}
        return {name: list(inspect.signature(method).parameters) for name, method in public.items()}

    assert methods(WorkerTrigger) == methods(AsyncWorkerTrigger)


# What is sent, and what comes back


@pytest.mark.parametrize(
    ("method", "arguments", "body"),
    [
        ("trigger_task_creation", [TASK], {"operation": "create", "taskId": TASK}),
        ("trigger_task_completion", [ObjectId(TASK)], {"operation": "complete", "taskId": TASK}),
        ("trigger_task_deletion", [TASK, ObjectId(USER)], {"operation": "delete", "taskId": TASK, "userId": USER}),
    ],
)
def test_a_trigger_is_sent_as_the_contract_has_it(
    subject: Subject, worker: StubServer, method: str, arguments: list[Any], body: dict[str, str]
) -> None:
    worker.will(DONE)
    with subject.open(worker.url + "/", key="s3cret") as client:
        assert client.call(method, *arguments) == Delivered(DATA)

    (heard,) = worker.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/internal/worker/tasks/recurrence", body)
    assert heard.headers["x-internal-api-key"] == "s3cret"
    assert heard.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "arguments", "named", "body"),
    [
        ("update", [], {}, {"dryRun": False}),
        ("update", [4], {"dry_run": True}, {"dryRun": True, "fromSlot": 4}),
        ("reopen", [], {"dry_run": True}, {"dryRun": True}),
        ("skip", [], {}, {"dryRun": False}),
        ("skip", [2], {"undo": True}, {"dryRun": False, "slot": 2, "undo": True}),
    ],
)
def test_a_change_of_a_series_is_sent_to_its_own_path(
    subject: Subject,
    worker: StubServer,
    method: str,
    arguments: list[Any],
    named: dict[str, Any],
    body: dict[str, Any],
) -> None:
    data = {"seriesId": TASK, "written": not body["dryRun"], "changes": []}
    worker.will(answers(200, {"success": True, "message": "", "data": data}))
    with subject.open(worker.url) as client:
        assert client.call(method, ObjectId(TASK), *arguments, **named) == Delivered(data)
    (heard,) = worker.heard
    assert (heard.method, heard.path, heard.body) == ("POST", f"/internal/worker/series/{TASK}/{method}", body)


@pytest.mark.parametrize(
    ("method", "arguments", "data", "heard_as"),
    [
        ("get_worker_health", [], HEALTH, ("GET", "/internal/worker/health")),
        ("trigger_cleanup", [], {"operations": {}, "success": True}, ("POST", "/internal/worker/tasks/cleanup")),
        ("validate_recurrence", [{}], {"valid": True, "task": {}}, ("POST", "/internal/worker/validate")),
    ],
)
def test_a_question_is_answered_with_the_data_alone(
    subject: Subject, worker: StubServer, method: str, arguments: list[Any], data: object, heard_as: tuple[str, str]
) -> None:
    worker.will(answers(200, {"success": True, "data": data}))
    with subject.open(worker.url) as client:
        assert client.call(method, *arguments) == data
    (heard,) = worker.heard
    assert (heard.method, heard.path) == heard_as
    assert "x-internal-api-key" not in heard.headers


def test_a_task_to_validate_may_come_from_the_database(subject: Subject, worker: StubServer) -> None:
    worker.will(answers(200, {"success": True, "data": {"valid": True, "task": {}}}))
    summer = timezone(timedelta(hours=2))
    task = {"_id": ObjectId(TASK), "dueDate": datetime(2024, 7, 1, 2, tzinfo=summer), "createdAt": datetime(2024, 1, 1)}  # noqa: DTZ001 - so the driver gives it
    with subject.open(worker.url) as client:
        client.call("validate_recurrence", task)
        with pytest.raises(InvalidInput, match="JSON has no way to write set"):
            client.call("validate_recurrence", {"links": set()})
    assert [heard.body for heard in worker.heard] == [
        {"task": {"_id": TASK, "dueDate": "2024-07-01T00:00:00.000Z", "createdAt": "2024-01-01T00:00:00.000Z"}}
    ]


# What is worth repeating, how often, and after what wait


@pytest.mark.parametrize(
    ("failure", "wait"),
    [
        (drops, 0.5),
        (breaks_off, 0.5),
        (babbles, 0.5),
        (answers(500, b"<h1>Oops</h1>"), 0.5),
        (bad(503, "the database is away"), 0.5),
        (answers(429), 0.5),
        (answers(429, Retry_After="3"), 3),
        (answers(503, Retry_After="Mon, 01 Jan 2024 12:00:04 GMT"), 4),
        (answers(503, Retry_After="86400"), 10),
        (answers(503, Retry_After="0"), 0.5),
        (answers(503, Retry_After="soon"), 0.5),
    ],
)
def test_what_may_pass_is_tried_again_after_a_wait(
    subject: Subject, worker: StubServer, failure: Reaction, wait: float
) -> None:
    worker.will(failure, DONE)
    with subject.open(worker.url) as client:
        assert client.call("trigger_task_creation", TASK) == Delivered(DATA)
    assert subject.waits == [wait]
    assert len(worker.heard) == 2


def test_silence_is_tried_again(subject: Subject, worker: StubServer) -> None:
    worker.will(hangs, DONE)
    with subject.open(worker.url, options={"timeout": timedelta(seconds=1)}) as client:
        assert client.call("trigger_task_creation", TASK) == Delivered(DATA)
    assert len(worker.heard) == 2


def test_it_gives_up_after_two_retries_and_chance_spreads_the_waits(subject: Subject, worker: StubServer) -> None:
    worker.will(bad(500, "Worker processing failed"))
    with subject.open(worker.url, options={"chance": lambda: 1.0}) as client:
        assert client.call("trigger_task_creation", TASK) == Lost("500: Worker processing failed")
    assert len(worker.heard) == 3
    assert subject.waits == [0.625, 1.25]


@pytest.mark.parametrize(
    ("reaction", "reason"), [(hangs, "no answer within 0.1 s"), (trickles, "no answer within 0.1 s")]
)
def test_an_answer_that_does_not_end_in_time_is_none(
    subject: Subject, worker: StubServer, reaction: Reaction, reason: str
) -> None:
    """A byte every few seconds would hold a caller for hours."""
    worker.will(reaction)
    with subject.open(worker.url, options=SHORT) as client:
        assert client.call("trigger_task_creation", TASK) == Lost(reason)
    assert len(worker.heard) == 3


def test_where_nobody_listens_it_says_so(subject: Subject, caplog: pytest.LogCaptureFixture) -> None:
    with subject.open(f"http://localhost:{unused_port()}") as client:
        lost = client.call("trigger_task_deletion", TASK, USER)
        with pytest.raises(Unavailable):
            client.call("trigger_cleanup")
    assert isinstance(lost, Lost)
    assert "ConnectError" in lost.reason
    assert subject.waits == [0.5, 1.0] * 2
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    fact = {"operation": "delete", "taskId": TASK, "userId": USER}
    assert line.message == f"trigger lost: {fact}: {lost.reason}", "a person can make up for it from the log"
    assert vars(line).items() >= fact.items(), "and so can a program"


# What is not repeated


@pytest.mark.parametrize(
    ("reaction", "refusal"),
    [
        (bad(400, "Valid taskId is required"), (400, None, "Valid taskId is required")),
        (bad(404, "no such task", code="ORIGINAL_NOT_FOUND"), (404, "ORIGINAL_NOT_FOUND", "no such task")),
        (bad(413, "too large", code="TOO_LARGE"), (413, "TOO_LARGE", "too large")),
        (bad(422, "Invalid repeat type: x", code="INVALID_RECURRENCE"),
         (422, "INVALID_RECURRENCE", "Invalid repeat type: x")),
    ],
)  # fmt: skip
def test_a_refusal_is_raised_with_the_workers_words(
    subject: Subject, worker: StubServer, reaction: Reaction, refusal: tuple[Any, ...]
) -> None:
    worker.will(reaction)
    with subject.open(worker.url) as client, pytest.raises(Refused) as caught:
        client.call("trigger_task_creation", TASK)
    assert (caught.value.status, caught.value.reason, caught.value.message) == refusal
    assert not isinstance(caught.value, AccessDenied)
    assert len(worker.heard) == 1


@pytest.mark.parametrize(
    "reaction",
    [
        bad(403, "Invalid internal API key"),
        bad(401, "no token", code="NO_TOKEN"),
        bad(404, "Internal API endpoint not found"),
        answers(404, b"<pre>Cannot POST /internal/worker/tasks/recurrence</pre>"),
        answers(400, b"<center>nginx</center>"),
        answers(405),
    ],
)
def test_a_wrong_key_or_address_is_told_from_a_refusal(
    subject: Subject, worker: StubServer, reaction: Reaction
) -> None:
    worker.will(reaction)
    with subject.open(worker.url) as client, pytest.raises(AccessDenied):
        client.call("trigger_task_creation", TASK)
    assert len(worker.heard) == 1


@pytest.mark.parametrize(
    "reaction",
    [
        answers(200, b"<html>It works!</html>"),
        answers(200, b'{"success": true, "data": {"result'),
        answers(200, b"\xff\xfe\x00"),
        answers(200, b"[" * 100_000),
        pours,
        answers(200, b"not gzip", Content_Encoding="gzip"),
        answers(200, []),
        answers(200, {"success": True}),
        answers(200, {"success": True, "data": [1]}),
        answers(200, {"success": True, "data": {"status": "healthy"}}),
        answers(200, {"success": False, "data": DATA}),
        answers(204),
        answers(302, Location="/elsewhere"),
    ],
)
def test_an_answer_that_is_not_the_workers_delivers_nothing(
    subject: Subject, worker: StubServer, reaction: Reaction
) -> None:
    """Else whatever else listens on that port swallows every trigger."""
    worker.will(reaction)
    with subject.open(worker.url) as client:
        assert isinstance(client.call("trigger_task_creation", TASK), Lost)
    assert len(worker.heard) == 1, "neither repeated nor sent on to another address, with the key"


# Health and availability


def test_an_unhealthy_worker_has_answered_but_is_not_available(subject: Subject, worker: StubServer) -> None:
    worker.will(answers(503, {"success": False, "data": HEALTH | {"status": "unhealthy"}}))
    with subject.open(worker.url) as client:
        assert client.call("get_worker_health")["status"] == "unhealthy"
        assert client.call("is_worker_available") is False
    assert len(worker.heard) == 2


@pytest.mark.parametrize(
    ("reaction", "available"),
    [(answers(200, {"success": True, "data": HEALTH}), True), (answers(500), False), (drops, False), (hangs, False)],
)
def test_availability_is_asked_once_and_never_raises(
    subject: Subject, worker: StubServer, reaction: Reaction, *, available: bool
) -> None:
    worker.will(reaction)
    with subject.open(worker.url, options={} if available else SHORT) as client:
        assert client.call("is_worker_available") is available
    assert len(worker.heard) == 1


# Safe triggers


def test_a_safe_trigger_hands_on_the_answer(subject: Subject, worker: StubServer) -> None:
    worker.will(DONE)
    with subject.open(worker.url) as client:
        assert client.call_safely("trigger_task_creation", TASK) == Delivered(DATA)


@pytest.mark.parametrize(
    ("reaction", "event"),
    [(bad(422, "no"), "trigger failed"), (bad(403, "no"), "trigger failed"), (drops, "trigger lost")],
)
def test_a_safe_trigger_answers_none_and_logs_where_nothing_came_of_it(
    subject: Subject, worker: StubServer, reaction: Reaction, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker.will(reaction)
    with subject.open(worker.url) as client:
        assert client.call_safely("trigger_task_creation", TASK) is None
    assert event in [record.message.partition(":")[0] for record in caplog.records]


def test_a_safe_trigger_survives_a_mistake_of_its_caller(
    subject: Subject, worker: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    with subject.open(worker.url) as client:
        assert client.call_safely("trigger_task_deletion", TASK) is None, "the user is missing"
    (line,) = [record for record in caplog.records if record.name.startswith("recurrence_pipeline")]
    assert (line.levelname, line.message) == ("ERROR", "trigger failed unexpectedly: trigger_task_deletion")
    assert line.exc_info, "a defect comes with its traceback"
    assert worker.heard == []


# The key, the URL, the environment


@pytest.mark.parametrize("key", ["two\r\nlines", "schlüssel", " spaces ", "nul\0"])
def test_a_key_that_no_header_can_hold_is_refused_without_quoting_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        WorkerTrigger(key=key)
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:3000", "ftp://host", "http://", "http://user:p4ss@[::1", "http://a:b"])
def test_a_url_that_cannot_be_asked_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        WorkerTrigger(url)
    assert "p4ss" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "key"),
    [({}, None), ({"INTERNAL_API_KEY": "one"}, "one"), ({"INTERNAL_API_KEY": " new, old"}, "new")],
)
def test_the_environment_names_port_and_key(worker: StubServer, environment: dict[str, str], key: str | None) -> None:
    worker.will(DONE)
    with WorkerTrigger.from_environment({"PORT": str(worker.server_port), **environment}) as trigger:
        assert trigger.trigger_task_creation(TASK) == Delivered(DATA)
    assert worker.heard[0].headers.get("x-internal-api-key") == key


def test_an_environment_that_is_wrong_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="WORKER_TIMEOUT: '10s'"):
        WorkerTrigger.from_environment({"WORKER_TIMEOUT": "10s"})
    with pytest.raises(ConfigurationError, match="MONGODB_URL"):
        WorkerTrigger(database_url="postgres://host/database")


def test_proxies_of_the_environment_are_not_shown_the_key(
    subject: Subject, worker: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.will(DONE)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    with subject.open(worker.url, key="s3cret") as client:
        assert client.call("trigger_task_creation", TASK) == Delivered(DATA)
