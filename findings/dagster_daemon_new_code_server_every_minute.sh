#!/usr/bin/env bash
# Dagster: `dagster-daemon run` puts a new process in the place of each code server every minute, and imports anew.
#
# Guess: the daemon starts one code server for a `python_module` of the workspace and keeps it: the module is imported
#   once, and what it holds (a client of a database, a cache) lives as long as the daemon.
# Seen (dagster 1.13.29, Python 3.11): without any change, tick or run, the module is imported in a new process every
#   60 seconds or so; the process before gets no more heartbeats and ends 20 seconds later. That is 1440 imports a day
#   for each code location, and nothing kept in memory gets older than some 80 seconds. The interval is a constant of
#   the daemon, and the log's only sign is the warning "No heartbeat received in 20 seconds".
#   (Takes about three minutes.)
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.29

mkdir "$work/home"
echo 'telemetry: {enabled: false}' >"$work/home/dagster.yaml"
echo 'load_from: [{python_module: location}]' >"$work/workspace.yaml"
cat >"$work/location.py" <<'PYTHON'
import os
import pathlib
import time

import dagster as dg

with pathlib.Path(__file__).with_name("imports").open("a") as imports:
    imports.write(f"{os.getpid()} {time.time()}\n")


@dg.op
def nothing() -> None: ...


@dg.job
def yearly() -> None:
    nothing()


defs = dg.Definitions(schedules=[dg.ScheduleDefinition(job=yearly, cron_schedule="0 0 1 1 *")])
PYTHON

"$work/venv/bin/python" - "$work" <<'PYTHON'
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

work = Path(sys.argv[1])
print(f"dagster {version('dagster')}, Python {sys.version.split()[0]}")
environment = {**os.environ, "DAGSTER_HOME": str(work / "home"), "PYTHONPATH": str(work)}
command = [work / "venv/bin/dagster-daemon", "run", "-w", work / "workspace.yaml"]
with (work / "log").open("w") as log:
    daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def imports() -> list[tuple[str, float]]:
    """The process and the time of each import of the code location."""
    path = work / "imports"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(process, float(at)) for process, at in map(str.split, lines)]


try:
    end = time.monotonic() + 300
    while len(imports()) < 3 and time.monotonic() < end and daemon.poll() is None:
        time.sleep(1)
    found = imports()
    first = "there" if found and Path("/proc", found[0][0]).exists() else "gone"
finally:
    os.killpg(daemon.pid, signal.SIGKILL)
    daemon.wait()

processes = len({process for process, _ in found})
pauses = [round(later - earlier) for (_, earlier), (_, later) in zip(found, found[1:], strict=False)]
print("imports of the code location while nothing happens\n  guess: 1, in 1 process")
print(f"  seen:  {len(found)}, in {processes} processes, {pauses} seconds after one another")
print(f"the first process, two imports later\n  guess: there\n  seen:  {first}")
if processes < 3 or min(pauses) < 30 or first != "gone":
    sys.exit("No longer as described")
PYTHON
