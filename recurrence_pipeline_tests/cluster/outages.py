"""`python -m recurrence_pipeline_tests.cluster.outages [NAME ...]`: PostgreSQL, Redis and hosts go away under load.

Events are written all the time, meanwhile a run's process or its host is killed, PostgreSQL is stopped or killed and
started again, and Redis is full, evicts, or forgets all it had. Programs that end are started again after 5 s, as
systemd does. In the end the documents must be those of one worker, as in running.py, and every run must have an end.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import dagster as dg
import redis
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from pymongo import MongoClient
from rich.console import Console

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.local.supervisor import ManagedProcess
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.cluster.backlog import Application, Backlog
from recurrence_pipeline_tests.cluster.findings import findings
from recurrence_pipeline_tests.cluster.hosts import Cluster
from recurrence_pipeline_tests.cluster.network import Network
from recurrence_pipeline_tests.cluster.running import JOB, SETTINGS, open_for, used, utc, work_alone
from recurrence_pipeline_tests.cluster.services import Services, missing, services
from recurrence_pipeline_tests.stub_server import StubServer, answers, stub_server, unused_port
from recurrence_pipeline_tests.waiting import wait_until

HOSTS = ["host1", "host2"]
AT_A_TIME, EVERY = 20, 5.0
"""Events, and seconds between them."""
BURST = 150
QUEUE = "dagster"
RESTART = 5.0
"""As in deploy/systemd."""
PATIENCE = timedelta(minutes=15)

Say = Callable[[str], None]


@dataclass
class Outage:
    """What came of one."""

    name: str
    recovered: float = 0
    """Seconds from its end until an event was finished."""
    meanwhile: int = 0
    """Events that were finished while it lasted."""
    runs: Counter[str] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)
    """Programs that ended, and when."""
    doctor: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)


class Load(threading.Thread):
    """The application: a few events every few seconds, until it is stopped."""

    def __init__(self, trial: "Trial") -> None:
        super().__init__(daemon=True)
        self._trial = trial
        self._over = threading.Event()

    def run(self) -> None:
        """Write."""
        while not self._over.wait(EVERY):
            self._trial.write_some()

    def stop(self) -> None:
        """Return once nothing more is written."""
        self._over.set()
        self.join()


@dataclass
class Trial:
    """The system as in production, and what was done to it."""

    shared: Services
    client: MongoClient[Document]
    worker: Worker
    cluster: Cluster
    instance: dg.DagsterInstance
    application: Application
    say: Say
    ui: str
    alerts: StubServer
    programs: dict[str, ManagedProcess] = field(default_factory=dict)
    running: list[Document] = field(default_factory=list)
    written: list[Backlog] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ended: dict[str, float] = {}

    def write_some(self) -> None:
        """Write a small backlog, due at once."""
        used_up = len(self.running) < AT_A_TIME
        some = self.application.tasks(AT_A_TIME) if used_up else self.application.backlog(AT_A_TIME, self.running)
        self.running = self.running[: len(self.running) - used(some)]
        self._write(some)

    def _write(self, some: Backlog) -> None:
        self.written.append(some)
        some.write(self.client["together"], available_at=utc())

    def finished_since(self, when: datetime) -> int:
        """Count the events that ended since."""
        return self.client["together"]["task_events"].count_documents({"finishedAt": {"$gt": when}})

    def host_at_work(self) -> str | None:
        """Return a host whose run holds events."""
        for run_id in self.worker.queries.runs_at_work():
            run = self.instance.get_run_by_id(run_id)
            if run is not None and (host := self.cluster.host_of(run)):
                return host
        return None

    def supervise(self, outage: Outage, began: float) -> None:
        """Start again what has ended, 5 s later."""
        for name, program in {**self.programs, **self.cluster.hosts}.items():
            if program.process.poll() is None:
                continue
            if name not in self.ended:
                self.ended[name] = time.monotonic()
                outage.ended.append(f"{name} ({program.process.returncode}) after {time.monotonic() - began:.0f} s")
            elif time.monotonic() - self.ended[name] > RESTART:
                program.start_again()
                del self.ended[name]

    def doctor(self) -> list[str]:
        """Return what the doctor finds wrong."""
        environment = {**os.environ, **self.cluster.variables, "DAGSTER_HOME": str(self.cluster.folder / "daemon")}
        environment |= {"DAGSTER_UI_URL": self.ui}
        command = [sys.executable, "-m", "recurrence_pipeline", "doctor", "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)
        with suppress(ValueError):
            return [
                f"{row['level']} {row['name']}: {row['found']}"
                for row in json.loads(ran.stdout)
                if row["level"] != "ok"
            ]
        return [ran.stderr[-500:]]

    # What is done to it.

    @contextmanager
    def child_killed(self) -> Iterator[None]:
        """Kill -9 the process that executes a run; its host lives."""
        host = self._host()
        for pid in self._children(host):
            os.kill(pid, signal.SIGKILL)
        self.say(f"killed the run's process on {host}")
        yield

    def _children(self, host: str) -> list[int]:
        """Return the processes of a worker that execute runs."""
        tasks = Path(f"/proc/{self.cluster.hosts[host].process.pid}/task")
        pids = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        return [pid for pid in pids if b"celery" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    @contextmanager
    def host_killed(self) -> Iterator[None]:
        """Kill -9 all that runs on a host, and start it again."""
        host = self._host()
        self.cluster.kill_host(host)
        self.say(f"killed {host}")
        yield
        self.cluster.start_host(host)

    @contextmanager
    def taken_and_not_begun(self) -> Iterator[None]:
        """Kill -9 a host that has taken a run out of Redis and not begun it; Redis has it delivered again later."""
        with self._redis() as client:
            host = next(iter(self.cluster.hosts))
            for other in [name for name in self.cluster.hosts if name != host]:
                self.cluster.stop_host(other)
            wait_until(lambda: not self.worker.queries.runs_at_work(), "nothing is at work", timeout=PATIENCE)
            for pid in self._children(host):
                os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: client.hlen("unacked"), "a run is taken and not begun", timeout=PATIENCE)
            taken = [json.loads(each)[0]["headers"]["id"] for each in client.hvals("unacked")]
            self.cluster.kill_host(host)
            for name in HOSTS:
                self.cluster.start_host(name)
            runs = [run for run in self.instance.get_runs() if run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) in taken]
            self.say(f"taken and not begun: {[(run.run_id, run.status.value) for run in runs]}")
            yield
            wait_until(lambda: self._finished(runs), "it is given up", timeout=PATIENCE)
            for tag in client.hkeys("unacked"):
                client.zadd("unacked_index", {tag: 0})  # as if the visibility timeout, an hour, had passed
            wait_until(lambda: not client.hlen("unacked"), "it is delivered again", timeout=PATIENCE)
            wait_until(lambda: self._said(runs), "it is executed or passed over", timeout=PATIENCE)
            self.say(f"delivered again: {self._said(runs)}")

    def _finished(self, runs: list[dg.DagsterRun]) -> bool:
        return all(run.is_finished for run in self.instance.get_runs(dg.RunsFilter([run.run_id for run in runs])))

    def _said(self, runs: list[dg.DagsterRun]) -> list[str]:
        """Return what Dagster said of runs that were begun although they were over."""
        return [
            log.message
            for run in runs
            for log in self.instance.all_logs(run.run_id)
            if "Ignoring" in (log.message or "") or log.dagster_event_type is dg.DagsterEventType.RUN_START
        ]

    @contextmanager
    def postgres_stopped(self) -> Iterator[None]:
        """Stop PostgreSQL as its administrator does (fast), and start it again."""
        self.shared.postgres.process.send_signal(signal.SIGINT)
        self.shared.postgres.process.wait(60)
        yield
        self.shared.start_postgres()

    @contextmanager
    def postgres_away(self) -> Iterator[None]:
        """The same, for longer than Dagster may be silent."""
        with self.postgres_stopped():
            yield

    @contextmanager
    def postgres_killed(self) -> Iterator[None]:
        """Kill -9 PostgreSQL, and start it again."""
        self.shared.postgres.process.kill()
        self.shared.postgres.process.wait(60)
        yield
        self.shared.start_postgres()

    @contextmanager
    def redis_full(self) -> Iterator[None]:
        """Have Redis refuse all that takes memory, while runs wait in it."""
        with self._redis() as client:
            self._write(self.application.tasks(BURST))
            wait_until(lambda: client.llen(QUEUE), "a run waits in Redis", timeout=PATIENCE)
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
            yield
            client.config_set("maxmemory", 0)

    @contextmanager
    def redis_evicts(self) -> Iterator[None]:
        """Have others fill a Redis that throws away what was used least lately, until the runs that wait are gone."""
        with self._redis() as client, self._a_run_waits(client):
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 3_000_000)
            others = (client.set(f"fill:{number}", b"x" * 20_000) for number in range(10**9))
            wait_until(lambda: next(others) and not client.exists(QUEUE), "they are gone", timeout=PATIENCE)
            client.config_set("maxmemory", 0)
            for key in client.scan_iter("fill:*"):
                client.delete(key)
        yield

    @contextmanager
    def redis_empty(self) -> Iterator[None]:
        """Kill a Redis in which runs wait, and start it again without them."""
        with self._redis() as client, self._a_run_waits(client):
            self.shared.redis.process.kill()
            self.shared.redis.process.wait(60)
            self.shared.start_redis()
        yield

    @contextmanager
    def _a_run_waits(self, client: "redis.Redis") -> Iterator[None]:
        """Stop all hosts meanwhile, so that the runs that are started wait in Redis."""
        hosts = list(self.cluster.hosts)
        for host in hosts:
            self.cluster.stop_host(host)
        wait_until(lambda: client.llen(QUEUE), "a run waits in Redis", timeout=PATIENCE)
        yield
        for host in hosts:
            self.cluster.start_host(host)

    @contextmanager
    def redis_killed(self) -> Iterator[None]:
        """Kill Redis, and start it again, empty."""
        self.shared.redis.process.kill()
        self.shared.redis.process.wait(60)
        yield
        self.shared.start_redis()

    def _host(self) -> str:
        found: list[str] = []
        wait_until(
            lambda: (host := self.host_at_work()) and not found.append(host), "a host is at work", timeout=PATIENCE
        )
        return found[-1]

    @contextmanager
    def _redis(self) -> Iterator["redis.Redis"]:
        with redis.Redis.from_url(self.shared.redis_url) as client:
            yield client

    def outage(self, name: str, lasts: float) -> Outage:
        """Have one, under load, and wait until all is processed and every run has an end."""
        outage, begun = Outage(name), utc()
        self.alerts.heard.clear()
        load = Load(self)
        load.start()
        wait_until(lambda: self.finished_since(begun) > AT_A_TIME, "the load is processed", timeout=PATIENCE)
        doing = getattr(self, name)()
        doing.__enter__()
        away, since = utc(), time.monotonic()
        looked = False
        while time.monotonic() - since < lasts:
            self.supervise(outage, since)
            if not looked and time.monotonic() - since > lasts / 2:
                looked, outage.doctor = True, self.doctor()
            time.sleep(0.25)
        doing.__exit__(None, None, None)
        outage.meanwhile = self.finished_since(away)
        back, clock = utc(), time.monotonic()

        def again() -> bool:
            self.supervise(outage, since)
            return self.finished_since(back) > 0

        wait_until(again, "events are processed again", timeout=PATIENCE)
        outage.recovered = time.monotonic() - clock
        self.say(f"{name}: an event was finished {outage.recovered:.0f} s after")
        wait_until(lambda: self.finished_since(back) > 2 * AT_A_TIME, "and more of them", timeout=PATIENCE)
        load.stop()

        def over() -> bool:
            self.supervise(outage, since)
            return self.worker.queries.unfinished() == 0

        wait_until(over, "all is processed", timeout=PATIENCE)
        self.say(f"{name}: all was processed {time.monotonic() - clock:.0f} s after")
        wait_until(lambda: self._runs_over(outage, since), "every run has an end", timeout=PATIENCE)
        self.say(f"{name}: every run had an end {time.monotonic() - clock:.0f} s after")
        for run in self.instance.get_runs(dg.RunsFilter(created_after=begun)):
            outage.runs[f"{run.job_name} {run.status.value}: {self._why(run)}"] += 1
        outage.alerts = [heard.body["title"] + " " + heard.body["message"][:200] for heard in self.alerts.heard]
        return outage

    def _runs_over(self, outage: Outage, since: float) -> bool:
        self.supervise(outage, since)
        return all(run.is_finished for run in self.instance.get_runs(dg.RunsFilter(job_name=JOB)))

    def _why(self, run: dg.DagsterRun) -> str:
        if run.status is not dg.DagsterRunStatus.FAILURE:
            return ""
        texts = []
        for record in self.instance.all_logs(run.run_id):
            event = record.dagster_event
            if event is not None and event.event_type_value in {"PIPELINE_FAILURE", "STEP_FAILURE"}:
                error = getattr(event.event_specific_data, "error", None)
                texts.append(f"{event.message or ''} {error.message.strip()[:200] if error else ''}")
        return " / ".join(text.replace(run.run_id, "ID") for text in texts)[:500]


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
"""What is tried, and for how many seconds it lasts."""


def run_outages(names: list[str], *, seed: int, folder: Path, say: Say) -> list[str]:
    """Try each in its turn, and return what is wrong in the end."""
    folder.chmod(0o711)
    with ExitStack() as stack:
        network = stack.enter_context(Network(HOSTS))
        shared = stack.enter_context(services(folder))
        client = stack.enter_context(MongoClient[Document](shared.mongodb_url("admin"), tz_aware=True))
        worker = stack.enter_context(open_for(shared, "together"))
        code, ui = unused_port(), unused_port()
        own = {"WORKER_MAX_RUNS": "3", "WORKER_RUN_MAX_EVENTS": "30", "LOG_LEVEL": "warning"}
        own |= {"CODE_SERVER_HOST": "127.0.0.1", "CODE_SERVER_PORT": str(code)}
        alerts = stack.enter_context(stub_server())
        alerts.will(answers(200))
        own |= {"ALERT_URLS": f"json://127.0.0.1:{alerts.server_port}/", "PORT": str(unused_port())}
        cluster = Cluster(folder, network, {**shared.variables("together"), **SETTINGS, **own})
        stack.callback(cluster.stop)
        application = Application(Random(seed), utc() - timedelta(hours=1))
        worker.init_db()
        running = application.tasks(100 * len(names))
        running.write(client["together"], available_at=utc())
        worker.drain(until_empty=True)
        os.environ.update(cluster.variables)
        shutil.copy(Path(__file__).parents[2] / "deploy" / "workspace.yaml", folder)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(cluster.home("daemon"))))
        trial = Trial(
            shared, client, worker, cluster, instance, application, say, f"http://127.0.0.1:{ui}", alerts,
            running=running.created, written=[running],
        )  # fmt: skip
        python = [sys.executable, "-m"]
        workspace = ["--workspace", str(folder / "workspace.yaml")]
        grpc = ["dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(code)]
        for name, command in {
            "codeserver": [*grpc, "--module-name", "recurrence_pipeline.definitions"],
            "daemon": ["dagster._daemon", "run", *workspace],
            "webserver": ["dagster_webserver", "--port", str(ui), *workspace],
            "api": ["recurrence_pipeline", "api"],
        }.items():
            cluster.home(name)
            trial.programs[name] = cluster.start(name, [*python, *command])
            stack.callback(lambda name=name: cluster_kill(trial.programs[name]))
        for host in HOSTS:
            cluster.start_host(host)
        say("all programs are started")
        healthy = None
        for name in names:
            outage = trial.outage(name, OUTAGES[name])
            healthy = trial.doctor() if healthy is None else healthy
            say(f"== {name}: {outage}\n   doctor meanwhile: {[row for row in outage.doctor if row not in healthy]}")
        say(f"doctor at rest: {trial.doctor()}")
        work_alone(shared, client, trial.written)
        return findings(client["alone"], client["together"], worker)


def cluster_kill(program: ManagedProcess) -> None:
    """Kill a program, children included."""
    from recurrence_pipeline.local import processes  # noqa: PLC0415

    processes.kill(program.process)


def main() -> int:
    """Run those that are named, or all."""
    console = Console(width=200)
    if wanting := missing():
        console.print("\n".join(wanting))
        return 2
    began = time.monotonic()
    folder = Path(os.environ.get("RECURRENCE_CLUSTER_FOLDER") or tempfile.mkdtemp(prefix="recurrence-outages-"))
    folder.mkdir(exist_ok=True)
    found = run_outages(
        sys.argv[1:] or list(OUTAGES), seed=7, folder=folder,
        say=lambda text: console.print(f"{time.monotonic() - began:6.1f} s  {text}", highlight=False, markup=False),
    )  # fmt: skip
    for text in found:
        console.print(f"WRONG: {text}", highlight=False, markup=False)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
