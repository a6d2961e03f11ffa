"""`recurrence stats --since`: figures by operation and over time, on the terminal and as JSON; and what it refuses."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.views.metrics import WIDEST, sparkline
from recurrence_pipeline_tests.commands import Run

HOUR = timedelta(hours=1)


@pytest.fixture
def measured(run: Run, db: Database[Document]) -> Run:
    """Return `run`, on a database with four creations that took 100 ms to 400 ms, one of them rejected, 26 h ago."""
    assert run("init-db").code == 0
    ended = datetime.now(timezone.utc) - 26 * HOUR
    for number in range(1, 5):
        took = timedelta(milliseconds=100 * number)
        event: dict[str, Any] = {"operation": "create", "taskId": ObjectId(), "availableAt": ended, "attempts": 0}
        event |= {"createdAt": ended - took - timedelta(seconds=1), "startedAt": ended - took, "finishedAt": ended}
        event |= {"durationMs": 100 * number, "status": "completed" if number < 4 else "rejected"}
        event |= {"result": {"created": [ObjectId()] * 3 if number < 4 else [], "deleted": 0}}
        db["task_events"].insert_one(event)
    return run


def test_figures_are_there_for_programs(measured: Run) -> None:
    found = measured("stats", "--since", "7d", "--json").json

    assert set(found) == {"since", "until", "by", "queue", "inAll", "overTime", "bars"}
    assert (found["by"], found["queue"]) == ("day", {"due": 0, "oldestDueAgeMs": 0})
    assert set(found["inAll"]) == {"all", "create"}
    figures = found["inAll"]["create"]
    assert figures["avgProcessingTime"] == 250
    assert figures["maxProcessingTime"] == 400
    assert figures["p50"] == 250
    assert figures["successRate"] == 75
    assert figures["recurringInstancesCreated"] == 9
    assert figures["avgQueueAge"] == 1000
    assert [row["operation"] for row in found["overTime"]] == ["all", "create"]
    assert {name: value for name, value in found["overTime"][1].items() if name in {"p95", "tasksProcessed"}} == {
        "p95": 385,
        "tasksProcessed": 4,
    }


def test_what_ended_before_is_left_out_and_what_has_no_value_is_null(measured: Run) -> None:
    found = measured("stats", "--since", "25h", "--json").json

    assert found["by"] == "hour"
    assert found["inAll"]["all"]["tasksProcessed"] == 0
    assert found["inAll"]["all"]["p95"] is None
    assert found["overTime"] == []


@pytest.mark.parametrize(("by", "parts"), [("hour", {168, 169}), ("day", {8})])
def test_over_time_is_by_hour_or_by_day(measured: Run, by: str, parts: set[int]) -> None:
    found = measured("stats", "--since", "7d", "--by", by, "--json").json

    assert len(found["bars"]["tasksProcessed"]) in parts
    assert sum(found["bars"]["tasksProcessed"]) == 4


def test_people_see_a_table_and_bars(measured: Run) -> None:
    ran = measured("stats", "--since", "48h")

    assert (ran.code, ran.err) == (0, "")
    lines = {line.split("│")[1].strip(): line for line in ran.out.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in lines["p95"].split("│")[2:-1]][-1] == "385 ms"
    assert "█" in lines["p95"]
    assert "successRate" in ran.out
    assert "75 % │" in next(line for line in ran.out.splitlines() if "successRate" in line)


def test_a_waiting_event_is_counted_with_its_age(measured: Run, db: Database[Document]) -> None:
    due = datetime.now(timezone.utc) - HOUR
    event = {"operation": "create", "taskId": ObjectId(), "status": "pending", "createdAt": due, "availableAt": due}
    db["task_events"].insert_one(event)

    queue = measured("stats", "--since", "7d", "--json").json["queue"]

    assert queue["due"] == 1
    assert queue["oldestDueAgeMs"] >= 3_600_000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--since", "lately"), "since: 'lately' is neither a length such as 90m, 24h, 7d, 2w nor a time"),
        (("--since", "0d"), "since: '0d' is not between 1d and a century"),
        (("--since", "2999-01-01"), "since: '2999-01-01' is not in the past"),
        (("--by", "day"), "by: 'day' needs --since"),
        (("--since", "7d", "--user-id", "6b046c55c5f3b9749e06febf"), "user-id: '6b046c55c5f3b9749e06febf' cannot be"),
    ],
)
def test_what_cannot_be_asked_is_named(run: Run, arguments: tuple[str, ...], reason: str) -> None:
    ran = run("stats", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"recurrence: {reason}")
    assert ran.err.count("\n") == 1


# Bars


def test_bars_rise_from_nothing_to_the_highest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"


def test_nothing_known_is_a_blank_and_nothing_done_is_a_low_bar() -> None:
    assert sparkline([None, 0, 5]) == " ▁█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([None]) == " "
    assert sparkline([]) == ""


def test_a_long_span_keeps_its_peaks() -> None:
    """A spike of one hour must not vanish in a month."""
    values: list[float | None] = [1.0] * 700
    values[350] = 100.0

    bars = sparkline(values)

    assert len(bars) <= WIDEST
    assert bars.count("█") == 1


def test_the_last_bar_is_about_what_came_last() -> None:
    assert sparkline([*[0.0] * 10, 9.0], width=4)[-1] == "█"
