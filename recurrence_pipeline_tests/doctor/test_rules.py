"""What the doctor makes of what it sees in the database."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from recurrence_pipeline.doctor.rules import (
    Clashes,
    HealthCheckResult,
    Work,
    judge_check,
    judge_clashes,
    judge_clock,
    judge_dead_letters,
    judge_hosts,
    judge_queue,
    judge_streams,
    judge_version,
    judge_watermark,
    judge_worker,
    judge_writes,
)
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.maintenance.checks import COUNTERS_BEHIND, SLOT_CLASHES, CheckResult
from recurrence_pipeline.storage.database_checks import Server
from recurrence_pipeline.storage.hosts import HostSeen

NOW = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


def server(*, version: str = "7.0.5", replica_set: str | None = None, ahead: float = 0, **written: Any) -> Server:
    return Server(version, replica_set, timedelta(seconds=ahead), written)


def work(*, due: int = 0, minutes: float = 0, held: int = 0, moved: bool = False) -> Work:
    return Work(due, NOW - minutes * MINUTE if due else None, held, moved)


def helped(diagnosis: HealthCheckResult) -> Severity:
    """Return how well it is; what is not well must come with something to do."""
    assert diagnosis.found
    assert diagnosis.advice or diagnosis.severity is Severity.OK
    return diagnosis.severity


def part(stream: str | None, *, still: bool = False) -> dict[str, object]:
    return {"part": "worker", "where": "here", "changeStream": stream, "standsStill": still}


@pytest.mark.parametrize(
    ("parts", "replica_set", "level", "found"),
    [
        ([part("alive")], "rs0", Severity.OK, "worker on here: alive"),
        ([part("not authorized")], "rs0", Severity.WARNING, "worker on here: not authorized"),
        ([part("alive"), part("not authorized")], "rs0", Severity.WARNING, "not authorized"),
        ([part("not open yet")], "rs0", Severity.OK, "worker on here: not open yet"),
        ([part("off")], "rs0", Severity.OK, "worker on here: off"),
        ([part("the server is no replica set")], None, Severity.OK, "the server is no replica set"),
        ([part("not authorized", still=True)], "rs0", Severity.OK, "nobody listens"),
        ([part(None)], "rs0", Severity.OK, "nobody listens"),
        ([], "rs0", Severity.OK, "nobody listens"),
    ],
)
def test_a_change_stream_that_could_be_there_and_is_not_is_a_warning(
    parts: list[dict[str, object]], replica_set: str | None, level: Severity, found: str
) -> None:
    judged = judge_streams(parts, server(replica_set=replica_set))
    assert helped(judged) is level
    assert found in judged.found


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("5.0.0", Severity.OK),
        ("8.2.11", Severity.OK),
        ("10.0.1", Severity.OK),
        ("4.4.29", Severity.ERROR),
        ("3.6", Severity.ERROR),
        ("newest", Severity.WARNING),
    ],
)
def test_a_server_older_than_5_is_an_error(version: str, level: Severity) -> None:
    assert helped(judge_version(server(version=version))) is level


@pytest.mark.parametrize(
    ("replica_set", "written", "level"),
    [
        (None, {"j": True}, Severity.OK),
        (None, {"w": 1, "j": True}, Severity.OK),
        (None, {}, Severity.WARNING),
        (None, {"w": 1}, Severity.WARNING),
        (None, {"w": 0}, Severity.ERROR),
        ("rs0", {}, Severity.OK),
        ("rs0", {"w": "majority"}, Severity.OK),
        ("rs0", {"w": "majority", "j": False}, Severity.WARNING),
        ("rs0", {"w": 1, "j": True}, Severity.WARNING),
        ("rs0", {"w": 0}, Severity.ERROR),
    ],
)
def test_a_write_that_is_acknowledged_and_can_be_lost_is_told(
    replica_set: str | None, written: dict[str, Any], level: Severity
) -> None:
    assert helped(judge_writes(server(replica_set=replica_set, **written))) is level


@pytest.mark.parametrize(
    ("ahead", "level"),
    [
        (0, Severity.OK),
        (2.4, Severity.OK),
        (-2.4, Severity.OK),
        (2.5, Severity.WARNING),
        (-9.9, Severity.WARNING),
        (-10, Severity.ERROR),
    ],
)
def test_clocks_may_differ_by_less_than_the_margin_of_a_lease(ahead: float, level: Severity) -> None:
    assert helped(judge_clock(server(ahead=ahead), timedelta(seconds=10))) is level


def test_it_says_whose_clock_is_ahead() -> None:
    assert judge_clock(server(ahead=3), MINUTE).found == "the database is 3.0 s ahead"
    assert judge_clock(server(ahead=-3), MINUTE).found == "the database is 3.0 s behind"


def test_a_watermark_in_the_future_is_told() -> None:
    levels = [helped(judge_watermark(mark, NOW)) for mark in (None, NOW - MINUTE, NOW + MINUTE)]
    assert levels == [Severity.OK, Severity.OK, Severity.WARNING]


def test_what_a_check_finds_is_as_bad_as_the_check_says() -> None:
    error, warning = CheckResult(COUNTERS_BEHIND), CheckResult(SLOT_CLASHES)
    assert [helped(judge_check(f, "x")) for f in (error, warning)] == [Severity.OK, Severity.OK]
    for finding in (error, warning):
        finding.add([{"counter": "tasks", "value": 3, "highest": 7}])
    assert [helped(judge_check(f, "x")) for f in (error, warning)] == [Severity.ERROR, Severity.WARNING]
    assert judge_check(error, "x").found == "1: tasks, 3, 7"
    assert "recurrence check --repair --only counters_behind --yes" in judge_check(error, "x").advice
    assert "--repair" not in judge_check(warning, "x").advice


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (work(), Severity.OK),
        (work(due=9, minutes=4), Severity.OK),
        (work(due=9, minutes=6), Severity.WARNING),
        (work(due=9, minutes=16), Severity.ERROR),
    ],
)
def test_events_that_wait_are_told_after_5_minutes(seen: Work, level: Severity) -> None:
    assert helped(judge_queue(seen, NOW)) is level


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (work(), Severity.OK),
        (work(due=9, minutes=0.5), Severity.OK),
        (work(due=9, minutes=2), Severity.ERROR),
        (work(due=9, minutes=2, moved=True), Severity.OK),
        (work(due=9, minutes=2, held=1), Severity.OK),
    ],
)
def test_no_worker_is_there_where_events_wait_and_nothing_moves(seen: Work, level: Severity) -> None:
    assert helped(judge_worker(seen, NOW, MINUTE)) is level


def test_what_failed_waits_for_a_person_and_what_was_rejected_is_an_answer() -> None:
    assert helped(judge_dead_letters(failed=1, rejected=0)) is Severity.WARNING
    assert helped(judge_dead_letters(failed=0, rejected=58)) is Severity.OK


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (Clashes(), Severity.OK),
        (Clashes(3), Severity.WARNING),
        (Clashes(3, 1, NOW - timedelta(days=3)), Severity.WARNING),
        (Clashes(3, 1, NOW - timedelta(hours=1)), Severity.ERROR),
        (Clashes(3, 1, None), Severity.WARNING),
    ],
)
def test_two_workers_at_once_are_an_error_and_what_they_left_is_a_warning(seen: Clashes, level: Severity) -> None:
    assert helped(judge_clashes(seen, NOW)) is level


def test_hosts_with_different_time_zone_data_are_warned_of_by_name() -> None:
    this = HostSeen("here", "2026f", "the package tzdata")
    same, older = (HostSeen(n, v, "/z", NOW - 3 * MINUTE) for n, v in (("there", "2026f"), ("old", "2025b")))
    assert helped(judge_hosts(this, [], NOW)) is Severity.OK
    assert helped(judge_hosts(this, [same], NOW)) is Severity.OK
    found = judge_hosts(this, [same, older], NOW)
    assert helped(found) is Severity.WARNING
    assert "here 2026f (the package tzdata), there 2026f (/z) 3 min ago, old 2025b (/z) 3 min ago" in found.found
