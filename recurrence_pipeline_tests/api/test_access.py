"""Who may ask: keys, loopback, proxies, users' tokens, web pages, and how often."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import jwt
import pytest
from bson import ObjectId

from recurrence_pipeline.api.auth import Authenticator, Caller, key_name
from recurrence_pipeline.config.logs import configure
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.raw import head, in_short, short_answer_to
from recurrence_pipeline_tests.api.serving import (
    CLEANUP,
    EVENTS,
    FORBIDDEN_KEY,
    FORBIDDEN_PEER,
    HEALTH,
    PREVIEW,
    RECURRENCE,
    SERIES,
    STATS,
    VALIDATE,
    Api,
)
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import utc

KEY = {"x-internal-api-key": "new-key"}
KEYS = "new-key, old-key"
SECRET = "a secret of the application: " + "x" * 64
USER = "5" * 24


def from_elsewhere(api: Api) -> httpx.Client:
    """Return a client whose socket has an address that is on this machine and yet none the contract names."""
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    return httpx.Client(base_url=api.client.base_url, transport=transport, trust_env=False)


def token(user_id: object, *, secret: str = SECRET, **claims: object) -> dict[str, str]:
    """Return the header with a user's token."""
    return {"Authorization": f"Bearer {jwt.encode({'_id': str(user_id), **claims}, secret, algorithm='HS256')}"}


# Keys


@pytest.mark.parametrize("given", ["new-key", "old-key"])
def test_each_of_several_keys_opens(open_api: OpenApi, given: str) -> None:
    """Else keys could not be rotated without a moment in which one side has the wrong one."""
    api = open_api(INTERNAL_API_KEY=KEYS)
    assert api.client.get(HEALTH, headers={"x-internal-api-key": given}).status_code == 200


@pytest.mark.parametrize("given", [None, "", "wrong", "NEW-KEY", "new-key, old-key", "new", "new-key2", "n\xe9w"])
def test_a_missing_or_wrong_key_is_refused_even_on_loopback(open_api: OpenApi, given: str | None) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS)
    headers = [] if given is None else [(b"x-internal-api-key", given.encode("latin-1"))]
    answer = api.client.get(HEALTH, headers=headers)
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN_KEY)


def test_a_key_that_is_given_twice_is_refused(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS)
    answer = api.client.get(HEALTH, headers=[("x-internal-api-key", "new-key"), ("x-internal-api-key", "wrong")])
    assert answer.status_code == 403


def test_with_a_key_the_address_does_not_matter(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS)
    with from_elsewhere(api) as client:
        assert client.get(HEALTH, headers=KEY).status_code == 200


def test_a_key_has_a_name_that_is_not_the_key() -> None:
    assert key_name(b"new-key") != key_name(b"old-key")
    caller = Authenticator(Settings.from_environment({"INTERNAL_API_KEY": KEYS})).identify(
        "10.0.0.1", {"x-internal-api-key": ["old-key"]}
    )
    assert caller == Caller(f"key {key_name(b'old-key')}")
    assert "old" not in caller.name


# Addresses


def test_without_a_key_only_loopback_may_ask(open_api: OpenApi) -> None:
    api = open_api()
    assert api.client.get(HEALTH).status_code == 200
    with from_elsewhere(api) as client:
        answer = client.get(HEALTH)
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN_PEER)


def test_what_a_proxy_nobody_named_says_is_not_believed(open_api: OpenApi) -> None:
    """Else anybody could write 127.0.0.1 into a header and be let in."""
    api = open_api()
    forwarded = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    with from_elsewhere(api) as client:
        assert client.get(HEALTH, headers=forwarded).status_code == 403
    assert api.client.get(HEALTH, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["127.0.0.1", "203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        ("::ffff:127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("10.1.2.3", ["127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", ["localhost"], "unknown"),
        ("127.0.0.1", [""], "unknown"),
        ("127.0.0.1", ["203.0.113.9:5000"], "unknown"),
        ("203.0.113.9", ["127.0.0.1"], "203.0.113.9"),
    ],
)
def test_behind_named_proxies_the_last_address_that_is_none_of_them_counts(
    peer: str, forwarded: list[str], address: str
) -> None:
    access = Authenticator(Settings.from_environment({"TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8"}))
    assert access.address(peer, forwarded) == address


@pytest.mark.parametrize(
    ("peer", "open_to"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("127.0.0.2", False),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback_is_three_addresses(peer: str | None, open_to: bool) -> None:  # noqa: FBT001
    assert isinstance(Authenticator(Settings.from_environment({})).identify(peer, {}), Caller) is open_to


# Tokens


def test_a_user_sees_what_is_theirs(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS, JWT_SECRET=SECRET)
    mine = api.world.create(utc(2024, 1, 2), "daily")
    theirs = api.world.add_task(utc(2024, 1, 2), "daily", userId=ObjectId())
    api.world.add_event("create", theirs)
    api.client.headers.update(token(api.world.user))

    stats = api.get(STATS).json()["data"]
    assert (stats["userId"], stats["recurringTasks"]["totalTasks"]) == (str(api.world.user), 4)
    assert "queue" not in stats["workerStatus"], "the events of others are none of theirs"
    assert api.get(STATS, userId=api.world.user).status_code == 200
    assert [e["taskId"] for e in api.get(EVENTS).json()["data"]["events"]] == [str(mine)]
    assert len(api.get(EVENTS, taskId=mine).json()["data"]["events"]) == 1
    assert len(api.get(PREVIEW, taskId=mine, count=2).json()["data"]["slots"]) == 2

    assert api.get(STATS, userId=ObjectId()).status_code == 403
    assert api.get(EVENTS, taskId=theirs).status_code == 403
    assert api.get(PREVIEW, taskId=theirs).status_code == 403
    assert api.get(PREVIEW, taskId=api.world.add_task(utc(2024, 1, 2), "daily", userId=None)).status_code == 403


def test_of_a_task_that_is_gone_a_user_sees_the_events_that_name_them(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS, JWT_SECRET=SECRET)
    gone = ObjectId()
    api.world.add_event("delete", gone)
    api.world.add_event("delete", gone, userId=ObjectId())
    found = api.client.get(EVENTS, params={"taskId": str(gone)}, headers=token(api.world.user)).json()
    assert [event["userId"] for event in found["data"]["events"]] == [str(api.world.user)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", RECURRENCE),
        ("POST", CLEANUP),
        ("POST", VALIDATE),
        ("GET", HEALTH),
        ("POST", f"{EVENTS}/{'f' * 24}/replay"),
        ("POST", f"{SERIES}/{'f' * 24}/update"),
        ("POST", f"{SERIES}/{'f' * 24}/reopen"),
        ("POST", f"{SERIES}/{'f' * 24}/skip"),
        ("GET", "/internal/docs"),
        ("GET", "/internal/openapi.json"),
    ],
)
def test_a_users_token_opens_nothing_else(open_api: OpenApi, method: str, path: str) -> None:
    api = open_api(JWT_SECRET=SECRET)
    answer = api.client.request(method, path, headers=token(USER))
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN_PEER)


def test_a_token_that_is_not_valid_opens_nothing(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS, JWT_SECRET=SECRET)
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    unsigned = jwt.encode({"_id": USER}, "", algorithm="none")
    longer = jwt.encode({"_id": USER}, SECRET, algorithm="HS512")
    wrong = [
        token(USER, secret="another secret, which is just as long"),
        token(USER, exp=past),
        token("nobody"),
        token({"$ne": None}),
        *({"Authorization": f"Bearer {text}"} for text in (unsigned, longer, "x.y.z")),
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
    ]
    for headers in wrong:
        answer = api.client.get(STATS, headers=headers)
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN_KEY)


def test_a_token_means_nothing_where_no_secret_is_set(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS)
    assert api.client.get(STATS, headers=token(USER)).status_code == 403


@pytest.mark.parametrize("secret", ["short", "x" * 31, "\u00fc" * 15])
def test_a_secret_that_can_be_guessed_keeps_the_api_from_starting(open_api: OpenApi, secret: str) -> None:
    """Whoever guesses it reads what any user has; a warning in a log is read afterwards."""
    size = len(secret.encode())
    with pytest.raises(ConfigurationError, match=f"^JWT_SECRET: {size} bytes can be guessed, 32 cannot") as caught:
        open_api(JWT_SECRET=secret)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("secret", ["x" * 32, "\u00fc" * 16])
def test_a_secret_of_32_bytes_is_long_enough(open_api: OpenApi, secret: str) -> None:
    api = open_api(JWT_SECRET=secret)
    assert api.client.get(STATS, headers=token(USER, secret=secret)).status_code == 200


def test_a_short_secret_that_is_allowed_works_and_is_remarked_upon(open_api: OpenApi) -> None:
    """The secret of an old application is what it is; that it can be guessed should be known."""
    api = open_api(JWT_SECRET="short", JWT_SECRET_ALLOW_SHORT="true")
    assert Authenticator(api.world.settings).remarks == ["JWT_SECRET: 5 bytes can be guessed, 32 cannot"]
    assert api.client.get(STATS, headers=token(USER, secret="short")).status_code == 200


@pytest.mark.parametrize(("required", "expected"), [("false", 200), ("true", 403)])
def test_a_token_that_never_expires_can_be_refused(open_api: OpenApi, required: str, expected: int) -> None:
    api = open_api(JWT_SECRET=SECRET, JWT_REQUIRE_EXP=required)
    assert api.client.get(STATS, headers=token(USER)).status_code == expected
    in_an_hour = datetime.now(timezone.utc) + timedelta(hours=1)
    assert api.client.get(STATS, headers=token(USER, exp=in_an_hour)).status_code == 200


@pytest.mark.parametrize(("required", "expected"), [("false", 200), ("true", 403)])
@pytest.mark.parametrize("path", [STATS, EVENTS])
def test_a_token_of_a_user_who_is_gone_can_be_refused(
    open_api: OpenApi, path: str, required: str, expected: int
) -> None:
    """Tokens outlive accounts."""
    api = open_api(JWT_SECRET=SECRET, JWT_REQUIRE_USER=required)
    api.world.worker.mongo.users.insert_one({"_id": api.world.user})
    assert api.client.get(path, headers=token(api.world.user)).status_code == 200
    api.world.worker.mongo.users.delete_one({"_id": api.world.user})
    assert api.client.get(path, headers=token(api.world.user)).status_code == expected


# Order, pages, limits


def test_who_may_not_ask_is_not_told_what_is_wrong_with_the_request(open_api: OpenApi) -> None:
    """The order is: path, key or address, body, work."""
    api = open_api(INTERNAL_API_KEY=KEYS)
    assert api.client.post(RECURRENCE, content=b"{").status_code == 403
    assert api.client.get(f"{STATS}?nobody=1").status_code == 403
    unsent = head(RECURRENCE, "Content-Type: application/json", "Content-Length: 9", method="POST")
    assert short_answer_to(api.client, unsent)[0] == 403, "and no byte of the body was waited for"
    assert api.client.get("/internal/nothing").status_code == 404
    assert api.client.get(RECURRENCE).status_code == 404


def test_only_pages_of_named_origins_may_call(open_api: OpenApi) -> None:
    api = open_api(ALLOWED_ORIGINS="https://app.example.org")
    ours = {"Origin": "https://app.example.org"}
    assert api.client.get(HEALTH, headers=ours).headers["access-control-allow-origin"] == ours["Origin"]
    theirs = api.client.get(HEALTH, headers={"Origin": "https://evil.example.org"})
    assert "access-control-allow-origin" not in theirs.headers
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-internal-api-key"}
    assert api.client.options(RECURRENCE, headers=ours | asked).status_code == 200


def test_without_origins_no_page_may_call(open_api: OpenApi) -> None:
    answer = open_api().client.get(HEALTH, headers={"Origin": "https://app.example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_one_request_too_many_in_a_minute_is_told_when_to_come_back(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS, RATE_LIMIT_PER_MINUTE="3")
    assert [api.client.get(HEALTH, headers=KEY).status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = api.client.get(HEALTH, headers=KEY)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json() == {
        "success": False,
        "error": "Too Many Requests",
        "code": "RATE_LIMITED",
        "message": "More than 3 requests in a minute",
        "retryable": True,
    }
    assert api.client.get(HEALTH, headers={"x-internal-api-key": "old-key"}).status_code == 200, "each has its own"


def test_guessing_keys_is_limited_and_costs_no_owner_of_a_key_anything(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS, RATE_LIMIT_PER_MINUTE="3")
    guesses = [api.client.get(HEALTH, headers={"x-internal-api-key": str(n)}).status_code for n in range(5)]
    assert guesses == [403, 403, 403, 429, 429]
    assert api.client.get(HEALTH, headers=KEY).status_code == 200


def test_paths_that_are_not_there_count_too(open_api: OpenApi) -> None:
    """Else whoever has no key could ask as often as they like."""
    api = open_api(INTERNAL_API_KEY=KEYS, RATE_LIMIT_PER_MINUTE="3")
    asked = [("GET", "/nothing"), ("PUT", HEALTH), ("POST", "/internal"), ("GET", "/nothing"), ("GET", HEALTH)]
    assert [api.client.request(*each).status_code for each in asked] == [404, 404, 404, 429, 429]
    assert api.client.get(HEALTH, headers=KEY).status_code == 200


@pytest.mark.parametrize(
    "given", [b"\xff\xfe", "schl\u00fcssel".encode(), "schl\u00fcssel".encode("latin-1"), b"\x80" * 5000]
)
def test_a_key_that_is_no_utf_8_is_a_wrong_key(open_api: OpenApi, given: bytes) -> None:
    api = open_api(INTERNAL_API_KEY=KEYS, JWT_SECRET=SECRET)
    for name in (b"x-internal-api-key: ", b"Authorization: Bearer "):
        sent = head(STATS)[:-2] + name + given + b"\r\nX-Request-ID: \xff\r\nX-Forwarded-For: \xff\r\n\r\n"
        assert short_answer_to(api.client, sent) == (403, in_short(FORBIDDEN_KEY))


def test_no_limit_is_no_limit(open_api: OpenApi) -> None:
    api = open_api(RATE_LIMIT_PER_MINUTE="0")
    assert {api.client.post(VALIDATE, json={"task": {}}).status_code for _ in range(50)} == {200}


# The log


@pytest.mark.usefixtures("logging_as_before")
def test_failed_authentications_are_logged_and_no_key_ever_is(open_api: OpenApi, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    api = open_api(
        INTERNAL_API_KEY="canary-right",
        JWT_SECRET="canary-secret-of-at-least-32-bytes",
        LOG_FILE=str(file),
        LOG_LEVEL="debug",
    )
    configure(api.world.settings)
    bad = token(USER, secret="canary-of-somebody-else-with-32-bytes")
    answers = [
        api.client.get(HEALTH, headers={"x-internal-api-key": "canary-wrong"}),
        api.client.get(STATS, headers=bad),
        api.client.get(HEALTH, headers={"x-internal-api-key": "canary-right"}),
        api.client.post(RECURRENCE, headers={"x-internal-api-key": "canary-right"}, json={"taskId": "canary"}),
        api.client.get("/internal/openapi.json", headers={"x-internal-api-key": "canary-right"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 200, 400, 200]
    wait_until(lambda: file.read_text().count('"request"') == len(answers), "every request has its log line")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    reasons = [line["reason"] for line in lines if line["event"] == "authentication failed"]
    assert reasons == ["wrong key", "bad token: InvalidSignatureError"]
    assert {line["caller"] for line in lines if line["event"] == "request"} == {
        None,
        f"key {key_name(b'canary-right')}",
    }
    assert [line["requestId"] for line in lines if line["event"] == "request"] == [
        answer.headers["X-Request-ID"] for answer in answers
    ]
    told = " ".join(answer.text + json.dumps(dict(answer.headers)) for answer in answers)
    assert "canary" not in told + file.read_text()
    assert bad["Authorization"].split()[1] not in file.read_text()
