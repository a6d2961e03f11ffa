"""With TLS and passwords everywhere the system works, and no password is seen where others could read it.

Not part of the suite: `make secure-test`, which needs PostgreSQL and Redis (apt install postgresql redis-server).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import psycopg2
import pytest
import redis

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.local import processes
from recurrence_pipeline.orchestration.run_history import tidy
from recurrence_pipeline_tests.marked import MARK, Command
from recurrence_pipeline_tests.secure.servers import (
    QUOTED,
    SecuredPostgres,
    SecuredRedis,
    secured_postgres,
    secured_redis,
)
from recurrence_pipeline_tests.secured import Certificates, SecuredMongo, certificates, secured_mongo
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World

pytestmark = [pytest.mark.secure, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PATIENCE = timedelta(seconds=240)
CANARY = "canary"
"""Part of every password and key here."""
KEY = "canary-key-of-more-than-sixteen-bytes"
EVENTS = 20


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def postgres(files: Certificates) -> Iterator[SecuredPostgres]:
    with secured_postgres(files) as server:
        yield server


@pytest.fixture(scope="module")
def broker(files: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    with secured_redis(tmp_path_factory.mktemp("redis"), files) as server:
        yield server


@pytest.fixture(scope="module")
def mongo(files: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredMongo]:
    with secured_mongo(tmp_path_factory.mktemp("mongodb"), files) as server:
        yield server


@pytest.fixture
def world(mongo: SecuredMongo) -> Iterator[World]:
    world = World(mongo.url(), now=utc_now())
    yield world
    world.worker.mongo.drop()
    world.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "deploy" / "dagster.distributed.yaml", tmp_path / "dagster.yaml")
    shutil.copy(ROOT / "workspace.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def environment(
    home: Path,
    postgres: SecuredPostgres,
    broker: SecuredRedis,
    mongo: SecuredMongo,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """Return the variables of all programs: one secret of each kind, in a file or in a variable."""
    url = tmp_path_factory.mktemp("secrets") / "mongodb_url"
    url.write_text(mongo.url() + "\n")
    return {
        **{name: value for name, value in os.environ.items() if name != "MONGODB_URL"},
        "DAGSTER_HOME": str(home),
        "MONGODB_URL_FILE": str(url),
        "RECURRENCE_POSTGRES_URL": postgres.url(),
        "RECURRENCE_BROKER_URL": broker.url(),
        "INTERNAL_API_KEY": KEY,
        "JWT_SECRET": f"{CANARY} of the application, of more than 32 bytes",
        "ALERT_URLS": f"json://someone:{CANARY}@localhost:9/",
        "LOG_FILE": str(home / "worker.log"),
        "LOG_LEVEL": "debug",
        "WORKER_IDLE_TIMEOUT": "0",
        "PORT": "0",
    }


TALKATIVE = ("--loglevel", "debug")
PROGRAMS: dict[str, Sequence[str]] = {
    "daemon": ("dagster._daemon", "run", "-w", "workspace.yaml"),
    "webserver": ("dagster_webserver", "-w", "workspace.yaml", "--port", "0"),
    "celery": (
        "celery",
        "--app",
        "recurrence_pipeline.orchestration.celery_app",
        "worker",
        "--concurrency",
        "2",
        *TALKATIVE,
    ),
    "api": ("recurrence_pipeline", "api"),
}


@contextmanager
def running(home: Path, environment: dict[str, str]) -> Iterator[Command]:
    """Run all programs of a system on several machines; at the end nothing of them is left."""
    mark = uuid4().hex
    with ExitStack() as stack:
        for name, command in PROGRAMS.items():
            output = stack.enter_context((home / f"{name}.txt").open("wb"))
            process = processes.start(
                [sys.executable, "-m", *command], cwd=home, output=output, environment={**environment, MARK: mark}
            )
            stack.callback(processes.kill, process)
        yield Command(process, home / "daemon.txt", mark)


def files_that_show(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def rows_that_show(postgres: SecuredPostgres) -> list[str]:
    """Return the tables that hold a password anywhere: in a run's config or tags, in an event, in a tick."""
    found = []
    with psycopg2.connect(postgres.url().replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" AS row WHERE row::text LIKE %s', [f"%{CANARY}%"])  # noqa: S608
            found += [table] * bool(cursor.fetchone()[0])
    connection.close()
    return found


def seen_by_the_doctor(home: Path, environment: dict[str, str]) -> None:
    """Let the doctor ask Dagster's real web server, over the files and variables that all programs have."""
    (url,) = re.findall(r"Serving dagster-webserver on (http://\S+)", (home / "webserver.txt").read_text())
    ran = subprocess.run(
        [sys.executable, "-m", "recurrence_pipeline", "doctor", "--json"],
        cwd=home,
        env={**environment, "DAGSTER_UI_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    levels = {row["name"]: row["level"] for row in json.loads(ran.stdout)}
    well = ("settings", "database", "dagster ui", "dagster daemon", "dagster code", "automation", "run history")
    assert [name for name in (*well, "redis", "dagster.yaml", "log rotation") if levels[name] != "ok"] == [], ran.stdout
    assert CANARY not in ran.stdout + ran.stderr


def test_all_of_it_works_and_shows_no_password(
    home: Path,
    environment: dict[str, str],
    world: World,
    postgres: SecuredPostgres,
    broker: SecuredRedis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RECURRENCE_POSTGRES_URL", environment["RECURRENCE_POSTGRES_URL"])
    monkeypatch.setenv("RECURRENCE_BROKER_URL", environment["RECURRENCE_BROKER_URL"])
    for _ in range(EVENTS):
        world.add_event("create", world.add_task(utc_now() + timedelta(days=1), "daily"))
    shown: list[int] = []
    messages: list[bytes] = []
    with dg.DagsterInstance.from_config(str(home)) as instance, redis.Redis.from_url(broker.url()) as client:
        with running(home, environment) as system:

            def worked_off() -> bool:
                shown.extend(system.family(CANARY))
                messages.extend(client.lrange("dagster", 0, -1))
                over = [run.is_finished for run in instance.get_runs()]
                return not world.worker.queries.unfinished() and bool(over) and all(over)

            wait_until(worked_off, "the events are processed by runs in Celery workers", timeout=PATIENCE)
            wait_until(lambda: "Internal API: " in (home / "api.txt").read_text(), "the API listens", timeout=PATIENCE)
            wait_until(lambda: "Serving" in (home / "webserver.txt").read_text(), "the UI is there", timeout=PATIENCE)
            shown.extend(system.family(CANARY))
            seen_by_the_doctor(home, environment)
            assert len(system.family()) > len(PROGRAMS)
            messages.extend(dumped for key in client.scan_iter() if (dumped := client.dump(key)))
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    assert world.worker.queries.event_counts() == {("create", "completed"): EVENTS}
    assert shown == []
    assert not [message for message in messages if CANARY.encode() in message]
    assert files_that_show(home) == []
    assert rows_that_show(postgres) == []


def test_old_runs_go_from_postgresql_too(
    home: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RECURRENCE_POSTGRES_URL", "RECURRENCE_BROKER_URL"):
        monkeypatch.setenv(name, environment[name])

    @dg.asset
    def thing() -> None: ...

    @dg.asset_check(asset=thing)
    def sound() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    job = dg.Definitions([thing], asset_checks=[sound], jobs=[dg.define_asset_job("thing_job")])
    with dg.DagsterInstance.from_config(str(home)) as instance:
        ids = [job.resolve_job_def("thing_job").execute_in_process(instance=instance).run_id for _ in range(3)]
        removed = tidy(instance, utc_now() + timedelta(seconds=1))
        assert removed.runs >= 2
        assert [instance.has_run(run_id) for run_id in ids] == [False, False, True]
        assert [len(instance.all_logs(run_id)) > 0 for run_id in ids] == [False, False, True]
        again = tidy(instance, utc_now() + timedelta(seconds=1))
        assert (again.runs, again.checks) == (0, 0)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"password": "canary-but-another"}, "password authentication failed"),
        ({"options": "sslmode=disable"}, "no encryption"),
        ({"options": "sslmode=verify-full&sslrootcert=/dev/null"}, "certificate"),
    ],
    ids=["another password", "no TLS", "an authority that is not known"],
)
def test_postgresql_lets_nobody_else_in_and_the_reason_is_told(
    postgres: SecuredPostgres, wrong: dict[str, str], reason: str
) -> None:
    with pytest.raises(psycopg2.OperationalError, match=reason) as caught:
        psycopg2.connect(postgres.url(**wrong).replace("+psycopg2", ""))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"password": "canary-but-another"}, "invalid username-password pair"),
        ({"scheme": "redis", "options": ""}, "(?i)connection (reset|closed)"),
        ({"options": ""}, "certificate verify failed"),
    ],
    ids=["another password", "no TLS", "an authority that is not known"],
)
def test_redis_lets_nobody_else_in_and_the_reason_is_told(
    broker: SecuredRedis, wrong: dict[str, str], reason: str
) -> None:
    with (
        redis.Redis.from_url(broker.url(**wrong)) as client,
        pytest.raises(redis.ConnectionError, match=reason) as caught,
    ):
        client.ping()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "command", "reason"),
    [
        ("RECURRENCE_POSTGRES_URL", ("dagster", "instance", "info"), "password authentication failed"),
        ("RECURRENCE_BROKER_URL", PROGRAMS["celery"], "invalid username-password pair"),
    ],
    ids=["PostgreSQL", "Redis"],
)
def test_a_program_with_a_wrong_password_says_so_and_does_not_show_it(
    home: Path, environment: dict[str, str], name: str, command: Sequence[str], reason: str
) -> None:
    wrong = environment | {name: environment[name].replace(QUOTED, "canary-but-another")}
    assert wrong[name] != environment[name]
    output = home / "output.txt"
    with output.open("wb") as file:
        process = processes.start([sys.executable, "-m", *command], cwd=home, output=file, environment=wrong)
    try:
        wait_until(lambda: reason in output.read_text(), f"it says: {reason}", timeout=PATIENCE)
    finally:
        processes.kill(process)
    assert CANARY not in output.read_text()
