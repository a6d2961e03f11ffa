"""The worker as a Dagster resource, and its errors as Dagster shows them. What it is asked for is in the jobs."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable, RecurrenceError

MONGODB = {"kind": "mongodb"}
"""The tag of an op that works on the database; the UI shows it as a badge."""


WORK, HEALTH_TAG, MAINTENANCE_TAG, REPORT = (
    {"recurrence/purpose": purpose} for purpose in ("work", "health", "maintenance", "report")
)
"""On jobs, and not on their runs: a run has no tag that says nothing of it alone."""


class WorkerResource:
    """One open worker, with one database client, for the whole process; opened when it is first asked for something.

    A plain object and no `ConfigurableResource`: it has no configuration, so the URL of the database can appear neither
    in a run's config nor in the UI. Without `settings` they are read from the environment.
    """

    def __init__(self, settings: Settings | None = None) -> None:
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


WorkerParam = dg.ResourceParam[WorkerResource]


def asset_key(_: WorkerResource, key: dg.AssetKey | str) -> dg.AssetKey:
    """Return the key that an asset has in the definitions of a worker."""
    return dg.AssetKey(key) if isinstance(key, str) else key


def check_key(worker: WorkerResource, key: dg.AssetCheckKey) -> dg.AssetCheckKey:
    """Return the key that a check has in the definitions of a worker."""
    return dg.AssetCheckKey(asset_key(worker, key.asset_key), key.name)


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
