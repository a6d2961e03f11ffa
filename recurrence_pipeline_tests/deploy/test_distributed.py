"""Dagster on several machines: it takes the files in deploy/, and worker and daemon speak of the same Redis and queue.

That it works is what `make cluster-test` shows, with several hosts. Nothing connects to anything here.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery.app.defaults import DEFAULTS
from celery.bin.worker import worker
from dagster._core.instance.ref import InstanceRef
from dagster_celery.config import TASK_EXECUTE_JOB_NAME, TASK_RESUME_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_k8s import K8sRunLauncher

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.orchestration import celery_app
from recurrence_pipeline.orchestration.celery_app import BROKER, app, configuration

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "how-to" / "several-machines.md").read_text(encoding="utf-8")
FILES = ["dagster.postgres.yaml", "dagster.distributed.yaml", "dagster.kubernetes.yaml"]
REDIS = "redis://:secret@redis.example.org:6379/0"
VARIABLES = {
    "RECURRENCE_POSTGRES_URL": "postgresql+psycopg2://recurrence:secret@postgres.example.org/dagster",
    BROKER: REDIS,
    "RECURRENCE_NAMESPACE": "recurrence",
    "RECURRENCE_IMAGE": "registry.example.org/recurrence-pipeline:0.1.0",
}
MOST_RUNS = 64
"""The most that WORKER_MAX_RUNS may be: the guard of Dagster's run queue leaves room for other jobs beside them."""

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "nobody", "user": {}}],
    "contexts": [{"name": "nowhere", "context": {"cluster": "none", "user": "nobody"}}],
    "current-context": "nowhere",
}


def read(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return VARIABLES


@pytest.mark.parametrize("name", FILES)
def test_dagster_takes_the_file_and_keeps_its_history_in_postgresql(
    name: str, tmp_path: Path, variables: Mapping[str, str]
) -> None:
    shutil.copy(DEPLOY / name, tmp_path / "dagster.yaml")

    ref = InstanceRef.from_dir(str(tmp_path))

    for data in (ref.run_storage_data, ref.event_storage_data, ref.schedule_storage_data):
        assert data is not None
        assert data.module_name == "dagster_postgres"
        assert "secret" not in data.config_yaml, "it names the variable, not the password"


@pytest.mark.parametrize("name", FILES)
def test_a_file_differs_from_that_of_one_machine_only_where_it_says_so(name: str) -> None:
    one, other = read(ROOT / "dagster.yaml"), read(DEPLOY / name)
    for section in ("storage", "run_launcher"):
        one.pop(section, None)
        other.pop(section, None)
    if name != "dagster.postgres.yaml":
        assert other["concurrency"]["runs"].pop("max_concurrent_runs") > MOST_RUNS
        assert other["run_monitoring"].pop("start_timeout_seconds") == 120
        one["concurrency"]["runs"].pop("max_concurrent_runs")
        one["run_monitoring"].pop("start_timeout_seconds")

    assert other == one


def test_no_limit_of_the_run_queue_can_be_held_by_a_dead_run() -> None:
    """Dagster counts it until its longest run time is over; what is at work in a shard is seen by its leases."""
    for name in FILES:
        assert "tag_concurrency_limits" not in read(DEPLOY / name)["concurrency"]["runs"]


def test_a_run_is_put_where_a_worker_looks_for_it(tmp_path: Path, variables: Mapping[str, str]) -> None:
    shutil.copy(DEPLOY / "dagster.distributed.yaml", tmp_path / "dagster.yaml")
    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher
    assert isinstance(launcher, CeleryRunLauncher)

    told = configuration(variables)

    assert (launcher.broker, launcher.backend) == (told["broker_url"], told["result_backend"]) == (REDIS, REDIS)
    assert launcher.default_queue == told["task_default_queue"]
    assert {TASK_EXECUTE_JOB_NAME, TASK_RESUME_JOB_NAME} <= app.tasks.keys()
    unknown = told.keys() - DEFAULTS.keys()
    assert unknown == set(), "Celery passes over a word that it does not know"


@pytest.mark.parametrize("environment", [{}, {BROKER: " "}])
def test_a_worker_without_the_url_of_redis_says_which_variable_is_missing(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=f"{BROKER}: not set"):
        configuration(environment)


def test_the_example_for_kubernetes_makes_a_launcher_and_says_that_it_was_not_tried(
    tmp_path: Path, variables: Mapping[str, str]
) -> None:
    text = (DEPLOY / "dagster.kubernetes.yaml").read_text(encoding="utf-8")
    assert text.startswith("# EXAMPLE, NOT TRIED ON A CLUSTER")
    content = yaml.safe_load(text)
    kubeconfig = tmp_path / "kubeconfig.yaml"
    kubeconfig.write_text(yaml.safe_dump(KUBECONFIG))
    outside = {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    content["run_launcher"]["config"] |= outside  # this machine is in no cluster
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(content))

    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher

    assert isinstance(launcher, K8sRunLauncher)
    assert launcher.job_namespace == VARIABLES["RECURRENCE_NAMESPACE"]


def test_the_page_about_several_machines_names_only_what_there_is() -> None:
    commands = re.findall(r"^celery --app (\S+) (\w+)(.*)$", PAGE, re.MULTILINE)
    unit = (DEPLOY / "systemd" / "recurrence-worker.service").read_text(encoding="utf-8")
    commands += re.findall(r"celery --app (\S+) (worker)(.*)", unit)
    assert {command for _, command, _ in commands} == {"worker", "inspect"}
    assert {module for module, _, _ in commands} == {celery_app.__name__}
    known = {option for parameter in worker.params for option in parameter.opts}
    given = {
        option for _, command, rest in commands if command == "worker" for option in re.findall(r"--[a-z-]+", rest)
    }
    assert given <= known
    variables = {str(field.alias) for field in Settings.model_fields.values()} | VARIABLES.keys()
    variables |= {"DAGSTER_HOME", "RECURRENCE_CLUSTER_EVENTS"}
    assert set(re.findall(r"(?:`|^)([A-Z]+(?:_[A-Z]+)+)(?:`|=)", PAGE, re.MULTILINE)) <= variables
    files = re.findall(r"\bdeploy/[\w./-]+\w", PAGE)
    linked = [path.split("#")[0] for path in re.findall(r"\]\(([^)]+)\)", PAGE)]
    assert [path for path in files if not (ROOT / path).exists()] == []
    assert [path for path in linked if not (ROOT / "docs" / "how-to" / path).exists()] == []
    assert len(files) + len(linked) > 4


def test_what_the_page_says_of_waiting_for_a_place_is_what_dagster_is_told() -> None:
    limit = read(DEPLOY / "dagster.distributed.yaml")["run_monitoring"]["start_timeout_seconds"]
    assert f"waits for a place for {limit // 60} minutes" in PAGE
