"""What Dagster loads, and what it says where a setting is wrong."""

import importlib

import dagster as dg
import pytest

import recurrence_pipeline.definitions
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions, defs
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline_tests.orchestration.conftest import NO_SERVER

pytestmark = pytest.mark.usefixtures("logging_as_before")


def test_the_definitions_can_be_loaded_without_a_database() -> None:
    """A code server that needs the database to start could not say that it is away."""
    dg.Definitions.validate_loadable(build_definitions(Settings.from_environment({"MONGODB_URL": NO_SERVER})))


def test_settings_are_those_of_the_environment_when_the_definitions_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKER_RUN_MAX_EVENTS", "7")

    job = defs().resolve_job_def("process_task_events")

    assert job.run_config == {"ops": {"lease_events": {"config": {"max_events": 7}}}}


def test_a_wrong_setting_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_TIMEOUT", "10s")

    with pytest.raises(ConfigurationError, match="WORKER_TIMEOUT: '10s' is not a number of milliseconds"):
        defs()


def test_importing_the_definitions_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_TIMEOUT", "10s")

    importlib.reload(recurrence_pipeline.definitions)


def test_the_url_of_the_database_is_in_nothing_that_dagster_shows() -> None:
    definitions = build_definitions(Settings.from_environment({"MONGODB_URL": NO_SERVER}))

    for name in ("process_task_events", "process_task", "replay_events", "restore_tasks", "health_checks"):
        job = definitions.resolve_job_def(name)
        shown = dg.serialize_value(job.get_job_snapshot()) + str(job.run_config)
        assert "secret" not in shown
