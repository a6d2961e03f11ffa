"""Dead letters: what a replay takes, what it leaves, and that asking again does no harm."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation
from recurrence_pipeline.recovery import replay as replaying
from recurrence_pipeline.recovery.replay import EventFilter, Replay
from recurrence_pipeline_tests.world import World, utc

ALL = EventFilter()


def replay(world: World, selection: EventFilter = ALL, *event_ids: object, dry_run: bool = False, **how: Any) -> Replay:
    return world.worker.dead_letters.replay(selection, [str(i) for i in event_ids], dry_run=dry_run, **how)


def rejected(world: World, operation: str = "create", **fields: Any) -> ObjectId:
    """Have an event rejected, because its task is not there, and return its id."""
    event = world.add_event(operation, ObjectId(), source="api", **fields)
    world.work()
    assert world.event(event)["status"] == "rejected"
    return event


def failed(world: World, **fields: Any) -> ObjectId:
    """Put an event there as four failures leave it, and return its id."""
    errors = [
        {"kind": "transient", "code": "TRANSIENT", "message": "busy", "at": world.now, "attempt": n} for n in (1, 2, 3)
    ]
    last = {"kind": "transient", "code": "PARTIAL", "message": "slot 2", "at": world.now, "attempt": 4}
    state = {"status": "failed", "attempts": 4, "lease": {"term": 4, "deaths": 2}, "errors": [*errors, last]}
    return world.add_event("create", world.add_task(world.now, "daily"), **state | {"finishedAt": world.now} | fields)


def statuses(world: World) -> dict[ObjectId, str]:
    return {event["_id"]: event["status"] for event in world.worker.mongo.events.find()}


def test_a_refused_event_whose_cause_is_mended_is_worked_off(world: World) -> None:
    task = ObjectId()
    event = world.add_event("create", task, source="api")
    world.work()
    world.add_task(utc(2024, 1, 15, 9), "daily", _id=task)

    done = replay(world)
    world.work()

    assert (done.selected, done.replayed) == (1, 1)
    assert world.event(event)["status"] == "completed"
    assert len(world.occurrences(task)) == 3


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(world: World) -> None:
    events = [rejected(world), rejected(world, "complete"), failed(world)]
    before = list(world.worker.mongo.events.find())

    shown = replay(world, dry_run=True)

    assert (shown.written, shown.selected, shown.replayed, shown.left) == (False, len(events), 0, {})
    assert dict(shown.reasons) == {
        ("create", "failed", "PARTIAL", "slot 2"): 1,
        ("create", "rejected", "ORIGINAL_NOT_FOUND", "Original task not found"): 1,
        ("complete", "rejected", "ORIGINAL_NOT_FOUND", "Original task not found"): 1,
    }
    assert list(world.worker.mongo.events.find()) == before


def test_a_replayed_event_starts_over_but_keeps_its_errors_and_its_term(world: World) -> None:
    """The term fences off whoever held the event before; it must never fall."""
    event = failed(world)
    world.pass_time(hours=1)

    replay(world)

    found = world.event(event)
    assert (found["status"], found["attempts"], found["lease"]) == ("pending", 0, {"term": 4, "deaths": []})
    assert (found["availableAt"], len(found["errors"])) == (world.now, 4)
    assert "finishedAt" not in found


def test_only_what_fits_everything_that_is_set_is_taken(world: World) -> None:
    early = rejected(world)
    world.pass_time(hours=1)
    border = world.now
    wanted, other_operation, other_code = rejected(world), rejected(world, "complete"), failed(world)

    done = replay(world, EventFilter([EventStatus.REJECTED], Operation.CREATE, "ORIGINAL_NOT_FOUND", since=border))

    assert done.replayed == 1
    assert statuses(world) == {
        early: "rejected",
        wanted: "pending",
        other_operation: "rejected",
        other_code: "failed",
    }


def test_the_code_is_that_of_the_last_error(world: World) -> None:
    """What an event failed of at first says nothing about why it stays failed."""
    failed(world)

    assert replay(world, EventFilter(code="TRANSIENT"), dry_run=True).selected == 0
    assert replay(world, EventFilter(code="PARTIAL"), dry_run=True).selected == 1


def test_ids_that_cannot_be_replayed_are_named_and_hold_up_no_others(world: World) -> None:
    task = world.add_task(utc(2024, 1, 15, 9), "daily")
    done_event = world.add_event("create", task)
    world.work()
    pending = world.add_event("create", task)
    repaired, unwanted, unknown = failed(world), failed(world), ObjectId()

    done = replay(world, ALL, repaired, unknown, done_event, pending, repaired)

    assert (done.selected, done.replayed) == (1, 1)
    assert done.left == {
        str(unknown): "there is no such event",
        str(done_event): "its status is completed",
        str(pending): "its status is pending",
    }
    assert statuses(world)[unwanted] == "failed"


def test_an_id_in_capitals_is_the_same_event(world: World) -> None:
    event = failed(world)

    assert replay(world, ALL, str(event).upper()).replayed == 1


@pytest.mark.parametrize(
    ("event_ids", "how", "text"),
    [(["12"], {}, "eventId: '12' is not an id"), ([], {"limit": 0}, "limit: 0 is not a number from 1")],
)
def test_what_cannot_be_right_is_refused_before_anything_is_done(
    world: World, event_ids: list[str], how: dict[str, Any], text: str
) -> None:
    event = failed(world)

    with pytest.raises(InvalidInput, match=text):
        replay(world, ALL, event, *event_ids, **how)
    assert world.event(event)["status"] == "failed"


def test_a_limit_takes_those_that_wait_the_longest_and_says_that_there_are_more(world: World) -> None:
    events = []
    for _ in range(3):
        events.append(failed(world))
        world.pass_time(minutes=1)

    first = replay(world, limit=2)
    assert (first.replayed, first.more) == (2, True)
    assert [statuses(world)[event] for event in events] == ["pending", "pending", "failed"]

    rest = replay(world, limit=2)
    assert (rest.replayed, rest.more) == (1, False)


def test_a_second_replay_finds_nothing_to_do(world: World) -> None:
    event = failed(world)
    replay(world)
    before = world.event(event)
    world.pass_time(minutes=1)

    assert replay(world, ALL, event).left == {str(event): "its status is pending"}
    assert replay(world).selected == 0
    assert world.event(event) == before


def test_of_two_replays_at_once_each_event_is_put_back_by_one(world: World) -> None:
    for _ in range(30):
        failed(world)
    workers = [world.open_worker() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda worker: worker.dead_letters.replay(ALL, dry_run=False), workers))
    for worker in workers:
        worker.close()

    assert sum(one.replayed for one in done) == 30
    assert set(statuses(world).values()) == {"pending"}


def test_what_is_refused_again_for_the_same_cause_tells_its_user_nothing_twice(world: World) -> None:
    event = rejected(world)
    assert world.actions() == ["WORKER_CREATE_FAILED"]

    for _ in range(2):
        assert replay(world).replayed == 1
        world.work()

    assert world.event(event)["status"] == "rejected"
    assert world.actions() == ["WORKER_CREATE_FAILED"]


def test_texts_without_number_do_not_fill_the_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "KEPT_REASONS", 2)
    for number in range(5):
        error = {"kind": "transient", "code": "PARTIAL", "message": f"slot {number}", "at": world.now, "attempt": 1}
        failed(world, errors=[error])

    shown = replay(world, dry_run=True)

    assert [(row[3], n) for row, n in shown.reasons.most_common()] == [
        ("(other reasons)", 3),
        ("slot 0", 1),
        ("slot 1", 1),
    ]


def test_more_events_than_one_update_takes_are_all_put_back(mongodb_url: str) -> None:
    world = World(mongodb_url, MONGODB_READ_CHUNK="2")
    events = [failed(world) for _ in range(5)]

    assert replay(world, ALL, *events).replayed == 5
    world.close()
