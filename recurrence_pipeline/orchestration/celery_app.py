"""What a worker host runs where Dagster's runs are spread over several machines (the extra `distributed`).

    celery --app recurrence_pipeline.orchestration.celery_app worker --concurrency 2

An entry point, which nothing else imports: Dagster's daemon puts a run into Redis (CeleryRunLauncher), and a process of
this worker takes it out and executes it. The processes stay warm, so that a run starts in half a second. Who starts
runs and how many is in sensors.py; the other end of the wire is deploy/dagster.distributed.yaml.
"""

import os
from collections.abc import Mapping
from typing import Any

from celery import Celery
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from recurrence_pipeline.domain.errors import ConfigurationError

BROKER = "RECURRENCE_BROKER_URL"
"""The variable with the URL of Redis; deploy/dagster.distributed.yaml reads the same one."""

RUNS_OF_A_PROCESS = 200
"""After so many runs a process is replaced by a new one, against whatever a library leaves behind."""


def configuration(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what Celery is told.

    Raises:
        ConfigurationError: the variable with the URL of Redis is missing.
    """
    url = environment.get(BROKER, "").strip()
    if not url:
        raise ConfigurationError(f"{BROKER}: not set; it names Redis, such as redis://:PASSWORD@HOST:6379/0")
    return {
        "broker_url": url,
        "result_backend": url,
        "task_default_queue": "dagster",
        # A run stays in Redis until a process is free. Else each host takes one more, which dies with it.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_max_tasks_per_child": RUNS_OF_A_PROCESS,
        # Redis may be away when the worker starts, and for as long as it likes.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # What Dagster captures and what we log are ours to write.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Which host has or had a run: Dagster's UI shows it where a run makes trouble.
        "result_extended": True,
        "result_expires": 24 * 3600,
    }


app = Celery("recurrence")
app.add_defaults(lambda: configuration(os.environ))  # asked when the worker starts, not when this is imported
create_execute_job_task(app)
create_resume_job_task(app)
