"""The figures: from real work, from events whose figures are known by heart, and laws that hold for any events."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.finished_events import OUTCOMES, FinishedEvent
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation
from recurrence_pipeline.monitoring.figures import ALL, COUNTS, MILLISECONDS, PERCENT, Columns
from recurrence_pipeline.monitoring.frames import Measured
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.storage.conftest import FailPoint, fail_point
from recurrence_pipeline_tests.world import World, utc

__all__ = ["fail_point"]

NOON = utc(2024, 1, 1, 12)
HOUR = timedelta(hours=1)


def store(world: World, *events: Document) -> None:
    """Store events as the worker leaves them: completed within 100 ms at noon, unless they say otherwise."""
    world.worker.mongo.events.insert_many(
        {
            "operation": "create", "taskId": ObjectId(), "userId": world.user, "status": "completed", "createdAt": NOON,
            "availableAt": NOON,
            "startedAt": NOON, "finishedAt": NOON, "durationMs": 100, "attempts": 0,
        } | event
        for event in events
    )  # fmt: skip


# From real work


def test_work_is_measured_from_the_events_that_it_leaves(world: World) -> None:
    for _ in range(3):
        world.add_event("create", world.add_task(utc(2024, 1, 15, 9), "daily"), createdAt=NOON - timedelta(seconds=4))
    world.add_event("create", ObjectId(), createdAt=NOON - HOUR)
    world.work()

    figures = world.worker.metrics.latest(2 * HOUR)

    assert figures == {
        "tasksProcessed": 4, "tasksProcessedPerHour": 2, "avgProcessingTime": 0, "maxProcessingTime": 0,
        "p50": 0, "p95": 0, "p99": 0, "successRate": 75, "errorRate": 25, "retryRate": 0, "timeoutRate": 0,
        "recurringInstancesCreated": 9, "avgQueueAge": (3 * 4000 + 3_600_000) / 4, "maxQueueAge": 3_600_000,
    }  # fmt: skip


def test_a_try_that_the_database_cut_off_is_a_timeout_and_a_retry_and_no_error(
    world: World, fail_point: FailPoint
) -> None:
    task = world.add_task(utc(2024, 1, 15, 9), "daily")
    world.add_event("create", task)
    fail_point("insert", errorCode=50)
    assert world.work().outcomes == {("create", "retried"): 1}
    world.pass_time(seconds=10)
    world.work()

    figures = world.worker.metrics.latest()

    assert {name: figures[name] for name in PERCENT} == {
        "successRate": 100, "errorRate": 0, "retryRate": 100, "timeoutRate": 100,
    }  # fmt: skip
    assert figures["avgQueueAge"] == 10_000, "it waited until the lease under which it ended"


def test_an_event_that_is_replayed_is_counted_once_and_as_it_ended_last(world: World) -> None:
    task = world.add_task(utc(2024, 1, 15, 9), "hourly")
    event = world.add_event("create", task)
    world.work()
    assert world.worker.metrics.latest()["errorRate"] == 100
    world.worker.mongo.tasks.update_one({"_id": task}, {"$set": {"repeatType": "daily"}})
    world.worker.queries.replay(str(event))
    world.work()

    assert world.worker.metrics.latest()["tasksProcessed"] == 1
    assert world.worker.metrics.latest()["successRate"] == 100


def test_what_was_not_measured_is_left_out(world: World) -> None:
    assert world.worker.metrics.latest() == dict.fromkeys(COUNTS, 0)
    store(world, {"durationMs": None, "startedAt": None})
    assert world.worker.metrics.latest().keys().isdisjoint(MILLISECONDS)


def test_nothing_is_measured_from_before_the_time_for_which_completed_events_are_kept(mongodb_url: str) -> None:
    """Refused events are kept for ever: of the time before, every event there is was refused."""
    world = World(mongodb_url, EVENT_RETENTION_DAYS="30", now=utc(2996, 1, 1))
    old, new = ({"status": "rejected", "finishedAt": world.now - timedelta(days=days)} for days in (31, 29))
    store(world, old, new, {"finishedAt": world.now - timedelta(days=29)})

    measured = world.worker.metrics.measure(world.now - timedelta(days=365))

    assert measured.since == world.now - timedelta(days=30)
    assert measured.in_all().loc[ALL, "successRate"] == 50
    world.close()


def test_a_database_that_is_away_is_an_outage_and_not_a_figure(world: World, fail_point: FailPoint) -> None:
    fail_point("find", errorCode=13)
    with pytest.raises(DatabaseUnavailable):
        world.worker.metrics.latest()


# Known by heart


def figures_of(frame: pd.DataFrame, key: Any) -> dict[str, float]:
    return {str(name): value for name, value in frame.loc[key].items()}


def test_the_figures_of_four_hundred_known_events(world: World) -> None:
    """1 to 400 ms: one in ten is refused, one in four was tried again, one in eight made three occurrences."""
    store(
        world,
        *(
            {
                "durationMs": n, "status": "rejected" if n % 10 == 0 else "completed",
                "attempts": 2 if n % 4 == 0 else 0, "createdAt": NOON - timedelta(milliseconds=n),
                "result": {"created": [ObjectId()] * (3 if n % 8 == 0 else 0)},
                "lease": {"deaths": n % 2},
            }
            for n in range(1, 401)
        ),
    )  # fmt: skip

    row = figures_of(world.worker.metrics.measure(NOON - 8 * HOUR, NOON + 2 * HOUR).in_all(), ALL)

    assert row == pytest.approx({
        "tasksProcessed": 400, "tasksProcessedPerHour": 40, "avgProcessingTime": 200.5, "maxProcessingTime": 400,
        "p50": 200.5, "p95": 380.05, "p99": 396.01, "successRate": 90, "errorRate": 10, "retryRate": 25,
        "timeoutRate": 50, "recurringInstancesCreated": 150, "avgQueueAge": 200.5, "maxQueueAge": 400,
    })  # fmt: skip


def test_operations_have_rows_of_their_own_and_those_without_events_none(world: World) -> None:
    store(world, {"durationMs": 10}, {"durationMs": 30}, {"operation": "delete", "durationMs": 500})

    frame = world.worker.metrics.measure(NOON - HOUR, NOON + HOUR).in_all()

    assert list(frame.index) == ["all", "create", "delete"]
    assert list(frame["avgProcessingTime"]) == [180, 20, 500]


def test_hours_and_days_are_those_of_utc_and_only_those_with_events_have_rows(world: World) -> None:
    for ended in (utc(2023, 12, 31, 23, 59, 59), utc(2024, 1, 1), utc(2024, 1, 1, 0, 59), utc(2024, 1, 1, 2)):
        store(world, {"finishedAt": ended})
    measured = world.worker.metrics.measure(utc(2023, 12, 30), utc(2024, 1, 2))

    hours, days = (measured.by(period).xs(ALL, level="operation")["tasksProcessed"] for period in ("hour", "day"))

    assert hours.to_dict() == {
        utc(2023, 12, 31, 23): 1, utc(2024, 1, 1): 2, utc(2024, 1, 1, 2): 1,
    }  # fmt: skip
    assert days.to_dict() == {
        utc(2023, 12, 31): 1, utc(2024, 1, 1): 3,
    }  # fmt: skip
    assert list(measured.over_time("tasksProcessed", "day")) == [0, 1, 3]
    assert list(measured.over_time("p50", "day").dropna()) == [100, 100]


def test_an_hour_that_the_span_cuts_is_as_long_as_what_is_left_of_it(world: World) -> None:
    """Else the hour that is running would look like one in which little was done."""
    store(world, {"finishedAt": utc(2024, 1, 1, 12, 14)}, {"finishedAt": utc(2024, 1, 1, 12, 1)})

    hours = world.worker.metrics.measure(NOON - HOUR, NOON + HOUR / 4).by("hour")

    assert list(hours["tasksProcessedPerHour"]) == [8, 8]


def test_a_part_of_a_span_has_the_figures_of_a_span_of_its_own(world: World) -> None:
    store(world, *({"finishedAt": NOON + timedelta(minutes=n), "durationMs": n} for n in range(60)))
    since, until = NOON + timedelta(minutes=10), NOON + timedelta(minutes=30)

    part = world.worker.metrics.measure(NOON - HOUR, NOON + HOUR).between(since, until)

    pd.testing.assert_frame_equal(part.in_all(), world.worker.metrics.measure(since, until).in_all())


def test_frames_of_no_events_have_all_the_figures(world: World) -> None:
    measured = world.worker.metrics.measure(NOON - 3 * HOUR, NOON)
    assert set(measured.in_all().columns) == set(measured.by("day").columns) == {*COUNTS, *PERCENT, *MILLISECONDS}
    assert list(measured.over_time("tasksProcessed", "hour")) == [0, 0, 0]
    assert len(measured.by("hour")) == 0


# Laws


def any_event() -> st.SearchStrategy[FinishedEvent]:
    return st.builds(
        FinishedEvent,
        id=st.just("6b046c55c5f3b9749e06fec5"),
        operation=st.sampled_from([operation.value for operation in Operation]),
        status=st.sampled_from(OUTCOMES),
        finished_at=st.integers(0, 3 * 24 * 60 - 1).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        duration_ms=st.none() | st.integers(0, 10**7),
        waited_ms=st.none() | st.integers(0, 10**9),
        failures=st.integers(0, 5),
        timed_out=st.booleans(),
        created=st.integers(0, 10),
    )


def measured(events: list[FinishedEvent]) -> Measured:
    return Measured.of(Columns.of(events), NOON, NOON + timedelta(days=3))


@settings(max_examples=30)  # each has up to 40 events, and is a second table for each hour and day
@given(st.lists(any_event(), max_size=40))
def test_the_whole_is_the_sum_of_its_hours_and_of_its_operations(events: list[FinishedEvent]) -> None:
    whole = measured(events)
    total = whole.in_all()
    for parts in (
        total.drop(ALL),
        whole.by("hour").query("operation == 'all'"),
        whole.by("day").query("operation == 'all'"),
    ):
        for figure in ("tasksProcessed", "recurringInstancesCreated"):
            assert parts[figure].sum() == total.loc[ALL, figure]
    for figure in COUNTS:
        assert (whole.over_time(figure, "hour") >= 0).all()


@given(st.lists(any_event(), min_size=1, max_size=40))
def test_the_figures_are_those_of_plain_arithmetic(events: list[FinishedEvent]) -> None:
    row = figures_of(measured(events).in_all(), ALL)
    durations = [event.duration_ms for event in events if event.duration_ms is not None]
    completed = sum(event.status is EventStatus.COMPLETED for event in events)

    assert row["successRate"] == pytest.approx(100 * completed / len(events))
    assert row["successRate"] + row["errorRate"] == pytest.approx(100)
    assert row["timeoutRate"] == pytest.approx(100 * sum(event.timed_out for event in events) / len(events))
    if durations:
        expected = [float(np.percentile(durations, share)) for share in (50, 95, 99)]
        assert [row["p50"], row["p95"], row["p99"]] == pytest.approx(expected)
        assert row["p50"] <= row["p95"] <= row["p99"] <= row["maxProcessingTime"] == max(durations)


@given(st.lists(any_event(), max_size=40), st.randoms())
def test_the_order_in_which_events_are_read_changes_nothing(events: list[FinishedEvent], chance: Any) -> None:
    before = measured(events).in_all()
    chance.shuffle(events)
    pd.testing.assert_frame_equal(measured(events).in_all(), before)


def test_a_million_events_take_some_forty_bytes_each() -> None:
    """What is kept of each event are numbers in columns, and no objects."""
    events = (
        FinishedEvent("", "create", EventStatus.COMPLETED, datetime.fromtimestamp(n, NOON.tzinfo), n, n)
        for n in range(1000)
    )
    columns = vars(Columns.of(events))
    del columns["operations"]
    assert sum(len(column) * column.itemsize for column in columns.values()) == 36 * 1000
