"""Bodies, headers and failures: what is refused before the work, and what answers say where the work fails."""

import asyncio
import gzip
import json
import socket

import httpx
import pytest
from bson import ObjectId
from starlette.types import Receive, Scope, Send

from recurrence_pipeline.api.errors import error_from
from recurrence_pipeline.api.middleware import RequestMiddleware
from recurrence_pipeline.api.requests import MAX_DEPTH
from recurrence_pipeline.domain.errors import (
    CleanupRefused,
    DatabaseUnavailable,
    InternalError,
    InvalidRecurrence,
    LeaseLost,
    PartialWrite,
    ProcessingFailed,
    RecurrenceError,
)
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import CLEANUP, HEALTH, RECURRENCE, VALIDATE, Api, bad_request
from recurrence_pipeline_tests.world import utc

JSON = {"Content-Type": "application/json"}
MB = 1024 * 1024
UNKNOWN = "f" * 24


@pytest.mark.parametrize(
    "body",
    [b"{", b"null,", b"{'taskId': 1}", b'{"a": NaN}', b'{"a": 1e999}', b"\xff\xfe\x00",
     b'{"a": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
@pytest.mark.parametrize("path", [RECURRENCE, VALIDATE, CLEANUP])
def test_malformed_json_is_a_bad_request(shared_api: Api, path: str, body: bytes) -> None:
    answer = shared_api.client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()) == (400, bad_request("Malformed JSON in request body"))


def nested(levels: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    """Return a body of so many levels, the task's and the body's own included."""
    inner = levels - 2
    return b'{"task":{"a":' + opening * inner + b"1" + closing * inner + b"}}"


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 300, 500, 970, 100_000])
@pytest.mark.parametrize("brackets", [(b'{"a":', b"}"), (b"[", b"]"), (b"[{},", b"]")])
@pytest.mark.parametrize("path", [RECURRENCE, VALIDATE, CLEANUP])
def test_json_that_is_nested_too_deep_is_a_bad_request(
    shared_api: Api, path: str, levels: int, brackets: tuple[bytes, bytes]
) -> None:
    """From some depth on it was a failure of ours: it could be read, and not written out again."""
    answer = shared_api.client.post(path, content=nested(levels, *brackets), headers=JSON)
    message = "The JSON in the request body is nested more than 64 levels deep"
    assert (answer.status_code, answer.json()) == (400, bad_request(message))


def test_json_that_is_nested_as_deep_as_may_be_is_echoed(shared_api: Api) -> None:
    answer = shared_api.client.post(VALIDATE, content=nested(MAX_DEPTH), headers=JSON)
    assert answer.status_code == 200
    assert answer.content.count(b'{"a":') == MAX_DEPTH - 1


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "json"]
)
def test_a_body_that_is_not_json_is_of_an_unsupported_type(shared_api: Api, kind: str | None) -> None:
    answer = shared_api.client.post(RECURRENCE, content=b"{}", headers={"Content-Type": kind} if kind else {})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_compressed_body_is_of_an_unsupported_type(shared_api: Api) -> None:
    answer = shared_api.client.post(
        RECURRENCE, content=gzip.compress(b"{}"), headers=JSON | {"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"']
)
def test_json_may_name_its_encoding(shared_api: Api, kind: str) -> None:
    assert shared_api.client.post(VALIDATE, content=b'{"task": {}}', headers={"Content-Type": kind}).status_code == 200


def test_a_body_of_1_mb_is_read_and_a_larger_one_is_not(api: Api) -> None:
    frame = len(b'{"task":{"title":""}}')
    fits = json.dumps({"task": {"title": "x" * (MB - frame)}}, separators=(",", ":")).encode()
    assert len(fits) == MB
    assert api.client.post(VALIDATE, content=fits, headers=JSON).status_code == 200
    answer = api.client.post(VALIDATE, content=fits + b" ", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_a_large_body_that_does_not_say_its_size_is_stopped_too(api: Api) -> None:
    answer = api.client.post(VALIDATE, content=iter([b" " * MB, b" " * MB]), headers=JSON)
    assert answer.status_code == 413


def test_a_body_that_says_it_is_huge_is_refused_before_it_is_sent(api: Api) -> None:
    address = (api.client.base_url.host, api.client.base_url.port or 0)
    with socket.create_connection(address, timeout=20) as raw:
        raw.sendall(
            f"POST {VALIDATE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {10**12}\r\n\r\n".encode()
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_half_a_character_is_echoed_and_not_a_failure(shared_api: Api) -> None:
    """JSON can say what UTF-8 cannot."""
    answer = shared_api.client.post(VALIDATE, content=b'{"task": {"title": "\\ud83d"}}', headers=JSON)
    assert (answer.status_code, answer.json()["data"]["task"]["title"]) == (200, "\ud83d")
    answer = shared_api.client.post(VALIDATE, content=b'{"task": {"\\ud83d": 1}}', headers=JSON)
    assert (answer.status_code, answer.json()["data"]["task"]) == (200, {"\ud83d": 1})
    answer = shared_api.client.post(RECURRENCE, content=b'{"taskId": "\\ud83d"}', headers=JSON)
    assert (answer.status_code, answer.json()) == (400, bad_request("Valid taskId is required"))
    answer = shared_api.client.post(
        RECURRENCE, content=b'{"taskId": "%s", "operation": "\\ud83d"}' % UNKNOWN.encode(), headers=JSON
    )
    assert answer.status_code == 400


def test_every_answer_has_a_request_id_and_security_headers_and_no_version(shared_api: Api) -> None:
    for answer in (
        shared_api.client.get(HEALTH),
        shared_api.client.get("/nothing"),
        shared_api.client.post(RECURRENCE, content=b"{"),
    ):
        assert answer.headers["X-Request-ID"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "server" not in answer.headers


def test_a_request_id_that_can_be_one_is_kept(shared_api: Api) -> None:
    assert shared_api.client.get(HEALTH, headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    forged = shared_api.client.get(HEALTH, headers={"X-Request-ID": "a b; c" * 50}).headers["X-Request-ID"]
    assert len(forged) == 32


def test_an_unknown_task_is_not_found_and_the_answer_says_so(api: Api) -> None:
    answer = api.recurrence("create", UNKNOWN)
    assert answer.status_code == 404
    assert answer.json() == {
        "success": False,
        "error": "Not Found",
        "code": "ORIGINAL_NOT_FOUND",
        "message": "Worker processing failed for operation: create: Original task not found",
        "retryable": False,
    }


def test_a_refused_recurrence_cannot_be_processed_and_the_answer_says_why(api: Api) -> None:
    answer = api.recurrence("create", api.world.add_task(utc(2024, 1, 2), "hourly"))
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "error": "Unprocessable Entity",
        "code": "INVALID_RECURRENCE",
        "message": "Worker processing failed for operation: create: Invalid repeat type: hourly",
        "retryable": False,
    }


def test_a_series_whose_rule_an_earlier_version_counted_otherwise_is_refused(api: Api) -> None:
    task_id = api.world.create(utc(2024, 1, 2), "daily")
    counted = {"recurrenceCursor": {"number": 3, "repeatType": "daily"}, "repeatType": "weekly"}
    api.world.worker.mongo.tasks.update_one({"_id": task_id}, {"$set": counted})
    api.world.worker.mongo.series.delete_many({})
    answer = api.recurrence("complete", task_id)
    assert (answer.status_code, answer.json()["code"]) == (422, "RULE_CHANGED")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProcessingFailed("create", "x", code="LEASE_LOST", retryable=True), 503, "LEASE_LOST"),
        (ProcessingFailed("create", "x", code="PARTIAL", retryable=False), 503, "PARTIAL"),
        (ProcessingFailed("create", "x", code="WRITE_REFUSED", retryable=False), 422, "WRITE_REFUSED"),
        (ProcessingFailed("create", "x", code="UNEXPECTED", retryable=True), 503, "UNEXPECTED"),
        (ProcessingFailed("create", "x", code="OF_LATER", retryable=True), 503, "OF_LATER"),
        (DatabaseUnavailable("db1.internal:27017: refused"), 503, "OUTAGE"),
        (PartialWrite("x"), 503, "PARTIAL"),
        (LeaseLost("x"), 503, "LEASE_LOST"),
        (InternalError("KeyError: '_id'"), 503, "UNEXPECTED"),
        (InvalidRecurrence("x", field="x"), 422, "INVALID_RECURRENCE"),
        (CleanupRefused("x"), 409, "CLEANUP_REFUSED"),
    ],
)
def test_an_error_has_a_status_by_what_to_do_next(error: RecurrenceError, status: int, code: str) -> None:
    answer = error_from(error)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.body["retryable"] is (status == 503)
    assert ("Retry-After" in answer.headers) is (status == 503)
    assert "27017" not in str(answer)
    assert "KeyError" not in str(answer)


def test_a_cleanup_that_looks_like_a_mistake_is_refused(open_api: OpenApi) -> None:
    """Else an application that emptied its collection by mistake would lose the rest, too."""
    api = open_api(ORPHAN_CLEANUP_LIMIT="0")
    for _ in range(3):
        api.world.add_task(utc(2024, 1, 2), "daily", parentRecurringId=ObjectId())
    answer = api.client.post(CLEANUP)
    assert (answer.status_code, answer.json()["code"]) == (409, "CLEANUP_REFUSED")
    assert api.world.worker.mongo.tasks.count_documents({}) == 3


def test_a_defect_of_ours_is_answered_and_nothing_of_it_is_told() -> None:
    async def defective(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise KeyError("secret insides")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(RequestMiddleware(defective))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(HEALTH)

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (500, "UNEXPECTED")
    assert "insides" not in answer.text
    assert answer.headers["X-Request-ID"]
