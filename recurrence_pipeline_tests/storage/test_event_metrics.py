"""What is read of ended events for the metrics, and of what has not been done."""

from typing import Any

import pytest
from bson import ObjectId
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.finished_events import FinishedEvent
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.storage.event_metrics import A_PAGE, MOST_SPANS, EventMetrics, NotDone
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline_tests.storage.conftest import FailPoint
from recurrence_pipeline_tests.storage.samples import at


class Looks(CommandListener):
    """Counts the reads that are sent."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.count += event.command_name == "find"

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Be silent."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Be silent."""


@pytest.fixture
def metrics(mongo: Mongo) -> EventMetrics:
    return EventMetrics(mongo)


def store(mongo: Mongo, status: str, **fields: Any) -> str:
    """Store an event as the worker leaves it; what is None is left out."""
    document = {
        "_id": ObjectId(),
        "operation": "create",
        "taskId": ObjectId(),
        "status": status,
        "createdAt": at(0),
        "availableAt": at(0),
    } | fields
    present = {name: value for name, value in document.items() if value is not None}
    mongo.events.insert_one(present, bypass_document_validation=True)
    return str(document["_id"])


def test_a_span_has_its_first_moment_and_not_its_last(mongo: Mongo, metrics: EventMetrics) -> None:
    """Spans that follow each other then share no event and lose none."""
    ids = [store(mongo, "completed", finishedAt=at(minute)) for minute in (0, 1, 2, 3)]
    assert {event.id for event in metrics.finished(at(1), at(3))} == {ids[1], ids[2]}


def test_events_that_ended_are_read_whatever_became_of_them_and_others_are_not(
    mongo: Mongo, metrics: EventMetrics
) -> None:
    ended = {store(mongo, status, finishedAt=at(1)) for status in ("completed", "rejected", "failed")}
    for status in ("pending", "processing"):
        store(mongo, status)
        store(mongo, status, finishedAt=at(1))  # nobody writes this, and if somebody does, it has not ended
    for patient in (False, True):
        assert {event.id for event in metrics.finished(at(0), at(2), patient=patient)} == ended


def test_a_month_in_which_events_came_seldom_and_then_all_at_once_is_read_to_the_last_event(
    mongo: Mongo, metrics: EventMetrics
) -> None:
    """It is read span by span, which follow each other: an event between two of them would be lost, or count twice."""
    minutes = [0, 1, 2, 3.5, 4, 59, 60, 61, 7 * 60, 40_000, *(41_000 + n / 3000 for n in range(A_PAGE + 100)), 43_199]
    mongo.events.insert_many(
        [
            {"_id": ObjectId(), "operation": "create", "taskId": ObjectId(), "status": "completed", "createdAt": at(0),
             "availableAt": at(0), "finishedAt": at(minute)}
            for minute in minutes
        ]
    )  # fmt: skip
    found = [event.finished_at for event in metrics.finished(at(0), at(43_200))]
    assert found == [at(minute).replace(microsecond=at(minute).microsecond // 1000 * 1000) for minute in minutes]


@pytest.mark.parametrize("days", [1, 30, 36_500])
def test_a_time_without_events_takes_a_few_looks_whatever_its_length(settings: Settings, days: int) -> None:
    looks = Looks()
    mongo = Mongo(settings, listeners=[looks])
    try:
        assert list(EventMetrics(mongo).finished(at(0), at(days * 24 * 60))) == []
    finally:
        mongo.client.close()
    assert 0 < looks.count <= MOST_SPANS + 20


def test_an_event_says_how_long_it_took_how_long_it_waited_and_what_it_made(
    mongo: Mongo, metrics: EventMetrics
) -> None:
    event_id = store(
        mongo, "completed", operation="complete", startedAt=at(2), finishedAt=at(3), durationMs=60_000, attempts=2,
        result={"created": [ObjectId(), ObjectId()], "updated": None, "deleted": 4},
    )  # fmt: skip
    assert list(metrics.finished(at(0), at(4))) == [
        FinishedEvent(
            event_id, "complete", EventStatus.COMPLETED, at(3), duration_ms=60_000, waited_ms=120_000, failures=2,
            created=2, deleted=4,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"durationMs": "fast", "attempts": "many", "startedAt": "soon", "errors": "busy", "result": [3], "lease": 7},
        {"durationMs": -3, "attempts": float("nan"), "errors": ["busy", 3, None], "result": {"created": 3}},
        {"durationMs": True, "attempts": -1, "errors": 3, "result": {"created": None, "deleted": "all"}, "lease": {}},
        {"durationMs": float("inf"), "createdAt": "yesterday", "startedAt": at(0), "lease": {"deaths": "one"}},
    ],
)
def test_an_event_in_disorder_is_counted_with_what_it_does_say(
    mongo: Mongo, metrics: EventMetrics, fields: dict[str, Any]
) -> None:
    event_id = store(mongo, "failed", finishedAt=at(1), **fields)
    assert list(metrics.finished(at(0), at(2))) == [FinishedEvent(event_id, "create", EventStatus.FAILED, at(1))]


def test_an_event_that_was_leased_before_it_was_made_did_not_wait(mongo: Mongo, metrics: EventMetrics) -> None:
    """The clocks of the application and of the worker differ."""
    store(mongo, "completed", createdAt=at(1), startedAt=at(0), finishedAt=at(2))
    [event] = metrics.finished(at(0), at(3))
    assert event.waited_ms == 0


@pytest.mark.parametrize(
    ("fields", "timed_out"),
    [
        ({"errors": [{"message": "operation exceeded time limit (code 50)"}, {"message": "busy (code 112)"}]}, True),
        ({"errors": [{"message": "exceeded (code 262)"}]}, True),
        ({"errors": [{"message": "busy (code 502)"}, {"message": "busy (code 112)"}, {"message": None}]}, False),
        ({"lease": {"term": 2, "deaths": 1}}, True),
        ({"lease": {"term": 2, "deaths": 0}}, False),
        ({"lease": {"term": 2, "deaths": [{"owner": "a", "size": 9}]}}, True),
        ({"lease": {"term": 2, "deaths": []}}, False),
    ],
)
def test_a_time_limit_or_a_lease_that_ran_out_is_a_timeout(
    mongo: Mongo,
    metrics: EventMetrics,
    fields: dict[str, Any],
    timed_out: bool,  # noqa: FBT001 - a fact
) -> None:
    store(mongo, "completed", finishedAt=at(1), **fields)
    assert [event.timed_out for event in metrics.finished(at(0), at(2))] == [timed_out]


def test_what_has_not_been_done_is_counted_with_the_time_since_when_the_first_of_it_waits(
    mongo: Mongo, metrics: EventMetrics
) -> None:
    assert metrics.not_done() == []
    for minute in (5, 3, 4):
        store(mongo, "pending", availableAt=at(minute))
        store(mongo, "processing", startedAt=at(minute + 10))
        store(mongo, "rejected", finishedAt=at(minute + 20), operation="delete")
    store(mongo, "failed", operation="complete")
    store(mongo, "completed", finishedAt=at(0))

    assert sorted(metrics.not_done(), key=lambda row: row.status.value) == [
        NotDone("complete", EventStatus.FAILED, 1, None),
        NotDone("create", EventStatus.PENDING, 3, at(3)),
        NotDone("create", EventStatus.PROCESSING, 3, at(13)),
        NotDone("delete", EventStatus.REJECTED, 3, at(23)),
    ]


def test_an_outage_while_events_are_read_is_said_to_be_one(metrics: EventMetrics, fail_point: FailPoint) -> None:
    fail_point("find", errorCode=13)
    with pytest.raises(DatabaseUnavailable):
        list(metrics.finished(at(0), at(1)))
    fail_point("aggregate", errorCode=13)
    with pytest.raises(DatabaseUnavailable):
        metrics.not_done()
