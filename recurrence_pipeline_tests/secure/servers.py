"""PostgreSQL and Redis, each in a process of its own, that let nobody in without TLS and a password."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
import redis

from recurrence_pipeline.local import processes
from recurrence_pipeline_tests.secured import PASSWORD, Certificates
from recurrence_pipeline_tests.stub_server import unused_port
from recurrence_pipeline_tests.waiting import wait_until

QUOTED = quote(PASSWORD, safe="")
ONLY_TLS_AND_SCRAM = "local all all trust\nhostssl all all all scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Secured:
    """Where a server listens, and the authority that its certificate is from."""

    port: int
    authority: Path


class SecuredPostgres(Secured):
    """A PostgreSQL with the database `dagster`."""

    def url(self, *, password: str = QUOTED, options: str | None = None) -> str:
        """Return the URL, as Dagster wants it; what is given takes the place of what is right."""
        options = f"sslmode=verify-full&sslrootcert={self.authority}" if options is None else options
        return f"postgresql+psycopg2://recurrence:{password}@localhost:{self.port}/dagster?{options}"


class SecuredRedis(Secured):
    """A Redis."""

    def url(self, *, password: str = QUOTED, options: str | None = None, scheme: str = "rediss") -> str:
        """Return the URL; what is given takes the place of what is right."""
        options = f"?ssl_cert_reqs=required&ssl_ca_certs={self.authority}" if options is None else options
        return f"{scheme}://:{password}@localhost:{self.port}/0{options}"


@contextmanager
def secured_postgres(files: Certificates) -> Iterator[SecuredPostgres]:
    """Start one with data of its own; it will not run as root, so that its folder is the user's who runs it."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    folder, port = Path(tempfile.mkdtemp(prefix="recurrence-postgres-", dir="/tmp")), unused_port()
    for path in (files.certificate, files.key):
        shutil.copy(path, folder)
    as_user = _lower(folder)
    (folder / files.key.name).chmod(0o600)
    data = str(folder / "data")
    _run(folder, [*as_user, str(programs[-1] / "initdb"), "-D", data, "-U", "recurrence", "--no-sync"])
    (folder / "hba.conf").write_text(ONLY_TLS_AND_SCRAM)
    settings = {
        "port": port,
        "listen_addresses": "localhost",
        "unix_socket_directories": folder,
        "hba_file": folder / "hba.conf",
        "ssl": "on",
        "ssl_cert_file": folder / files.certificate.name,
        "ssl_key_file": folder / files.key.name,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log.txt").open("wb") as log:
        server = processes.start(
            [*as_user, str(programs[-1] / "postgres"), "-D", data, *options], cwd=folder, output=log
        )
    try:
        _make_database(folder, port)
        yield SecuredPostgres(port, files.authority)
    finally:
        processes.kill(server)
        shutil.rmtree(folder)


def _lower(folder: Path) -> Sequence[str]:
    """Return what runs a command as a user who is not root, and give that one the folder."""
    if os.geteuid() != 0:
        return ()
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, "postgres", "postgres")
    return ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")


def _run(folder: Path, command: Sequence[str]) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def _make_database(folder: Path, port: int) -> None:
    """Connect by the socket in the folder, where nobody is asked for a password, and set one."""

    def connected() -> bool:
        try:
            connections.append(psycopg2.connect(host=str(folder), port=port, user="recurrence", dbname="postgres"))
        except psycopg2.OperationalError:
            return False
        return True

    connections: list[psycopg2.extensions.connection] = []
    wait_until(connected, "PostgreSQL answers")
    (connection,) = connections
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("ALTER USER recurrence PASSWORD %s", [PASSWORD])
        cursor.execute("CREATE DATABASE dagster")
    connection.close()


@contextmanager
def secured_redis(folder: Path, files: Certificates) -> Iterator[SecuredRedis]:
    """Start one that keeps nothing."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed: apt install redis-server")
    secured = SecuredRedis(unused_port(), files.authority)
    settings = {
        "bind": "127.0.0.1 -::1",
        "port": 0,
        "tls-port": secured.port,
        "tls-cert-file": files.certificate,
        "tls-key-file": files.key,
        "tls-ca-cert-file": files.authority,
        "tls-auth-clients": "no",
        "requirepass": f'"{PASSWORD}"',
        "save": '""',
        "dir": folder,
    }
    (folder / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with (folder / "redis.log").open("wb") as log:
        server = processes.start([program, str(folder / "redis.conf")], cwd=folder, output=log)
    try:
        wait_until(lambda: _answers(secured), "Redis answers")
        yield secured
    finally:
        processes.kill(server)


def _answers(secured: SecuredRedis) -> bool:
    try:
        with redis.Redis.from_url(secured.url()) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
