"""Runs are spread over shards, and a shard whose run has died gets another."""

from collections.abc import Iterator
from itertools import chain

import dagster as dg
import pytest
from bson import ObjectId

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard, lane_of
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.run_leases import SHARD, runs_by_shard, shard_of_run, shards_to_start, tag_of
from recurrence_pipeline_tests.orchestration.conftest import AT_ONCE, Insert
from recurrence_pipeline_tests.orchestration.test_sensors import add_run, make_due, requests, tick
from recurrence_pipeline_tests.waiting import wait_until


@pytest.mark.parametrize("shard", [WHOLE_QUEUE, Shard(1, 3), Shard(63, 64)])
def test_a_run_knows_its_lane_from_its_tag(shard: Shard) -> None:
    assert shard_of_run(tag_of(shard)) == shard


def test_a_run_that_was_started_by_hand_takes_the_queue_as_it_is() -> None:
    assert shard_of_run({"trigger": "sensor"}) == WHOLE_QUEUE


@pytest.mark.parametrize("text", ["", "3", "0 of 3", "4 of 3", "-1 of 3", "1 of 0", "first of 3", "99999 of 99999"])
def test_a_tag_that_names_no_lane_is_refused_and_counts_in_none(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"{SHARD}: '{text}' is not a shard"):
        shard_of_run({SHARD: text})
    assert runs_by_shard([{SHARD: text}]) == {}, "one such run must not keep the sensor from its work"


@pytest.mark.parametrize(
    ("runs", "shards", "at_work", "started"),
    [
        (1, 1, {}, [0]),
        (3, 3, {}, [0, 1, 2]),
        (1, 3, {0: 1, 2: 1}, [1]),
        (2, 3, {1: 1}, [0, 2]),
        (4, 2, {}, [0, 1, 0, 1]),
        (2, 2, {0: 2}, [1, 1]),
        (1, 2, {7: 1}, [0]),
        (0, 2, {}, []),
    ],
)
def test_a_run_starts_in_the_lane_in_which_the_fewest_are(
    runs: int, shards: int, at_work: dict[int, int], started: list[int]
) -> None:
    assert shards_to_start(runs, shards, at_work) == [Shard(number, shards) for number in started]


@pytest.fixture
def shards(mongodb_url: str, worker: Worker) -> Iterator[WorkerResource]:
    """Return a worker with three shards and short leases; `worker` has long ones."""
    environment = {"WORKER_RUN_MAX_EVENTS": "2", "WORKER_MAX_RUNS": "3", "WORKER_LEASE": "1000"}
    environment |= {"WORKER_LEASE_MARGIN": "10", "MONGODB_URL": mongodb_url, **AT_ONCE}
    resource = WorkerResource(Settings.from_environment(environment))
    yield resource
    resource.close()


def lanes_of(runs: list[dg.RunRequest]) -> list[str]:
    return [run.tags[SHARD] for run in runs]


def test_a_backlog_starts_a_run_in_each_lane(
    shards: WorkerResource, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    make_due(worker, insert_task, 9)

    assert lanes_of(requests(tick(instance, shards))) == ["1 of 3", "2 of 3", "3 of 3"]


def test_a_lane_whose_run_died_with_its_machine_gets_another_after_a_lease(
    shards: WorkerResource, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    """Dagster takes a quarter of an hour to notice; a limit of its run queue would block the shard for so long."""
    make_due(worker, insert_task, 12)
    runs = [add_run(instance, dg.DagsterRunStatus.STARTED) for _ in range(3)]
    for number, run_id in enumerate(runs):
        instance.add_run_tags(run_id, tag_of(Shard(number, 3)))
    dead = runs.pop(1)
    for run_id in runs:
        worker.lease(1, run_id=run_id)  # for a minute
    shards.open().lease(1, run_id=dead)

    wait_until(lambda: dead not in worker.queries.runs_at_work(), "the lease of the dead run is over")
    wait_until(lambda: isinstance(tick(instance, shards), list), "it does not count any more")

    assert lanes_of(requests(tick(instance, shards))) == ["2 of 3"]


def test_a_run_takes_the_events_of_its_lane_first(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    ids = [f"{second:08x}0123456789abcdef" for second in range(100)]
    own = [task_id for task_id in ids if lane_of(task_id, 3) == 1][:10]
    others = [task_id for task_id in ids if lane_of(task_id, 3) != 1][:10]
    for task_id in chain(*zip(others, own, strict=True)):
        insert_task(_id=ObjectId(task_id))
        worker.enqueue(task_id, "create")

    result = definitions.resolve_job_def("process_task_events").execute_in_process(
        instance=instance, tags=tag_of(Shard(1, 3))
    )

    assert result.success
    assert {str(event["taskId"]) for event in worker.mongo.events.find({"status": "completed"})} == set(own)
