"""One open worker for a process, and errors that Dagster shows in one line."""

import dagster as dg
import pytest

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable, InvalidInput, RecurrenceError
from recurrence_pipeline.orchestration.resources import WorkerResource, failing_in_one_line


def test_a_process_has_one_open_worker(mongodb_url: str) -> None:
    """Each client has threads and connections of its own; a sensor ticks every 5 s."""
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url}))

    assert resource.open() is resource.open()
    resource.close()


def test_a_worker_that_was_closed_is_opened_again(mongodb_url: str) -> None:
    resource = WorkerResource(Settings.from_environment({"MONGODB_URL": mongodb_url}))
    resource.open().mongo.ping()
    resource.close()

    resource.open().mongo.ping()
    resource.close()
    resource.close()


def test_without_settings_the_environment_is_read_when_the_worker_is_first_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resource = WorkerResource()
    monkeypatch.setenv("WORKER_MAX_RUNS", "5")

    assert resource.settings.max_runs_in_flight == 5
    resource.close()


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (InvalidInput("taskId:\n12"), "taskId: 12"),
        (DatabaseUnavailable("no primary\n  found"), "the database cannot be worked with: no primary found"),
    ],
)
def test_an_error_is_shown_in_one_line_and_no_retrier_repeats_it(error: RecurrenceError, shown: str) -> None:
    """Our queue tries again by itself; a retry of the op on top of that would multiply the attempts."""
    with pytest.raises(dg.Failure) as caught, failing_in_one_line():
        raise error

    assert caught.value.description == shown
    assert caught.value.allow_retries is False
    assert caught.value.metadata["code"].value == error.code


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), failing_in_one_line():
        raise ZeroDivisionError
