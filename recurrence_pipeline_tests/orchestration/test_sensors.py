"""When runs start by themselves. Each evaluation is a real one, on a real database and an instance in memory."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import dagster as dg
import pytest
from bson import ObjectId
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from sqlalchemy import column, table

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.follower import looks as follower_looks
from recurrence_pipeline.orchestration import sensors
from recurrence_pipeline.orchestration.insides import storages
from recurrence_pipeline.orchestration.launch_backoff import Backoff, backoff
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.run_leases import IN_FLIGHT, InFlight
from recurrence_pipeline.orchestration.sensors import (
    build_dead_run_sensor,
    build_reconcile_sensor,
    build_task_event_sensor,
    patience,
    runs_to_start,
)
from recurrence_pipeline.storage.heartbeats import Part
from recurrence_pipeline_tests.documents import task_document
from recurrence_pipeline_tests.orchestration.conftest import AT_ONCE, NO_SERVER, Insert
from recurrence_pipeline_tests.orchestration.looks import evaluated, everything
from recurrence_pipeline_tests.waiting import wait_until

JOB = "process_task_events"
task_event_sensor, dead_run_sensor = build_task_event_sensor(Names()), build_dead_run_sensor(Names())


def tick(instance: dg.DagsterInstance, resource: WorkerResource) -> list[dg.RunRequest] | dg.SkipReason:
    with dg.build_sensor_context(instance=instance, resources={"worker": resource}) as context:
        result = evaluated(task_event_sensor, context)
    assert isinstance(result, (list, dg.SkipReason))
    return result


def look_for_dead_runs(instance: dg.DagsterInstance, resource: WorkerResource) -> str:
    with dg.build_sensor_context(instance=instance, resources={"worker": resource}) as context:
        result = evaluated(dead_run_sensor, context)
    assert isinstance(result, dg.SkipReason)
    return skipped(result)


def requests(result: list[dg.RunRequest] | dg.SkipReason) -> list[dg.RunRequest]:
    assert isinstance(result, list), result
    return result


def skipped(result: list[dg.RunRequest] | dg.SkipReason) -> str:
    assert isinstance(result, dg.SkipReason), result
    return str(result.skip_message)


def make_due(worker: Worker, insert_task: Insert, count: int) -> None:
    for _ in range(count):
        worker.enqueue(insert_task(), "create")


def origin(job: str) -> RemoteJobOrigin:
    """Say where a run's job is defined, without which no run can be queued."""
    location = RegisteredCodeLocationOrigin("recurrence_pipeline")
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)


def add_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, job: str = JOB) -> str:
    """Forge the record of a run that has no process, as one that died with its machine leaves it."""
    run = dg.DagsterRun(job_name=job, remote_job_origin=origin(job))
    instance.add_run(run)
    event = {
        dg.DagsterRunStatus.QUEUED: dg.DagsterEventType.RUN_ENQUEUED,
        dg.DagsterRunStatus.STARTING: dg.DagsterEventType.RUN_STARTING,
        dg.DagsterRunStatus.STARTED: dg.DagsterEventType.RUN_START,
        dg.DagsterRunStatus.CANCELING: dg.DagsterEventType.RUN_CANCELING,
        dg.DagsterRunStatus.FAILURE: dg.DagsterEventType.RUN_FAILURE,
    }.get(status)
    if event is not None:
        instance.report_dagster_event(dg.DagsterEvent(event.value, job_name=job), run.run_id)
    return run.run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_nothing_due_starts_nothing_and_says_so(
    instance: dg.DagsterInstance, resource: WorkerResource, caplog: pytest.LogCaptureFixture
) -> None:
    assert skipped(tick(instance, resource)) == "nothing is due"
    assert caplog.text == "", "an idle tick comes thousands of times a day"


def test_due_events_start_a_run_that_says_why(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert
) -> None:
    make_due(worker, insert_task, 2)

    (request,) = requests(tick(instance, resource))

    assert request.tags == {"recurrence/events_due": "2"}, "each tag is on every page that lists runs"
    assert request.run_key is None, "Dagster would launch a key once, for ever"


def test_a_sensor_only_reads(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert
) -> None:
    make_due(worker, insert_task, 2)
    before = everything(worker)

    tick(instance, resource)

    assert everything(worker) == before


def test_each_sensor_writes_to_what_it_says_and_to_nothing_else(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    resource: WorkerResource,
    worker: Worker,
    insert_task: Insert,
) -> None:
    """An evaluation that hangs overlaps the next: what writes has to say so, and why it may."""
    insert_task()
    written: dict[str, set[str]] = {}
    repository = definitions.get_repository_def()
    for sensor in repository.sensor_defs:
        before = everything(worker)
        with dg.build_sensor_context(
            instance=instance, resources={"worker": resource}, repository_def=repository
        ) as context:
            sensor.evaluate_tick(context)
        after = everything(worker)
        written[sensor.name] = {name for name in after if after[name] != before.get(name)}

    said = {sensor.name: set(filter(None, [sensor.tags.get("writes")])) for sensor in repository.sensor_defs}
    assert written == said
    assert {name for name in said if said[name]} == {"reconcile_sensor", "alert_sensor"}


def test_an_event_that_is_not_due_yet_starts_nothing(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert
) -> None:
    make_due(worker, insert_task, 1)
    (event,) = worker.mongo.events.find()
    later = event["availableAt"] + timedelta(hours=1)
    worker.mongo.events.update_one({"_id": event["_id"]}, {"$set": {"availableAt": later}})

    assert skipped(tick(instance, resource)) == "nothing is due"


@pytest.mark.parametrize("status", IN_FLIGHT, ids=lambda status: status.value)
def test_a_run_in_flight_keeps_another_from_starting(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert,
    status: dg.DagsterRunStatus,
) -> None:  # fmt: skip
    make_due(worker, insert_task, 2)
    add_run(instance, status)

    assert skipped(tick(instance, resource)) == "1 of 1 run in flight, 2 events due"


def test_runs_that_fail_at_once_are_tried_ever_more_seldom_and_one_in_a_look(
    instance: dg.DagsterInstance, mongodb_url: str, insert_task: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"WORKER_RUN_MAX_EVENTS": "1", "WORKER_MAX_RUNS": "3"}
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url, **few, **AT_ONCE}))
    with closing(resource):
        make_due(resource.open(), insert_task, 3)
        now, begin = utc_now(), time.monotonic()
        monkeypatch.setattr(sensors, "utc_now", lambda: now)

        add_run(instance, dg.DagsterRunStatus.FAILURE)
        assert len(requests(tick(instance, resource))) == 3, "one may fail for any reason"
        time.sleep(0.05)
        add_run(instance, dg.DagsterRunStatus.FAILURE)
        failing = timedelta(seconds=time.monotonic() - begin)
        held = backoff(instance, job=JOB, location=None, now=utc_now())

        assert held is not None
        (last,) = instance.get_run_records(limit=1)
        waits = held.until - last.update_timestamp
        assert timedelta(seconds=0.05) <= waits <= failing, "as long again as they have failed"
        instance.add_run_tags(last.dagster_run.run_id, {"seen": "by a person"})
        assert backoff(instance, job=JOB, location=None, now=utc_now()) == held, "a tag is no failure"
        now = held.until - timedelta(milliseconds=1)
        said = "the last 2 runs failed at once: none is started before"
        assert skipped(tick(instance, resource)) == f"{said} {iso(held.until)}; 3 events due"
        now = held.until
        assert len(requests(tick(instance, resource))) == 1, "it is tried with one"
        begun = add_run(instance, dg.DagsterRunStatus.STARTED)
        assert backoff(instance, job=JOB, location=None, now=utc_now()) == held, "it may fail yet"
        rewrite(instance, begun, "start_time", utc_now().timestamp() - 11)
        assert backoff(instance, job=JOB, location=None, now=utc_now()) is None, "it goes on"


def test_failures_that_a_clock_ahead_dated_hold_back_none(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        add_run(instance, dg.DagsterRunStatus.FAILURE)

    assert backoff(instance, job=JOB, location=None, now=utc_now()) is not None
    assert backoff(instance, job=JOB, location=None, now=utc_now() - timedelta(hours=1)) is None


def add_failed_run(instance: dg.DagsterInstance) -> str:
    """Forge the record of a run that began and failed."""
    run_id = add_run(instance, dg.DagsterRunStatus.STARTED)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, job_name=JOB), run_id)
    return run_id


def rewrite(instance: dg.DagsterInstance, run_id: str, name: str, value: object) -> None:
    """Change the record of a run."""
    _, records = storages(instance)
    runs = table("runs", column("run_id"), column(name))
    with records.connect() as connection:
        connection.execute(runs.update().where(runs.c.run_id == run_id).values({name: value}))


def test_runs_that_have_failed_for_long_are_tried_every_minute(instance: dg.DagsterInstance) -> None:
    for _ in range(3):
        add_run(instance, dg.DagsterRunStatus.FAILURE)
    newest, *_, oldest = instance.get_run_records()
    long_ago = oldest.create_timestamp - timedelta(hours=3)
    rewrite(instance, oldest.dagster_run.run_id, "create_timestamp", f"{long_ago:%Y-%m-%d %H:%M:%S.%f}")

    held = backoff(instance, job=JOB, location=None, now=newest.update_timestamp)

    assert held == Backoff(3, newest.update_timestamp + timedelta(minutes=1))


def test_a_run_that_worked_before_it_failed_holds_back_none(instance: dg.DagsterInstance) -> None:
    runs = [add_failed_run(instance) for _ in range(3)]
    held = backoff(instance, job=JOB, location=None, now=utc_now())
    assert held is not None
    assert held.failed == 3, "each failed as soon as it had begun"

    rewrite(instance, runs[-1], "start_time", utc_now().timestamp() - 11)

    assert backoff(instance, job=JOB, location=None, now=utc_now()) is None


def test_a_run_that_is_over_or_of_another_job_keeps_nothing_from_starting(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, insert_task: Insert
) -> None:
    make_due(worker, insert_task, 1)
    add_run(instance, dg.DagsterRunStatus.FAILURE)
    add_run(instance, dg.DagsterRunStatus.STARTED, job="process_task")

    assert len(requests(tick(instance, resource))) == 1


@pytest.mark.parametrize(
    ("due", "in_flight", "runs"),
    [
        (1, InFlight(0), 1),
        (5, InFlight(0), 1),
        (6, InFlight(0), 2),
        (40, InFlight(0), 3),
        (40, InFlight(2), 1),
        (40, InFlight(4), 0),
        (6, InFlight(1, waiting=1), 1),
        (5, InFlight(2, waiting=2), 0),
    ],
)
def test_a_run_starts_for_what_no_waiting_run_will_take_where_a_place_is_free(
    due: int, in_flight: InFlight, runs: int
) -> None:
    """A run that finds nothing left costs 2 s of a processor all the same."""
    settings = Settings.from_environment({"WORKER_RUN_MAX_EVENTS": "5", "WORKER_MAX_RUNS": "3"})

    assert runs_to_start(due, in_flight, settings) == runs


def test_a_backlog_starts_as_many_runs_as_there_are_free_places(
    mongodb_url: str, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    environment = {"MONGODB_URL": mongodb_url, "WORKER_RUN_MAX_EVENTS": "2", "WORKER_MAX_RUNS": "3", **AT_ONCE}
    resource = WorkerResource(Settings.from_environment(environment))
    make_due(worker, insert_task, 9)
    add_run(instance, dg.DagsterRunStatus.STARTED)

    assert len(requests(tick(instance, resource))) == 2
    resource.close()


@pytest.fixture
def short_lease(mongodb_url: str, worker: Worker) -> Iterator[WorkerResource]:
    environment = {"MONGODB_URL": mongodb_url, "WORKER_LEASE": "200", "WORKER_LEASE_MARGIN": "10", **AT_ONCE}
    resource = WorkerResource(Settings.from_environment(environment))
    yield resource
    resource.close()


def test_a_run_that_died_with_its_machine_does_not_count_once_its_leases_have_run_out(
    short_lease: WorkerResource, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    """It stays "started" until its longest run time is over: a quarter of an hour in which nothing would be done."""
    make_due(worker, insert_task, 2)
    run_id = add_run(instance, dg.DagsterRunStatus.STARTED)
    assert len(short_lease.open().lease(1, run_id=run_id)) == 1
    assert skipped(tick(instance, short_lease)) == "1 of 1 run in flight, 1 event due"

    wait_until(lambda: worker.queries.queue().due == 2, "the lease runs out")

    (request,) = requests(tick(instance, short_lease))
    assert request.tags["recurrence/events_due"] == "2"


@pytest.mark.parametrize("holder", [None, "another run"])
def test_a_dead_run_does_not_count_because_others_are_at_work(
    short_lease: WorkerResource, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert, holder: str | None
) -> None:
    """The API holds events of its own all day long: they would keep every run from starting."""
    make_due(worker, insert_task, 3)
    run_id = add_run(instance, dg.DagsterRunStatus.STARTED)
    worker.lease(1, run_id=holder)  # for a minute
    short_lease.open().lease(1, run_id=run_id)
    assert skipped(tick(instance, short_lease)) == "1 of 1 run in flight, 1 event due"

    wait_until(lambda: worker.queries.queue().due == 2, "the lease of the run has run out")

    assert len(requests(tick(instance, short_lease))) == 1


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
def test_a_run_longer_than_a_lease_counts_while_it_holds_events(
    short_lease: WorkerResource, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert,
    status: dg.DagsterRunStatus,
) -> None:  # fmt: skip
    """It renews what it holds: it is slow, and not dead."""
    make_due(worker, insert_task, 3)
    run_id = add_run(instance, dg.DagsterRunStatus.STARTED)
    if status is dg.DagsterRunStatus.CANCELING:
        instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_CANCELING.value, job_name=JOB), run_id)
    worker.lease(1, run_id=run_id)  # for a minute
    short_lease.open().lease(1)

    wait_until(lambda: worker.queries.queue().due == 2, "a short lease has run out since")

    assert skipped(tick(instance, short_lease)) == "1 of 1 run in flight, 2 events due"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING])
def test_a_run_that_waits_counts_however_long(
    short_lease: WorkerResource, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert,
    status: dg.DagsterRunStatus,
) -> None:  # fmt: skip
    """Else a full run queue gets another run with each tick. Dagster ends those that never start."""
    make_due(worker, insert_task, 2)
    add_run(instance, status)
    short_lease.open().lease(1)
    wait_until(lambda: worker.queries.queue().due == 2, "a lease has run out since")

    assert skipped(tick(instance, short_lease)) == "1 of 1 run in flight, 2 events due"


def test_a_dead_run_is_ended_so_that_it_holds_no_place_and_is_not_started_again(
    short_lease: WorkerResource, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    """Ten of them fill the run queue: nothing would be processed until their longest run time is over."""
    make_due(worker, insert_task, 2)
    dead = add_run(instance, dg.DagsterRunStatus.STARTED)
    alive = add_run(instance, dg.DagsterRunStatus.STARTED)
    waiting = add_run(instance, dg.DagsterRunStatus.QUEUED)
    another_job = add_run(instance, dg.DagsterRunStatus.STARTED, job="process_task")
    worker.lease(1, run_id=alive)  # for a minute
    assert look_for_dead_runs(instance, short_lease) == "no run is dead"

    wait_until(lambda: look_for_dead_runs(instance, short_lease) != "no run is dead", "two leases are over")

    assert status_of(instance, dead) is dg.DagsterRunStatus.FAILURE
    assert [status_of(instance, run_id) for run_id in (alive, waiting, another_job)] == [
        dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED
    ]  # fmt: skip
    run = instance.get_run_by_id(dead)
    assert run is not None
    assert run.tags["dagster/max_retries"] == "0"
    assert look_for_dead_runs(instance, short_lease) == "no run is dead"


def test_no_run_is_given_up_while_the_database_is_away(instance: dg.DagsterInstance, mongodb_url: str) -> None:
    """It cannot be known then which of them are alive."""
    environment = {"MONGODB_URL": NO_SERVER, "WORKER_TIMEOUT": "100", "WORKER_LEASE": "2", "WORKER_LEASE_MARGIN": "1"}
    away = WorkerResource(Settings.from_environment(environment))
    run_id = add_run(instance, dg.DagsterRunStatus.STARTED)

    wait_until(lambda: look_for_dead_runs(instance, away).startswith("the database is away: "), "two leases are over")

    assert status_of(instance, run_id) is dg.DagsterRunStatus.STARTED
    away.close()


def test_an_outage_is_a_skip_and_no_failed_tick(instance: dg.DagsterInstance, away: WorkerResource) -> None:
    message = skipped(tick(instance, away))

    assert message.startswith("the database is away: ")
    assert "127.0.0.1:1" in message
    assert "\n" not in message
    assert "secret" not in message


@pytest.mark.parametrize("sensor", [task_event_sensor, dead_run_sensor], ids=lambda sensor: sensor.name)
def test_the_sensor_runs_without_being_switched_on(sensor: dg.SensorDefinition) -> None:
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


@pytest.fixture
def watching(mongodb_url: str, worker: Worker) -> Iterator[WorkerResource]:
    """Return a worker whose sensor watches for as long as it may."""
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url, "SENSOR_WATCH": "30000"}))
    yield resource
    resource.close()


def test_an_event_that_comes_while_the_sensor_watches_starts_a_run_in_the_same_look(
    watching: WorkerResource, in_threads: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    """Dagster lets it look only every 5 s."""
    with ThreadPoolExecutor() as pool:
        look = pool.submit(tick, in_threads, watching)
        make_due(worker, insert_task, 1)
        assert len(requests(look.result())) == 1


def test_where_sensors_are_evaluated_one_after_the_other_none_waits(
    watching: WorkerResource, instance: dg.DagsterInstance, in_threads: dg.DagsterInstance
) -> None:
    """Dagster's own default: a sensor that waits would hold up those of everybody in the instance."""
    assert patience(in_threads, watching.settings) == timedelta(seconds=30)
    assert patience(instance, watching.settings) == timedelta()
    assert skipped(tick(instance, watching)) == "nothing is due"


@pytest.mark.parametrize(
    ("status", "left"),
    [(dg.DagsterRunStatus.STARTED, sensors.MOMENT), (dg.DagsterRunStatus.SUCCESS, timedelta())],
)
def test_an_event_is_left_to_a_warm_run_for_a_moment_and_where_there_is_none_not_at_all(
    status: dg.DagsterRunStatus, left: timedelta, instance: dg.DagsterInstance, resource: WorkerResource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    moments: list[timedelta] = []
    monkeypatch.setattr(sensors, "watch", lambda _service, _longest, *, moment: moments.append(moment))
    instance.add_run(dg.DagsterRun(job_name=JOB, status=status))

    tick(instance, resource)

    assert moments == [left]


def test_an_event_is_left_for_a_moment_to_a_worker_that_stays(
    instance: dg.DagsterInstance, resource: WorkerResource, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes it at once; a run beside it would cost seconds, and find nothing."""
    moments: list[timedelta] = []
    monkeypatch.setattr(sensors, "watch", lambda _service, _longest, *, moment: moments.append(moment))
    worker.parts.beat(worker.parts.process(Part.WORKER, "17"))

    tick(instance, resource)

    assert moments == [sensors.MOMENT]


@pytest.fixture
def woken(replica_set_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerResource]:
    """Return a worker whose sensors find in time only what a change stream tells of."""
    monkeypatch.setattr(follower_looks, "QUEUE_PAUSE", timedelta(hours=1))
    monkeypatch.setattr(follower_looks, "BETWEEN_LOOKS", timedelta(hours=1))
    environment = {"MONGODB_URL": replica_set_url, "SENSOR_WATCH": "30000", "WORKER_LOOK_INTERVAL": "600000"}
    resource = WorkerResource(Settings.from_environment(environment))
    worker = resource.open()
    worker.init_db()
    worker.watcher.start()
    wait_until(lambda: worker.watcher.alive, "a stream is alive")
    yield resource
    resource.close()


def test_a_change_stream_ends_the_wait_of_a_sensor(woken: WorkerResource, in_threads: dg.DagsterInstance) -> None:
    """Else the queue has to be asked five times a second, day and night."""
    worker = woken.open()
    with ThreadPoolExecutor() as pool:
        look = pool.submit(tick, in_threads, woken)
        wait_until(lambda: worker.queue_looks.pause() > 60, "the sensor has looked, and waits")
        worker.enqueue(str(ObjectId()), "create")
        assert len(requests(look.result())) == 1


def test_a_change_stream_ends_the_wait_of_the_sensor_that_looks_for_unqueued_work(
    woken: WorkerResource, in_threads: dg.DagsterInstance
) -> None:
    worker, sensor = woken.open(), build_reconcile_sensor(Names())

    def look() -> object:
        with dg.build_sensor_context(instance=in_threads, resources={"worker": woken}) as context:
            return evaluated(sensor, context)

    with ThreadPoolExecutor() as pool:
        looking = pool.submit(look)
        wait_until(lambda: worker.task_looks.pause() > 60, "the sensor has looked, and waits")
        due = utc_now() + timedelta(days=1)
        worker.mongo.tasks.insert_one(task_document(ObjectId(), 1, due, utc_now(), repeatType="daily"))
        result = looking.result()

    assert isinstance(result, dg.SensorResult)
    assert worker.mongo.events.count_documents({"source": "reconcile"}) == 1
