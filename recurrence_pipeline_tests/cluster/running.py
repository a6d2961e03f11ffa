"""The trial: backlogs for one, two and three hosts; for three of which one is stopped; for three of which two are lost.

What is on which host, and what is compared in the end, is said elsewhere.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random

import dagster as dg
from pymongo import MongoClient
from pymongo.database import Database

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.orchestration.run_leases import SHARD
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.cluster.backlog import COMPLETED, DELETED, Application, Backlog
from recurrence_pipeline_tests.cluster.findings import findings
from recurrence_pipeline_tests.cluster.hosts import Cluster
from recurrence_pipeline_tests.cluster.network import Network
from recurrence_pipeline_tests.cluster.services import Services, services
from recurrence_pipeline_tests.waiting import wait_until

HOSTS = ["host1", "host2", "host3"]
CUT_OFF, KILLED, STOPPED = HOSTS
BACKLOGS = 5
SETTINGS = {
    "WORKER_MAX_RUNS": str(len(HOSTS)),
    "WORKER_BATCH_SIZE": "100",
    "WORKER_LEASE": "30000",
    "WORKER_LEASE_MARGIN": "5000",
    "WORKER_IDLE_TIMEOUT": "2000",
    "LOG_LEVEL": "error",
}
BEGINNING = timedelta(seconds=5)
"""From writing a backlog until it is due: it is then due all at once."""
PATIENCE = timedelta(minutes=15)
JOB = "process_task_events"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Phase:
    """What one backlog came to."""

    name: str
    events: int
    seconds: float
    database_busy: float
    """The share of that time in which the database's one process was computing."""
    by_host: Counter[str]
    by_lane: Counter[str]

    @property
    def rate(self) -> float:
        """Events a second, from the first that was held to the last that ended."""
        return self.events / self.seconds


@dataclass
class Report:
    """What happened, and what is wrong in the end."""

    phases: list[Phase] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    taken_over: int = 0
    findings: list[str] = field(default_factory=list)


def run_cluster(events: int, *, seed: int, folder: Path, say: Say) -> Report:
    """Run it in an empty folder.

    Raises:
        AssertionError: something that was waited for did not come.
    """
    folder.chmod(0o711)  # PostgreSQL is another user
    with ExitStack() as stack:
        network = stack.enter_context(Network(HOSTS))
        shared = stack.enter_context(services(folder))
        say("PostgreSQL, Redis and the database are up")
        client = stack.enter_context(MongoClient[Document](shared.mongodb_url("admin"), tz_aware=True))
        worker = stack.enter_context(open_for(shared, "together"))
        trial = Trial(shared, client, worker, Application(Random(seed), utc() - timedelta(hours=1)), say)
        trial.prepare(events)
        of_a_run = {"WORKER_RUN_MAX_EVENTS": str(events // 6)}  # few enough for a run on each host
        cluster = Cluster(folder, network, {**shared.variables("together"), **SETTINGS, **of_a_run})
        stack.callback(cluster.stop)
        with cluster.start_daemon() as instance:
            return trial.run(cluster, instance, events)


def open_for(shared: Services, database: str) -> Worker:
    """Open a worker that waits while the database writes to a slow disk: what is tried is how the hosts take that."""
    own = {"MONGODB_URL": shared.mongodb_url(database), "WORKER_TIMEOUT": "60000"}
    return open_worker(Settings.from_environment({**SETTINGS, **own}))


@dataclass
class Trial:
    """One database that the hosts work on, and one with the same documents that one worker works on in the end."""

    shared: Services
    client: MongoClient[Document]
    worker: Worker
    application: Application
    say: Say

    def __post_init__(self) -> None:
        self._running: list[Document] = []
        self._written: list[Backlog] = []
        self._report = Report()

    @property
    def together(self) -> Database[Document]:
        """What the hosts work on."""
        return self.client["together"]

    def prepare(self, events: int) -> None:
        """Have series that are running, the same ones in both databases."""
        self.worker.init_db()
        running = self.application.tasks(int(events * BACKLOGS * (COMPLETED + DELETED)))
        running.write(self.together, available_at=utc())
        self.worker.drain(until_empty=True)
        self._running = running.created
        for name in ("tasks", "useractivities", "counters", "task_events", "worker_state"):
            documents = list(self.together[name].find())
            for start in range(0, len(documents), 500):
                self.client["alone"][name].insert_many(documents[start : start + 500])
        self.say(f"{len(self._running)} series are running")

    def run(self, cluster: Cluster, instance: dg.DagsterInstance, events: int) -> Report:
        """Process a backlog with more and more hosts; then one while hosts go; then look."""
        for number, name in enumerate(HOSTS, 1):
            cluster.start_host(name)
            self._phase(f"{number} host{'s' * (number > 1)}", events, cluster, instance)
        self._phase("1 of 3 stopped", events, cluster, instance, meanwhile=self._stop_host)
        self._phase("2 of 3 lost", events, cluster, instance, meanwhile=self._lose_hosts)
        cluster.network.connect(CUT_OFF)
        self.say(f"{CUT_OFF} is connected again")
        wait_until(
            lambda: all(run.is_finished for run in instance.get_runs()), "every run has an end", timeout=PATIENCE
        )
        for run in instance.get_runs(dg.RunsFilter(job_name=JOB)):
            self._report.runs[f"{cluster.host_of(run) or 'nowhere'}: {run.status.value}"] += 1
        self._report.taken_over = self.together["task_events"].count_documents({"lease.deaths.0": {"$exists": True}})
        self._work_alone()
        self._report.findings += findings(self.client["alone"], self.together, self.worker)
        return self._report

    def _phase(
        self,
        name: str,
        events: int,
        cluster: Cluster,
        instance: dg.DagsterInstance,
        *,
        meanwhile: "Callable[[Cluster, dg.DagsterInstance, int], None] | None" = None,
    ) -> None:
        backlog = self.application.backlog(events, self._running)
        self._running = self._running[: -used(backlog)]
        due = utc() + BEGINNING
        backlog.write(self.together, available_at=due)
        self._written.append(backlog)
        before = _computed(self.shared.mongodb.process.pid), time.monotonic()
        if meanwhile is not None:
            meanwhile(cluster, instance, len(backlog.events))
        wait_until(lambda: self.worker.queries.unfinished() == 0, f"{name}: all is processed", timeout=PATIENCE)
        busy = (_computed(self.shared.mongodb.process.pid) - before[0]) / (time.monotonic() - before[1])
        phase = self._measured(name, backlog, busy, cluster, instance)
        self._report.phases.append(phase)
        self.say(f"{name}: {phase.events} events, {phase.rate:.0f} a second; by host {dict(phase.by_host)}")

    def _lose_hosts(self, cluster: Cluster, instance: dg.DagsterInstance, events: int) -> None:
        """Cut off one host and kill another, each while it holds events."""
        for host, share, lose in ((CUT_OFF, 0.1, cluster.network.cut_off), (KILLED, 0.3, cluster.kill_host)):
            wait_until(
                lambda share=share, host=host: (  # type: ignore[misc]
                    self.worker.queries.unfinished() < events * (1 - share) and host in self._at_work(cluster, instance)
                ),
                f"{host} is at work, and some of it is done",
                timeout=PATIENCE,
            )
            lose(host)
            left = self.worker.queries.unfinished()
            assert left, "it is lost in the middle"
            self.say(f"{host} is {'cut off' if host == CUT_OFF else 'killed'}, with {left} events to go")

    def _stop_host(self, cluster: Cluster, instance: dg.DagsterInstance, _events: int) -> None:
        """Stop a host while it holds events, and start it again."""
        wait_until(lambda: STOPPED in self._at_work(cluster, instance), f"{STOPPED} is at work", timeout=PATIENCE)
        cluster.stop_host(STOPPED)
        left = self.worker.queries.unfinished()
        if STOPPED in self._at_work(cluster, instance):
            self._report.findings.append(f"{STOPPED} was stopped and still holds events: they wait for its lease")
        self.say(f"{STOPPED} is stopped, with {left} events to go")
        cluster.start_host(STOPPED)

    def _at_work(self, cluster: Cluster, instance: dg.DagsterInstance) -> set[str]:
        """Return the hosts whose runs hold events."""
        runs = [instance.get_run_by_id(run_id) for run_id in self.worker.queries.runs_at_work()]
        return {cluster.host_of(run) for run in runs if run is not None}

    def _measured(
        self, name: str, backlog: Backlog, busy: float, cluster: Cluster, instance: dg.DagsterInstance
    ) -> Phase:
        ids = {event["_id"] for event in backlog.events}
        done = [event for event in self.together["task_events"].find() if event["_id"] in ids]
        seconds = (max(e["finishedAt"] for e in done) - min(e["startedAt"] for e in done)).total_seconds()
        by_run = Counter(event["runId"] for event in done)
        by_host: Counter[str] = Counter()
        by_lane: Counter[str] = Counter()
        for run_id, count in by_run.items():
            run = instance.get_run_by_id(run_id)
            assert run is not None
            by_host[cluster.host_of(run)] += count
            by_lane[run.tags[SHARD]] += count
        return Phase(name, len(done), seconds, busy, by_host, by_lane)

    def _work_alone(self) -> None:
        work_alone(self.shared, self.client, self._written)
        self.say("one worker has done the same, on the same documents")


def work_alone(shared: Services, client: MongoClient[Document], written: Sequence[Backlog]) -> None:
    """Have one worker do all of it, on the other database."""
    with open_for(shared, "alone") as worker:
        worker.init_db()
        for backlog in written:
            backlog.write(client["alone"], available_at=utc())
            worker.drain(until_empty=True)


def utc() -> datetime:
    """Return the time now."""
    return datetime.now(timezone.utc)


def used(backlog: Backlog) -> int:
    """Return how many running series a backlog has used up."""
    return len(backlog.completed) // 2 + len(backlog.deleted)


def _computed(pid: int) -> float:
    """Return the seconds of processor time that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
