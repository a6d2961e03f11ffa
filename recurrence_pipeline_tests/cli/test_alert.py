"""`recurrence test-alert`: an operator sees which channels take an alert, before one is needed."""

import json

from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.stub_server import answers, stub_server, unused_port


def test_every_channel_is_sent_a_test_and_named_with_what_became_of_it(run: Run) -> None:
    with stub_server() as webhook:
        webhook.will(answers(200))
        up, down = webhook.url.replace("http", "json"), f"json://127.0.0.1:{unused_port()}/canary"

        ran = run("test-alert", ALERT_URLS=f"{up} {down}")

        assert (ran.code, ran.err) == (1, "")
        assert ran.out.startswith("channel 1 (JSON): taken\nchannel 2 (JSON): NOT taken: A Connection error occurred")
        assert "canary" not in ran.out
        assert webhook.heard[0].body["title"] == "[WARNING] recurrence: a test"
        told = json.loads(run("test-alert", "--json", ALERT_URLS=up).out)
        assert told == {"channel 1 (JSON)": {"taken": True, "reason": None}}


def test_without_a_channel_it_says_so(run: Run) -> None:
    ran = run("test-alert")

    assert (ran.code, ran.err) == (2, "recurrence: ALERT_URLS: not set, so that alerts go to the log only\n")
