"""Who holds an event: one worker at a time, under a term that only rises, and nobody for ever."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId, Timestamp

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import LeaseLost
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_queries import EventQueries
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.storage.events import Events, QueueState
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.samples import an_event, at

MINUTE = timedelta(minutes=1)
"""How long a lease lasts here."""


@pytest.fixture
def events(mongo: Mongo) -> Events:
    return Events(mongo, read_chunk=100, write_chunk=500)


def lease(events: Events, limit: int = 10, *, owner: str = "me", minute: float = 0) -> list[TaskEvent]:
    """Hold events for a minute, beginning at that minute."""
    return events.lease(limit, owner=owner, now=at(minute), until=at(minute + 1))


def stored(events: Events, event: TaskEvent) -> Document:
    document = events.get(event.id)
    assert document is not None
    return document


def ids(events: list[TaskEvent]) -> set[str]:
    return {event.id for event in events}


def test_the_longest_due_are_held_first_and_none_before_its_time(events: Events) -> None:
    late, early, later = an_event(), an_event(), an_event()
    for event, due in ((late, -1), (early, -2), (later, 1)):
        events.add([event], available_at=at(due))

    assert ids(lease(events, 1)) == {early.id}
    assert ids(lease(events, 5)) == {late.id}
    assert lease(events, 5) == []
    assert set().union(*(ids(lease(events, 5, minute=1)) for _ in range(3))) == {early.id, late.id, later.id}


def test_a_held_event_says_who_holds_it_and_until_when(events: Events) -> None:
    events.add([an_event()], available_at=at(0))
    [held] = lease(events, owner="me")

    assert (held.owner, held.term, held.leased_until, held.started_at) == ("me", 1, at(1), at(0))
    assert stored(events, held)["status"] == "processing"
    assert lease(events, owner="you") == []


def test_the_term_rises_with_each_lease_and_never_falls(events: Events) -> None:
    events.add([an_event()], available_at=at(0))
    terms = []
    for minute in range(4):
        [held] = lease(events, owner=f"worker {minute}", minute=minute)
        terms.append(held.term)
        if minute % 2:
            events.release([held])
    assert terms == [1, 2, 3, 4]


def test_a_lease_that_ran_out_is_taken_over_and_counts_a_death(events: Events) -> None:
    events.add([an_event()], available_at=at(0))
    lease(events, owner="who dies")
    assert lease(events, minute=0.9) == []
    [held] = lease(events, owner="heir", minute=1)
    assert (held.owner, held.term, held.holder_deaths, held.attempts) == ("heir", 2, 1, 0)


def test_an_abandoned_event_does_not_wait_for_the_end_of_a_long_queue(events: Events) -> None:
    """Else a queue that is always longer than a batch keeps it from ever being done."""
    events.add([an_event()], available_at=at(0))
    [abandoned] = lease(events, owner="who dies")
    events.add([an_event() for _ in range(20)], available_at=at(-60))
    assert abandoned.id in ids(lease(events, 10, minute=2))


def test_two_never_hold_the_same_event(events: Events, settings: Settings) -> None:
    events.add([an_event() for _ in range(200)], available_at=at(0))

    def claim(worker: int) -> list[str]:
        mongo = Mongo(settings)
        own = Events(mongo, read_chunk=7, write_chunk=500)
        won: list[str] = []
        for turn in range(50):
            held = lease(own, 20, owner=f"worker {worker} turn {turn}")
            won += [event.id for event in held]
            if not held and not own.queue(at(0), lease=MINUTE, at_most=1).due:
                break
        mongo.close()
        return won

    with ThreadPoolExecutor(4) as threads:
        won = [event for part in threads.map(claim, range(4)) for event in part]
    assert (len(won), len(set(won))) == (200, 200)


def test_renewing_keeps_what_is_ours_and_says_what_is_not(events: Events) -> None:
    events.add([an_event() for _ in range(3)], available_at=at(0))
    held = lease(events)
    assert events.renew(held, until=at(5)) == held
    [stolen] = lease(events, 1, owner="you", minute=6)

    still_ours = events.renew(held, until=at(9))

    assert ids(still_ours) == ids(held) - {stolen.id}
    assert {stored(events, event)["lease"]["until"] for event in still_ours} == {at(9)}
    assert stored(events, stolen)["lease"]["until"] == at(7), "what you hold is not held longer by me"
    assert events.renew([], until=at(9)) == []


def test_a_lease_that_ran_out_but_that_nobody_took_can_be_renewed(events: Events) -> None:
    events.add([an_event()], available_at=at(0))
    held = lease(events)
    assert events.renew(held, until=at(11)) == held
    assert lease(events, owner="you", minute=10) == []


def test_an_outcome_from_an_older_term_changes_nothing_and_the_others_are_recorded(events: Events) -> None:
    """Else a slow worker closes an event that another one holds."""
    events.add([an_event() for _ in range(3)], available_at=at(0))
    held = lease(events)
    [stolen] = lease(events, 1, owner="you", minute=2)
    before = stored(events, stolen)

    with pytest.raises(LeaseLost, match="1 of 3"):
        events.finish([Outcome(event, EventStatus.COMPLETED) for event in held], now=at(2))

    assert stored(events, stolen) == before
    assert [stored(events, e)["status"] for e in held if e.id != stolen.id] == ["completed", "completed"]


@pytest.mark.parametrize("status", [EventStatus.COMPLETED, EventStatus.FAILED])
def test_an_older_term_of_the_same_owner_is_lost_too(events: Events, status: EventStatus) -> None:
    events.add([an_event()], available_at=at(0))
    [first] = lease(events, owner="me")
    [second] = lease(events, owner="me", minute=2)
    with pytest.raises(LeaseLost):
        events.finish([Outcome(first, status)], now=at(2))
    events.finish([Outcome(second, EventStatus.COMPLETED)], now=at(2))


def test_a_deletion_is_announced_by_its_holder_only(events: Events) -> None:
    events.add([an_event()], available_at=at(0))
    [mine] = lease(events)
    events.announce({mine.id: (mine, [str(ObjectId())])})
    [yours] = lease(events, owner="you", minute=2)
    before = stored(events, yours)

    with pytest.raises(LeaseLost):
        events.announce({mine.id: (mine, [])})

    assert stored(events, yours) == before
    assert yours.deleting == tuple(str(task) for task in before["deleting"])
    assert len(yours.deleting) == 1


def test_what_is_given_back_is_due_at_once_and_counts_no_failure(events: Events) -> None:
    events.add([an_event() for _ in range(2)], available_at=at(0))
    mine = lease(events)
    [stolen] = lease(events, 1, owner="you", minute=2)
    events.release(mine)
    events.release([])

    assert stored(events, stolen)["lease"]["owner"] == "you"
    [again] = lease(events, owner="next", minute=2)
    assert (again.attempts, again.holder_deaths, again.term) == (0, 0, 2)


def add_held(
    events: Events, made: list[TaskEvent], *, owner: str, until: datetime, run_id: str | None = None
) -> list[TaskEvent]:
    """Store events as those who made and hold them do."""
    held = [replace(each, owner=owner, term=1, leased_until=until, started_at=at(0), is_new=True) for each in made]
    return events.add_held(held, run_id=run_id)


def test_an_event_that_its_writer_holds_runs_out_like_any_other(events: Events) -> None:
    event = an_event()
    [held] = add_held(events, [event], owner="api", until=at(1))
    assert (held.owner, held.term, held.is_new) == ("api", 1, False)
    [other] = add_held(events, [event, an_event()], owner="api again", until=at(2))
    assert other.id != event.id, "what is there already is somebody else's"
    assert lease(events) == []
    [taken] = lease(events, minute=1)
    assert (taken.id, taken.term) == (event.id, 2)


def test_events_that_their_writer_held_together_are_suspects_together(events: Events) -> None:
    """Else one that API servers die of would take all that came with it along, each time."""
    add_held(events, [an_event() for _ in range(40)], owner="api", until=at(1))

    assert len(lease(events, 40, minute=1)) == 6


def test_a_run_is_at_work_as_long_as_one_of_its_leases_is_alive(events: Events) -> None:
    """Else a run that died with its machine would be taken for one that works, as long as anybody works."""
    events.add([an_event() for _ in range(3)], available_at=at(0))
    for run_id, until in (("long", 2), ("short", 1), (None, 2)):
        assert len(events.lease(1, owner=f"claim of {run_id}", now=at(0), until=at(until), run_id=run_id)) == 1

    assert events.runs_at_work(at(0.5), lease=MINUTE) == {"long", "short"}
    assert events.runs_at_work(at(1), lease=MINUTE) == {"long"}
    assert events.runs_at_work(at(2), lease=MINUTE) == set()


def test_a_run_is_at_work_no_more_once_its_events_are_finished_or_given_back(events: Events) -> None:
    events.add([an_event() for _ in range(3)], available_at=at(0))
    done, released, forgotten = events.lease(3, owner="me", now=at(0), until=at(1), run_id="run")
    add_held(events, [an_event()], owner="by hand", until=at(1), run_id="run")

    events.finish([Outcome(done, EventStatus.COMPLETED)], now=at(0.5))
    events.release([released])
    assert events.runs_at_work(at(0.5), lease=MINUTE) == {"run"}
    events.release_run("another")
    assert stored(events, forgotten)["status"] == "processing"

    events.release_run("run")
    assert events.runs_at_work(at(0.5), lease=MINUTE) == set()
    assert ids(lease(events, owner="you", minute=0.5)) >= {released.id, forgotten.id}
    assert "runId" not in stored(events, done)["lease"]


def test_renewing_some_of_a_claim_renews_all_of_it_and_nothing_else(events: Events) -> None:
    """Else a claim that is processed batch by batch would lose the last batches while the first takes its time."""
    events.add([an_event() for _ in range(3)], available_at=at(0))
    first, behind = lease(events, 2, owner="me")
    [other] = lease(events, 1, owner="you")

    assert events.renew([first], until=at(5)) == [first]

    assert stored(events, behind)["lease"]["until"] == at(5)
    assert stored(events, other)["lease"]["until"] == at(1)


@pytest.mark.parametrize(
    "odd",
    [
        {"taskId": "a string"},
        {"operation": "rename"},
        {"operation": None},
        {"taskId": None},
        {"_id": "a string"},
        {"lease": None, "taskId": 5},
    ],
    ids=str,
)
def test_an_unreadable_event_is_rejected_at_once_and_holds_nobody_up(
    events: Events, event_queries: EventQueries, mongo: Mongo, odd: Document
) -> None:
    unreadable: dict[str, Any] = {"_id": ObjectId(), "operation": "create", "taskId": ObjectId(), "createdAt": at(-9)}
    unreadable |= {"availableAt": at(-5), "status": "pending"} | odd
    mongo.events.insert_one(unreadable, bypass_document_validation=True)
    good = an_event()
    events.add([good], available_at=at(0))

    assert ids(lease(events)) == {good.id}

    document = mongo.events.find_one({"_id": unreadable["_id"]})
    assert document is not None
    assert (document["status"], document["finishedAt"]) == ("rejected", at(0))
    assert document["errors"][0]["code"] == "UNREADABLE_EVENT"
    assert lease(events, minute=50, owner="later") != []
    assert event_queries.refused()[0]["count"] == 1
    assert sum(event_queries.count_by_operation_and_status().values()) == 2


@pytest.mark.parametrize(
    "odd", [None, "mine", [{"term": 3}], {"term": "x"}, {"term": 1.5}, {"deaths": "many"}], ids=str
)
def test_an_event_is_held_whatever_stands_where_its_lease_should_be(events: Events, mongo: Mongo, odd: object) -> None:
    """Else one odd document fails the update of all that are held with it, and the queue stands still for ever."""
    event = an_event()
    events.add([event, an_event()], available_at=at(0))
    mongo.events.update_one({"_id": ObjectId(event.id)}, {"$set": {"lease": odd}}, bypass_document_validation=True)

    held = lease(events)

    assert len(held) == 2
    events.finish([Outcome(event, EventStatus.COMPLETED) for event in held], now=at(0))


def test_an_event_that_was_there_before_the_validator_comes_to_an_end(events: Events, mongo: Mongo) -> None:
    old = an_event()
    events.add([old], available_at=at(0))
    mongo.events.update_one(
        {"_id": ObjectId(old.id)}, {"$set": {"source": "the first version"}}, bypass_document_validation=True
    )
    held = lease(events)
    events.finish([Outcome(event, EventStatus.COMPLETED) for event in held], now=at(0))
    assert stored(events, old)["status"] == "completed"


# Events that no look by time finds


NO_TIME: list[object] = [None, "2026-03-01", 1772366400000, float("nan"), [], {"at": 1}, Timestamp(1772366400, 1), True]


@pytest.fixture
def unguarded(mongo: Mongo) -> Mongo:
    """Return a database whose validator came later than its events."""
    mongo.db.command("collMod", "task_events", validator={})
    return mongo


@pytest.mark.parametrize("odd", ["missing", *NO_TIME], ids=repr)
def test_a_pending_event_without_a_date_is_due_where_nothing_else_is(
    events: Events, unguarded: Mongo, odd: object
) -> None:
    """Else nobody ever takes it, and whoever waits for the queue to be empty waits for ever."""
    stray, good = an_event(), an_event()
    events.add([stray, good], available_at=at(0))
    time: Document = {"$unset": {"availableAt": ""}} if odd == "missing" else {"$set": {"availableAt": odd}}
    unguarded.events.update_one({"_id": ObjectId(stray.id)}, time)

    assert ids(lease(events)) == {good.id}
    assert events.queue(at(0), lease=MINUTE, at_most=9).due == 1
    [held] = lease(events)
    assert held.id == stray.id
    events.finish([Outcome(held, EventStatus.COMPLETED)], now=at(0))
    assert events.queue(at(0), lease=MINUTE, at_most=9) == QueueState(0, None)


@pytest.mark.parametrize("until", [*NO_TIME, at(10), at(24 * 60), at(10 * 365 * 24 * 60)], ids=repr)
def test_a_lease_that_no_honest_clock_can_have_written_holds_nothing(
    events: Events, unguarded: Mongo, until: object
) -> None:
    """Else an event that a worker with a clock ahead held when it died waits for years."""
    events.add([an_event()], available_at=at(0))
    [held] = lease(events, owner="who died")
    unguarded.events.update_one({"_id": ObjectId(held.id)}, {"$set": {"lease.until": until, "lease.runId": "run"}})

    assert events.queue(at(3), lease=MINUTE, at_most=9) == QueueState(1, at(3))
    assert events.runs_at_work(at(3), lease=MINUTE) == set()
    [taken] = lease(events, minute=3)
    assert (taken.id, taken.term) == (held.id, 2)


def test_a_lease_of_a_clock_that_is_a_little_ahead_is_respected(events: Events) -> None:
    events.add([an_event()], available_at=at(0))
    assert lease(events, minute=0.9) != []
    assert lease(events, owner="you", minute=0) == []


@pytest.mark.parametrize("ahead", [10, 24 * 60, 10 * 365 * 24 * 60])
@pytest.mark.parametrize("fields", [{"lease": {"term": 1}, "attempts": 1}, {"createdAt": None}], ids=str)
def test_what_only_a_clock_ahead_can_have_put_off_is_due(
    events: Events, mongo: Mongo, fields: Document, ahead: int
) -> None:
    event = an_event()
    events.add([event], available_at=at(ahead))
    changes = {name: at(ahead) if value is None else value for name, value in fields.items()}
    mongo.events.update_one({"_id": ObjectId(event.id)}, {"$set": changes})
    assert ids(lease(events)) == {event.id}


def test_what_the_application_puts_off_waits_for_its_time_however_far_it_is(events: Events) -> None:
    event = an_event()
    events.add([event], available_at=at(24 * 60))
    assert lease(events) == []
    assert events.queue(at(0), lease=MINUTE, at_most=9) == QueueState(0, None)
    assert ids(lease(events, minute=24 * 60)) == {event.id}


def test_nobody_waits_for_more_than_ten_years(events: Events) -> None:
    """Else an event put off to the year 9999 keeps `process --until-empty` waiting for ever."""
    sooner, later = an_event(), an_event()
    events.add([sooner], available_at=at(3650 * 24 * 60))
    events.add([later], available_at=at(3654 * 24 * 60))
    assert ids(lease(events)) == {later.id}


def test_a_document_that_cannot_be_held_costs_itself(events: Events, mongo: Mongo) -> None:
    """One that may not change, or has no room left: else the update fails for all of them, whoever tries it."""
    batch = [an_event() for _ in range(7)]
    events.add(batch, available_at=at(0))
    stubborn = batch[3].id
    mongo.events.update_one({"_id": ObjectId(stubborn)}, {"$set": {"note": "stubborn"}})
    mongo.db.command("collMod", "task_events", validator={"$nor": [{"note": "stubborn", "status": "processing"}]})

    assert ids(lease(events)) == {event.id for event in batch} - {stubborn}

    document = mongo.events.find_one({"_id": ObjectId(stubborn)})
    assert document is not None
    assert document["status"] == "rejected"
    assert "cannot be held" in document["errors"][0]["message"]


def test_a_page_of_unreadable_events_does_not_hide_the_next_page(events: Events, unguarded: Mongo) -> None:
    unreadable: list[Document] = [
        {"status": "pending", "availableAt": at(-5), "taskId": ObjectId(), "operation": "rename"} for _ in range(4)
    ]
    unguarded.events.insert_many(unreadable)
    good = an_event()
    events.add([good], available_at=at(0))
    assert ids(lease(events, 2)) == {good.id}
    rejected = unguarded.events.find_one({"status": "rejected"}) or {}
    names = "create, complete, delete, update, reopen, skip"
    assert rejected["errors"][0]["message"] == f"operation: 'rename' is not one of {names}"


# Suspects


def test_suspects_are_held_in_groups_that_shrink_and_the_unsuspected_by_themselves(events: Events) -> None:
    """Else the one that workers die of takes all the others down with it, again and again."""
    events.add([an_event() for _ in range(100)], available_at=at(0))
    sizes = [len(lease(events, 100, owner=f"{minute}", minute=minute)) for minute in range(4)]
    assert sizes == [100, 10, 10, 10], "others come first, that were not held when the last one died"
    events.add([an_event() for _ in range(5)], available_at=at(4))
    held = lease(events, 100, owner="later", minute=4)
    assert {event.suspected for event in held} == {True}


def test_what_is_given_back_stays_suspected_and_is_not_held_with_others(events: Events) -> None:
    events.add([an_event() for _ in range(2)], available_at=at(0))
    lease(events, owner="who died")
    [suspect] = lease(events, owner="heir", minute=1)
    events.release([suspect])
    events.add([an_event() for _ in range(3)], available_at=at(0.5))

    groups = [ids(lease(events, owner=f"{n}", minute=1.5)) for n in range(3)]

    assert sorted(map(len, groups)) == [1, 1, 3]


def test_only_deaths_of_who_held_it_alone_count_and_can_be_taken_back(events: Events) -> None:
    events.add([an_event() for _ in range(2)], available_at=at(0))
    lease(events, owner="both")
    lease(events, owner="one", minute=1)
    for minute in range(2, 4):
        lease(events, owner=f"other {minute}", minute=minute)
    found = [lease(events, owner=f"last {n}", minute=5) for n in range(2)]
    assert sorted(event.holder_deaths for [event] in found) == [1, 2], "and not that of who held both"

    events.acquit({"both", "one", "other 2", "other 3", "last 0", "last 1"})

    again = lease(events, owner="after", minute=5)
    assert [(event.suspected, event.holder_deaths) for event in again] == [(False, 0)] * 2
