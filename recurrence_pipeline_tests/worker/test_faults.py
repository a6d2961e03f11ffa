"""One command of the work goes wrong, each in its turn, in each way the database knows: nothing is lost or made twice.

A calm run tells which commands the work sends. Then the same documents are processed again and again, and each time
another of those commands meets the fault. Every class of error has its promise; what an error is sorted into is
test_mongo.py's business.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pymongo.common
import pytest
from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import DatabaseUnavailable, RecurrenceError, Transient
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.worker.service import OperationRequest
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.worker.faults import Choice, Command, alike, at, from_then_on
from recurrence_pipeline_tests.worker.trial import Trial
from recurrence_pipeline_tests.world import World

pytestmark = pytest.mark.long

WRITES = {"insert", "update", "delete", "findAndModify"}

LAST_LOOKS = 4
"""The commands that find nothing more to do: what ran out, what is due, and what no time is known of."""

FIRST_INSERT = ("insert", "tasks")

BREAKS = {"closeConnection": True}
CODES = [10107, 91, 13, 18, 462, 11600]
"""Not primary, shutting down, not authorised, authentication failed, overloaded, interrupted at shutdown."""


@pytest.fixture
def trial(mongodb_url: str, mongodb_janitor: MongoClient[Document], monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """Return a trial whose clients look for the server again at once: the driver's own half second adds up here."""
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.01)
    world = World(mongodb_url)
    trial = Trial(world, mongodb_janitor)
    yield trial
    trial.faults.heal()
    world.close()
    assert trial.faults.troubles == []


def test_the_calm_run_has_every_operation_and_sends_every_kind_of_command(trial: Trial) -> None:
    """Else the tests below would not reach all of it."""
    assert {event["operation"] for event in trial.events()} == {operation.value for operation in Operation}
    written = {(command.name, command.collection) for command in trial.commands if command.name in WRITES}
    assert written == {
        ("findAndModify", "counters"),
        ("insert", "tasks"),
        ("insert", "useractivities"),
        ("insert", "deleted_tasks"),
        ("update", "tasks"),
        ("insert", "task_series"),
        ("update", "task_series"),
        ("update", "task_events"),
        ("delete", "tasks"),
    }
    renewals = [c for c in trial.commands if c.name == "update" and "updates" in c.content and _renews(c)]
    assert renewals, "leases are renewed on the way"
    assert sorted(status for _, status, _ in trial.calm["events"]) == ["completed"] * 8 + ["rejected"]


def _renews(command: Command) -> bool:
    return any(
        list(update["u"].get("$set", {})) == ["lease.until"]
        for update in command.content["updates"]
        if isinstance(update["u"], dict)
    )


Fault = Callable[[Command], dict[str, Any]]


def the_same(fault: dict[str, Any]) -> Fault:
    return lambda _: fault


def in_turn(faults: list[dict[str, Any]]) -> Fault:
    return lambda command: faults[command.place % len(faults)]


def writes(command: Command) -> bool:
    return command.name in WRITES


def each_command(
    trial: Trial, fault: Fault, *, only: Choice = lambda _: True, **environment: str
) -> Iterator[tuple[Command, RecurrenceError | None]]:
    """Work the same documents off once for each command, which meets the fault; yield it and what the worker raised."""
    for command in filter(only, trial.commands):
        trial.restore()
        trial.faults.plan(fault(command), at(command))
        with trial.failing_worker(**environment) as worker:
            raised = what_it_raises(worker)
        assert [str(struck) for struck in trial.faults.struck] == [str(command)]
        yield command, raised


def what_it_raises_when_too_slow(trial: Trial, command: Command) -> RecurrenceError | None:
    """Keep the server from answering for longer than the worker waits: as briefly as this machine, now, allows."""
    raised = None
    for patience in (500, 1000, 2000, 4000):
        trial.restore()
        trial.faults.plan({"blockConnection": True, "blockTimeMS": patience + 300}, at(command))
        with trial.failing_worker(WORKER_TIMEOUT=str(patience)) as worker:
            raised = what_it_raises(worker)
        if trial.faults.struck:
            break
        wait_until(trial.late_writes_have_landed, "the server finishes what it was asked for")
    assert [str(struck) for struck in trial.faults.struck] == [str(command)]
    return raised


def shape(command: Command) -> tuple[str, ...]:
    """Return what is the same for all writes of one kind."""
    updates = [update["u"] for update in command.content.get("updates", [])]
    return (
        command.name,
        command.collection,
        *sorted({str(list(u.get("$set", u)) if isinstance(u, dict) else "pipeline") for u in updates}),
    )


def what_it_raises(worker: Worker) -> RecurrenceError | None:
    try:
        worker.process_pending()
    except RecurrenceError as error:
        return error
    return None


def assert_no_attempt_is_used_up(trial: Trial, command: Command) -> None:
    for event in trial.events():
        rejected = event["status"] == "rejected"  # the event that names no task
        assert (event.get("attempts", 0), len(event.get("errors", []))) == (rejected, rejected), str(command)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(the_same(BREAKS), id="the connection breaks"),
        pytest.param(in_turn([{"errorCode": code} for code in CODES]), id="the server refuses all work"),
    ],
)
def test_an_outage_at_any_command_stops_the_work_and_costs_no_attempt(trial: Trial, fault: Fault) -> None:
    for command, raised in each_command(trial, fault):
        assert isinstance(raised, DatabaseUnavailable), str(command)
        assert_no_attempt_is_used_up(trial, command)
        assert {event["status"] for event in trial.events()} <= {"pending", "completed", "rejected"}, (
            f"{command}: what is not finished is given back"
        )
        trial.recover()
        assert trial.documents() == trial.calm, str(command)


def test_a_write_that_is_done_but_not_confirmed_is_an_outage_and_is_not_done_twice(trial: Trial) -> None:
    """The write concern is not met: the document is there, and the worker cannot know."""
    fault = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
    for command, raised in each_command(trial, the_same(fault), only=writes):
        assert isinstance(raised, DatabaseUnavailable), str(command)
        assert_no_attempt_is_used_up(trial, command)
        trial.recover()
        assert trial.documents() == trial.calm, str(command)


def test_a_write_that_lands_after_its_worker_gave_up_changes_nothing(trial: Trial) -> None:
    """The slowest of all writes: others have finished its work when it comes."""
    kinds = {shape(command): command for command in trial.commands if writes(command)}
    for command in kinds.values():
        raised = what_it_raises_when_too_slow(trial, command)
        assert isinstance(raised, DatabaseUnavailable), str(command)
        assert_no_attempt_is_used_up(trial, command)
        trial.recover()
        wait_until(trial.late_writes_have_landed, "the server finishes what it was asked for")
        trial.recover()
        assert trial.documents() == trial.calm, str(command)


def test_an_outage_that_lasts_costs_no_attempt_however_often_the_worker_tries(trial: Trial) -> None:
    for command in filter(writes, trial.commands):
        trial.restore()
        trial.faults.plan(BREAKS, from_then_on(command))
        with trial.failing_worker() as worker:
            for _ in range(3):
                assert isinstance(what_it_raises(worker), DatabaseUnavailable), str(command)
                trial.world.pass_time(minutes=10)
        assert_no_attempt_is_used_up(trial, command)
        trial.recover()
        assert trial.documents() == trial.calm, str(command)


def test_no_number_of_outages_in_the_middle_of_a_batch_makes_a_dead_letter(trial: Trial) -> None:
    """Each lasts for longer than a lease: to all others the worker looks dead, eight times in a row."""

    def away_from(kind: Command) -> Choice:
        return lambda command: bool(trial.faults.struck) or alike(kind)(command)

    for kind in of_a_kind(trial):
        trial.restore()
        with trial.failing_worker() as worker:
            for _ in range(8):
                trial.faults.plan(BREAKS, away_from(kind))
                if what_it_raises(worker) is None:
                    break
                trial.world.pass_time(minutes=10)
        trial.faults.heal()
        assert_no_attempt_is_used_up(trial, kind)
        trial.recover()
        assert trial.documents() == trial.calm, str(kind)


def test_a_moments_trouble_at_any_command_costs_an_attempt_at_most_and_ends_alike(trial: Trial) -> None:
    troubles: list[dict[str, Any]] = [{"errorCode": 50}, {"errorCode": 112}, {"errorCode": 24}, {"errorCode": 987654}]
    held = range(trial.commands_to_hold, len(trial.commands) - LAST_LOOKS)
    for command, raised in each_command(trial, in_turn(troubles)):
        if command.place in held:
            assert raised is None, f"{command}: only an outage fails a run"
            met = [event for event in trial.events() if event.get("errors", [{}])[0].get("code") == "TRANSIENT"]
            assert met, str(command)
            assert {(e["attempts"], e["status"]) for e in met} <= {(1, "completed"), (2, "rejected")}, str(command)
        else:
            assert isinstance(raised, Transient), f"{command}: nothing is held that it could be told of"
            assert_no_attempt_is_used_up(trial, command)
        trial.recover()
        assert trial.documents() == trial.calm, str(command)


def test_a_refusal_of_a_whole_command_costs_nothing_that_is_not_to_blame(trial: Trial) -> None:
    """A refused batch is halved until the event that is to blame stands alone; here none is."""
    held = range(trial.commands_to_hold, len(trial.commands) - LAST_LOOKS)
    refusals: list[dict[str, Any]] = [{"errorCode": code} for code in (11000, 121, 10334)]
    for command, raised in each_command(trial, in_turn(refusals), only=lambda c: c.place in held):
        assert raised is None, str(command)
        assert trial.documents() == trial.calm, f"{command}: done in the same run"


def of_a_kind(trial: Trial) -> list[Command]:
    """Return one command of each kind that the work of a batch sends to something else than the queue."""
    kinds = {(c.name, c.collection): c for c in trial.commands if c.collection != "task_events"}
    return list(kinds.values())


def test_trouble_that_lasts_uses_up_the_attempts_and_a_replay_ends_like_a_calm_run(trial: Trial) -> None:
    for kind in of_a_kind(trial):
        trial.restore()
        trial.faults.plan({"errorCode": 987654}, alike(kind))
        with trial.failing_worker() as worker:
            for _ in range(6):
                assert what_it_raises(worker) is None, f"{kind}: only an outage fails a run"
                trial.world.pass_time(minutes=10)
        trial.faults.heal()
        failed = [event for event in trial.events() if event["status"] == "failed"]
        assert failed, str(kind)
        for event in failed:
            codes = [error["code"] for error in event["errors"]]
            assert (event["attempts"], codes) == (4, ["TRANSIENT"] * 4), str(kind)
            trial.world.worker.queries.replay(str(event["_id"]))
        assert {event["status"] for event in trial.events()} <= {"pending", "completed", "rejected"}, str(kind)
        trial.recover()
        assert without_failures(trial.documents()) == without_failures(trial.calm), str(kind)


def without_failures(documents: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Leave out what users were told about failures."""
    return documents | {"activities": [a for a in documents["activities"] if not a["action"].startswith("WORKER_")]}


def test_trouble_with_one_series_alone_costs_that_series_alone(trial: Trial) -> None:
    """Whatever else the batch holds, the commands that name it fail, and halving finds it."""
    bad = trial.good
    trial.restore()
    trial.faults.plan({"errorCode": 987654}, lambda c: c.collection == "tasks" and _names(c.content, bad))
    with trial.failing_worker() as worker:
        for _ in range(6):
            assert what_it_raises(worker) is None
            trial.world.pass_time(minutes=10)

    by_status = {event["taskId"]: (event["status"], event.get("attempts", 0)) for event in trial.events()}
    assert by_status.pop(bad) == ("failed", 4)
    assert {status for status, _ in by_status.values()} == {"completed", "rejected"}
    assert max(attempts for _, attempts in by_status.values()) == 2, (
        "the first failure was nobody's, and one of its own"
    )


def test_an_event_keeps_its_last_five_errors(trial: Trial) -> None:
    trial.restore()
    trial.faults.plan({"errorCode": 987654}, lambda c: c.name == "insert" and c.collection == "tasks")
    with trial.failing_worker(WORKER_RETRY_ATTEMPTS="7") as worker:
        for _ in range(10):
            worker.process_pending()
            trial.world.pass_time(minutes=10)

    event = trial.mongo.events.find_one({"taskId": trial.good})
    assert event is not None
    assert (event["status"], event["attempts"]) == ("failed", 8)
    assert [error["attempt"] for error in event["errors"]] == [4, 5, 6, 7, 8]


def _names(value: object, wanted: ObjectId) -> bool:
    if isinstance(value, dict):
        return any(_names(part, wanted) for part in value.values())
    if isinstance(value, list):
        return any(_names(part, wanted) for part in value)
    return value == wanted


def requests_of(trial: Trial) -> list[OperationRequest]:
    """Return a group of requests with a creation, a completion, a deletion, and one that cannot be."""
    world = trial.world
    tasks = [world.add_task(world.now + timedelta(days=300), "daily") for _ in range(3)]
    for task in tasks[1:]:
        world.worker.process_task_recurrence(str(task), "create")
    world.complete(tasks[1])
    operations = ("create", "complete", "delete")
    asked = [OperationRequest(str(i), each, str(world.user)) for i, each in zip(tasks, operations, strict=True)]
    return [*asked, OperationRequest(str(ObjectId()), "create")]


def what_came_of(trial: Trial, requests: list[OperationRequest]) -> list[int]:
    """Return how many tasks each of the series has."""
    return [len(trial.world.occurrences(ObjectId(request.task_id))) for request in requests]


def test_an_outage_at_any_command_of_a_group_of_requests_is_told_to_all_and_asked_again_they_are_done_once(
    trial: Trial,
) -> None:
    trial.faults.plan({}, lambda _: False)
    with trial.failing_worker() as worker:
        requests = requests_of(trial)
        worker.process_requests(requests)
        commands = list(trial.faults.sent)
    assert what_came_of(trial, requests) == [3, 4, 0, 0]

    for command in commands:
        requests = requests_of(trial)
        trial.faults.plan(BREAKS, at(command))
        with trial.failing_worker() as worker, pytest.raises(DatabaseUnavailable):
            worker.process_requests(requests)
        trial.recover()
        replies = trial.world.worker.process_requests(requests)
        assert [isinstance(reply, dict) for reply in replies] == [True, True, True, False], str(command)
        assert what_came_of(trial, requests) == [3, 4, 0, 0], str(command)


def test_a_transient_error_of_a_group_of_requests_is_not_for_the_others_to_wait_for(trial: Trial) -> None:
    """It may be about one of them alone: as nobody knows which, they are processed again, apart."""
    requests = requests_of(trial)
    trial.faults.plan({"errorCode": 50}, lambda c: not trial.faults.struck and (c.name, c.collection) == FIRST_INSERT)
    with trial.failing_worker() as worker:
        replies = worker.process_requests(requests)

    assert len(trial.faults.struck) == 1
    assert [isinstance(reply, dict) for reply in replies] == [True, True, True, False]
    assert what_came_of(trial, requests) == [3, 4, 0, 0]
