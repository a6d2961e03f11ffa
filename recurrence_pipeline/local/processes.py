"""Processes of ours that never outlive us. What they are, and when they are ready, is their starters' business."""

import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, NoReturn

from recurrence_pipeline.domain.errors import DatabaseUnavailable

HOST = "127.0.0.1"
"""Where they listen: on loopback, for this machine alone."""

# A process must die with us, even by SIGKILL, but not by a Ctrl-C meant for our terminal. So it gets a session of its
# own, and beside it a watcher that blocks on a pipe whose other end only we hold. The kernel closes that end however we
# die, and the watcher kills the process group: the process, its children, and itself. Unlike Linux's PR_SET_PDEATHSIG
# this reaches grandchildren, needs no code between fork and exec (unsafe with threads), does not fire when merely the
# thread that started the process ends, and works on every POSIX system.
# The shell becomes the program (`exec`), so the process we hold is the program itself. A shell's background commands
# ignore SIGINT: a group can be interrupted without losing its watcher.
DIES_WITH_US = 'exec 3<&0 </dev/null; { cat <&3; kill -KILL 0; } >/dev/null 2>&1 & exec 3<&-; exec "$@"'


def start(
    command: Sequence[str], *, cwd: Path, output: IO[bytes], environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a program as the leader of a process group that dies with us.

    Args:
        command: the program and its arguments.
        cwd: its working folder.
        output: takes what it prints, errors included.
        environment: all of its environment variables; None hands on ours.
    """
    _let_children_hear_interrupts()
    return subprocess.Popen(
        ["/bin/sh", "-c", DIES_WITH_US, "sh", *command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def apart(work: Callable[[], None]) -> None:
    """Do work in a copy of this process, which takes along all that the work has imported and left in memory.

    For a process without threads. What the work raises is raised here.
    """
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        _report(work, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as report:
        told = report.read()
    os.waitpid(child, 0)
    if not told:
        raise DatabaseUnavailable("a part of the work ended unexpectedly")
    if (error := pickle.loads(told)) is not None:  # noqa: S301 (our own copy wrote it)
        raise error


def _report(work: Callable[[], None], pipe: int) -> NoReturn:
    """Work, write what that raised to the pipe, and end as a copy ends: nothing of the original is tidied up."""
    error: BaseException | None = None
    try:
        work()
    except BaseException as raised:  # noqa: BLE001 (the original raises it)
        error = raised
    with os.fdopen(pipe, "wb") as report:
        pickle.dump(error, report)
    os._exit(0)


def _let_children_hear_interrupts() -> None:
    """Go on ignoring SIGINT without handing that on.

    A script's background commands ignore SIGINT, with all that they start. Dagster's programs then ignore SIGTERM too,
    and nothing but SIGKILL would end them. What is ignored is inherited; what is handled is not.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda _number, _frame: None)


def poll(fact: Callable[[], object], timeout: timedelta, pause: float = 0.1) -> bool:
    """Return as soon as `fact()` is true, or false once `timeout` has passed; it is looked at each `pause` seconds."""
    deadline = time.monotonic() + timeout.total_seconds()
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Ask the program and its children to end, as Ctrl-C in a terminal does. Harmless where they have."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)


def ended(process: "subprocess.Popen[bytes]", within: timedelta) -> bool:
    """Wait until the program has ended, for at most so long, and return whether it has."""
    try:
        process.wait(within.total_seconds())
    except subprocess.TimeoutExpired:
        return False
    return True


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the program, its children and its watcher. Harmless where nothing is."""
    # The watcher lives as long as we hold the pipe, so the group is there and its number cannot be another's by now.
    if process.stdin is not None and not process.stdin.closed:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdin.close()
    process.wait()
