"""The doctor's look at the database finds what keeps the work from being done, and who does it."""

from datetime import timedelta

import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.config.time_zone_data import Release, TimeZoneData
from recurrence_pipeline.doctor.database import Diagnostics
from recurrence_pipeline.doctor.rules import HealthCheckResult
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.storage.heartbeats import Part, Process
from recurrence_pipeline.storage.hosts import Hosts
from recurrence_pipeline_tests.heartbeats import pass_minutes
from recurrence_pipeline_tests.world import World, utc

DUE = utc(2024, 1, 1, 13)


@pytest.fixture
def mongodb_url(replica_set_url: str) -> str:
    """Have a replica set: of a standalone the doctor warns."""
    return replica_set_url


def look(world: World) -> dict[str, HealthCheckResult]:
    return {
        diagnosis.name: diagnosis
        for diagnosis in Diagnostics(world.worker.context, world.worker.consistency, world.worker.parts).look()
    }


def ill(world: World) -> dict[str, Severity]:
    """Return what is not well, but for the clock: the world's is not the server's."""
    found = look(world)
    return {name: each.severity for name, each in found.items() if name != "clock" and each.severity is not Severity.OK}


def made_by_the_older_worker(world: World, task_id: ObjectId) -> None:
    """Make what the original worker makes of the same slot: without a number, under an id of its own."""
    ours = world.task(task_id)
    world.add_task(ours["dueDate"], ours["repeatType"], parentRecurringId=ours["parentRecurringId"])


def test_a_sound_system_is_well(world: World) -> None:
    world.create(DUE, "daily")
    world.pass_time(seconds=1)
    assert ill(world) == {}
    assert look(world)["worker"].found == "events ended in the last minutes"


def test_clocks_are_compared_with_the_server_s(world: World) -> None:
    """The world's clock stands in 2024; the server's does not."""
    clock = look(world)["clock"]
    assert clock.severity is Severity.ERROR
    assert clock.found.endswith("s ahead")


def test_a_slot_that_both_workers_filled_means_that_both_run(world: World) -> None:
    """Switched over while the original worker still runs: users would see every task twice."""
    series = world.create(DUE, "daily")
    made_by_the_older_worker(world, world.occurrences_by_slot(series)[2])
    found = look(world)["two workers"]
    assert found.severity is Severity.ERROR
    assert found.found.startswith("1 slots were filled by this worker and by another, last at 2024-01-01 12:00")
    assert "recurrence switch --step stop" in found.advice


def test_what_two_workers_left_long_ago_is_a_warning(world: World) -> None:
    series = world.create(DUE, "daily")
    made_by_the_older_worker(world, world.occurrences_by_slot(series)[2])
    world.pass_time(days=2)
    assert ill(world) == {"two workers": Severity.WARNING}


def test_pairs_of_the_older_worker_alone_do_not_accuse_two(world: World) -> None:
    series = world.add_task(DUE, "weekly")
    for _ in range(2):
        world.add_task(DUE + timedelta(weeks=1), "weekly", parentRecurringId=series)
    found = look(world)["two workers"]
    assert (found.severity, found.found) == (Severity.WARNING, "1 slots have two tasks, none of them by two workers")


def test_what_the_checks_call_an_error_is_one_to_the_doctor_too(world: World) -> None:
    """Else it says that all is well, and `recurrence check` fails."""
    world.add_task(DUE, "daily", parentRecurringId=ObjectId())
    assert ill(world) == {"data": Severity.ERROR}
    assert look(world)["data"].found == "orphans: 1"


def test_events_that_nobody_works_on_are_found(world: World) -> None:
    world.add_event("create", world.add_task(DUE, "daily"))
    assert ill(world) == {}, "a worker may need some seconds"
    world.pass_time(minutes=2)
    assert ill(world) == {"worker": Severity.ERROR}
    world.pass_time(minutes=20)
    assert ill(world) == {"worker": Severity.ERROR, "queue": Severity.ERROR}


def test_events_that_a_living_worker_holds_are_worked_on_and_those_of_a_dead_one_are_not(world: World) -> None:
    world.add_event("create", world.add_task(DUE, "daily"))
    world.worker.lease(1)
    assert look(world)["worker"].found == "1 events are being worked on"
    world.pass_time(minutes=5)
    assert ill(world) == {"stuck events": Severity.ERROR, "worker": Severity.ERROR}


def test_a_dead_letter_is_told(world: World) -> None:
    world.add_event("create", ObjectId(), status="failed")
    assert ill(world) == {"dead letters": Severity.WARNING}


@pytest.mark.parametrize(
    ("collection", "name", "levels"),
    [
        ("task_events", "schema", {"schema": Severity.ERROR}),
        ("counters", "counters", {"counters": Severity.ERROR}),
        (
            "worker_state",
            "watermark",
            {"watermark": Severity.ERROR, "schema": Severity.ERROR, "data": Severity.ERROR},
        ),
    ],
)
def test_what_is_missing_is_found_and_hides_nothing_else(
    world: World, collection: str, name: str, levels: dict[str, Severity]
) -> None:
    world.create(DUE, "daily")
    world.worker.mongo.db.drop_collection(collection)
    assert ill(world) == levels
    assert "recurrence" in look(world)[name].advice + look(world)[name].found


def test_a_database_that_is_away_is_the_only_finding() -> None:
    settings = Settings.from_environment({"MONGODB_URL": "mongodb://127.0.0.1:9/nowhere", "WORKER_TIMEOUT": "200"})
    with open_worker(settings) as worker:
        (found,) = Diagnostics(worker.context, worker.consistency, worker.parts).look()
    assert (found.name, found.severity) == ("database", Severity.ERROR)
    assert "127.0.0.1:9" in found.found


def test_a_part_that_stands_still_is_found_by_its_heartbeats(world: World) -> None:
    parts, state = world.worker.parts, world.worker.mongo.state
    assert look(world)["parts"].found == "neither Dagster, the API nor a worker that stays has run lately"
    parts.beat(Process(Part.DAGSTER, "worker-1", "d1"))
    parts.beat(Process(Part.API, "web-1", "a1", 3000))
    assert look(world)["parts"].found == "alive: api on web-1:3000, dagster on worker-1"
    pass_minutes(state, 4)
    parts.beat(Process(Part.API, "web-1", "a1", 3000))
    assert ill(world) == {"parts": Severity.ERROR}
    diagnostics = Diagnostics(world.worker.context, world.worker.consistency, world.worker.parts)
    assert list(diagnostics.look())
    assert diagnostics.dagster is not None
    assert diagnostics.dagster["standsStill"], "what Dagster says of its daemon is judged beside it"
    assert look(world)["parts"].found.startswith("stands still: dagster on worker-1 since ")


def test_the_doctor_warns_where_hosts_differ(world: World) -> None:
    """One of two workers would put the same slot an hour beside the other's."""
    older = TimeZoneData(Release("2020a", "/usr/share/zoneinfo", "/usr/share/zoneinfo"))
    Hosts(world.worker.mongo, "another-host", older).tell(world.now)
    (found,) = (
        each
        for each in Diagnostics(world.worker.context, world.worker.consistency, world.worker.parts).look()
        if each.name == "time zones of hosts"
    )
    assert found.severity is Severity.WARNING
    assert "another-host 2020a (/usr/share/zoneinfo) 0 min ago" in found.found
