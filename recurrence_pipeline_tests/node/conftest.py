"""What the application is made of, Node and its packages: installed once, kept in pytest's cache, or skipped over."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from recurrence_pipeline.local import processes
from recurrence_pipeline_tests.marked import recurrence
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World

HERE = Path(__file__).parent
OLDEST = 20
INSTALLATION = 100
"""Seconds that npm may take, once for each package-lock.json."""


@pytest.fixture(scope="session")
def node_packages(request: pytest.FixtureRequest) -> Path:
    """Return the folder `node_modules` of the packages that package-lock.json names."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"Node {version} is older than {OLDEST}")
    lock = HERE / "package-lock.json"
    folder = request.config.cache.mkdir("node") / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not folder.exists():
        _install(npm, folder)
    return folder / "node_modules"


def _install(npm: str, folder: Path) -> None:
    """Install beside the folder and move it into place: another test process may do the same at this moment."""
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as temporary:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, temporary)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            ran = subprocess.run(
                command, cwd=temporary, capture_output=True, text=True, timeout=INSTALLATION, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm ci did not end within {INSTALLATION} s")
        if ran.returncode != 0:
            pytest.skip(f"npm ci failed: {ran.stderr.strip().splitlines()[-1:]}")
        try:
            Path(temporary).rename(folder)
        except OSError:
            assert folder.exists(), "somebody else was faster"


Node = Callable[..., subprocess.CompletedProcess[str]]
Ask = Callable[..., list[dict[str, Any]]]
Serve = Callable[..., AbstractContextManager[int]]


@pytest.fixture
def node(node_packages: Path) -> Node:
    """Return a function that runs a script to its end, with variables in its environment."""
    program = str(shutil.which("node"))

    def run(script: Path, *arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "NODE_PATH": str(node_packages), **environment}
        return subprocess.run(
            [program, str(script), *arguments],
            input=text,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def ask(node: Node) -> Ask:
    """Return a function that has the application's client make calls, and returns what came back for each."""

    def asked(port: int, *calls: Sequence[Any], key: str = "") -> list[dict[str, Any]]:
        ran = node(HERE / "client.js", text=json.dumps(calls), PORT=str(port), INTERNAL_API_KEY=key)
        assert ran.returncode == 0, ran.stderr
        answers: list[dict[str, Any]] = json.loads(ran.stdout)
        return answers

    return asked


@contextmanager
def running(command: Sequence[str], folder: Path, environment: Mapping[str, str], *, promise: str) -> Iterator[Path]:
    """Run a server while its output, whose path is given, is of interest; it has said `promise` then."""
    output = folder / f"{Path(command[0]).name}.txt"
    with output.open("wb") as file:
        process = processes.start(command, cwd=folder, output=file, environment={**os.environ, **environment})
    try:
        wait_until(lambda: promise in output.read_text() or process.poll() is not None, f"{command[0]} serves")
        assert process.poll() is None, output.read_text()
        yield output
    finally:
        processes.kill(process)


@pytest.fixture
def application(node_packages: Path, tmp_path: Path) -> Serve:
    """Return a function that runs the application with a proxy, and says on which port."""

    @contextmanager
    def served(proxy: str, worker_port: int) -> Iterator[int]:
        environment = {
            "NODE_PATH": str(node_packages), "PORT": "0", "WORKER_URL": f"http://127.0.0.1:{worker_port}",
        }  # fmt: skip
        command = ["node", str(HERE / "application.js"), proxy]
        with running(command, tmp_path, environment, promise="listening on ") as output:
            yield int(output.read_text().partition("listening on ")[2].split()[0])

    return served


@pytest.fixture
def api_process(mongodb_url: str, tmp_path: Path) -> Serve:
    """Return a function that runs `recurrence api` with these variables, and says on which port."""

    @contextmanager
    def served(**environment: str) -> Iterator[int]:
        variables = {"MONGODB_URL": mongodb_url, "PORT": "0", **environment}
        with recurrence("api", folder=tmp_path, environment=variables) as command:
            wait_until(lambda: command.found(r"Internal API: http://127\.0\.0\.1:(\d+)"), "the API listens")
            yield int(command.found(r"Internal API: http://127\.0\.0\.1:(\d+)"))

    return served


@pytest.fixture
def world(mongodb_url: str) -> Iterator[World]:
    """Return the application's data."""
    world = World(mongodb_url)
    yield world
    world.close()
