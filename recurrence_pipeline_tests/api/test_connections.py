"""What a client can make the server hold before it has said who it is: so many bytes, and for so long."""

import json
from pathlib import Path

import pytest

from recurrence_pipeline.api.connections import MAX_HEAD
from recurrence_pipeline.api.middleware import MAX_HEADERS, SECURITY_HEADERS
from recurrence_pipeline.config.logs import configure
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.raw import answer_to, connected, head, read, status
from recurrence_pipeline_tests.api.serving import HEALTH, NO_SUCH_PATH, VALIDATE, Api
from recurrence_pipeline_tests.waiting import wait_until

TOO_LARGE = {
    "success": False,
    "error": "Request Header Fields Too Large",
    "code": "HEADERS_TOO_LARGE",
    "message": "A request has at most 100 headers and 16 KiB of them",
    "retryable": False,
}
JSON = "Content-Type: application/json"
HALVES = {
    "nothing": b"",
    "half a request line": b"GET /inter",
    "half of the headers": f"GET {HEALTH} HTTP/1.1\r\nHost: localhost\r\nX-".encode(),
    "half a body": head(VALIDATE, JSON, "Content-Length: 100", method="POST") + b'{"task"',
    "half a chunk": head(VALIDATE, JSON, "Transfer-Encoding: chunked", method="POST") + b'5\r\n{"t',
    "half a body for nobody": head("/nothing", JSON, "Content-Length: 100", method="POST").replace(b"close", b"x")
    + b"{",
}
"""All that a request can be when no more of it comes."""


def body(answer: bytes) -> object:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_more_headers_than_anybody_needs_are_refused(api: Api) -> None:
    """Once they were copied in quadratic time, before any key was looked at: 20,000 took seconds of everybody."""
    few = [f"X-{n}: y" for n in range(MAX_HEADERS - 2)]
    assert status(answer_to(api.client, head(HEALTH, *few))) == 200
    answer = answer_to(api.client, head(HEALTH, *few, "X-More: y"))
    assert (status(answer), body(answer)) == (431, TOO_LARGE)


@pytest.mark.parametrize("many", [20_000, 1])
def test_larger_headers_than_anybody_needs_are_refused(api: Api, many: int) -> None:
    """However they come: by the thousand in one piece, or one without an end."""
    size = 200_000 // many
    sent = head(HEALTH, *(f"X-{n}: {'y' * size}" for n in range(many)))
    answer = answer_to(api.client, sent[: MAX_HEAD + 1])  # the server reads no more
    assert (status(answer), body(answer)) == (431, TOO_LARGE)
    assert api.client.get(HEALTH).status_code == 200


def test_headers_up_to_the_bound_are_read(api: Api) -> None:
    empty = len(head(HEALTH, "X-Long: "))
    assert status(answer_to(api.client, head(HEALTH, "X-Long: " + "y" * (MAX_HEAD - empty)))) == 200


def test_the_headers_of_a_second_request_are_bounded_as_those_of_the_first(api: Api) -> None:
    """It comes in one piece with the first, where the parser alone would take all of it as complete."""
    first = head(HEALTH).replace(b"Connection: close\r\n", b"")
    second = head(HEALTH, *(f"X-{n}: {'y' * 1000}" for n in range(90)))
    answers = answer_to(api.client, first + second)
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.count(b"HTTP/1.1 431") == 1


def test_requests_that_come_at_once_are_answered_in_their_order(api: Api) -> None:
    wanted = json.dumps({"task": {"title": "x" * 40_000}}).encode()
    post = head(VALIDATE, JSON, f"Content-Length: {len(wanted)}", method="POST") + wanted
    kept = post.replace(b"Connection: close\r\n", b"")
    answers = answer_to(api.client, kept * 5 + head("/nothing"))
    assert answers.count(b"HTTP/1.1 200") == 5
    assert answers.count(b"x" * 40_000) == 5
    assert answers.endswith(json.dumps(NO_SUCH_PATH, separators=(",", ":")).encode())


@pytest.mark.parametrize("half", HALVES)
def test_a_request_that_is_never_complete_is_given_up(open_api: OpenApi, half: str) -> None:
    """Once each held a connection for as long as its sender liked."""
    api = open_api(REQUEST_TIMEOUT="300")
    answer = answer_to(api.client, HALVES[half])
    match half:
        case "nothing":
            assert answer == b""
        case "half a body for nobody":
            assert status(answer) == 404
        case _:
            assert (status(answer), body(answer)["code"]) == (408, "REQUEST_TIMEOUT")  # type: ignore[index]


def test_a_byte_now_and_then_does_not_put_it_off(open_api: OpenApi) -> None:
    api = open_api(REQUEST_TIMEOUT="300")
    with connected(api.client) as opened:
        opened.sendall(HALVES["half of the headers"])
        opened.settimeout(0.05)
        received = b""
        while not received:
            opened.sendall(b"y")
            try:
                received = opened.recv(1000)
            except TimeoutError:
                continue
    assert status(received) == 408


def test_a_beginning_after_an_answer_is_given_up_too(open_api: OpenApi) -> None:
    """A connection that had been of use was held for ever after the next request's first byte."""
    api = open_api(REQUEST_TIMEOUT="300")
    with connected(api.client) as opened:
        opened.sendall(head(HEALTH).replace(b"Connection: close\r\n", b""))
        assert status(opened.recv(65536)) == 200
        opened.sendall(b"G")
        assert status(read(opened)) == 408


def test_between_two_requests_a_connection_may_rest(open_api: OpenApi) -> None:
    """Clients keep them; what is closed under them while they send is an error to them."""
    api = open_api(REQUEST_TIMEOUT="200")
    with connected(api.client) as kept, connected(api.client) as silent:
        kept.sendall(head(HEALTH).replace(b"Connection: close\r\n", b""))
        assert status(kept.recv(65536)) == 200
        assert read(silent) == b"", "a connection that was opened as late has been given up"
        kept.sendall(head(HEALTH))
        assert status(read(kept)) == 200


def test_an_answer_that_nobody_fetches_is_given_up(open_api: OpenApi) -> None:
    api = open_api(REQUEST_TIMEOUT="300")
    bundle = head("/internal/docs/swagger-ui-bundle.js").replace(b"Connection: close\r\n", b"")
    with connected(api.client) as opened:
        opened.sendall(bundle * 20)  # 30 MB of answers: more than lies in buffers on the way
        silent = head(HEALTH)
        assert status(answer_to(api.client, silent)) == 200
        assert answer_to(api.client, b"") == b"", "a connection that was opened later has been given up"
        received = read(opened)
    assert 0 < received.count(b"HTTP/1.1 200") < 20


def test_what_is_no_http_is_a_bad_request_with_the_headers_of_any_answer(api: Api) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        answer = answer_to(api.client, sent)
        assert (status(answer), body(answer)) == (
            400,
            {"error": "Bad Request", "message": "Invalid HTTP request received."},
        )
        for name in ("X-Request-ID", *SECURITY_HEADERS):
            assert name.lower().encode() in answer.lower()


def test_a_request_to_change_the_protocol_is_answered_as_any_other(api: Api) -> None:
    """A WebSocket would be known to no route, no guard and no limit."""
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    sent = head("/nothing", *upgrade).replace(b"Connection: close", b"Connection: upgrade, close")
    assert status(answer_to(api.client, sent)) == 404


# The log


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    ("sent", "end", "logged"),
    [
        (HALVES["half a body"], b"", 499),
        (HALVES["half a chunk"], b"", 499),
        (HALVES["half a chunk"], b"ask\r\nzz\r\n", 400),
    ],
)
def test_a_client_that_goes_away_midway_costs_one_line(
    open_api: OpenApi, tmp_path: Path, sent: bytes, end: bytes, logged: int
) -> None:
    """And no traceback: it is nobody's mistake here. The line says what became of the request."""
    file = tmp_path / "log.jsonl"
    api = open_api(LOG_FILE=str(file))
    configure(api.world.settings)
    with connected(api.client) as opened:
        opened.sendall(sent + end)
    wait_until(lambda: VALIDATE in file.read_text(), "the request has its line")
    api.client.get(HEALTH)
    wait_until(lambda: HEALTH in file.read_text(), "and the one after it")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    (line,) = (line for line in lines if "status" in line and line["path"] == VALIDATE)
    assert (line["status"], line["level"]) == (logged, "info")
    assert [line["event"] for line in lines] == ["request", "request"]
