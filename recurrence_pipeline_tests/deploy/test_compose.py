"""The containers: what they are told exists, and the commands they start are the whole system, without an engine."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.local import processes
from recurrence_pipeline.local.supervisor import ManagedProcess
from recurrence_pipeline_tests.stub_server import unused_port
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import KEPT_LONG, World, utc

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "recurrence-pipeline"}
ONCE = ["prepare-dagster", "prepare-mongodb"]
LASTING = ["codeserver", "webserver", "daemon", "api"]
"""In the order in which they start."""

ALIASES = {str(field.alias) for field in Settings.model_fields.values()}
OF_OTHERS = {
    "CODE_SERVER_HOST", "CODE_SERVER_PORT", "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD", "RECURRENCE_POSTGRES_URL",
    "TINI_KILL_PROCESS_GROUP",
}  # fmt: skip
"""Variables that workspace.yaml, dagster.yaml, Dagster's code server and the containers' process 1 read."""
SECRETS = {
    "MONGODB_PASSWORD": "of-the-database",
    "POSTGRES_PASSWORD": "of-dagsters-history",
    "INTERNAL_API_KEY": "of-the-internal-api",
    "GRAFANA_PASSWORD": "g",
}
LISTENS_ON = {"codeserver": "4000", "webserver": "3001", "api": OURS["api"]["environment"]["PORT"]}
PORTS = ("3000", "3001", "4000", "9090")
STARTED = timedelta(seconds=120)


@pytest.fixture
def mongodb_url(replica_set_url: str) -> str:
    """Have a replica set: of a standalone the doctor warns."""
    return replica_set_url


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """Return a value of the file as compose does: `${NAME:?why}` must be given, `${NAME:-default}` need not be."""

    def value(found: re.Match[str]) -> str:
        name, operator, rest = found[1], found[2], found[3]
        if variables.get(name):
            return variables[name]
        assert operator == ":-", f"{name} is not given: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, text)


# What is written


def test_every_variable_that_a_container_is_given_is_read_and_valid() -> None:
    for service in OURS.values():
        given = {name: filled_in(str(value), SECRETS) for name, value in service["environment"].items()}
        assert given.keys() <= ALIASES | OF_OTHERS
        Settings.from_environment(given)


def test_no_container_starts_with_a_secret_that_was_not_set() -> None:
    needed = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    example = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert needed == SECRETS.keys() == example.keys()
    assert set(example.values()) == {""}, "an example that works is what gets used"
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "deploy/.env" in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()


def test_nothing_is_published_beyond_this_machine_and_nothing_twice() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)
    assert len({port.split(":")[1] for port in published}) == len(published) == 4
    assert "ports" not in SERVICES["mongodb"]


def test_a_port_that_is_published_is_one_that_is_listened_on() -> None:
    assert SERVICES["api"]["ports"][0].endswith(f":{SERVICES['api']['environment']['PORT']}")
    assert SERVICES["webserver"]["ports"][0].split(":")[2] in SERVICES["webserver"]["command"]
    assert SERVICES["codeserver"]["environment"]["CODE_SERVER_PORT"] in SERVICES["codeserver"]["command"]
    assert SERVICES["webserver"]["environment"]["CODE_SERVER_HOST"] in SERVICES
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert scraped[0]["static_configs"][0]["targets"] == [f"api:{SERVICES['api']['environment']['METRICS_PORT']}"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_limited_looked_at_and_started_again(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["logging"]["options"]["max-size"], "a log without an end fills the disk"
    assert service["restart"] in ({"no", "on-failure"} if name in ONCE else {"unless-stopped"})
    assert service["healthcheck"].get("disable", False) is (name in ONCE)
    assert set(service.get("depends_on", {})) <= SERVICES.keys()
    if name in OURS:
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
        assert service["init"]


def test_a_container_that_works_is_given_a_lease_to_end_in() -> None:
    grace = int(SERVICES["codeserver"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.from_environment({}).lease.total_seconds()


def test_every_file_that_is_copied_or_mounted_is_there() -> None:
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    mounted = [
        volume.split(":")[0] for s in SERVICES.values() for volume in s.get("volumes", []) if volume.startswith(".")
    ]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [source for source in mounted if not (DEPLOY / source).exists()] == []
    named = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if not v.startswith(".")}
    assert named == COMPOSE["volumes"].keys()


@pytest.mark.parametrize(
    "command",
    [
        ("hadolint", "Dockerfile"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"),
    ],
    ids=["Dockerfile", "compose.yaml"],
)
def test_linters_find_nothing(command: tuple[str, ...]) -> None:
    program = Path(sys.executable).parent / command[0]
    ran = subprocess.run([program, *command[1:]], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_image_is_built_from_the_lock_file_and_runs_as_nobody_special() -> None:
    assert "pip install --require-hashes --no-deps -r production.lock" in DOCKERFILE
    assert DOCKERFILE.count("\nFROM ") == 2
    assert DOCKERFILE.index("\nUSER 10001") < DOCKERFILE.index("\nCMD ")
    assert "HEALTHCHECK" in DOCKERFILE


def test_the_image_holds_all_locked_packages_but_the_embedded_database() -> None:
    script = re.findall(r"awk '([^']+)'", DOCKERFILE)[0]
    ran = subprocess.run(["awk", script, "requirements.lock"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    every, kept = (
        set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        for text in ((ROOT / "requirements.lock").read_text(encoding="utf-8"), ran.stdout)
    )
    assert every - kept == {"secantusdb"}
    hashes = ran.stdout.split("secantusdb")[0].count("--hash=")
    assert hashes == ran.stdout.count("--hash=") > len(kept)


# What is started


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine in place of the containers: their ports are free ones here, their folders are in `home`."""

    home: Path
    world: World
    ports: Mapping[str, str]

    def environment(self, service: str) -> dict[str, str]:
        """Return the variables of a container, with the test's database, ports and addresses."""
        given = {name: filled_in(str(value), SECRETS) for name, value in OURS[service]["environment"].items()}
        given |= {name: self.ports[given[name]] for name in ("PORT", "METRICS_PORT") if name in given}
        given |= {
            "MONGODB_URL": self.world.settings.mongodb_url,
            "DAGSTER_HOME": str(self.home),
            "CODE_SERVER_HOST": "127.0.0.1",
            "CODE_SERVER_PORT": self.ports["4000"],
            "DAGSTER_UI_URL": f"http://127.0.0.1:{self.ports['3001']}",
            **({"HOST": "127.0.0.1"} if "HOST" in given else {}),
        }
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "WORKER_IDLE_TIMEOUT": "0",
            "SENSOR_WATCH": "4000",
            **KEPT_LONG,
            **given,
        }

    def command(self, words: list[str]) -> list[str]:
        """Return a command of a container: our programs, files and ports."""
        program = words[0] if words[0] != "python" else Path(sys.executable).name
        here = {"0.0.0.0": "127.0.0.1", **self.ports}  # noqa: S104 (what is replaced)
        rest = [here.get(word, word) for word in words[1:]]
        rest = [re.sub(r":(3001)/", lambda found: f":{self.ports[found[1]]}/", word) for word in rest]
        rest = [word.replace("/opt/recurrence", str(DEPLOY)) for word in rest]
        return [str(Path(sys.executable).parent / program), *rest]

    def run(self, service: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in a container until it ends."""
        return subprocess.run(
            self.command(words),
            cwd=self.home,
            env=self.environment(service),
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def healthy(self, service: str) -> bool:
        """Say what the health check of a container says."""
        return self.run(service, OURS[service]["healthcheck"]["test"][1:]).returncode == 0

    def wait_until_healthy(self, service: str, program: ManagedProcess) -> None:
        """Return once a container would count as healthy."""

        def healthy() -> bool:
            program.check()
            return self.listens(service) and self.healthy(service)

        wait_until(healthy, f"{service} is healthy", timeout=STARTED)

    def listens(self, service: str) -> bool:
        """Say whether a container has begun to listen: to look costs less than a health check, a program of its own."""
        port = LISTENS_ON.get(service)
        with socket.socket() as probe:
            return port is None or probe.connect_ex(("127.0.0.1", int(self.ports[port]))) == 0

    @contextmanager
    def running(self, service: str) -> Iterator[ManagedProcess]:
        """Start what a container starts, and kill what is left of it at the end."""
        program = ManagedProcess.start(
            service,
            self.command(OURS[service]["command"]),
            cwd=self.home,
            log=self.home / f"{service}.log",
            environment=self.environment(service),
        )
        try:
            yield program
        finally:
            processes.kill(program.process)


@pytest.fixture
def machine(mongodb_url: str, tmp_path: Path) -> Iterator[Machine]:
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    world = World(mongodb_url, now=utc(2026, 1, 1))
    yield Machine(tmp_path, world, {port: str(unused_port()) for port in PORTS})
    world.close()


@pytest.mark.daemon
@pytest.mark.timeout(500)
def test_the_commands_of_the_containers_are_the_whole_system(machine: Machine) -> None:
    """Each as a process of its own, in the order of compose: healthy, at work, found well, and stopped by SIGTERM."""
    for service in ONCE:
        ran = machine.run(service, OURS[service]["command"])
        assert ran.returncode == 0, ran.stdout + ran.stderr
    event = machine.world.add_event("create", machine.world.add_task(utc(2026, 1, 2), "daily"))
    with ExitStack() as stack:
        programs: dict[str, ManagedProcess] = {}
        for service in LASTING:
            programs[service] = stack.enter_context(machine.running(service))
            if service == "codeserver":
                machine.wait_until_healthy(service, programs[service])
        for service in ("webserver", "api", "daemon"):
            machine.wait_until_healthy(service, programs[service])
        wait_until(
            lambda: machine.world.event(event)["status"] == EventStatus.COMPLETED.value,
            "the event is processed",
            timeout=STARTED,
        )
        doctor = machine.run("api", ["recurrence", "doctor", "--json"])
        found = {row["name"]: row["level"] for row in json.loads(doctor.stdout)}
        assert {name for name, level in found.items() if level != "ok"} == set(), doctor.stdout
        assert {"api", "dagster ui", "dagster daemon", "dagster code", "automation", "metrics"} <= found.keys()
        for service in reversed(LASTING):
            os.killpg(programs[service].process.pid, signal.SIGTERM)  # as process 1 of a container does
            assert programs[service].process.wait(120) in {0, 1, 130, 143}, programs[service].last_lines()
        assert not machine.healthy("api")
