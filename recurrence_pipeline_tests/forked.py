"""Processes of their own that cost little: forked from one that has imported everything and opened nothing.

For what needs a process, with its own streams, environment and end, but not the start of an interpreter. How a real
start deals with closed streams, a full disk or a broken pipe is not to be tested with these.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

from recurrence_pipeline.cli import main

PATIENCE = 60
"""In seconds, until a process must have ended."""

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(
    [
        "recurrence_pipeline_tests.worker.crashing",
        __name__,
        "recurrence_pipeline.views.checks",
        "recurrence_pipeline.views.metrics",
        "recurrence_pipeline.views.recovery",
        "recurrence_pipeline.views.rules",
    ]
)


def recurrence(arguments: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[bytes]":
    """Run the `recurrence` command to its end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = started(arguments, environment, out.fileno(), err.fileno())
        process.join(PATIENCE)
        assert process.exitcode is not None, f"recurrence {arguments} has not ended"
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read(), err.read())


def started(
    arguments: Sequence[str], environment: Mapping[str, str], out: int, err: int
) -> multiprocessing.process.BaseProcess:
    """Start the `recurrence` command with these files as its output; its input is whatever that is."""
    # A Connection is what multiprocessing hands over an open file by.
    files = [Connection(os.dup(number)) for number in (out, out, err)]
    process = server.Process(target=_run, args=(arguments, dict(environment), files))
    process.start()
    for file in files:
        file.close()
    return process


def _run(arguments: Sequence[str], environment: dict[str, str], files: Sequence[Connection]) -> None:
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
        file.close()
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 (open as long as we run)
        for number, mode in enumerate("rww")
    )
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(main(arguments))
