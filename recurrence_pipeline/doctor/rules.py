"""What the doctor makes of what it sees in the database: observed values -> well or not, and what to do. Pure.

Who looks is doctor/database.py. What else a running system has (ports, Dagster, disks) is judged in doctor/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.maintenance.checks import CheckResult
from recurrence_pipeline.storage.database_checks import Server
from recurrence_pipeline.storage.heartbeats import ALIVE, OFF, OPENING
from recurrence_pipeline.storage.hosts import HostSeen

OLDEST_SERVER = (5, 0)
WAITING_LONG, WAITING_TOO_LONG = timedelta(minutes=5), timedelta(minutes=15)
LATELY = timedelta(days=1)
"""How recent a slot that two workers filled must be for both to count as running."""


@dataclass(frozen=True, slots=True)
class HealthCheckResult:
    """One row of what the doctor says: what was found and, where it is not well, what to do."""

    severity: Severity
    name: str
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as plain data."""
        level = "warn" if self.severity is Severity.WARNING else self.severity.value  # the words of `--json`
        return {"name": self.name, "level": level, "found": self.found, "advice": self.advice}


ok, warn, fault = (partial(HealthCheckResult, s) for s in (Severity.OK, Severity.WARNING, Severity.ERROR))


@dataclass(frozen=True, slots=True)
class Work:
    """How the queue moves: events that are due, since when the oldest is, events held by a living worker.

    `moved` says whether an event ended lately.
    """

    due: int
    oldest: datetime | None
    held: int
    moved: bool


@dataclass(frozen=True, slots=True)
class Clashes:
    """Slots with two tasks; of those, the ones that this worker and another filled, and when that was last."""

    slots: int = 0
    of_two_workers: int = 0
    latest: datetime | None = None


def judge_version(server: Server) -> HealthCheckResult:
    """MongoDB 5.0 is the oldest that has all the work needs."""
    try:
        numbers = tuple(int(part) for part in server.version.split(".")[:2])
    except ValueError:
        return warn("database version", f"{server.version!r}", "See that it is MongoDB 5.0 or newer.")
    if numbers < OLDEST_SERVER:
        return fault("database version", server.version, "Upgrade MongoDB to 5.0 or newer.")
    return ok("database version", server.version)


def judge_writes(server: Server) -> HealthCheckResult:
    """Say whether a write that was acknowledged survives (MongoDB manual, "Write Concern")."""
    w, journal = server.write_concern.get("w"), server.write_concern.get("j")
    where = f"replica set {server.replica_set}" if server.replica_set else "standalone"
    found = f"w: {'the default' if w is None else w}, journal: {'the default' if journal is None else journal}, {where}"
    majority = w == "majority" or (w is None and server.replica_set is not None)
    if w == 0:
        return fault("write concern", found, "Take w=0 out of MONGODB_URL: nobody would notice a write that failed.")
    if server.replica_set is not None and not majority:
        advice = "Put w=majority into MONGODB_URL: what one member alone has is rolled back when another takes over."
        return warn("write concern", found, advice)
    if journal is False or (journal is None and not majority):
        advice = "Put journal=true into MONGODB_URL: a crash of the server loses up to 100 ms of acknowledged writes."
        return warn("write concern", found, advice)
    return ok("write concern", found)


def judge_clock(server: Server, margin: timedelta) -> HealthCheckResult:
    """Compare the clocks: leases end by this machine's, and WORKER_LEASE_MARGIN is what they may differ by."""
    seconds = abs(server.ahead).total_seconds()
    found = f"the database is {seconds:.1f} s {'ahead' if server.ahead > timedelta(0) else 'behind'}"
    advice = "Have NTP set the clocks of all machines (timedatectl), or raise WORKER_LEASE_MARGIN and WORKER_LEASE."
    if abs(server.ahead) >= margin:
        return fault("clock", found, advice)
    if abs(server.ahead) >= margin / 4:
        return warn("clock", found, advice)
    return ok("clock", found)


def judge_hosts(this: HostSeen, others: Sequence[HostSeen], now: datetime) -> HealthCheckResult:
    """Compare the time zone data of the hosts: where they differ, two of them give one slot two times."""
    name, hosts = "time zones of hosts", [this, *others]
    if len({host.version for host in hosts}) > 1:
        shown = (
            f"{host.name} {host.version or 'an unknown version'} ({host.source})"
            + (f" {(now - host.seen).total_seconds() / 60:.0f} min ago" if host.seen else "")
            for host in hosts
        )
        advice = "Bring all to the newest (pip install --upgrade tzdata), and start their programs again."
        return warn(name, f"they differ: {', '.join(shown)}", advice)
    found = f"{this.version or 'an unknown version'} on each of {len(hosts)}" if others else "no other worked in a day"
    return ok(name, found)


def judge_parts(parts: Sequence[Mapping[str, Any]]) -> HealthCheckResult:
    """Say which of the parts that left heartbeats leave none any more; rows as in monitoring/heartbeat_rules.py."""
    still = [part for part in parts if part["standsStill"]]
    if still:
        found = ", ".join(f"{p['part']} on {p['where']} since {p['seenAt']:%Y-%m-%d %H:%M} UTC" for p in still)
        advice = "Its log may say why; start it again. One that is gone for good is forgotten after 2 days."
        return fault("parts", f"stands still: {found}", advice)
    alive = ", ".join(f"{part['part']} on {part['where']}" for part in parts)
    found = f"alive: {alive}" if alive else "neither Dagster, the API nor a worker that stays has run lately"
    return ok("parts", found)


def judge_streams(parts: Sequence[Mapping[str, Any]], server: Server) -> HealthCheckResult:
    """Say who is woken by changes. Without a stream nothing is lost, and whoever waits looks all the time instead."""
    name = "change streams"
    listeners = [part for part in parts if part["changeStream"] is not None and not part["standsStill"]]
    if not listeners:
        return ok(name, "nobody listens")
    found = ", ".join(f"{part['part']} on {part['where']}: {part['changeStream']}" for part in listeners)
    if server.replica_set is not None and any(part["changeStream"] not in {ALIVE, OFF, OPENING} for part in listeners):
        advice = "Work is found by looking, with more queries. Its log says more; the role needed is readWrite."
        return warn(name, found, advice)
    return ok(name, found)


def judge_watermark(watermark: datetime | None, now: datetime) -> HealthCheckResult:
    """Say what the reconciliation leaves alone."""
    if watermark is None:
        return ok("watermark", "none: every series is reconciled")
    found = f"series from before {watermark:%Y-%m-%d %H:%M} UTC are not reconciled"
    if watermark > now:
        advice = "It lies in the future: set the clocks right; `recurrence backfill` has everything reconciled."
        return warn("watermark", found, advice)
    return ok("watermark", found, "To have them reconciled too: recurrence backfill")


def judge_check(result: CheckResult, label: str) -> HealthCheckResult:
    """Turn the result of a check on the data into a row."""
    if not result.count:
        return ok(label, "nothing is wrong")
    check, samples = result.check, "; ".join(", ".join(map(str, sample.values())) for sample in result.samples[:3])
    repair = f" (recurrence check --repair --only {check.name} --yes)" if check.repairable else ""
    return HealthCheckResult(check.severity, label, f"{result.count}: {samples}", check.hint + repair)


def judge_data(errors: Mapping[str, int]) -> HealthCheckResult:
    """Say which checks on the tasks found an error, and how often."""
    if errors:
        found = ", ".join(f"{name}: {count}" for name, count in sorted(errors.items()))
        return fault("data", found, "recurrence check says more, and what to do about each.")
    return ok("data", "the checks on the tasks find no error")


def judge_queue(work: Work, now: datetime) -> HealthCheckResult:
    """Say how long the oldest event has been due."""
    if work.oldest is None:
        return ok("queue", "nothing is due")
    age = now - work.oldest
    found = f"{work.due} due, the oldest for {lasting(age)}"
    advice = "See that a worker runs (below). If one does, it is too slow: raise WORKER_MAX_RUNS, look at the database."
    if age > WAITING_LONG:
        return (fault if age > WAITING_TOO_LONG else warn)("queue", found, advice)
    return ok("queue", found)


def judge_worker(work: Work, now: datetime, patience: timedelta) -> HealthCheckResult:
    """Say whether events are being processed; where none is due, nobody can tell from the database."""
    if work.held:
        return ok("worker", f"{work.held} events are being worked on")
    if work.moved:
        return ok("worker", "events ended in the last minutes")
    if work.oldest is None or now - work.oldest <= patience:
        return ok("worker", "nothing has been waiting for one")
    found = f"{work.due} events are due, and nobody works on them"
    advice = "Start dagster-daemon, and turn task_event_sensor on; meanwhile: recurrence process --until-empty"
    return fault("worker", found, advice)


def judge_dead_letters(failed: int, rejected: int) -> HealthCheckResult:
    """Say how many events wait for a person. A rejected one is an answer to its user; a failed one is nobody's."""
    found = f"{failed} failed, {rejected} rejected"
    if failed:
        advice = "recurrence events --status failed says why. Repair the cause, then: recurrence replay --status failed"
        return warn("dead letters", found, advice)
    return ok("dead letters", found)


def judge_clashes(clashes: Clashes, now: datetime) -> HealthCheckResult:
    """Say whether the original worker works beside this one: both fill the same slots, each in its own way."""
    name = "two workers"
    if clashes.of_two_workers:
        since = f", last at {clashes.latest:%Y-%m-%d %H:%M} UTC" if clashes.latest else ""
        found = f"{clashes.of_two_workers} slots were filled by this worker and by another{since}"
        tidy = "delete the tasks that are not wanted, in the application (recurrence check --only slot_clashes)"
        if clashes.latest is not None and now - clashes.latest < LATELY:
            watched = "recurrence switch --step stop says whether the previous one is at work"
            return fault(name, found, f"Stop one of the two workers ({watched}). Then {tidy}.")
        return warn(name, found, f"They do not both run now: {tidy}.")
    if clashes.slots:
        found = f"{clashes.slots} slots have two tasks, none of them by two workers"
        return warn(name, found, "Left by the previous worker: recurrence check --only slot_clashes")
    return ok(name, "no slot is filled twice")
