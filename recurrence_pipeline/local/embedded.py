"""A MongoDB-compatible server of our own, for a first run and for tests; production has a real MongoDB.

The server is SecantusDB (the extra `embedded`). It is GPL-2.0-only, so it is never imported here: it runs as a process
of its own and we talk to it over a socket like anybody else. Clients, collections and errors belong in mongo.py.
"""

import errno
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

from recurrence_pipeline.domain.errors import ConfigurationError, DatabaseUnavailable
from recurrence_pipeline.local import processes
from recurrence_pipeline.local.processes import HOST

URL_OPTIONS = "directConnection=true&journal=true&retryWrites=false"
"""`journal=true`: without it a killed server loses writes it has acknowledged. `retryWrites=false`: retryable writes
get slower here with every one made, and a repeated write of ours is harmless anyway."""

START_TIMEOUT = timedelta(seconds=60)
"""Opening a large folder after a crash replays its journal first."""

TERM_PATIENCE = timedelta(seconds=4)
"""An idle server takes 2 s to stop, and can miss the signal while a connection arrives: then it is sent again."""

CONFIG = "secantusd.toml"
"""Lies empty in the data folder, else the server reads one that lies around elsewhere (`~/.secantus`, `/etc`)."""

TOO_NEW = (3, 14)
"""The first Python for which SecantusDB has no wheels."""

LISTENING = re.compile(rb"listening on [\w.]+:(\d+)")
LAST_LINES = 8


class FolderInUse(ConfigurationError):
    """Another server uses the folder, or one that was killed just now still does."""


class PortInUse(ConfigurationError):
    """Another program listens on the port."""


class EmbeddedServer:
    """A running server. Close the clients that use it first: one that outlives it can block for 30 s on its `close()`.

    As a context manager it stops at the end.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        port: int = 0,
        log_file: Path | None = None,
        arguments: Sequence[str] = (),
        timeout: timedelta = START_TIMEOUT,
    ) -> Self:
        """Start a server on the data in `folder` (made where missing) and return once it listens on loopback.

        Args:
            folder: where the data is; one server at a time may use it.
            port: 0 takes a free one.
            log_file: what the server prints is added to this file; without it, it is kept until the server ends.
            arguments: more options of the server, such as `--enable-test-commands`.
            timeout: how long it may take until it listens.

        Raises:
            ConfigurationError: the extra is not installed, the folder cannot be used (`FolderInUse`: by us), or the
                port is another program's (`PortInUse`).
            DatabaseUnavailable: it ended or hung before it listened; the text has its last lines.
        """
        if find_spec("secantus") is None:
            raise ConfigurationError(
                "the embedded database does not exist for this Python: use one from 3.11 to 3.13, or set MONGODB_URL"
                if sys.version_info >= TOO_NEW
                else "the embedded database is not installed: pip install 'recurrence-pipeline[embedded]', "
                "or set MONGODB_URL"
            )
        folder = folder.resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CONFIG).touch()
            output = _output(log_file)
        except OSError as error:
            raise ConfigurationError(f"the embedded database cannot use {folder}: {error}") from error
        with output:
            begin = os.fstat(output.fileno()).st_size
            server = cls(_launch(folder, port, output, arguments), port)
            try:
                server.port = _wait_until_listening(server.process, output, begin, folder, timeout)
            except BaseException:  # a Ctrl-C while waiting must not leave it behind either
                server.kill()
                raise
        return server

    def url(self, database: str) -> str:
        """Return the URI of a database here, with the options that this server needs."""
        return f"mongodb://{HOST}:{self.port}/{database}?{URL_OPTIONS}"

    def stop(self) -> None:
        """Let the server close its files and end; kill it where it does not. Harmless where it has ended."""
        for _ in range(2):
            self.process.terminate()
            if processes.ended(self.process, TERM_PATIENCE):
                break
        self.kill()

    def kill(self) -> None:
        """End the server at once, as a power cut would: for throwaway data, and for tests of just that."""
        processes.kill(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _output(log_file: Path | None) -> IO[bytes]:
    return tempfile.TemporaryFile() if log_file is None else log_file.open("ab+")


def _launch(folder: Path, port: int, output: IO[bytes], arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    server = [
        *(sys.executable, "-m", "secantus", "--config", CONFIG, "--log-level", "INFO"),
        *("--host", HOST, "--port", str(port), "--storage-path", str(folder), *arguments),
    ]
    # `-m` looks for modules in the current folder first. To be killed with us loses nothing: the journal has it all.
    return processes.start(server, cwd=folder, output=output)


def _wait_until_listening(
    process: subprocess.Popen[bytes], output: IO[bytes], begin: int, folder: Path, timeout: timedelta
) -> int:
    """Return the port from the line that says so."""
    deadline = time.monotonic() + timeout.total_seconds()
    while True:
        ended = process.poll() is not None  # asked first, so that its last lines are in what is read next
        # pread leaves the position alone, which the server shares
        printed = os.pread(output.fileno(), os.fstat(output.fileno()).st_size - begin, begin)
        if (line := LISTENING.search(printed)) and not ended:
            return int(line[1])
        if ended or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    if b"Device or resource busy" in printed:
        raise FolderInUse(f"the embedded database cannot use {folder}: another process uses that folder")
    if ended and os.strerror(errno.EADDRINUSE).encode() in printed:
        raise PortInUse(f"the embedded database cannot listen on its port: {os.strerror(errno.EADDRINUSE)}")
    last = "\n".join(printed.decode(errors="replace").splitlines()[-LAST_LINES:]) or "(nothing)"
    what = (
        f"ended with status {process.returncode}" if ended else f"did not listen within {timeout.total_seconds():g} s"
    )
    raise DatabaseUnavailable(f"the embedded database {what}; it printed last:\n{last}")
