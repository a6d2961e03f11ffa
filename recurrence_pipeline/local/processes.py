"""Processes of ours that never outlive us. What they are, and when they are ready, is their starters' business."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO

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
