"""Where no key is set: programs on this machine may ask, and web pages in a browser on it may not."""

import pytest
from bson import ObjectId

from recurrence_pipeline.api.auth import Authenticator, Caller
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.raw import head, in_short, short_answer_to
from recurrence_pipeline_tests.api.serving import CLEANUP, EVENTS, FORBIDDEN_PEER, HEALTH, RECURRENCE, STATS, VALIDATE
from recurrence_pipeline_tests.world import utc


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: https://evil.example"],
        ["Origin: null"],
        ["Origin: http://localhost:8080"],
        ["Origin: https://evil.example", "Content-Type: application/json"],
        ["Origin: http://localhost", "Origin: https://evil.example"],
        ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"],
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", CLEANUP), ("POST", f"{EVENTS}/{'f' * 24}/replay"), ("GET", STATS)]
)
def test_without_a_key_no_page_of_another_origin_may_ask(
    open_api: OpenApi, method: str, path: str, headers: list[str]
) -> None:
    """Any page that somebody on this machine looks at could have had the worker clean up."""
    api = open_api()
    api.world.add_task(utc(2024, 1, 2), "daily", parentRecurringId=ObjectId())
    assert short_answer_to(api.client, head(path, *headers, method=method)) == (403, in_short(FORBIDDEN_PEER))
    assert api.world.worker.mongo.tasks.count_documents({}) == 1


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LocalHost:3000", True),
        ("127.0.0.1:3000", True),
        ("127.8.9.1", True),
        ("[::1]:3000", True),
        ("[::ffff:127.0.0.1]", True),
        ("worker.internal:3000", True),
        ("evil.example:3000", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("10.0.0.1", False),
        ("[fe80::1]", False),
        ("localhost:3000@evil.example", False),
        ("evil.example:80:80", False),
        ("\xff", False),
        ("", False),
    ],
)
def test_without_a_key_a_request_is_to_a_name_of_this_machine(host: str, known: bool) -> None:  # noqa: FBT001
    """A page may have its own name mean 127.0.0.1 (DNS rebinding), and then read what it likes."""
    access = Authenticator(Settings.from_environment({"HOST": "127.0.0.1, Worker.internal"}))
    assert isinstance(access.identify("127.0.0.1", {"host": [host]}), Caller) is known


def test_a_name_that_was_made_to_mean_this_machine_opens_nothing(open_api: OpenApi) -> None:
    api = open_api()
    assert short_answer_to(api.client, head(STATS, host="evil.example"))[0] == 403
    assert short_answer_to(api.client, head(STATS, host=f"127.0.0.1:{api.client.base_url.port}"))[0] == 200


def test_the_pages_that_may_ask_without_a_key_are_named_ones_and_our_own(open_api: OpenApi) -> None:
    """The API's own page can be tried out, and whoever types an address sees what is there."""
    api = open_api(ALLOWED_ORIGINS="https://app.example.org")
    own = [f"Origin: http://localhost:{api.client.base_url.port}", "Sec-Fetch-Site: same-origin"]
    host = f"localhost:{api.client.base_url.port}"
    assert short_answer_to(api.client, head(CLEANUP, *own, method="POST", host=host))[0] == 200
    named = ["Origin: https://app.example.org", "Sec-Fetch-Site: cross-site"]
    assert short_answer_to(api.client, head(CLEANUP, *named, method="POST"))[0] == 200
    assert short_answer_to(api.client, head(HEALTH, "Sec-Fetch-Site: none"))[0] == 200


def test_with_a_key_neither_name_nor_origin_matter(open_api: OpenApi) -> None:
    """No page knows the key, and the application may reach the worker by any name."""
    api = open_api(INTERNAL_API_KEY="new-key")
    anything = ["x-internal-api-key: new-key", "Origin: https://app.example.org", "Sec-Fetch-Site: cross-site"]
    assert short_answer_to(api.client, head(STATS, *anything, host="worker.example"))[0] == 200


@pytest.mark.parametrize("path", [RECURRENCE, VALIDATE, CLEANUP, f"{EVENTS}/{'f' * 24}/replay"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_can_send_changes_nothing(open_api: OpenApi, path: str, kind: str) -> None:
    """An older browser names no origin with a form; but it can send no JSON."""
    answer = open_api().client.post(path, content=b'{"taskId": "="}', headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
