"""Which part stands still, by its heartbeats: examples of each rule."""

from dataclasses import replace
from datetime import timedelta

import pytest

from recurrence_pipeline.monitoring.heartbeat_rules import (
    FORGOTTEN_AFTER,
    FRESH,
    REMOVED_AFTER,
    SILENT_AFTER,
    WARM_UP,
    Heartbeats,
    as_rows,
    stand_still,
)
from recurrence_pipeline.storage.heartbeats import Heartbeat, Part, Process
from recurrence_pipeline_tests.world import utc

NOW = utc(2024, 1, 1, 12)
MOMENT = timedelta(milliseconds=1)
DAY = timedelta(days=1)
DAGSTER = Process(Part.DAGSTER, "here", "d1")
API = Process(Part.API, "here", "a1", 3000)
UI = "http://ui"


def beat(process: Process, *, ago: timedelta, since: timedelta = DAY) -> Heartbeat:
    """Return a heartbeat of so long ago, in a line that began `since` before it."""
    return Heartbeat(process, NOW - ago - since, NOW - ago)


def told(watcher: Part, *beats: Heartbeat) -> list[str]:
    return [finding.title for finding in stand_still(Heartbeats(NOW, beats), watcher, UI)]


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(0), []),
        (-timedelta(hours=3), []),
        (SILENT_AFTER, []),
        (SILENT_AFTER + MOMENT, ["Dagster stands still"]),
        (FORGOTTEN_AFTER, ["Dagster stands still"]),
        (FORGOTTEN_AFTER + MOMENT, []),
    ],
)
def test_dagster_stands_still_from_the_third_missing_heartbeat_until_it_is_forgotten(
    ago: timedelta, expected: list[str]
) -> None:
    assert told(Part.API, beat(DAGSTER, ago=ago)) == expected


def test_a_part_that_was_never_there_is_never_missed() -> None:
    assert told(Part.API, beat(API, ago=timedelta(0))) == []
    assert told(Part.DAGSTER) == []


def test_each_watches_the_other_and_not_its_own_kind() -> None:
    both = beat(DAGSTER, ago=DAY), beat(API, ago=DAY)
    assert told(Part.API, *both) == ["Dagster stands still"]
    assert told(Part.DAGSTER, *both) == ["the API on here:3000 stands still"]


def test_a_finding_says_where_since_when_and_what_to_do() -> None:
    (finding,) = stand_still(Heartbeats(NOW, (beat(API, ago=timedelta(minutes=12)),)), Part.DAGSTER, UI)
    assert (finding.key, finding.at, finding.link) == ("silent:api here:3000", NOW - timedelta(minutes=12), UI)
    assert finding.text.startswith("No sign of life for 12 min")
    (finding,) = stand_still(Heartbeats(NOW, (beat(DAGSTER, ago=timedelta(minutes=12)),)), Part.API, UI)
    assert finding.text.startswith("alert_sensor has not ticked for 12 min; it last did on here.")


def test_the_cause_of_dagster_is_one_wherever_it_ran() -> None:
    elsewhere = Process(Part.DAGSTER, "there", "d2")
    assert beat(DAGSTER, ago=DAY).key == beat(elsewhere, ago=DAY).key == "silent:dagster"


@pytest.mark.parametrize(
    ("other", "ago", "since", "replaced"),
    [
        (Process(Part.API, "here", "a2", 3001), timedelta(0), timedelta(minutes=9), True),
        (Process(Part.API, "here", "a2", 3001), timedelta(0), timedelta(minutes=11), False),  # it was there before
        (Process(Part.API, "here", "a2", 3001), timedelta(minutes=4), timedelta(minutes=1), False),  # it is silent too
        (Process(Part.API, "there", "a2", 3001), timedelta(0), timedelta(minutes=9), False),
        (Process(Part.DAGSTER, "here", "d1"), timedelta(0), timedelta(minutes=9), False),
        (Process(Part.WORKER, "here", "a2"), timedelta(0), timedelta(minutes=9), False),
    ],
)
def test_an_api_that_was_killed_is_replaced_by_one_that_began_on_its_host_since(
    other: Process, ago: timedelta, since: timedelta, *, replaced: bool
) -> None:
    """Started again at a free port, it would be called dead for two days."""
    killed, came = beat(API, ago=timedelta(minutes=10)), beat(other, ago=ago, since=since)
    found = Heartbeats(NOW, (killed, came))
    assert (killed in found.counted, killed in found.obsolete) == (not replaced, replaced)


def test_a_worker_that_stood_still_is_told_until_another_has_begun_on_its_host() -> None:
    """Started again it is another process, and the first would be called dead for two days."""
    killed = beat(Process(Part.WORKER, "here", "17"), ago=timedelta(minutes=10))
    assert told(Part.API, killed) == told(Part.DAGSTER, killed) == ["the worker on here, process 17 stands still"]
    came = beat(Process(Part.WORKER, "here", "18"), ago=timedelta(0), since=timedelta(minutes=9))
    assert told(Part.API, killed, came) == []


def test_an_api_that_is_alive_is_replaced_by_nobody() -> None:
    first = beat(API, ago=timedelta(seconds=59))
    second = beat(Process(Part.API, "here", "a2", 3001), ago=timedelta(0), since=timedelta(seconds=30))
    assert Heartbeats(NOW, (first, second)).counted == [first, second]


def test_what_is_forgotten_is_named_and_after_a_month_removed() -> None:
    forgotten, old = beat(DAGSTER, ago=FORGOTTEN_AFTER + MOMENT), beat(API, ago=REMOVED_AFTER + MOMENT)
    found = Heartbeats(NOW, (forgotten, old))
    assert found.forgotten == {"silent:dagster", "silent:api here:3000"}
    assert found.obsolete == [old]
    assert as_rows(found) == []


@pytest.mark.parametrize(
    ("own", "watchful"),
    [
        (beat(API, ago=timedelta(0), since=WARM_UP), True),
        (beat(API, ago=timedelta(0), since=WARM_UP - MOMENT), False),
        (beat(API, ago=SILENT_AFTER / 2), True),
        (beat(API, ago=SILENT_AFTER / 2 + MOMENT), False),  # the database was away, for the others too
        (beat(API, ago=SILENT_AFTER + MOMENT), False),  # frozen, or its machine was off
        (beat(Process(Part.API, "here", "a0", 3000), ago=timedelta(0)), False),  # who had the port before
        (beat(API, ago=-DAY, since=timedelta(0)), False),  # the server's clock was set back
        (beat(DAGSTER, ago=timedelta(0)), False),
    ],
)
def test_only_who_has_run_for_five_minutes_without_a_gap_judges_others(own: Heartbeat, *, watchful: bool) -> None:
    assert Heartbeats(NOW, (own,)).is_watchful(API) is watchful


@pytest.mark.parametrize(
    ("ago", "fresh"), [(timedelta(0), True), (FRESH - MOMENT, True), (FRESH, False), (-MOMENT, False)]
)
def test_a_fresh_heartbeat_is_not_repeated_and_one_from_the_future_is_mended(ago: timedelta, *, fresh: bool) -> None:
    assert Heartbeats(NOW).is_fresh(beat(API, ago=ago)) is fresh


def test_health_shows_each_part_once_and_whether_it_stands_still() -> None:
    dagster = replace(beat(DAGSTER, ago=timedelta(minutes=4)), stream="alive")
    found = Heartbeats(NOW, (dagster, beat(API, ago=timedelta(seconds=9))))
    assert as_rows(found) == [
        {"part": "api", "where": "here:3000", "since": NOW - timedelta(seconds=9) - DAY,
         "seenAt": NOW - timedelta(seconds=9), "standsStill": False, "changeStream": None},
        {"part": "dagster", "where": "here", "since": NOW - timedelta(minutes=4) - DAY,
         "seenAt": NOW - timedelta(minutes=4), "standsStill": True, "changeStream": "alive"},
    ]  # fmt: skip
