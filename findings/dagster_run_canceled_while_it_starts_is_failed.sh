#!/usr/bin/env bash
# Dagster: while the process of a run starts, nobody can cancel the run: the API refuses, and the launcher makes it fail.
#
# Guess: who terminates a run has it end as CANCELED, whenever that is: a run that works is interrupted, and one that has
#   not begun does not begin.
# Seen (dagster and dagster-webserver 1.13.27, Python 3.11): so it is where the run works. Between when its process is
#   started and when that has imported the code (STARTING; here some seconds, as with code that imports much), the
#   GraphQL API and so the UI's button refuse (TerminateRunFailure), and the run does all its work. The launcher's own
#   `terminate`, which programs call, accepts and returns True: the run becomes CANCELING, its process comes to begin,
#   takes itself for a second process of the same run and ends without a word, and the run stands as FAILURE. Whoever is
#   told of failed runs is told of this one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27 dagster-webserver==1.13.27

cd "$work"
cat > jobs.py <<'PYTHON'
import time

import dagster as dg

time.sleep(6)  # code that takes its time to import


@dg.op
def wait_for_long() -> None:
    time.sleep(20)


@dg.job(executor_def=dg.in_process_executor)
def long_job() -> None:
    wait_for_long()


defs = dg.Definitions(jobs=[long_job])
PYTHON
"$work/venv/bin/python" - <<'PYTHON'
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from dagster import DagsterInstance

work = Path.cwd()
home = work / "home"
home.mkdir()
(home / "dagster.yaml").write_text(
    "telemetry: {enabled: false}\n"
    "run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}\n"
)
log = (work / "log").open("w")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


def ask(query: str, **variables: object) -> dict:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def wait_until(fact: Callable[[], object]) -> None:
    end = time.monotonic() + 180
    while not fact():
        if time.monotonic() > end:
            sys.exit((work / "log").read_text()[-3000:])
        time.sleep(0.1)


def is_loaded() -> bool:
    try:
        return bool(ask(LOADED)["repositoriesOrError"]["nodes"])
    except (OSError, KeyError):
        return False


LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
LAUNCH = """mutation ($run: ExecutionParams!) { launchRun(executionParams: $run) { __typename
  ... on LaunchRunSuccess { run { runId } } } }"""
TERMINATE = """mutation ($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) { __typename } }"""
RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
WHERE = {"repositoryLocationName": "jobs.py", "repositoryName": "__repository__", "jobName": "long_job"}


def status(run: str) -> str:
    return ask(RUN, id=run)["runOrError"]["status"]


def through_graphql(run: str) -> str:
    return ask(TERMINATE, id=run)["terminateRun"]["__typename"]


def through_the_launcher(run: str) -> str:
    with DagsterInstance.from_config(str(home)) as instance:
        return str(instance.run_launcher.terminate(run))


def ends(when: str, terminate: Callable[[str], str]) -> str:
    """Launch a run, terminate it as soon as it has a status, and return the answer and how the run ended."""
    launched = ask(LAUNCH, run={"selector": WHERE, "mode": "default", "runConfigData": {}})["launchRun"]
    run = launched["run"]["runId"]
    wait_until(lambda: status(run) == when)
    answer = terminate(run)
    wait_until(lambda: status(run) in {"SUCCESS", "FAILURE", "CANCELED"})
    return f"{answer}, {status(run)}"


command = [sys.executable, "-m", "dagster_webserver", "-f", "jobs.py", "--port", str(port)]
web = subprocess.Popen(command, env=os.environ | {"DAGSTER_HOME": str(home)}, stdout=log, stderr=log)
try:
    wait_until(is_loaded)
    packages = ("dagster", "dagster-webserver")
    print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
    seen = [ends(when, how) for when in ("STARTED", "STARTING") for how in (through_graphql, through_the_launcher)]
finally:
    web.terminate()
    web.wait()
accepted = ["TerminateRunSuccess, CANCELED", "True, CANCELED"]
for when, ended in (("STARTED", seen[:2]), ("STARTING", seen[2:])):
    print(f"terminated while {when}, through GraphQL and through the launcher\n  guess: {accepted}\n  seen:  {ended}")
described = [*accepted, "TerminateRunFailure, SUCCESS", "True, FAILURE"]
sys.exit(0 if seen == described else "No longer as described")
PYTHON
