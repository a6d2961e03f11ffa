"""Odd requests against the OpenAPI page: none gets a 5xx, or an answer that the page does not declare.

Schemathesis varies what the page describes; what no description has (bytes, nesting, names nobody knows) is ours.
"""

import json
import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline.api import schemas
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.raw import answer_to, head, status
from recurrence_pipeline_tests.world import utc

EXAMPLES = os.environ.get("RECURRENCE_FUZZ_EXAMPLES", "15")
"""For each operation; `make fuzz` sets more."""

KEY = "x-internal-api-key: fuzz-key"
PARAMETERS = ("userId", "taskId", "status", "limit", "count", "token")

LONGEST = timedelta(minutes=60)
NOT_OURS = "unsupported_method"
"""Wants 405 for a wrong method; the application knows 404."""
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]
"""
"""422: whether a series has slot 900 is said by what is stored, and by no schema."""


@pytest.mark.timeout(LONGEST.total_seconds())
@pytest.mark.usefixtures("logging_as_before")
def test_no_request_gets_an_answer_that_the_page_does_not_declare(open_api: OpenApi, tmp_path: Path) -> None:
    api = open_api(INTERNAL_API_KEY="fuzz-key", RATE_LIMIT_PER_MINUTE="0")
    task_id = ObjectId(schemas.ID)
    api.world.add_task(utc(2024, 1, 31, 9), "monthly", _id=task_id, userId=ObjectId(schemas.USER))
    api.world.add_event("create", ObjectId(), _id=ObjectId(schemas.EVENT), status="failed")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.client.base_url}/internal/openapi.json"),
        *("--header", "x-internal-api-key: fuzz-key", "--checks", "all", "--exclude-checks", NOT_OURS),
        *("--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--no-color", "--warnings", "off"),
        *("--generation-database", "none"),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr[-2000:]


def an_odd_request(chance: random.Random, operations: list[tuple[str, str]]) -> tuple[str, str, bytes]:
    """Return a method, a path as the page has it, and a request to it in which anything may be odd."""
    method, path = chance.choice(operations)
    names = [*PARAMETERS, *(f"{name}[$ne]" for name in PARAMETERS), "", "x" * chance.randrange(9000), "%FF", "a%00b"]
    values = [schemas.ID, "", "1", "failed", "%FF", "\xe9", "a%0d%0aX-A:%20b", "9" * 50, "-1", "null"]
    query = "&".join(f"{chance.choice(names)}={chance.choice(values)}" for _ in range(chance.choice([0, 0, 0, 1, 3])))
    body = an_odd_body(chance)
    headers = [
        chance.choice(
            [
                f"X-{number}: {'y' * chance.randrange(300)}",
                "X-Request-ID: \xff\xfe",
                "Authorization: Bearer \xff.\xff.\xff",
                "Authorization: Bearer e30.e30.e30",
                "x-internal-api-key: \xff",
                "X-Forwarded-For: \xff, ::1, 999.1.1.1",
                f"Host: {'z' * 300}",
                "Origin: null",
                "Content-Type: application/json; charset=\xff",
                "Content-Type: text/plain",
                "Content-Encoding: gzip",
                "Transfer-Encoding: chunked",
                "Content-Length: 5",
                "Content-Length: -1",
                "Expect: 100-continue",
                "Upgrade: websocket",
                "Cookie: " + "c" * chance.randrange(20_000),
                ": no name",
                "no colon",
                "folded: a\r\n b",
            ]
        )
        for number in range(chance.choice([0, 0, 0, 0, 1, 3, 120]))
    ]
    usual = [KEY, "Content-Type: application/json", f"Content-Length: {len(body)}"]
    target = path.replace("{event_id}", schemas.EVENT).replace("{task_id}", schemas.ID) + (f"?{query}" if query else "")
    return (
        method,
        path,
        head(target, *chance.sample(usual, chance.choice([2, 3, 3, 3, 3, 3])), *headers, method=method) + body,
    )


def an_odd_body(chance: random.Random) -> bytes:
    deep = chance.choice([30, 62, 64, chance.randrange(300, 970), chance.randrange(300, 970), 3000])
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[[],{"dueDate":', b"}]")])
    nested = opening * deep + b"0" + closing * deep
    whole = [
        *[b'{"task":{"title":' + nested + b"}}"] * 5,
        b'{"task":{"repeatType":"daily","dueDate":' + nested + b"}}",
        b'{"task":{"repeatType":' + nested + b',"dueDate":"2099-01-01"}}',
        b'{"taskId":' + nested + b',"operation":"create"}',
        f'{{"taskId":"{schemas.ID}","operation":"create","userId":'.encode() + nested + b"}",
        b'{"task":{"repeatType":"daily","dueDate":%d}}' % chance.randrange(-(10**20), 10**20),
        b'{"task":{"repeatType":"daily","dueDate":"2099-01-01","timezone":"../../\\u0000"}}',
        b'{"task":{"title":"\\ud800"}}',
        b'{"dryRun":true,"slot":%d}' % chance.randrange(-9, 10**12),
        b'{"undo":true,"slot":%d}' % chance.randrange(9),
        b'{"fromSlot":%d}' % chance.randrange(10**12),
        b'{"fromSlot":' + nested + b"}",
        chance.randbytes(chance.randrange(300)),
        b"",
    ]
    body = chance.choice(whole)
    return body[: chance.randrange(len(body) + 1)] if chance.random() < 0.1 else body


@pytest.mark.timeout(LONGEST.total_seconds())
@pytest.mark.usefixtures("logging_as_before")
def test_whatever_the_bytes_of_a_request_are_its_answer_is_one_that_the_page_declares(open_api: OpenApi) -> None:
    """12 of 31,000 such requests were answered 500, all for their nesting."""
    api = open_api(INTERNAL_API_KEY="fuzz-key", RATE_LIMIT_PER_MINUTE="0", REQUEST_TIMEOUT="300", JWT_SECRET="s" * 32)
    paths = api.client.get("/internal/openapi.json", headers={"x-internal-api-key": "fuzz-key"}).json()["paths"]
    declared = {
        (method.upper(), path): {int(status) for status in operation["responses"]}
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    chance = random.Random(1)
    for _ in range(int(EXAMPLES) * 80):
        method, path, sent = an_odd_request(chance, list(declared))
        answer = answer_to(api.client, sent)
        assert answer, sent[:2000]
        assert status(answer) in declared[method, path], sent[:2000]
        assert status(answer) < 500, sent[:2000]
        if b"\r\ncontent-type: text/calendar" in answer:
            assert answer.endswith(b"END:VCALENDAR\r\n\r\n0\r\n\r\n"), sent[:2000]
        else:
            assert json.loads(answer.rpartition(b"\r\n\r\n")[2]), sent[:2000]


def test_the_page_shows_every_path_and_asks_no_other_host(open_api: OpenApi) -> None:
    api = open_api()
    page = api.client.get("/internal/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!doctype", "")
    for part in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f"/internal/docs/{part}" in page.text
        assert api.client.get(f"/internal/docs/{part}").status_code == 200
    described = api.client.get("/internal/openapi.json").json()
    assert set(described["paths"]) == {
        f"/internal/worker/{path}"
        for path in (
            "tasks/recurrence", "tasks/cleanup", "health", "stats", "validate", "events", "events/{event_id}/replay",
            "preview", "explain", "calendar.ics", "series/{task_id}/update", "series/{task_id}/reopen",
            "series/{task_id}/skip",
        )
    }  # fmt: skip
    for path in described["paths"].values():
        for operation in path.values():
            assert {"200", "403", "429", "500", "503"} <= set(operation["responses"])
            assert operation["summary"]
            assert operation["description"]
