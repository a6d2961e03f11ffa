"""What `recurrence up` writes down of itself, and what a command in its folder makes of that."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recurrence_pipeline.cli import main
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.local import up_file
from recurrence_pipeline.local.up_file import KEPT_IN, UpFile, read_up_file, with_what_runs
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.stub_server import unused_port

OTHER = {"MONGODB_URL": "mongodb://elsewhere/x"}


def write(folder: Path, url: str | None, pid: int | None = None) -> UpFile:
    """Write down a system of a folder that has this database."""
    (folder / KEPT_IN).mkdir(exist_ok=True)
    written = UpFile(pid or os.getpid(), url, "http://127.0.0.1:3001", "http://127.0.0.1:3000", {"it": 1})
    written.write(folder / KEPT_IN)
    return written


def test_what_is_written_is_read_back_by_its_user_alone(tmp_path: Path) -> None:
    written = write(tmp_path, "mongodb://127.0.0.1:27117/task-app")
    assert read_up_file(tmp_path) == written
    assert (tmp_path / KEPT_IN / "up.json").stat().st_mode & 0o777 == 0o600
    UpFile.remove(tmp_path / KEPT_IN)
    assert read_up_file(tmp_path) is None
    assert list((tmp_path / KEPT_IN).iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"pid": 1}', "\\x00", '{"pid": "x"}'])
def test_a_file_that_says_nothing_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / KEPT_IN).mkdir()
    (tmp_path / KEPT_IN / "up.json").write_text(text)
    assert read_up_file(tmp_path) is None


def test_what_was_killed_counts_as_gone(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    write(tmp_path, "mongodb://127.0.0.1:27117/task-app", dead.pid)
    assert read_up_file(tmp_path) is None


def test_a_command_in_the_folder_finds_the_database_and_says_so(
    tmp_path: Path,
    mongodb_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    prepared: Run,
) -> None:
    write(tmp_path, mongodb_url)
    monkeypatch.chdir(tmp_path)
    assert main(["stats", "--json"], {}) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["recurringTasks"]["totalTasks"] == 1
    assert (
        err == f"recurrence: the database is that of `recurrence up` in this folder: {mongodb_url.partition('?')[0]}\n"
    )


def test_what_is_set_is_not_replaced(tmp_path: Path, mongodb_url: str) -> None:
    write(tmp_path, mongodb_url)
    assert with_what_runs({**OTHER, "PORT": "7"}, tmp_path, api=True)[0]["MONGODB_URL"] == OTHER["MONGODB_URL"]
    assert with_what_runs({"MONGODB_URL_FILE": "/x", "PORT": "7"}, tmp_path)[0].keys() == {
        "MONGODB_URL_FILE",
        "PORT",
        "DAGSTER_UI_URL",
    }
    found, remark = with_what_runs({"MONGODB_URL": " ", "PORT": "7", "DAGSTER_UI_URL": "http://d"}, tmp_path, api=True)
    assert found == {"MONGODB_URL": mongodb_url, "PORT": "7", "DAGSTER_UI_URL": "http://d"}
    assert "`recurrence up`" in remark


def test_whoever_asks_the_api_finds_it_and_whoever_serves_one_takes_no_port_from_it(tmp_path: Path) -> None:
    write(tmp_path, None)
    asks, _ = with_what_runs(OTHER, tmp_path, api=True)
    assert (asks["PORT"], asks["HOST"], asks["DAGSTER_UI_URL"]) == ("3001", "127.0.0.1", "http://127.0.0.1:3000")
    serves, _ = with_what_runs(OTHER, tmp_path)
    assert not {"PORT", "HOST"} & serves.keys()


def test_where_no_database_is_found_it_says_at_once_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a newcomer waits for 12 s to read that a port refused that nobody named."""
    monkeypatch.setattr(up_file, "DEFAULT_DATABASE", ("localhost", unused_port()))
    monkeypatch.chdir(tmp_path)
    for command in (["stats"], ["doctor"], ["trigger", "create", "6b046c55c5f3b9749e06fec5"]):
        assert main(command, {}) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("recurrence: MONGODB_URL is not set, no `recurrence up` runs in this folder, and nothing")
        assert err.count("\n") == 1
    write(tmp_path, f"mongodb://127.0.0.1:{unused_port()}/task-app")
    with pytest.raises(ConfigurationError, match="does not answer at 127"):
        with_what_runs({}, tmp_path)
    write(tmp_path, None)
    with pytest.raises(ConfigurationError, match="set it as it was set there"):
        with_what_runs({}, tmp_path)
