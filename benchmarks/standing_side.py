"""One build as it stands: what `standing` runs in the environment of each of the two that it compares.

`python -P standing_side.py rest SECONDS` with the build's folder as PYTHONPATH prints one line of JSON, the figures by
name: how soon `recurrence up` has its addresses and, so many seconds later, what memory all of its processes have.
With `checks TASKS` that is what checking so many tasks costs. Only what every build has is used: its command, its
content, its own upkeep.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.maintenance import done, fill
from benchmarks.stage import processor_seconds, server, stage

Found = dict[str, float]

PROC = Path("/proc")
LAST_LINE = "Ctrl-C stops everything"
RUN = "multiprocessing.spawn"
"""How a run of Dagster is started."""
PATIENCE = 300
SMALL = 2
"""In MB: shells and `cat`, which see to it that nothing outlives its starter."""
AT_REST = {"WORKER_IDLE_TIMEOUT": "0", "WORKER_LINGER": "0", "MONGODB_URL": "", "PORT": "", "HOST": ""}
"""No run stays warm; a build reads what it knows."""


def descendants(root: int) -> list[int]:
    """Return a process and all that it has started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def megabytes(process: int) -> float:
    """Return the memory of a process; what it shares counts in parts (PSS)."""
    text = (PROC / str(process) / "smaps_rollup").read_text()
    (kilobytes,) = re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)
    return int(kilobytes) / 1024


@contextmanager
def up() -> Iterator[tuple[int, float]]:
    """Run the system; yields its process, and how many seconds it took until it said where it is."""
    with tempfile.TemporaryDirectory(prefix="recurrence-bench-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "recurrence_pipeline", "up", "--folder", folder]
        begun = time.monotonic()
        program = subprocess.Popen(
            command, env=os.environ | AT_REST, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            if not any(LAST_LINE in line for line in program.stdout or ()):
                raise RuntimeError("the system did not start")
            yield program.pid, time.monotonic() - begun
        finally:
            program.send_signal(signal.SIGINT)
            program.wait()


def at_rest(settled: int) -> Found:
    """Return what the whole system takes to start, and the memory that it has once no run works or is warm."""
    with up() as (root, started):
        used = sum(map(processor_seconds, descendants(root)))
        time.sleep(settled)
        deadline = time.monotonic() + PATIENCE
        while any(RUN in _command(process) for process in descendants(root)):
            if time.monotonic() > deadline:
                raise TimeoutError("a run did not end")
            time.sleep(0.5)
        memory = list(_memory(root))
        return {
            "up: from the command to the addresses, s": started,
            "up: CPU until then, s": used,
            "up: memory of all processes at rest (PSS), MB": sum(memory),
            f"up: processes with more than {SMALL} MB": sum(each > SMALL for each in memory),
        }


def _memory(root: int) -> Iterator[float]:
    for process in descendants(root):
        with suppress(OSError):  # it has just ended
            yield megabytes(process)


def _command(process: int) -> str:
    try:
        return (PROC / str(process) / "cmdline").read_text()
    except OSError:
        return ""


def checked(tasks: int) -> Found:
    """Return what a pass of the consistency checks costs over so many tasks."""
    with server() as database, stage(database, large=True) as at:
        fill(at, tasks)
        of_server, answer = database.cpu(), done(at, "consistency")
        name = f"consistency of {tasks:,} tasks: {{}}"
        return {
            name.format("s"): answer["seconds"],
            name.format("own CPU, s"): answer["CPU s"],
            name.format("database's CPU, s"): database.cpu() - of_server,
            name.format("commands"): answer["commands"],
            name.format("peak MB"): answer["peak MB"],
        }


if __name__ == "__main__":
    found = {"rest": at_rest, "checks": checked}[sys.argv[1]](int(sys.argv[2]))
    sys.stdout.write(json.dumps(found) + "\n")
