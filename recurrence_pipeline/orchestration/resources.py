"""The worker as a Dagster resource, and its errors as Dagster shows them. What it is asked for is in the jobs."""

import atexit
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Self

import dagster as dg
from pydantic import Field

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings, variables
from recurrence_pipeline.domain.errors import DatabaseUnavailable, InvalidInput, RecurrenceError
from recurrence_pipeline.orchestration.naming import ALONE, Names

MONGODB = {"kind": "mongodb"}
"""The tag of an op that works on the database; the UI shows it as a badge."""


WORK, HEALTH_TAG, MAINTENANCE_TAG, REPORT = (
    {"recurrence/purpose": purpose} for purpose in ("work", "health", "maintenance", "report")
)
"""On jobs, and not on their runs: a run has no tag that says nothing of it alone."""


class WorkerResource:
    """One open worker, with one database client, for the whole process; opened when it is first asked for something.

    What ops, assets and sensors get. Who tests makes one, and closes it; elsewhere it comes from `ConfiguredWorker`.
    Without `settings` they are read from the environment.
    """

    def __init__(self, settings: Settings | None = None, names: Names | None = None, *, alone: bool = True) -> None:
        self.names = names or ALONE
        self.alone = alone
        self._settings = settings
        self._worker: Worker | None = None
        self._lock = threading.Lock()  # sensors are evaluated in threads

    def open(self) -> Worker:
        """Return the open worker.

        Raises:
            ConfigurationError: a setting is wrong.
        """
        with self._lock:
            if self._worker is None:
                self._worker = open_worker(self._settings or Settings.from_environment(os.environ))
            return self._worker

    @property
    def settings(self) -> Settings:
        """The settings that the worker was opened with."""
        return self.open().settings

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None


class ConfiguredWorker(dg.ConfigurableResource[WorkerResource]):
    """The recurrence worker and its one connection to the database. Of variables it shows the names, not the values."""

    settings: dict[str, str] = Field(
        default_factory=dict, description="The worker's settings, by name; a secret only as the variable that holds it."
    )
    prefix: str = Field(default="", description="Before the names of all that this worker defines here.")
    alone: bool = Field(default=False, description="Whether this instance of Dagster is there for this worker only.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the worker of this environment, for an instance of Dagster of its own."""
        ours = sorted(name for name in variables() if environment.get(name, "").strip())
        return cls(settings={name: dg.EnvVar(name) for name in ours}, alone=True)

    def create_resource(self, context: dg.InitResourceContext) -> WorkerResource:  # noqa: ARG002 (as Dagster calls it)
        """Return the worker of this process: Dagster asks anew for each run and each tick.

        Raises:
            ConfigurationError: a setting is wrong.
        """
        return _worker_of_process(tuple(sorted(self.settings.items())), Names(self.prefix), alone=self.alone)


@cache
def _worker_of_process(settings: tuple[tuple[str, str], ...], names: Names, *, alone: bool) -> WorkerResource:
    worker = WorkerResource(Settings.from_environment(dict(settings)), names, alone=alone)
    atexit.register(worker.close)
    return worker


Resources = Mapping[str, object]
"""What the jobs of ops of one worker are bound to, by the names that ops know: `worker`, `leases`."""

WorkerParam = dg.ResourceParam[WorkerResource]
"""What an op gets: its job has the resource `worker`."""

Context = (
    dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.SensorEvaluationContext | dg.ScheduleEvaluationContext
)


def worker_of(context: Context, names: Names) -> WorkerResource:
    """Return the worker from what has required it, as `names.worker`: two of them are in the same code location."""
    worker: WorkerResource = getattr(context.resources, names.worker)
    return worker


def one_line(error: BaseException) -> str:
    """Return what an error says as one line."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def failing_in_one_line() -> Iterator[None]:
    """Turn an error of ours into a failure that says the cause in one line and that no retrier of Dagster repeats.

    The queue tries again by itself; a retry of the op on top of that would multiply the attempts.
    """
    try:
        yield
    except RecurrenceError as error:
        text = (
            f"the database cannot be worked with: {one_line(error)}"
            if isinstance(error, DatabaseUnavailable)
            else one_line(error)
        )
        raise dg.Failure(text, metadata={"code": error.code}, allow_retries=False) from None


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what cannot be meant into what pydantic takes for an answer."""
    try:
        yield
    except InvalidInput as error:
        raise ValueError(str(error)) from None
