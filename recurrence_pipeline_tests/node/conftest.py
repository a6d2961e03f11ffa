"""What the application is made of, Node and its packages: installed once, kept in pytest's cache, or skipped over."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from recurrence_pipeline.local import processes
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.marked import recurrence
from recurrence_pipeline_tests.urls import with_database
from recurrence_pipeline_tests.waiting import wait_until

HERE = Path(__file__).parent
OLDEST = 20
INSTALLATION = 100
"""Seconds that npm may take, once for each package-lock.json."""


def packages_of(source: Path, config: pytest.Config) -> Path:
    """Return the folder `node_modules` of the packages that package-lock.json in `source` names."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"Node {version} is older than {OLDEST}")
    lock = source / "package-lock.json"
    folder = config.cache.mkdir("node") / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not folder.exists():
        _install(npm, source, folder)
    return folder / "node_modules"


def _install(npm: str, source: Path, folder: Path) -> None:
    """Install beside the folder and move it into place: another test process may do the same at this moment."""
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as temporary:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, temporary)
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


@pytest.fixture(scope="session")
def node_packages(request: pytest.FixtureRequest) -> Path:
    """Return the folder `node_modules` of what the application is made of."""
    return packages_of(HERE, request.config)


Node = Callable[..., subprocess.CompletedProcess[str]]
Ask = Callable[..., list[dict[str, Any]]]
Serve = Callable[..., int]


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


@pytest.fixture(scope="module")
def application(node_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Return a function that runs the application with a proxy until the module ends, and says on which port."""
    with ExitStack() as stack:

        @cache
        def served(proxy: str, worker_port: int) -> int:
            environment = {
                "NODE_PATH": str(node_packages), "PORT": "0", "WORKER_URL": f"http://127.0.0.1:{worker_port}",
            }  # fmt: skip
            command, folder = ["node", str(HERE / "application.js"), proxy], tmp_path_factory.mktemp(proxy)
            output = stack.enter_context(running(command, folder, environment, promise="listening on "))
            return int(output.read_text().partition("listening on ")[2].split()[0])

        yield served


@pytest.fixture(scope="module")
def shared_url(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[str]:
    """Return the URL of a database for all tests of a module."""
    name = f"test_{uuid4().hex}"
    yield with_database(mongodb_server, name)
    mongodb_janitor.drop_database(name)


@pytest.fixture(scope="module")
def api_process(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Return a function that runs `recurrence api` with these variables until the module ends, and says on which port.

    It works on the shared database.
    """
    with ExitStack() as stack:

        @cache
        def served(**environment: str) -> int:
            variables = {"MONGODB_URL": shared_url, "PORT": "0", **environment}
            api = stack.enter_context(recurrence("api", folder=tmp_path_factory.mktemp("api"), environment=variables))
            wait_until(lambda: api.found(r"Internal API: http://127\.0\.0\.1:(\d+)"), "the API listens")
            return int(api.found(r"Internal API: http://127\.0\.0\.1:(\d+)"))

        yield served
