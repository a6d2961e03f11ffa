"""`make outage-test`: PostgreSQL, Redis and hosts go away under load, all of OUTAGES or those that ONLY names.

Events are written all the time, meanwhile one fault after the other is done to the system (faults.py). Programs that
end are started again after 5 s, as systemd does. After each fault every event must be processed and every run have an
end; and in the last the documents must be those of one worker, as in running.py. Times are told, and not judged.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import ChainMap, Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import dagster as dg
from pymongo import MongoClient
from rich.console import Console

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.local import processes
from recurrence_pipeline.local.supervisor import ManagedProcess
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.cluster.backlog import Application, Backlog
from recurrence_pipeline_tests.cluster.faults import PATIENCE, Faults
from recurrence_pipeline_tests.cluster.findings import findings
from recurrence_pipeline_tests.cluster.hosts import DEPLOY, Cluster
from recurrence_pipeline_tests.cluster.network import Network
from recurrence_pipeline_tests.cluster.running import JOB, SETTINGS, Say, open_for, used, utc, work_alone
from recurrence_pipeline_tests.cluster.services import Services, missing, services
from recurrence_pipeline_tests.stub_server import StubServer, answers, stub_server, unused_port
from recurrence_pipeline_tests.waiting import wait_until

OUTAGES = {
    "child_killed": 40,
    "host_killed": 40,
    "taken_and_not_begun": 30,
    "postgres_stopped": 30,
    "postgres_killed": 30,
    "redis_full": 30,
    "redis_evicts": 0,
    "redis_killed": 30,
    "redis_empty": 0,
    "postgres_away": 300,
}
"""The faults, and for how many seconds each lasts."""
HOSTS = ["host1", "host2"]
AT_A_TIME, EVERY, BURST = 20, 5.0, 150
"""Events, and the seconds between them: the load. And events at once, more than there are places for runs."""
RESTART = 5.0
"""As in deploy/systemd."""
MORE = {"WORKER_MAX_RUNS": "3", "WORKER_RUN_MAX_EVENTS": "30", "LOG_LEVEL": "warning"}
"""A run more than there are places, so that one waits in Redis."""


@dataclass
class Outage:
    """What came of one."""

    name: str
    meanwhile: int = 0
    """Events that were finished while it lasted."""
    recovered: float = 0
    """Seconds from its end until an event was finished."""
    runs: Counter[str] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)
    """Programs that ended by themselves, with which status and when."""
    doctor: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)


class Supervisor(threading.Thread):
    """Starts again what has ended, and says so."""

    def __init__(self, programs: Mapping[str, ManagedProcess], outage: Outage) -> None:
        super().__init__(daemon=True)
        self._programs = programs
        self._outage = outage
        self._began = time.monotonic()
        self._over = threading.Event()

    def run(self) -> None:
        """Look twice a second."""
        ended: dict[str, float] = {}
        while not self._over.wait(0.5):
            for name, program in list(self._programs.items()):
                status, now = program.process.poll(), time.monotonic()
                if status is not None and name not in ended:
                    ended[name] = now
                    self._outage.ended.append(f"{name}, with {status}, after {now - self._began:.0f} s")
                elif status is not None and now - ended[name] > RESTART:
                    program.start_again()
                    del ended[name]

    def stop(self) -> None:
        """Return once nothing more is started."""
        self._over.set()
        self.join()


class Load(threading.Thread):
    """The application: a few events every few seconds. Whoever else writes takes its lock."""

    def __init__(self, trial: "Trial") -> None:
        super().__init__(daemon=True)
        self._trial = trial
        self._over = threading.Event()

    def run(self) -> None:
        """Write until told to stop."""
        while not self._over.wait(EVERY):
            self._trial.write_some()

    def stop(self) -> None:
        """Return once nothing more is written."""
        self._over.set()
        self.join()


@dataclass
class Trial:
    """The system, laid out as in production, and the load it is under."""

    shared: Services
    client: MongoClient[Document]
    worker: Worker
    cluster: Cluster
    instance: dg.DagsterInstance
    application: Application
    ui: str
    alerts: StubServer
    say: Say
    programs: Mapping[str, ManagedProcess] = field(default_factory=dict)
    running: list[Document] = field(default_factory=list)
    written: list[Backlog] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._writing = threading.RLock()

    def write_some(self) -> None:
        """Write a small backlog, due at once."""
        with self._writing:
            used_up = len(self.running) < AT_A_TIME
            some = self.application.tasks(AT_A_TIME) if used_up else self.application.backlog(AT_A_TIME, self.running)
            self.running = self.running[: len(self.running) - used(some)]
            self._write(some)

    def prepare(self, count: int) -> None:
        """Have so many series that are running."""
        made = self.application.tasks(count)
        self._write(made)
        self.worker.drain(until_empty=True)
        self.running = made.created

    def burst(self) -> None:
        """Write more events at once than there are places for runs."""
        with self._writing:
            self._write(self.application.tasks(BURST))

    def _write(self, some: Backlog) -> None:
        self.written.append(some)
        some.write(self.client["together"], available_at=utc())

    def try_out(self, name: str, lasts: float) -> Outage:
        """Do one fault under load, and wait until all is processed and every run has an end."""
        outage, begun = Outage(name), utc()
        self.alerts.heard.clear()
        load, supervisor = Load(self), Supervisor(self.programs, outage)
        load.start()
        wait_until(lambda: self._finished_since(begun) > AT_A_TIME, "the load is processed", timeout=PATIENCE)
        supervisor.start()
        faults = Faults(
            self.shared, self.cluster, self.instance, self.worker, self.burst, self._writing, self.at_rest, self.say
        )
        with getattr(faults, name)():
            away = utc()
            outage.doctor = self.doctor()
            time.sleep(max(0, lasts - (utc() - away).total_seconds()))  # what is tried is how it takes that long
        back = utc()
        outage.meanwhile = self._finished_since(away)
        wait_until(lambda: self._finished_since(back), "events are processed again", timeout=PATIENCE)
        outage.recovered = (utc() - back).total_seconds()
        wait_until(lambda: self._finished_since(back) > AT_A_TIME, "and more of them", timeout=PATIENCE)
        load.stop()
        self.at_rest()
        supervisor.stop()
        outage.runs.update(self._end_of(run) for run in self.instance.get_runs(dg.RunsFilter(created_after=begun)))
        outage.alerts = [f"{heard.body['title']}: {heard.body['message']}"[:200] for heard in self.alerts.heard]
        return outage

    def at_rest(self) -> None:
        """Wait until all is processed and every run has an end."""
        wait_until(lambda: not self.worker.queries.unfinished(), "all is processed", timeout=PATIENCE)
        wait_until(self._runs_are_over, "every run has an end", timeout=PATIENCE)

    def doctor(self) -> list[str]:
        """Return what the doctor finds wrong."""
        environment = {**os.environ, **self.cluster.variables, "DAGSTER_HOME": str(self.cluster.home("doctor"))}
        command = [sys.executable, "-m", "recurrence_pipeline", "doctor", "--json"]
        ran = subprocess.run(
            command, capture_output=True, text=True, env=environment | {"DAGSTER_UI_URL": self.ui}, check=False
        )
        with suppress(ValueError):
            rows = [row for row in json.loads(ran.stdout) if row["level"] != "ok"]
            return [f"{row['level']}, {row['name']}: {row['found']}" for row in rows]
        return [ran.stderr[-500:]]

    def _finished_since(self, when: datetime) -> int:
        return self.client["together"]["task_events"].count_documents({"finishedAt": {"$gt": when}})

    def _runs_are_over(self) -> bool:
        return all(run.is_finished for run in self.instance.get_runs(dg.RunsFilter(job_name=JOB)))

    def _end_of(self, run: dg.DagsterRun) -> str:
        logs = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        reasons = [log.dagster_event.message or "" for log in logs if log.dagster_event]
        return f"{run.job_name} {run.status.value} {' '.join(reasons).splitlines()[0] if reasons else ''}".strip()


def start_control_host(stack: ExitStack, cluster: Cluster, *, code: int, ui: int) -> dict[str, ManagedProcess]:
    """Start what runs beside the worker hosts, as in deploy/systemd, and kill it in the end."""
    shutil.copy(DEPLOY / "workspace.yaml", cluster.folder)
    workspace = ["--workspace", str(cluster.folder / "workspace.yaml")]
    served = ["--host", "127.0.0.1", "--port", str(code), "--module-name", "recurrence_pipeline.definitions"]
    commands: dict[str, Sequence[str]] = {
        "codeserver": ["dagster", "api", "grpc", *served],
        "daemon": ["dagster._daemon", "run", *workspace],
        "webserver": ["dagster_webserver", "--port", str(ui), *workspace],
        "api": ["recurrence_pipeline", "api"],
    }
    started = {}
    for name, command in commands.items():
        cluster.home(name)
        started[name] = cluster.start(name, [sys.executable, "-m", *command])
        stack.callback(lambda program=started[name]: processes.kill(program.process))  # type: ignore[misc]
    return started


def run_outages(names: Sequence[str], *, seed: int, folder: Path, say: Say) -> list[str]:
    """Try each in its turn, in an empty folder, and return what is wrong in the end."""
    folder.chmod(0o711)  # PostgreSQL is another user
    with ExitStack() as stack:
        network = stack.enter_context(Network(HOSTS))
        shared = stack.enter_context(services(folder))
        client = stack.enter_context(MongoClient[Document](shared.mongodb_url("admin"), tz_aware=True))
        worker = stack.enter_context(open_for(shared, "together"))
        worker.init_db()
        alerts = stack.enter_context(stub_server())
        alerts.will(answers(200))
        code, ui = unused_port(), unused_port()
        where = {"CODE_SERVER_HOST": "127.0.0.1", "CODE_SERVER_PORT": str(code), "PORT": str(unused_port())}
        told = {"ALERT_URLS": f"json://127.0.0.1:{alerts.server_port}/"}
        cluster = Cluster(folder, network, {**shared.variables("together"), **SETTINGS, **MORE, **where, **told})
        stack.callback(cluster.stop)
        os.environ.update(cluster.variables)  # the instance that is opened here is the daemon's
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(cluster.home("daemon"))))
        application, url = Application(Random(seed), utc() - timedelta(hours=1)), f"http://127.0.0.1:{ui}"
        trial = Trial(shared, client, worker, cluster, instance, application, url, alerts, say)
        trial.prepare(100 * len(names))
        trial.programs = ChainMap(cluster.hosts, start_control_host(stack, cluster, code=code, ui=ui))
        for host in HOSTS:
            cluster.start_host(host)
        say("all programs are started")
        for name in names:
            say(str(trial.try_out(name, OUTAGES[name])))
        say(f"in the end the doctor finds: {trial.doctor()}")
        work_alone(shared, client, trial.written)
        return findings(client["alone"], client["together"], worker)


def main() -> int:
    """Try those that are named, or all; 2 where something is missing."""
    console, began = Console(width=150), time.monotonic()
    if wanting := [*missing(), *(f"no such outage: {name}" for name in sys.argv[1:] if name not in OUTAGES)]:
        console.print("\n".join(wanting), markup=False)
        return 2
    with tempfile.TemporaryDirectory(prefix="recurrence-outages-", ignore_cleanup_errors=True) as folder:
        found = run_outages(
            sys.argv[1:] or list(OUTAGES),
            seed=int(os.environ.get("RECURRENCE_CLUSTER_SEED") or 7),
            folder=Path(folder),
            say=lambda text: console.print(f"{time.monotonic() - began:6.1f} s  {text}", highlight=False, markup=False),
        )
    for text in found:
        console.print(f"WRONG: {text}", style="red", highlight=False, markup=False)
    console.print(f"{len(found)} findings" if found else "The documents are those of one worker.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
