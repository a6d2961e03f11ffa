"""What the hosts share: PostgreSQL, Redis and the database of the tasks, each a real server with a password of its own.

PostgreSQL and Redis are those of the system (Debian's packages); the database is the embedded one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import psycopg2
import redis

from recurrence_pipeline.local import processes
from recurrence_pipeline.local.embedded import URL_OPTIONS, EmbeddedServer
from recurrence_pipeline.local.supervisor import ManagedProcess
from recurrence_pipeline_tests.cluster.network import ADDRESS
from recurrence_pipeline_tests.waiting import wait_until

POSTGRES_PORT, REDIS_PORT = 5477, 6477
PROGRAMS = {"postgres": "postgresql", "initdb": "postgresql", "redis-server": "redis-server", "ip": "iproute2"}
"""What must be installed, and Debian's packages of it."""
UNNOTICED = "tcp_user_timeout=20000&connect_timeout=10"
"""How long, in ms and s, a host that is cut off may wait for PostgreSQL: without it, for a quarter of an hour."""


def program(name: str) -> str | None:
    """Return where a program is; Debian has those of PostgreSQL in folders by version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


def missing() -> list[str]:
    """Return what keeps the cluster from being started, and what to do about it, in words."""
    packages = sorted({package for name, package in PROGRAMS.items() if program(name) is None})
    found = [f"not installed: {' '.join(packages)} (apt-get install {' '.join(packages)})"] if packages else []
    if sys.platform != "linux":
        found.append("network namespaces are Linux's: run it there")
    elif os.geteuid() != 0:
        found.append("network namespaces need root: run it as root, or with sudo")
    return found


@dataclass(frozen=True, slots=True)
class Services:
    """The servers, as the hosts reach them."""

    postgres_url: str
    redis_url: str
    mongodb: EmbeddedServer
    postgres: ManagedProcess
    redis: ManagedProcess

    def mongodb_url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"mongodb://{ADDRESS}:{self.mongodb.port}/{database}?{URL_OPTIONS}&heartbeatFrequencyMS=2000"

    def variables(self, database: str) -> Mapping[str, str]:
        """Return what the daemon and the hosts are told."""
        return {
            "MONGODB_URL": self.mongodb_url(database),
            "RECURRENCE_POSTGRES_URL": self.postgres_url,
            "RECURRENCE_BROKER_URL": self.redis_url,
        }

    def start_postgres(self) -> None:
        """Start PostgreSQL again, which has ended, and return once it answers."""
        wait_until(lambda: _up(self.postgres) and _postgres_answers(self.postgres_url), "PostgreSQL is back")

    def start_redis(self) -> None:
        """Start Redis again, which has ended and kept nothing, and return once it answers."""
        wait_until(lambda: _up(self.redis) and _redis_answers(self.redis_url), "Redis is back")


def _up(server: ManagedProcess) -> bool:
    """Launch it where it is not running: PostgreSQL refuses to start while a child of the one before is left."""
    if server.process.poll() is not None:
        server.start_again()
        return False
    return True


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Start them on the bridge's address, in an empty folder, and kill them at the end."""
    with ExitStack() as stack:
        postgres_url, postgres = start_postgres(stack, folder / "postgres", ADDRESS)
        redis_url, redis_server = _start_redis(stack, folder)
        mongodb = EmbeddedServer.start(
            folder / "mongodb", log_file=folder / "mongodb.log", arguments=["--host", ADDRESS]
        )
        stack.callback(mongodb.kill)
        yield Services(postgres_url, redis_url, mongodb, postgres, redis_server)


def start_postgres(stack: ExitStack, folder: Path, address: str) -> tuple[str, ManagedProcess]:
    """Start PostgreSQL, which refuses to be root, as the user whom its package brings; return its URL and process."""
    password = token_hex(16)
    folder.mkdir()
    secret = folder.parent / "postgres-password"
    secret.write_text(password)
    for path in (folder, secret):
        shutil.chown(path, "postgres")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    made = [str(program("initdb")), "--pgdata", str(folder), "--username", "recurrence", "--pwfile", str(secret)]
    subprocess.run([*as_postgres, *made, "--auth=scram-sha-256"], check=True, capture_output=True)
    secret.unlink()
    with (folder / "pg_hba.conf").open("a") as access:
        access.write("host all all 10.77.23.0/24 scram-sha-256\n")
    settings = {"listen_addresses": address, "port": POSTGRES_PORT, "unix_socket_directories": ""}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [*as_postgres, str(program("postgres")), "-D", str(folder), *options]
    server = _run(stack, "postgres", command, folder.parent)
    url = f"postgresql+psycopg2://recurrence:{password}@{address}:{POSTGRES_PORT}/postgres?{UNNOTICED}"
    wait_until(lambda: _postgres_answers(url), "PostgreSQL answers", timeout=timedelta(seconds=60))
    return url, server


def _postgres_answers(url: str) -> bool:
    try:
        psycopg2.connect(url.replace("+psycopg2", "")).close()
    except psycopg2.OperationalError:
        return False
    return True


def _start_redis(stack: ExitStack, folder: Path) -> tuple[str, ManagedProcess]:
    password = token_hex(16)
    config = folder / "redis.conf"
    config.write_text(f"bind {ADDRESS}\nport {REDIS_PORT}\nrequirepass {password}\nsave ''\ndir {folder}\n")
    server = _run(stack, "redis", [str(program("redis-server")), str(config)], folder)
    url = f"redis://:{password}@{ADDRESS}:{REDIS_PORT}/0"
    wait_until(lambda: _redis_answers(url), "Redis answers", timeout=timedelta(seconds=60))
    return url, server


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


def _run(stack: ExitStack, name: str, command: Sequence[str], folder: Path) -> ManagedProcess:
    started = ManagedProcess.start(name, command, cwd=folder, log=folder / f"{name}.log", environment={**os.environ})
    stack.callback(lambda: processes.kill(started.process))
    return started
