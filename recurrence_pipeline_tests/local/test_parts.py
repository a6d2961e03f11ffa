"""The parts of the local system, each with ports that other programs have, or files that are damaged."""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.local import dagster_history, dagster_host, processes
from recurrence_pipeline.local.api import running_api
from recurrence_pipeline.local.dagster import LocalDagster, starting_dagster
from recurrence_pipeline.local.dagster_config import anchored, readable
from recurrence_pipeline.local.dagster_history import cancel_runs, opened
from recurrence_pipeline.local.processes import HOST
from recurrence_pipeline.local.stack import EmbeddedProgram
from recurrence_pipeline.local.supervisor import ManagedProcess, PortTaken
from recurrence_pipeline_tests.stub_server import StubServer, answers, stub_server
from recurrence_pipeline_tests.waiting import wait_until

HEALTH = "/internal/worker/health"


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port on which another program listens."""
    with socket.create_server((HOST, 0)) as other:
        yield int(other.getsockname()[1])


@pytest.fixture
def environment(mongodb_url: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"PORT", "HOST"}}
    return inherited | {"MONGODB_URL": mongodb_url, "HOST": HOST}


def test_an_api_whose_port_is_taken_listens_elsewhere_also_when_it_is_started_again(
    tmp_path: Path, environment: dict[str, str], taken: int
) -> None:
    with running_api(tmp_path, environment, cwd=tmp_path, port=taken) as api:
        assert api.port != taken
        assert httpx.get(api.url + HEALTH, trust_env=False).json()["success"] is True
        processes.kill(api.program.process)
        api.program.start_again()
        wait_until(lambda: _answers(api.url + HEALTH), "it answers where it did before")


def test_an_api_that_was_told_its_port_takes_no_other(tmp_path: Path, environment: dict[str, str], taken: int) -> None:
    """Else whoever calls that port talks to another program."""
    with (
        pytest.raises(PortTaken, match="Address already in use"),
        running_api(tmp_path, environment | {"PORT": str(taken)}, cwd=tmp_path),
    ):
        pass


def test_a_database_whose_port_is_taken_listens_elsewhere_and_there_again(tmp_path: Path, taken: int) -> None:
    database = EmbeddedProgram(tmp_path / "mongodb", tmp_path / "mongodb.log", taken)
    try:
        port = database.server.port
        assert port != taken
        database.kill()
        database.start_again()
        assert database.server.port == port, "its clients look for it there"
    finally:
        database.kill()


@pytest.fixture
def dagster(tmp_path: Path) -> Iterator[Callable[[int], LocalDagster]]:
    """Return a function that makes what we hold of a Dagster whose web server has a port; nothing of it runs."""
    command = ["sleep", "600"]
    program = ManagedProcess.start("it", command, cwd=tmp_path, log=tmp_path / "log", environment=os.environ)

    def listening(port: int) -> LocalDagster:
        program.environment[dagster_host.PORT] = str(port)
        return LocalDagster(tmp_path / "home", program)

    yield listening
    processes.kill(program.process)


def info(home: str) -> dict[str, object]:
    """Return what a web server answers that has its files there."""
    artifacts = {"local_artifact_storage": {"config": {"base_dir": home}}}
    return {"data": {"instance": {"info": json.dumps(artifacts)}}}  # JSON is YAML


def test_only_a_web_server_that_reads_our_files_is_ours(tmp_path: Path, dagster: Callable[[int], LocalDagster]) -> None:
    """Else another folder's Dagster on the same port is announced as this one."""

    def listens(server: StubServer, answer: object) -> bool:
        server.will(answers(200, answer))
        return dagster(server.server_port).listens()

    with stub_server() as server:
        assert listens(server, info(str(tmp_path / "home")))
        assert not listens(server, info(str(tmp_path / "another")))
        assert not listens(server, {"success": True})
        assert not listens(server, b"<html>")
    assert not dagster(server.server_port).listens(), "nobody listens there now"


def test_files_of_dagster_that_are_damaged_are_named_with_how_to_go_on(tmp_path: Path) -> None:
    """Else a disk that was full once shows people three pages of another library's insides."""
    (tmp_path / "dagster.yaml").write_text(anchored(CONFIG, tmp_path))
    with opened(tmp_path):
        pass
    files = list(tmp_path.rglob("*.db"))
    assert {file.name for file in files} == {"runs.db", "index.db", "schedules.db"}
    for file in files:
        kept = tmp_path.parent / "kept.db"
        shutil.copy(file, kept)
        file.write_bytes(b"garbage" * 3000)
        with pytest.raises(ConfigurationError, match="move that folder away") as raised, opened(tmp_path):
            pass
        assert str(tmp_path) in str(raised.value)
        assert "\n" not in str(raised.value)
        file.write_bytes(b"")  # as a crash can leave it: begun anew
        with opened(tmp_path) as instance:
            assert instance.get_runs() == []
        shutil.copy(kept, file)


def test_a_web_server_whose_port_is_taken_takes_another_before_anybody_is_told(
    tmp_path: Path, environment: dict[str, str], taken: int
) -> None:
    """Two systems that start at once both find the usual port free."""
    with starting_dagster(tmp_path / "home", tmp_path, environment, port=taken) as dagster:
        assert dagster.port not in {0, taken}
        assert dagster.ui_url == f"http://{HOST}:{dagster.port}"
        with socket.create_connection((HOST, dagster.port), timeout=5):
            pass


def test_code_is_loaded_once_the_files_of_dagster_are_there(tmp_path: Path, environment: dict[str, str]) -> None:
    """A code server that looks for them meanwhile would make them too, and Dagster refuses what two have made."""
    home = tmp_path / "home"
    with starting_dagster(home, tmp_path, environment) as dagster:
        dagster.load_code(tmp_path, environment)
        files = {file.name for file in home.rglob("*.db")}
    assert files == {"runs.db", "index.db", "schedules.db"}


def test_a_start_on_damaged_files_of_dagster_says_which(tmp_path: Path, environment: dict[str, str]) -> None:
    home = tmp_path / "home"
    (home / ".dagster" / "history").mkdir(parents=True)
    (home / ".dagster" / "history" / "runs.db").write_bytes(b"garbage" * 3000)
    with (
        pytest.raises(ConfigurationError, match=f"cannot use its files in {home}: .*move that folder away"),
        starting_dagster(home, tmp_path, environment) as dagster,
    ):
        dagster.load_code(tmp_path, environment)


CONFIG = "storage:\n  sqlite:\n    base_dir: .dagster\n"


@pytest.mark.parametrize("damage", [b"a: [", b"", b"\xff\xfe", b"just a line"])
def test_a_configuration_of_dagster_that_cannot_be_read_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "dagster.yaml").write_bytes(damage)
    with pytest.raises(ConfigurationError, match=r"dagster\.yaml cannot be read: .+ Restore it") as raised:
        readable(tmp_path / "dagster.yaml")
    assert "\n" not in str(raised.value)


def test_a_run_that_was_to_begin_as_everything_was_stopped_counts_as_canceled(tmp_path: Path) -> None:
    """Else it stands in the history as failed, and an alert says so."""
    (tmp_path / "dagster.yaml").write_text(anchored(CONFIG, tmp_path))
    with opened(tmp_path) as instance:
        run = create_run_for_test(instance, status=DagsterRunStatus.STARTING)
        waiting = create_run_for_test(instance, status=DagsterRunStatus.NOT_STARTED)
        cancel_runs(instance)
        found = [instance.get_run_by_id(each.run_id) for each in (run, waiting)]
        assert [each.status for each in found if each] == [DagsterRunStatus.CANCELED, DagsterRunStatus.NOT_STARTED]


@pytest.mark.parametrize(("begun", "status"), [(False, DagsterRunStatus.CANCELED), (True, DagsterRunStatus.CANCELING)])
def test_a_run_whose_process_was_about_to_begin_counts_as_canceled_and_one_that_is_at_work_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: bool, status: DagsterRunStatus
) -> None:
    """The process would find that it may not begin and end without a word, and Dagster would call the run failed."""
    (tmp_path / "dagster.yaml").write_text(anchored(CONFIG, tmp_path))
    with opened(tmp_path) as instance:
        run = create_run_for_test(instance, status=DagsterRunStatus.STARTING)
        if begun:
            instance.report_dagster_event(DagsterEvent(DagsterEventType.RUN_START.value, run.job_name), run.run_id)

        def terminate(run_id: str) -> bool:
            """Tell its process, as the launcher does through the code server."""
            assert run_id == run.run_id
            instance.report_run_canceling(run)
            return True

        monkeypatch.setattr(instance.run_launcher, "terminate", terminate)
        monkeypatch.setattr(dagster_history, "CANCEL_PATIENCE", timedelta())
        cancel_runs(instance)

        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.status is status


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
