"""An instance of Dagster that others use too: a worker acts on its own runs, and on nobody else's."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.orchestration.alert_sensor import build_alert_sensor
from recurrence_pipeline.orchestration.automation import failing_ticks
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.own import Own
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.orchestration.run_history import tidy
from recurrence_pipeline.orchestration.sensors import dead_run_sensor, task_event_sensor
from recurrence_pipeline_tests.orchestration.conftest import AT_ONCE, Insert
from recurrence_pipeline_tests.orchestration.test_automation import FAILURE, NOW, ticked

JOB = "billing_process_task_events"
HERE, ELSEWHERE = "ours", "theirs"
STARTED, FAILED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
OWN = Own(Names("billing"), HERE)


@pytest.fixture
def billing(mongodb_url: str) -> Iterator[WorkerResource]:
    settings = {"MONGODB_URL": mongodb_url, "WORKER_LEASE": "100", "WORKER_LEASE_MARGIN": "10", **AT_ONCE}
    resource = WorkerResource(Settings.from_environment(settings), Names("billing"), alone=False)
    resource.open().init_db()
    yield resource
    resource.close()


def add_run(instance: dg.DagsterInstance, job: str, location: str, status: dg.DagsterRunStatus, **more: Any) -> str:
    """Store a run that began an hour ago, as it is where its machine died; or its failure."""
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), job)
    run = dg.DagsterRun(job_name=job, remote_job_origin=origin, **more)
    instance.add_run(run)
    for kind in ("RUN_START", "RUN_FAILURE")[: 1 if status is STARTED else 2]:
        event = dg.DagsterEvent(dg.DagsterEventType[kind].value, job_name=job)
        instance.report_dagster_event(event, run.run_id)
    return run.run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def at(location: str, instance: dg.DagsterInstance, **resources: Any) -> dg.SensorEvaluationContext:
    context = dg.build_sensor_context(instance, resources=resources)
    context._code_location_origin = RegisteredCodeLocationOrigin(location)  # no argument says it  # noqa: SLF001
    return context
