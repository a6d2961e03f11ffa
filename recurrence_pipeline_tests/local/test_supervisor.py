"""The small parts of the local system: programs beside us, locks, ports, URLs."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from recurrence_pipeline.domain.errors import ConfigurationError, DatabaseUnavailable
from recurrence_pipeline.local import processes
from recurrence_pipeline.local.dagster_config import shipped
from recurrence_pipeline.local.processes import HOST
from recurrence_pipeline.local.stack import with_database, without_password
from recurrence_pipeline.local.supervisor import (
    PAUSES,
    STEADY,
    ManagedProcess,
    PortTaken,
    Stopped,
    Supervisor,
    locked,
    stop,
    stoppable,
    wait_for,
)
from recurrence_pipeline_tests.waiting import wait_until

NOW = timedelta(0)
STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("child", child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[ManagedProcess]:
    """Return a program that ignores SIGINT, and so does its child."""
    program = start(tmp_path, STUBBORN)
    yield program
    processes.kill(program.process)


def start(folder: Path, code: str) -> ManagedProcess:
    return ManagedProcess.start(
        "the program", [sys.executable, "-c", code], cwd=folder, log=folder / "program.log", environment={}
    )


def group_lives(group: int) -> bool:
    """Return whether a process of the group runs; dead ones that nobody has collected yet do not count."""
    listing = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout  # noqa: S607
    pairs = (line.split() for line in listing.splitlines())
    return any(int(pgid) == group and not state.startswith("Z") for pgid, state in pairs)


def test_a_program_that_ended_is_named_with_its_status_and_its_last_lines(tmp_path: Path) -> None:
    program = start(tmp_path, "print('first'); print('the reason'); raise SystemExit(3)")
    program.process.wait()
    with pytest.raises(
        DatabaseUnavailable, match=r"(?s)the program ended unexpectedly, with status 3\n.*program\.log:.*the reason"
    ):
        program.check()
    processes.kill(program.process)


def test_a_program_that_lacks_its_port_is_told_from_one_that_fails(tmp_path: Path) -> None:
    """Else nobody would know that another port helps."""
    with socket.create_server((HOST, 0)) as other:
        listen = f"import socket; socket.create_server(({HOST!r}, {other.getsockname()[1]}))"
        program = start(tmp_path, listen)
        program.process.wait()
        with pytest.raises(PortTaken, match="Address already in use"):
            program.check()
    processes.kill(program.process)
    program = start(tmp_path, "raise SystemExit(3)")  # the log has what the first one printed, too
    program.process.wait()
    with pytest.raises(DatabaseUnavailable) as failed:
        program.check()
    assert not isinstance(failed.value, PortTaken)
    processes.kill(program.process)


class Supervised:
    """A supervisor of one program, with a clock of its own, that counts how it waits."""

    def __init__(self, program: ManagedProcess) -> None:
        self.program = program
        self.now = 0.0
        self.waited: list[float] = []
        self.said: list[str] = []
        self.supervisor = Supervisor([program], self.said.append, clock=lambda: self.now, wait=self.waited.append)

    def see_it_end(self) -> None:
        """Wait until the program has ended by itself, and look."""
        self.program.process.wait()
        assert self.supervisor.look()


def test_a_program_that_ends_is_started_again_three_times_and_then_ends_everything(tmp_path: Path) -> None:
    """Else one part that dies in the night leaves the others up, and no work is done until the morning."""
    supervised = Supervised(start(tmp_path, "print('the reason'); raise SystemExit(3)"))
    for _ in PAUSES:
        supervised.see_it_end()
    assert supervised.waited == [pause.total_seconds() for pause in PAUSES]
    assert supervised.waited == sorted(set(supervised.waited)), "it grows"
    assert all(
        "the program ended unexpectedly, with status 3; it is started again in" in said for said in supervised.said
    )
    with pytest.raises(
        DatabaseUnavailable, match=r"(?s)was started again 3 times, .*status 3\n.*the reason\nthe reason\n"
    ):
        supervised.see_it_end()
    processes.kill(supervised.program.process)


def test_what_ended_a_program_long_ago_does_not_count(tmp_path: Path) -> None:
    """Else a system that runs for months is ended by a fourth fault, each of them repaired by itself."""
    supervised = Supervised(start(tmp_path, "raise SystemExit(3)"))
    for _ in (*PAUSES, *PAUSES):
        supervised.see_it_end()
        supervised.now += STEADY.total_seconds() / 2
    assert set(supervised.waited) == {pause.total_seconds() for pause in PAUSES[:2]}
    processes.kill(supervised.program.process)


def test_a_program_that_runs_is_left_alone(stubborn: ManagedProcess) -> None:
    process = stubborn.process
    assert not Supervisor([stubborn], print).look()
    assert stubborn.process is process


def test_waiting_ends_when_a_program_does_and_not_at_the_timeout(tmp_path: Path) -> None:
    program = start(tmp_path, "raise SystemExit(3)")
    with pytest.raises(DatabaseUnavailable, match="status 3"):
        wait_for(lambda: False, "nothing", programs=[program], asked=program, timeout=timedelta(seconds=60))
    processes.kill(program.process)


def test_what_does_not_become_true_is_said_with_the_last_lines_of_whoever_was_asked(stubborn: ManagedProcess) -> None:
    wait_until(lambda: "child" in stubborn.log.read_text(), "it has printed")
    with pytest.raises(DatabaseUnavailable, match=r"(?s)it did not sing within 0 s\n.*child \d+"):
        wait_for(lambda: False, "it did not sing", programs=[stubborn], asked=stubborn, timeout=NOW)


def test_stopping_kills_what_does_not_listen_children_included(stubborn: ManagedProcess) -> None:
    wait_until(lambda: "child" in stubborn.log.read_text(), "it has a child")
    stop([stubborn], patience=NOW)
    assert stubborn.process.returncode == -signal.SIGKILL
    wait_until(lambda: not group_lives(stubborn.process.pid), "nothing of its group is left")


def test_stopping_waits_for_children_that_settle_after_their_parent(tmp_path: Path) -> None:
    """Else a run is killed while it gives its leases back, because its code server was quicker."""
    program = start(tmp_path, "pass")
    answers = iter([False, False, True])
    stop([program], settled=lambda: next(answers))
    assert next(answers, None) is None


def test_a_program_is_not_waited_for_where_all_has_settled(stubborn: ManagedProcess) -> None:
    """Else stopping takes as long as a sensor watches an empty queue."""
    wait_until(lambda: "child" in stubborn.log.read_text(), "it ignores SIGINT")
    stop([stubborn], settled=lambda: True, patience=timedelta(hours=1))
    assert stubborn.process.returncode == -signal.SIGKILL


def test_a_lock_is_held_by_one_and_a_file_left_behind_locks_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with locked(path):
        holder = path.read_text().strip()
        with pytest.raises(ConfigurationError, match=f"{path.parent} is in use by process {holder}:"), locked(path):
            pass
    assert path.exists()
    with locked(path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=str(tmp_path / "file")), locked(tmp_path / "file" / "lock"):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_and_the_next_do_not_disturb_the_stopping(number: signal.Signals) -> None:
    def as_before(*_: object) -> None: ...

    own = signal.signal(number, as_before)  # SIGHUP is ignored where `nohup` started the tests
    try:
        with pytest.raises(Stopped) as stopped, stoppable():  # noqa: PT012 (the second signal comes while stopping)
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(number)
        assert stopped.value.exit_code == 128 + number
        assert signal.getsignal(number) is as_before
    finally:
        signal.signal(number, own)


@pytest.mark.parametrize("name", ["workspace.yaml", "dagster.yaml"])
def test_the_files_that_dagster_needs_are_found(name: str) -> None:
    assert shipped(name).stat().st_size > 0


def test_a_file_that_is_not_shipped_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml is neither in"):
        shipped("nothing.yaml")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://user:s3cret@a:1,b:2/tasks?tls=true", "mongodb://user@a:1,b:2/tasks?tls=true"),
        ("mongodb+srv://user:p%40ss@cluster.example/tasks", "mongodb+srv://user@cluster.example/tasks"),
        ("mongodb://localhost/tasks", "mongodb://localhost/tasks"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("mongodb://a:1,b:2/tasks?tls=true", "mongodb://a:1,b:2/other?tls=true"),
        ("mongodb://localhost", "mongodb://localhost/other"),
        ("mongodb://user:p@a/tasks", "mongodb://user:p@a/other?authSource=tasks"),
        ("mongodb://user:p@a/", "mongodb://user:p@a/other?authSource=admin"),
        ("mongodb://user:p@a/tasks?authSource=users", "mongodb://user:p@a/other?authSource=users"),
    ],
)
def test_another_database_of_the_same_server_looks_users_up_where_they_were(url: str, other: str) -> None:
    assert with_database(url, "other") == other
