"""The page of the queue: how deep it is and was, what nobody tries again, and a replay of that."""

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.finished_events import FinishedEvent
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.monitoring.last_day import HOURS, by_hour
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.api.ui.visitor import Visitor, text
from recurrence_pipeline_tests.world import utc

NOW = utc(2024, 1, 1, 12)
FIRST = utc(2024, 1, 2, 9)
HOUR = timedelta(hours=1)


def ended(at: timedelta, *, waited: timedelta, status: EventStatus = EventStatus.COMPLETED) -> FinishedEvent:
    """Return an event that ended so long ago, after 100 ms of work and so long a wait."""
    return FinishedEvent("0" * 24, "create", status, NOW - at, 100, int(waited.total_seconds() * 1000) - 100)


def test_an_event_counts_in_the_depth_of_every_hour_that_it_waited_through() -> None:
    hours = by_hour([ended(HOUR / 2, waited=3 * HOUR)], [NOW - 90 * timedelta(minutes=1)], NOW)
    assert [hour.depth for hour in hours] == [0] * 20 + [1, 1, 2, 1]
    assert [hour.oldest for hour in hours[20:]] == [HOUR / 2, 3 * HOUR / 2, 5 * HOUR / 2, 3 * HOUR / 2]
    assert [hour.ended for hour in hours] == [0] * 23 + [1]


def test_success_and_time_are_those_of_the_events_that_ended_in_the_hour() -> None:
    events = [ended(HOUR / 4, waited=HOUR / 60) for _ in range(3)]
    hours = by_hour([*events, ended(HOUR / 4, waited=HOUR / 60, status=EventStatus.FAILED)], [], NOW)
    assert (hours[-1].success, hours[-1].p95) == (75.0, 100)
    assert {(hour.success, hour.p95) for hour in hours[:-1]} == {(None, None)}


@given(
    st.lists(
        st.tuples(st.integers(0, 86_399_999), st.integers(0, 200_000_000)).map(
            lambda pair: (timedelta(milliseconds=pair[0]), timedelta(milliseconds=pair[1] + 100))
        )
    ),
    st.lists(st.integers(0, 200_000_000).map(lambda ago: NOW - timedelta(milliseconds=ago))),
)
def test_the_depth_of_an_hour_is_the_number_of_events_made_before_its_end_and_not_ended(
    done: list[tuple[timedelta, timedelta]], waiting: list[datetime]
) -> None:
    hours = by_hour([ended(at, waited=waited) for at, waited in done], waiting, NOW)
    spans = [(NOW - at - waited, NOW - at) for at, waited in done] + [(created, NOW + HOUR) for created in waiting]
    for hour in hours:
        through = [hour.end - created for created, end in spans if created <= hour.end < end]
        assert hour.depth == len(through)
        assert hour.oldest == max(through, default=timedelta())
    assert sum(hour.ended for hour in hours) == len(done)
    assert len(hours) == HOURS


def test_the_queue_is_seen_at_a_glance(api: Api) -> None:
    series = api.world.create(FIRST, "weekly")
    api.world.add_event("complete", series)
    api.world.pass_time(minutes=90)

    page = Visitor(api).get("/queue")

    said = text(page)
    assert "Due now: 1 , the oldest for 1 h 30 min" in said
    assert "Depth: 1 events highest 1 events" in said
    assert "Age of the oldest: 1 h 30 min" in said
    assert "Success: nothing ended in the last hour highest 100.0 %" in said
    assert len(re.findall(r"<rect ", page.text)) == 5 * HOURS


def test_dead_letters_are_counted_by_reason_and_replayed_once_they_were_looked_at(api: Api) -> None:
    for _ in range(2):
        api.world.create(FIRST, "custom", recurrence={"rule": "FREQ=NEVER"})
    api.world.add_event("complete", gone := api.world.user)
    api.world.work()
    visitor, events = Visitor(api), api.world.worker.mongo.events

    def statuses() -> list[str]:
        return sorted(event["status"] for event in events.find())

    assert "recurrence.rule: FREQ=NEVER is not one of DAILY, WEEKLY, MONTHLY, YEARLY create rejected 2" in text(
        visitor.get("/queue")
    )
    before = statuses()
    looked = text(visitor.get("/queue", look="yes", code="INVALID_RECURRENCE"))
    assert "A replay would take 2 events: INVALID_RECURRENCE 2." in looked
    assert statuses() == before == ["pending", "rejected", "rejected"], gone
    said = visitor.followed(visitor.post("/queue/replay", code="INVALID_RECURRENCE"))
    assert "replay : events replayed: 2" in said
    assert statuses() == ["pending"] * 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"status": "done"}, "status: 'done' is not one of failed, rejected"),
        ({"operation": "explode"}, "operation: 'explode' is not one of create, complete"),
        ({"since": "tomorrow"}, "since: 'tomorrow' is neither a length"),
    ],
)
def test_a_replay_that_cannot_be_read_takes_nothing(api: Api, asked: dict[str, str], said: str) -> None:
    api.world.create(FIRST, "custom", recurrence={"rule": "FREQ=NEVER"})
    visitor = Visitor(api)
    assert said in text(visitor.get("/queue", look="yes", **asked))
    answer = visitor.post("/queue/replay", **asked)
    assert answer.status_code == 400
    assert api.world.worker.mongo.events.count_documents({"status": "rejected"}) == 1


def test_the_queue_shows_where_the_runs_are(open_api: OpenApi) -> None:
    api = open_api(DAGSTER_UI_URL="https://dagster.example.org")
    series = api.world.add_task(FIRST, "custom", recurrence={"rule": "FREQ=NEVER"})
    api.world.add_event("create", series)
    api.world.worker.process_pending(run_id="0f9e7d5c")
    assert 'href="https://dagster.example.org/runs/0f9e7d5c"' in Visitor(api).get("/queue").text
