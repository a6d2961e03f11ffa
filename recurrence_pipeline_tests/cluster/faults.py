"""What is done to the system, for as long as a block lasts. What is measured and compared is said in outages.py."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dagster as dg
import redis
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline_tests.cluster.hosts import Cluster
from recurrence_pipeline_tests.cluster.services import Services
from recurrence_pipeline_tests.waiting import wait_until

PATIENCE = timedelta(minutes=15)
QUEUE = "dagster"


@dataclass
class Faults:
    """Each public method is one.

    `burst` writes more events than there are places for runs, in `quiet` nobody else writes any, and `at_rest` returns
    once nothing is to be done and no run is left.
    """

    shared: Services
    cluster: Cluster
    instance: dg.DagsterInstance
    worker: Worker
    burst: Callable[[], None]
    quiet: AbstractContextManager[object]
    at_rest: Callable[[], None]
    say: Callable[[str], None]

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
            host, *others = hosts = list(self.cluster.hosts)
            for other in others:
                self.cluster.stop_host(other)
            with self.quiet:
                self.at_rest()
                for pid in self._children(host):
                    os.kill(pid, signal.SIGSTOP)
                self.burst()
                wait_until(lambda: client.hlen("unacked"), "a run is taken and not begun", timeout=PATIENCE)
            taken = [json.loads(each)[0]["headers"]["id"] for each in client.hvals("unacked")]
            self.cluster.kill_host(host)
            for name in hosts:
                self.cluster.start_host(name)
            runs = [run for run in self.instance.get_runs() if run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) in taken]
            self.say(f"taken and not begun: {[(run.run_id, run.status.value) for run in runs]}")
            yield
            wait_until(lambda: self._finished(runs), "it is given up", timeout=PATIENCE)
            for tag in client.zscan_iter("unacked_index"):
                client.zadd("unacked_index", {tag[0]: 0})  # as if the visibility timeout, an hour, had passed
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
            self.burst()
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
        """Return a host whose run holds events."""
        found: list[str] = []

        def at_work() -> bool:
            runs = map(self.instance.get_run_by_id, self.worker.queries.runs_at_work())
            found.extend(host for run in runs if run is not None and (host := self.cluster.host_of(run)))
            return bool(found)

        wait_until(at_work, "a host is at work", timeout=PATIENCE)
        return found[0]

    @contextmanager
    def _redis(self) -> Iterator["redis.Redis"]:
        with redis.Redis.from_url(self.shared.redis_url) as client:
            yield client
