"""`recurrence demo` and `recurrence up`, as people run them: what they show, and that they leave nothing behind."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.local.up_file import read_up_file
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.marked import PROC, Command, recurrence
from recurrence_pipeline_tests.time_zones import NEWEST, OLDER, PACKAGE, on_system, system_data
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.waiting import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(420),
    pytest.mark.skipif(not (PROC / "self" / "environ").exists(), reason="looks for processes in /proc"),
]

STARTED = timedelta(seconds=150)
WORKED_OFF = timedelta(seconds=240)
GONE = timedelta(seconds=40)
VANCOUVER = "America/Vancouver"
RUN = "--multiprocessing-fork"
"""Runs are processes that the code server forks off."""
TELLS = """
import os, pathlib, sys
_reset = zoneinfo.reset_tzpath
def reset_tzpath(to=None):
    _reset(to)
    file = pathlib.Path({folder!r}, str(os.getpid()))
    file.write_text(" ".join(sys.orig_argv) + "\\n" + zoneinfo.TZPATH[0])
    file.rename(file.with_suffix(".done"))
zoneinfo.reset_tzpath = reset_tzpath
"""
"""Has each Python program say what it was started as, and which time zone data it chose."""
NEXT_TICK = """{ scheduleOrError(scheduleSelector: {
  repositoryName: "__repository__", repositoryLocationName: "recurrence_pipeline",
  scheduleName: "daily_maintenance_schedule"
}) { ... on Schedule { futureTicks(limit: 1, cursor: 1796083200) { results { timestamp } } } } }"""
"""From 2026-12-01 on."""
UNKNOWN = "6b046c55c5f3b9749e06fe00"
IN_THE_END = 255 + 1581 - 45
"""Occurrences that the previous worker made, and what an uninterrupted demo makes and takes of them."""


def rows(printed: str) -> list[list[str]]:
    """Return the cells of every table row."""
    return [[cell.strip() for cell in line.strip("│ \n").split("│")] for line in printed.splitlines() if "│" in line]


def wait_until_up(command: Command) -> None:
    wait_until(
        lambda: "Ctrl-C stops everything" in command.printed() or command.process.poll() is not None,
        "up says where everything is",
        timeout=STARTED,
    )
    assert command.process.poll() is None, command.printed()


@contextmanager
def worker_of(command: Command) -> Iterator[Worker]:
    """Open the database whose URL was printed."""
    url = command.found(r"MongoDB  (\S+)")
    with open_worker(Settings.from_environment({"MONGODB_URL": url})) as worker:
        yield worker


def count(worker: Worker, status: str) -> int:
    return sum(number for (_, name), number in worker.queries.event_counts().items() if name == status)


def occurrences(worker: Worker) -> int:
    return int(worker.health.detailed()["recurringTasks"]["recurringInstances"])


def test_the_demo_works_off_the_sample_shows_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with recurrence("demo", folder=tmp_path) as demo:
        demo.process.wait()
        printed = demo.printed()
        assert demo.process.returncode == 0, printed
        assert demo.family() == []
    shown = rows(printed)
    assert ["create", "461", "55"] in shown
    assert ["complete", "245", "3"] in shown
    assert ["delete", "67", "0"] in shown
    assert ["occurrences created", "1581"] in shown
    assert ["occurrences deleted", "45"] in shown
    assert ["create", "rejected", "Original task not found", "42"] in shown
    assert "831/831" in printed
    assert re.search(r"process_task_events +│ SUCCESS +│ +\d", printed)
    assert all(date in printed for date in ("Thu 2024-02-29", "Sun 2024-03-31", "Tue 2024-04-30")), "month ends"
    assert re.search(r"create of a monthly task.* 200 .*made: due \d{4}-02-2\dT09:00:00.000Z", printed)
    assert re.search(r"(?s)complete of a monthly task.* 200 .*next: due .*made: due \d{4}-05-31T09", printed)
    assert re.search(r"delete of a monthly task.* 200 .*4 occurrences deleted", printed)
    assert "its slot moved" in printed
    assert re.search(r"It would be so: .*move.*\. Nothing was written: say --yes to do it\.", printed)
    assert re.search(r"And with --yes\. Done: .*move", printed)
    today, due = (
        date.fromisoformat(d) for d in re.findall(r"(?:today|due) ?,? ?\w{3} (\d{4}-\d\d-\d\d)", printed)[-2:]
    )
    assert due - today == timedelta(days=3)
    assert not (tmp_path / ".recurrence" / "demo").exists()


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, Path]]:
    """Return the `up` that follows one which was killed at work, and their folder."""
    folder = tmp_path_factory.mktemp("killed")
    with recurrence("up", folder=folder) as up:
        wait_until_up(up)
        with worker_of(up) as worker:
            wait_until(lambda: count(worker, "completed") > 0, "some events are completed", timeout=WORKED_OFF)
        up.process.kill()
        up.process.wait()
        wait_until(lambda: not up.family(), "nothing outlives it", timeout=GONE)
        assert read_up_file(folder) is None, "what it left behind names nobody who lives"
    with recurrence("up", folder=folder) as again:
        wait_until_up(again)
        yield again, folder


def test_what_kill_minus_9_interrupts_the_next_up_completes(resumed: tuple[Command, Path]) -> None:
    """Else a power cut would cost occurrences, or leave files that keep the system from starting."""
    again, folder = resumed
    assert "the sample data are not loaded again" in again.printed()
    with worker_of(again) as worker:
        wait_until(lambda: worker.queries.unfinished() == 0, "the rest is processed", timeout=WORKED_OFF)
        assert count(worker, "completed") == 773
        assert occurrences(worker) == IN_THE_END
    with DagsterInstance.from_config(str(folder / ".recurrence" / "dagster")) as instance:
        *_, killed = instance.get_runs()
        assert killed.status is DagsterRunStatus.FAILURE, "it would be shown as at work for a quarter of an hour"
        assert killed.tags["dagster/will_retry"] == "true", "a maintenance would be left to the next day"


@pytest.fixture(scope="module")
def on_older_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, Path]]:
    """Return an `up` on a system whose time zone data are old, and its folder; `told` in that has what it chose."""
    folder = tmp_path_factory.mktemp("older")
    told, home = folder / "told", folder / "site"
    told.mkdir()
    environment = on_system(system_data(folder / "zoneinfo", OLDER), home)
    environment |= {"MAINTENANCE_TIMEZONE": VANCOUVER, "WORKER_BATCH_SIZE": "5"}  # it works for long
    environment |= {"WORKER_TIMEOUT": "60000"}  # tests at work beside it shall fail no run
    with (home / "sitecustomize.py").open("a") as file:
        file.write(TELLS.format(folder=str(told)))
    with recurrence("up", folder=folder, environment=environment) as up:
        wait_until_up(up)
        yield up, folder


def test_up_uses_the_newest_time_zone_data_in_all_it_starts(on_older_data: tuple[Command, Path]) -> None:
    """Old data place slots and schedules an hour off: by each program, runs among them; and the API tells so."""
    up, told = on_older_data[0], on_older_data[1] / "told"
    api = up.found(r"API      (\S+)")
    assert httpx.get(f"{api}/internal/worker/health", trust_env=False).json()["data"]["status"] == "healthy"
    url = up.found(r"Dagster  (\S+)")
    answer = httpx.post(f"{url}/graphql", json={"query": NEXT_TICK}, trust_env=False, timeout=60).json()
    (tick,) = answer["data"]["scheduleOrError"]["futureTicks"]["results"]
    assert datetime.fromtimestamp(tick["timestamp"], timezone.utc).hour == 9, "02:00 in Vancouver, -07:00 all year"
    with MongoClient[Document](up.found(r"MongoDB  (\S+)")) as client:
        hosts = client.get_default_database()["worker_state"]
        wait_until(lambda: hosts.find_one({"kind": "host"}), "the API leaves word of this host", timeout=STARTED)
        assert [host["timeZoneData"] for host in hosts.find({"kind": "host"})] == [NEWEST]
    programs = ("recurrence_pipeline api", "api grpc", "local.dagster_host", RUN)
    wait_until(
        lambda: all(any(program in line for line in choices(told)) for program in programs),
        f"all of these choose: {programs}",
        timeout=WORKED_OFF,
    )
    assert set(choices(told).values()) == {str(PACKAGE)}


def choices(told: Path) -> dict[str, str]:
    """Return what each program that chose its time zone data was started as, and which folder it put first."""
    files = (file.read_text().rpartition("\n") for file in told.iterdir() if file.suffix == ".done")
    return {command: folder for command, _, folder in files}


def test_a_second_up_in_a_folder_says_who_is_there(on_older_data: tuple[Command, Path]) -> None:
    up, folder = on_older_data
    with recurrence("up", folder=folder) as second:
        assert second.process.wait() == 2
        assert f"is in use by process {up.process.pid}" in second.printed()


def test_two_at_once_have_their_own_ports_and_commands_in_their_folders_find_them(
    resumed: tuple[Command, Path], on_older_data: tuple[Command, Path]
) -> None:
    """Else the second ends with errno 98, or announces the first one's pages as its own. One of them ends here."""
    one, another, folders = resumed[0], on_older_data[0], [resumed[1], on_older_data[1]]
    for up, folder in zip((one, another), folders, strict=True):
        file = folder / ".recurrence" / "up.json"
        assert file.stat().st_mode & 0o777 == 0o600
        found = read_up_file(folder)
        assert found is not None
        assert found.pid == up.process.pid
        assert set(found.pids.values()) < set(up.family())
        assert set(found.pids) == {"the embedded database", "code-server", "dagster", "the internal API"}
        mapped = (PROC / str(found.pid) / "maps").read_text()
        assert not re.search(r"/(bson|grpc|pandas|sqlalchemy)/", mapped), "what only watches the others holds no more"
        info = httpx.post(f"{found.dagster_url}/graphql", json={"query": "{instance{info}}"}, trust_env=False).text
        assert str(folder) in info, "it is its own"
        assert (found.dagster_url, found.api_url) == (up.found(r"Dagster  (\S+)"), up.found(r"API      (\S+)"))
        of_api = (PROC / str(found.pids["the internal API"]) / "environ").read_text().split("\0")
        assert f"DAGSTER_UI_URL={found.dagster_url}" in of_api, "its alerts link to its own Dagster"
        with recurrence("trigger", "create", UNKNOWN, folder=folder) as command:
            assert command.process.wait() == 0
            assert "the database is that of `recurrence up` in this folder" in command.printed()
        with worker_of(up) as worker:
            assert worker.queries.events(limit=5, task_id=UNKNOWN)
    (one_s, another_s) = (read_up_file(folder) for folder in folders)
    assert one_s is not None
    assert another_s is not None
    assert {one_s.api_url, one_s.dagster_url}.isdisjoint({another_s.api_url, another_s.dagster_url})
    daemon = one_s.pids["dagster"]
    os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: _pid(folders[0], "dagster") not in {None, daemon}, "it is started again", timeout=GONE)
    assert "dagster ended unexpectedly, with status -9; it is started again in 1 s" in one.printed()
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(GONE.total_seconds()) == 0, one.printed()
    assert one.family() == []
    assert not (folders[0] / ".recurrence" / "up.json").exists()


def _pid(folder: Path, name: str) -> int | None:
    found = read_up_file(folder)
    return found.pids[name] if found else None


def test_up_gives_its_work_back_on_ctrl_c_and_leaves_no_process(on_older_data: tuple[Command, Path]) -> None:
    """A lease that is not given back has to be waited for."""
    up, folder = on_older_data
    with worker_of(up) as worker:
        done, now = count(worker, "completed"), datetime.now(timezone.utc)
        waiting = {"operation": "create", "status": "pending", "createdAt": now, "availableAt": now}
        originals = worker.mongo.tasks.find({"repeatType": {"$ne": "none"}, "parentRecurringId": None})
        worker.mongo.events.insert_many([waiting | {"taskId": t["_id"], "userId": t["userId"]} for t in originals])
        wait_until(lambda: count(worker, "completed") > done, "a run is at work", timeout=WORKED_OFF)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(GONE.total_seconds()) == 0, up.printed()
    assert up.family() == []
    assert not (folder / ".recurrence" / "up.json").exists()
    with DagsterInstance.from_config(str(folder / ".recurrence" / "dagster")) as instance:
        ended = {run.status for run in instance.get_runs()}
        # One that is told to stop at its work is a success; one that has not come to it is canceled, or waits.
        assert ended <= {DagsterRunStatus.SUCCESS, DagsterRunStatus.CANCELED, DagsterRunStatus.QUEUED}, "none failed"
    with EmbeddedServer.start(folder / ".recurrence" / "mongodb") as server:
        url = server.url("task-app")
        with open_worker(Settings.from_environment({"MONGODB_URL": url})) as worker:
            assert count(worker, "pending") > 0
            assert count(worker, "processing") == 0


def test_a_part_that_dies_ends_the_demo_and_is_quoted(tmp_path: Path) -> None:
    """Else the demo would wait for minutes for what can no longer come."""
    with recurrence("demo", folder=tmp_path) as demo:
        wait_until(lambda: "Dagster answers" in demo.printed(), "the demo has started", timeout=STARTED)
        (host,) = (pid for pid in demo.family("local.dagster_host") if os.getpgid(pid) == pid)
        os.kill(host, signal.SIGKILL)
        assert demo.process.wait(GONE.total_seconds()) == 1
        assert "dagster ended unexpectedly, with status -9" in demo.printed()
        assert re.search(r"(?s)The last lines of .*dagster\.log:.*dagster\.daemon\.", demo.printed())
        assert demo.family() == []


def test_a_demo_that_is_stopped_midway_leaves_nothing_in_a_given_server_either(
    tmp_path: Path, mongodb_server: str, mongodb_janitor: MongoClient[Document]
) -> None:
    """Else each look at the sample would leave a database in a server that is used for more than that."""
    environment = {"MONGODB_URL": with_database(mongodb_server, "precious")}
    with recurrence("demo", folder=tmp_path, environment=environment) as demo:
        wait_until(lambda: "Dagster answers" in demo.printed(), "the demo has started", timeout=STARTED)
        (name,) = (name for name in mongodb_janitor.list_database_names() if name.startswith("recurrence_demo_"))
        assert mongodb_janitor[name]["tasks"].count_documents({}) >= 933
        demo.process.send_signal(signal.SIGTERM)
        assert demo.process.wait(GONE.total_seconds()) == 128 + signal.SIGTERM, demo.printed()
        assert demo.family() == []
    assert not {name, "precious"} & set(mongodb_janitor.list_database_names())
    assert not (tmp_path / ".recurrence" / "demo").exists()
