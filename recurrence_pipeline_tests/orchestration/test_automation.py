"""Sensors and schedules that fail, and parts of the daemon that stand still, are causes of alerts."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from recurrence_pipeline.orchestration.automation import TICKS, failing_ticks, still_daemons
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.own import Own

ALONE = Own(Names(), alone=True)
NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
WHY = SerializableErrorInfo("outer", [], "SensorError", SerializableErrorInfo("KeyError: 'it'\n", [], "KeyError"))
HERE = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ours"), "__repository__")
SUCCESS, SKIPPED, FAILURE, STARTED = TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE, TickStatus.STARTED


def ticked(
    instance: dg.DagsterInstance,
    statuses: Sequence[TickStatus],
    *,
    kind: InstigatorType = InstigatorType.SENSOR,
    status: InstigatorStatus = InstigatorStatus.RUNNING,
    until: datetime = NOW,
) -> None:
    """Store a sensor or schedule with its ticks, a minute apart, the last of them at the end."""
    origin = RemoteInstigatorOrigin(HERE, "watcher")
    of_kind = ScheduleInstigatorData("0 2 * * *") if kind is InstigatorType.SCHEDULE else None
    state = InstigatorState(origin, kind, status, of_kind)
    if instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
        instance.add_instigator_state(state)
    for age, outcome in zip(reversed(range(len(statuses))), statuses, strict=True):
        instance.create_tick(
            TickData(
                state.instigator_origin_id,
                "watcher",
                kind,
                outcome,
                (until - age * timedelta(minutes=1)).timestamp(),
                run_ids=[],
                run_keys=[],
                error=WHY if outcome is FAILURE else None,
                selector_id=state.selector_id,
            )
        )


def test_a_sensor_whose_last_ticks_have_all_failed_is_a_cause_that_says_why(automated: dg.DagsterInstance) -> None:
    """Else nothing is reconciled, or no event processed, for as long as nobody looks at the page of automation."""
    ticked(automated, [SUCCESS, FAILURE, FAILURE, FAILURE, STARTED])
    (found,) = failing_ticks(automated, ALONE, NOW)
    assert (found.key, found.title) == ("tick:watcher", "sensor watcher fails at each tick")
    assert found.text == "KeyError: 'it'"
    assert found.at == NOW - TICKS["SENSOR"] * timedelta(minutes=1), "since the first of them"


def test_a_schedule_is_one_after_its_first_failure(automated: dg.DagsterInstance) -> None:
    """The next one comes in a day, or in a week."""
    ticked(automated, [SUCCESS, FAILURE], kind=InstigatorType.SCHEDULE)
    (found,) = failing_ticks(automated, ALONE, NOW)
    assert found.title == "schedule watcher fails at each tick"


@pytest.mark.parametrize("statuses", [[], [FAILURE, FAILURE], [FAILURE, FAILURE, SKIPPED], [FAILURE, SUCCESS, FAILURE]])
def test_a_sensor_that_failed_now_and_then_is_none(automated: dg.DagsterInstance, statuses: list[TickStatus]) -> None:
    ticked(automated, statuses)
    assert list(failing_ticks(automated, ALONE, NOW)) == []


def test_what_is_off_or_gone_from_the_code_is_none(automated: dg.DagsterInstance) -> None:
    ticked(automated, [FAILURE] * 3, status=InstigatorStatus.STOPPED)
    assert list(failing_ticks(automated, ALONE, NOW)) == []


def test_what_ticks_no_more_is_none(automated: dg.DagsterInstance) -> None:
    ticked(automated, [FAILURE] * 3, until=NOW - timedelta(days=30))
    assert list(failing_ticks(automated, ALONE, NOW)) == []


def test_a_part_of_the_daemon_without_a_sign_of_life_is_a_cause(automated: dg.DagsterInstance) -> None:
    now = datetime.now(timezone.utc)
    assert list(still_daemons(automated, now)) == [], "where none has ever started, none has stopped"
    for name, age in (("SENSOR", timedelta(0)), ("SCHEDULER", timedelta(hours=5, minutes=3))):
        automated.add_daemon_heartbeat(DaemonHeartbeat((now - age).timestamp(), name, "id", []))
    (found,) = still_daemons(automated, now)
    assert (found.key, found.title) == ("daemon:SCHEDULER", "SCHEDULER of dagster-daemon stands still")
    assert found.text.startswith("No sign of life for 5 h 3 min.")
