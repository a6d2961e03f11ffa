"""The embedded server: it starts, keeps what it has acknowledged, says what is wrong, and never outlives us."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from recurrence_pipeline.domain.errors import ConfigurationError, DatabaseUnavailable
from recurrence_pipeline.local import embedded
from recurrence_pipeline.local.embedded import EmbeddedServer, PortInUse
from recurrence_pipeline.local.processes import HOST
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.waiting import wait_until


@contextmanager
def things(server: EmbeddedServer) -> Iterator[Collection[Document]]:
    """Open a collection there; the short wait is for clients that are closed after their server was killed."""
    with MongoClient[Document](server.url("some"), serverSelectionTimeoutMS=500) as client:
        yield client.get_default_database()["things"]


@contextmanager
def throwaway(server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    try:
        yield server
    finally:
        server.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_data_outlives_stop_and_start(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path) as server, things(server) as collection:
        collection.insert_one({"_id": 1})
    assert server.process.returncode == 0

    with throwaway(EmbeddedServer.start(tmp_path)) as again, things(again) as collection:
        assert collection.count_documents({"_id": 1}) == 1


def test_no_acknowledged_write_is_lost_by_kill_minus_9(tmp_path: Path) -> None:
    """Else a task that the application was told is stored has no occurrences, and nobody knows."""
    acknowledged: list[int] = []

    def write(collection: Collection[Document]) -> None:
        while True:
            number = len(acknowledged)
            try:
                collection.insert_one({"_id": number})
            except PyMongoError:
                return
            acknowledged.append(number)

    with throwaway(EmbeddedServer.start(tmp_path)) as server, things(server) as collection:
        writer = threading.Thread(target=write, args=(collection,))
        writer.start()
        wait_until(lambda: len(acknowledged) > 200, "200 writes are acknowledged")
        server.kill()
        writer.join()

    with throwaway(EmbeddedServer.start(tmp_path)) as again, things(again) as collection:
        assert set(acknowledged) <= {found["_id"] for found in collection.find()}


def test_a_folder_serves_one_server_at_a_time(tmp_path: Path) -> None:
    busy = pytest.raises(ConfigurationError, match=f"{tmp_path}: another process uses that folder")
    with throwaway(EmbeddedServer.start(tmp_path)), busy:
        EmbeddedServer.start(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=str(tmp_path / "file")):
        EmbeddedServer.start(tmp_path / "file" / "data")


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "secantus", None)  # how Python itself marks "not importable"
    with pytest.raises(ConfigurationError, match=r"pip install 'recurrence-pipeline\[embedded\]'"):
        EmbeddedServer.start(tmp_path)


def test_a_server_that_ends_early_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"(?s)ended with status 2.*unrecognized arguments: --nonsense"):
        EmbeddedServer.start(tmp_path, arguments=["--nonsense"])


def test_a_server_that_hangs_at_the_start_is_given_up_and_killed(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"did not listen within 0 s; it printed last:\n\(nothing\)"):
        EmbeddedServer.start(tmp_path, timeout=timedelta(0))
    with throwaway(EmbeddedServer.start(tmp_path)):
        pass  # which a living one would refuse


def test_a_port_can_be_chosen_and_a_taken_one_is_refused(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match="Address already in use"):
            EmbeddedServer.start(tmp_path, port=port)
    with throwaway(EmbeddedServer.start(tmp_path, port=port)) as server:
        assert f"{HOST}:{port}/some?" in server.url("some")
        assert listens(port)


def test_the_log_file_is_added_to_and_old_lines_are_not_taken_for_new(tmp_path: Path) -> None:
    """Else a restart would take its port from the line of the server before it."""
    log = tmp_path / "server.log"
    log.write_text("secantus listening on 127.0.0.1:1\n")
    with throwaway(EmbeddedServer.start(tmp_path / "data", log_file=log)) as server:
        assert server.port != 1
    assert f"listening on {HOST}:1\n" in log.read_text()
    assert f"listening on {HOST}:{server.port}\n" in log.read_text()


def test_stop_kills_a_server_that_does_not_listen_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "TERM_PATIENCE", timedelta(seconds=0.1))
    with EmbeddedServer.start(tmp_path) as server:
        server.process.send_signal(signal.SIGSTOP)
    assert server.process.returncode == -signal.SIGKILL
    server.stop()  # a second time is harmless


def test_a_secantusd_toml_that_lies_around_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secantusd.toml").write_text('host = "256.0.0.1"\n')
    (tmp_path / "secantus.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    with throwaway(EmbeddedServer.start(Path("data"))) as server:
        assert listens(server.port)


PARENT = """
    import signal, sys, threading
    from pathlib import Path
    from recurrence_pipeline.local.embedded import EmbeddedServer

    servers = []
    starter = threading.Thread(target=lambda: servers.append(EmbeddedServer.start(Path(sys.argv[1]))))
    starter.start()
    starter.join()  # the server must outlive the thread that started it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # else an early one is missed
    print(servers[0].port, servers[0].process.pid, flush=True)
    signal.sigwait({signal.SIGINT})
    print("interrupted", flush=True)
    signal.pause()
"""


@contextmanager
def parent(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int, int]]:
    """Start a process that starts a server, and yield it with the server's port and process id."""
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            port, server = map(int, _line(process).split())
            yield process, port, server
        finally:
            process.kill()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_it_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """Else every crash leaves a server behind that holds the folder, and the next start is refused."""
    with parent(tmp_path) as (process, port, server):
        assert listens(port)
        process.kill()
        process.wait()
        wait_until(lambda: not listens(port), "the server has gone")
        wait_until(lambda: not _group_lives(server), "its watcher has gone too")
    with throwaway(EmbeddedServer.start(tmp_path)):
        pass


def test_it_survives_a_ctrl_c_meant_for_the_terminal(tmp_path: Path) -> None:
    """A worker that is interrupted still has to give its leases back."""
    with parent(tmp_path) as (process, port, server):
        assert os.getsid(server) != os.getsid(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        assert _line(process) == "interrupted\n"
        assert listens(port)


def test_nothing_stays_behind_after_stop(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path) as server:
        assert _group_lives(server.process.pid)
    wait_until(lambda: not _group_lives(server.process.pid), "the watcher has gone")


def _group_lives(group: int) -> bool:
    """Return whether a process of the group runs; dead ones that nobody has collected yet do not count."""
    listing = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout  # noqa: S607
    rows = (line.split() for line in listing.splitlines())
    return any(int(pgid) == group and not state.startswith("Z") for pgid, state in rows)


def test_where_there_is_no_such_server_it_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Python that is too new for it, to install it again does not help."""
    monkeypatch.setitem(sys.modules, "secantus", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'recurrence-pipeline\[embedded\]', or set MONGODB_URL"):
        EmbeddedServer.start(tmp_path)
    monkeypatch.setattr(embedded, "TOO_NEW", sys.version_info[:2])
    with pytest.raises(ConfigurationError, match=r"use one from 3\.11 to 3\.13, or set MONGODB_URL$"):
        EmbeddedServer.start(tmp_path)
