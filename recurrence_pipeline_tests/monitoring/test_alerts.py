"""Alerts reach every channel that is up, at least once; one that is down holds up and fails nothing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

import pytest

from recurrence_pipeline.config.logs import configure
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.monitoring.alert_rules import Incident, Message
from recurrence_pipeline.monitoring.alerts import MAX_PENDING, PENDING_FOR, Alerts, State
from recurrence_pipeline.monitoring.channels import open_channels
from recurrence_pipeline_tests.stub_server import StubServer, answers, hangs, stub_server
from recurrence_pipeline_tests.waiting import wait_until

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
NOBODY = "json://127.0.0.1:1/?cto=1&rto=1"
INCIDENT = Incident("unhealthy", "the worker is unhealthy", "it is away", "http://ui/assets/worker_health", NOW)
HEADLINE = "[ERROR] recurrence: the worker is unhealthy"

pytestmark = pytest.mark.usefixtures("logging_as_before")


@pytest.fixture
def webhook() -> Iterator[StubServer]:
    with stub_server() as server:
        server.will(answers(200))
        yield server


def address(server: StubServer, path: str = "") -> str:
    return f"{server.url.replace('http', 'json')}/{path}"


def alerts(*addresses: str, patience: timedelta = timedelta(seconds=20)) -> Alerts:
    return Alerts(open_channels(" ".join(addresses)), cooldown=timedelta(hours=1), patience=patience)


def heard(server: StubServer) -> list[str]:
    return [request.body["title"] for request in server.heard]


def test_a_webhook_gets_severity_message_time_and_link(webhook: StubServer) -> None:
    alerts(address(webhook)).look(State(), [INCIDENT], now=NOW)

    (request,) = webhook.heard
    assert request.body["title"] == HEADLINE
    assert request.body["type"] == "failure"
    assert request.body["message"].splitlines() == [
        "it is away",
        "Since: 2026-11-24T02:00:00Z",
        "Time: 2026-11-24T02:00:00Z",
        "http://ui/assets/worker_health",
    ]


def test_a_cause_is_sent_once_and_its_end_once_also_by_another_process(webhook: StubServer) -> None:
    """What is remembered is text between two looks: the process may be another one each time."""
    text: str | None = None
    for minute, incidents in enumerate([[INCIDENT], [INCIDENT], [INCIDENT], [], []]):
        state, _ = alerts(address(webhook)).look(State.from_text(text), incidents, now=NOW + minute * MINUTE)
        text = state.as_text()

    assert heard(webhook) == [HEADLINE, "[OK] recurrence: the worker is unhealthy: over"]
    assert [request.body["type"] for request in webhook.heard] == ["failure", "success"]


def test_a_channel_that_is_down_gets_its_alerts_once_it_is_up_and_the_other_gets_each_once(webhook: StubServer) -> None:
    with stub_server() as down:
        down.will(answers(503), answers(503), answers(200))
        both = alerts(address(down), address(webhook))

        state, _ = both.look(State(), [INCIDENT], now=NOW)
        state, _ = both.look(state, [], now=NOW + MINUTE)
        assert heard(webhook) == [HEADLINE, "[OK] recurrence: the worker is unhealthy: over"]
        state, _ = both.look(state, [], now=NOW + 2 * MINUTE)
        state, _ = both.look(state, [], now=NOW + 3 * MINUTE)

        assert heard(down)[2:] == [HEADLINE, "[OK] recurrence: the worker is unhealthy: over"], "in their order"
        assert len(webhook.heard) == 2
        assert state.pending == {}


def test_a_channel_where_nobody_listens_raises_nothing_and_is_given_up_after_a_day() -> None:
    unheard = alerts(NOBODY)

    state, said = unheard.look(State(), [INCIDENT], now=NOW)
    assert [message.headline for message in said] == [HEADLINE]
    assert [len(messages) for messages in state.pending.values()] == [1]

    state, _ = unheard.look(state, [INCIDENT], now=NOW + PENDING_FOR)
    assert state.pending == {}


def test_a_channel_that_was_down_for_long_keeps_only_the_newest() -> None:
    incidents = [Incident(f"check:{n}", f"check {n} failed", "", "", NOW) for n in range(MAX_PENDING + 7)]

    state, _ = alerts(NOBODY).look(State(), incidents, now=NOW)

    (pending,) = state.pending.values()
    assert [message.title for message in pending] == [f"check {n} failed" for n in range(7, MAX_PENDING + 7)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_alert_that_is_sent_elsewhere_does_not_count_as_taken(webhook: StubServer, status: int) -> None:
    """Else a webhook whose address moves, from http to https say, loses every alert, and nothing says so."""
    webhook.will(answers(status, Location="/elsewhere"), answers(200))

    state, _ = alerts(address(webhook)).look(State(), [INCIDENT], now=NOW)

    assert [request.path for request in webhook.heard] == ["/"]
    assert [len(messages) for messages in state.pending.values()] == [1]


def test_an_address_may_ask_for_redirections_to_be_followed(webhook: StubServer) -> None:
    webhook.will(answers(308, Location="/elsewhere"), answers(200))

    alerts(f"{address(webhook)}?redirect=yes").look(State(), [INCIDENT], now=NOW)

    assert [(request.path, request.body["title"]) for request in webhook.heard][1:] == [("/elsewhere", HEADLINE)]


def test_a_channel_that_hangs_is_left_behind_and_the_others_are_served(webhook: StubServer) -> None:
    with stub_server() as slow:
        slow.will(hangs)
        both = alerts(f"{address(slow)}?rto=30", address(webhook), patience=timedelta(milliseconds=300))

        state, _ = both.look(State(), [INCIDENT], now=NOW)

        assert [len(messages) for messages in state.pending.values()] == [1]
        wait_until(lambda: heard(webhook) == [HEADLINE], "the other channel is served")
        wait_until(lambda: len(slow.heard) == 1, "the slow channel was asked")
        slow.ending.set()


def test_without_a_channel_alerts_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings.from_environment({}))

    state, _ = alerts().look(State(), [INCIDENT], now=NOW)
    alerts().look(state, [], now=NOW + MINUTE)

    begun, over = map(json.loads, capsys.readouterr().err.splitlines())
    assert (begun["level"], over["level"]) == ("error", "info")
    assert "the worker is unhealthy" in str(begun)
    assert "it is away" in str(begun)
    assert "http://ui/assets/worker_health" in str(begun)


def test_the_address_of_a_channel_is_in_no_log_and_not_in_what_is_remembered(
    webhook: StubServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It holds a password or a token; the state lies in Dagster's storage, for all to see."""
    configure(Settings.from_environment({"LOG_LEVEL": "debug"}))
    webhook.will(answers(403, {"error": "canary"}))
    channels = alerts(address(webhook, "canary").replace("//", "//canary:canary@"))

    state, _ = channels.look(State(), [INCIDENT], now=NOW)

    captured = capfd.readouterr()
    assert webhook.heard[0].path == "/canary"
    assert "alerts not taken, to be sent again" in captured.err
    assert "channel 1 (JSON)" in captured.err
    assert "error=403" in captured.err, "what the channel answered"
    assert "canary" not in f"{captured} {caplog.text} {state} {state.as_text()} {open_channels('json://canary')}"


@pytest.mark.parametrize("secret", ["canary", "Can%C3%A4ry", "a.canary-b~c"])
def test_a_reason_that_quotes_the_address_is_told_without_it(secret: str) -> None:
    """A plugin may name its host, its token, or the whole address in what it logs."""
    places = (f"json://user:{secret}@127.0.0.1:1/", f"json://127.0.0.1:1/?+key={secret}")
    for place in places:
        (channel,) = open_channels(place)
        quoting = f"no answer from {place} ({unquote(secret)}): {secret}"
        assert "anary" not in channel._without_secrets(quoting).lower()
        assert "no answer from" in channel._without_secrets(quoting)


def test_a_channel_that_hangs_is_told_as_one() -> None:
    with stub_server() as slow:
        slow.will(hangs)
        patience = timedelta(milliseconds=300)
        told = alerts(f"{address(slow)}?rto=30", patience=patience).say(Message(Severity.OK, "a", "b", NOW, NOW, ""))
        assert list(told.values()) == ["it did not answer within 0.3 s"]
        wait_until(lambda: len(slow.heard) == 1, "the slow channel was asked")
        slow.ending.set()


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", '{"known": 7}'])
def test_a_memory_that_is_lost_costs_a_repetition_and_nothing_else(text: str | None, webhook: StubServer) -> None:
    state = State.from_text(text)
    assert state == State()

    alerts(address(webhook)).look(state, [INCIDENT], now=NOW)

    assert heard(webhook) == [HEADLINE]


def test_alerts_for_a_channel_that_is_configured_no_more_are_dropped(webhook: StubServer) -> None:
    state, _ = alerts(NOBODY).look(State(), [INCIDENT], now=NOW)

    state, _ = alerts(address(webhook)).look(state, [INCIDENT], now=NOW + MINUTE)

    assert (state.pending, webhook.heard) == ({}, [])


def test_one_message_can_be_said_to_all_and_says_who_took_it(webhook: StubServer) -> None:
    message = Message(Severity.WARNING, "a test", "It works.", NOW, NOW, "")

    taken = alerts(address(webhook), NOBODY).say(message)

    assert taken["channel 1 (JSON)"] is None
    assert "A Connection error occurred" in str(taken["channel 2 (JSON)"])
    assert webhook.heard[0].body["type"] == "warning"


@pytest.mark.parametrize("text", ["json://a json://b", "json://a,json://b", " json://a ,\n json://b, "])
def test_addresses_are_separated_by_blanks_or_commas(text: str) -> None:
    assert [channel.name for channel in open_channels(text)] == ["channel 1 (JSON)", "channel 2 (JSON)"]


def test_an_address_may_have_commas_of_its_own() -> None:
    assert [c.name for c in open_channels("mailto://u:p@example.org?to=a@b.org,c@d.org json://b")] == [
        "channel 1 (E-Mail)",
        "channel 2 (JSON)",
    ]


def test_an_address_keeps_its_id_and_another_has_another() -> None:
    (first, second), (again,) = open_channels("json://a json://b"), open_channels("json://a")

    assert (first.id == again.id, first.id == second.id) == (True, False)


def test_no_program_loads_apprise_before_there_is_an_address() -> None:
    """It takes 5 MB, in each of the system's processes."""
    loads = "recurrence_pipeline.api.app, recurrence_pipeline.cli, recurrence_pipeline.monitoring.channels"
    code = f"import sys, {loads}; print('apprise' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
