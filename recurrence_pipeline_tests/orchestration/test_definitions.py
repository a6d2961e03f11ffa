"""What Dagster loads, and what it says where a setting is wrong."""

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

import recurrence_pipeline.definitions
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions, defs
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.orchestration.resources import ConfiguredWorker
from recurrence_pipeline_tests.orchestration.conftest import NO_SERVER

ROOT = Path(recurrence_pipeline.definitions.__file__).parents[1]

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


def test_what_dg_reads_does_not_take_the_place_of_workspace_yaml(tmp_path: Path) -> None:
    """With a table [tool.dg] in pyproject.toml it would: `dagster dev` and the daemon then load what that names."""
    for name in ("pyproject.toml", "dg.toml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    workspace = (tmp_path / "workspace.yaml").read_text().replace("location_name: recurrence", "location_name: really")
    (tmp_path / "workspace.yaml").write_text(workspace)

    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate"],
        cwd=tmp_path,
        env=os.environ | {"MONGODB_URL": NO_SERVER},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "code location really_pipeline" in done.stdout + done.stderr


def test_dg_and_workspace_yaml_mean_the_same_code_under_the_same_name() -> None:
    """What was turned on or off in the UI is kept by the name of the code location."""
    project = tomllib.loads((ROOT / "dg.toml").read_text())["project"]
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]

    assert location["python_module"] == {
        "module_name": project["code_location_target_module"],
        "location_name": project["code_location_name"],
    }


def test_the_worker_is_configured_by_the_names_of_the_variables_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URL", NO_SERVER)
    monkeypatch.setenv("WORKER_MAX_RUNS", "3")
    monkeypatch.setenv("LOG_FILE", "  ")

    resource = (defs().resources or {})["worker"]

    assert isinstance(resource, ConfiguredWorker)
    assert {"MONGODB_URL", "WORKER_MAX_RUNS"} <= resource.settings.keys()
    assert "LOG_FILE" not in resource.settings
    assert all(isinstance(name, dg.EnvVar) for name in resource.settings.values())
    worker = resource.process_config_and_initialize()
    assert worker.settings.max_runs_in_flight == 3
    worker.close()
