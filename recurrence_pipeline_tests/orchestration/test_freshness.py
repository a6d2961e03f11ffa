"""Freshness: what must be looked at turns yellow, then red, where nobody looks. Dagster's own daemon judges it here."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.controller import create_daemon_grpc_server_registry
from dagster._daemon.freshness import FreshnessDaemon

from recurrence_pipeline.config.clock import utc_now

ROOT = Path(__file__).parents[2]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LATE = {
    "task_events": 20 * MINUTE, "worker_health": 20 * MINUTE, "daily_figures": 26 * HOUR, "performance_report": 8 * DAY
}  # fmt: skip
TOO_LATE = {
    "task_events": 30 * MINUTE, "worker_health": 30 * MINUTE, "daily_figures": 36 * HOUR, "performance_report": 9 * DAY
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, empty_history: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return an instance as the dagster.yaml that is shipped configures it."""
    shutil.copytree(empty_history, tmp_path / ".dagster")
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def workspace(home: dg.DagsterInstance) -> Iterator[WorkspaceProcessContext]:
    """Return the code location that is shipped, loaded as the daemon does it."""
    target = ModuleTarget("recurrence_pipeline.definitions", None, str(ROOT), "recurrence_pipeline")
    with create_daemon_grpc_server_registry(home) as servers:
        with WorkspaceProcessContext(home, target, grpc_server_registry=servers) as context:
            yield context
        servers.shutdown_all_processes()
        servers.wait_for_processes()


def judged(home: dg.DagsterInstance, workspace: WorkspaceProcessContext, after: timedelta) -> dict[str, str]:
    """Let time pass, and return what the freshness daemon says of each asset that has a policy, in the UI's words."""
    with freeze_time(utc_now() + after):
        list(FreshnessDaemon().run_iteration(workspace))
    records = home.get_freshness_state_records([dg.AssetKey(name) for name in LATE])
    return {key.to_user_string(): record.freshness_state.value for key, record in records.items()}


def test_what_nobody_looks_at_turns_yellow_and_then_red(
    home: dg.DagsterInstance, workspace: WorkspaceProcessContext
) -> None:
    assert set(judged(home, workspace, timedelta()).values()) == {"UNKNOWN"}, "nothing has been looked at yet"
    for name in LATE:
        home.report_runless_asset_event(dg.AssetMaterialization(name))
    assert set(judged(home, workspace, timedelta()).values()) == {"PASS"}
    for name in LATE:
        assert judged(home, workspace, LATE[name] - MINUTE)[name] == "PASS"
        assert judged(home, workspace, LATE[name] + MINUTE)[name] == "WARN"
        assert judged(home, workspace, TOO_LATE[name] + MINUTE)[name] == "FAIL"


def test_the_rest_has_no_policy_for_it_changes_when_people_change_it(
    home: dg.DagsterInstance, workspace: WorkspaceProcessContext
) -> None:
    graph = workspace.create_request_context().asset_graph
    assert {node.key.to_user_string() for node in graph.asset_nodes if node.freshness_policy} == set(LATE)


@pytest.mark.parametrize("path", [ROOT / "dagster.yaml", *sorted((ROOT / "deploy").glob("dagster.*.yaml"))], ids=str)
def test_no_dagster_yaml_that_we_ship_turns_the_freshness_daemon_off(path: Path) -> None:
    """It is on where nothing is said; what it runs in is dagster-daemon."""
    assert yaml.safe_load(path.read_text()).get("freshness", {}).get("enabled", True) is True
