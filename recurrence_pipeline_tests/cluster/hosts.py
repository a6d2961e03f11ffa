"""What runs where: Dagster's daemon beside the services, a Celery worker on each host, as in docs/how-to/deploy.md."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from celery.result import AsyncResult
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from recurrence_pipeline.local import processes
from recurrence_pipeline.local.dagster_config import shipped
from recurrence_pipeline.local.supervisor import ManagedProcess
from recurrence_pipeline.orchestration.celery_app import app
from recurrence_pipeline_tests.cluster.network import Network, ip
from recurrence_pipeline_tests.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
APP = "recurrence_pipeline.orchestration.celery_app"
PLACES = 1
"""Runs at a time on a host."""
STARTED = timedelta(seconds=120)


@dataclass
class Cluster:
    """The daemon and the worker hosts, each with a DAGSTER_HOME of its own: a host has no disk of another's."""

    folder: Path
    network: Network
    variables: Mapping[str, str]
    hosts: dict[str, ManagedProcess] = field(default_factory=dict)
    daemon: ManagedProcess | None = None

    def start_daemon(self) -> dg.DagsterInstance:
        """Start Dagster's daemon, which asks its code server and puts runs into Redis; return its instance."""
        home = self.home("daemon")
        shutil.copy(shipped("workspace.yaml"), home)
        os.environ.update(self.variables)  # the instance that is opened here is the daemon's
        instance = dg.DagsterInstance.from_config(str(home))
        command = [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"]
        self.daemon = self.start("daemon", command)
        return instance

    def start_host(self, name: str) -> None:
        """Start a worker on a host, and return once it takes runs."""
        self.home(name)
        log = self.folder / f"{name}.log"
        before = log.read_text().count(f"worker@{name} ready") if log.exists() else 0
        words = ["--hostname", f"worker@{name}", "--concurrency", str(PLACES), "--loglevel", "INFO"]
        command = [sys.executable, "-m", "celery", "--app", APP, "worker", *words]
        self.hosts[name] = self.start(name, self.network.on(name, command))

        def ready() -> bool:
            self.hosts[name].check()
            return log.read_text().count(f"worker@{name} ready") > before

        wait_until(ready, f"the worker of {name} is ready", timeout=STARTED)

    def kill_host(self, name: str) -> None:
        """Kill -9 everything that runs on a host."""
        self._signal(name, signal.SIGKILL)
        processes.kill(self.hosts.pop(name).process)

    def stop_host(self, name: str) -> None:
        """Send SIGTERM to everything that runs on a host, as systemd does, and return once it has ended."""
        self._signal(name, signal.SIGTERM)
        process = self.hosts.pop(name).process
        wait_until(lambda: process.poll() is not None, f"the worker of {name} ends", timeout=STARTED)
        processes.kill(process)

    def stop(self) -> None:
        """Kill all of it."""
        for name in list(self.hosts):
            self.kill_host(name)
        if self.daemon is not None:
            processes.kill(self.daemon.process)

    def host_of(self, run: dg.DagsterRun) -> str:
        """Return the host that a run was or is executed on; empty where none has taken it."""
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task is None:
            return ""
        found = AsyncResult(task, app=app)
        begun = found.info if found.state == "STARTED" and isinstance(found.info, dict) else {}
        return str(begun.get("hostname") or found.worker or "").removeprefix("worker@")

    def _signal(self, host: str, number: int) -> None:
        for pid in ip("netns", "pids", f"recurrence-{host}").split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def home(self, name: str) -> Path:
        """Make the DAGSTER_HOME of a name."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        shutil.copy(DEPLOY / "dagster.distributed.yaml", home / "dagster.yaml")
        return home

    def start(self, name: str, command: Sequence[str]) -> ManagedProcess:
        """Start a program in the home of that name."""
        home = self.folder / name
        environment: Mapping[str, Any] = {**os.environ, **self.variables, "DAGSTER_HOME": str(home)}
        return ManagedProcess.start(name, command, cwd=home, log=self.folder / f"{name}.log", environment=environment)
