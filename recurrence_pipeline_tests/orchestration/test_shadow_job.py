"""The job that holds the previous worker against this one: it only reads, and says what it found."""

from datetime import datetime, timezone

import dagster as dg
import pytest

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline_tests.orchestration.conftest import Insert
from recurrence_pipeline_tests.orchestration.looks import everything, numbers_of

JOB, OP = "shadow_previous_worker", "compare_with_previous_worker"


def test_it_says_what_the_previous_worker_left_out_and_writes_nothing(
    definitions: dg.Definitions, instance: dg.DagsterInstance, worker: Worker, insert_task: Insert
) -> None:
    insert_task("Pay rent")
    long_ago = datetime(2024, 1, 1, tzinfo=timezone.utc)
    worker.mongo.tasks.update_many({}, {"$set": {"createdAt": long_ago, "updatedAt": long_ago}})
    before = everything(worker)

    def launch(since: str) -> dg.ExecuteInProcessResult:
        job = definitions.resolve_job_def(JOB)
        return job.execute_in_process(run_config={"since": since}, instance=instance, raise_on_error=False)

    told = numbers_of(launch("2000-01-01"), OP)
    assert everything(worker) == before
    assert (told["series: it lost"], told["series: same"]) == (1, 0)
    assert "### Pay rent: it lost" in told["report"]
    with pytest.raises(dg.DagsterConfigMappingFunctionError) as refused:
        launch("soon")
    assert "since: 'soon'" in str(refused.value.__cause__)
