"""The sign of life of a run: the leases it holds. When runs are started, or given up, for want of it is in sensors.py.

Dagster shows a run whose machine died as started until its longest run time is over, a quarter of an hour. A run that
works on events holds leases and renews them while it works, so that we know better: within a lease, and for each run.

A run has a shard of the queue, which is told by a tag of its own, with the number of shards, so that a worker need not
be told. No limit of Dagster's run queue is put on it: a run that died with its machine would keep its shard from
everybody until Dagster notices. What a shard is for is in domain/shards.py.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from re import fullmatch

import dagster as dg

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import InvalidInput, RecurrenceError
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.shards import WHOLE_QUEUE, Shard
from recurrence_pipeline.orchestration.executor import ASKED
from recurrence_pipeline.orchestration.own import is_elsewhere
from recurrence_pipeline.orchestration.resources import WorkerResource
from recurrence_pipeline.worker.signals import StopRequest, defer_signals, stop_on_signal

WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
"""Runs that have leased nothing yet. Those that never start are ended by Dagster, after its start timeout."""

BEGUN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

IN_FLIGHT = [*WAITING, *BEGUN]


SHARD = "recurrence/shard"
ALIVE = ".dagster/recurrence_alive"
"""The tag of a run that waits for more events and holds none: when it last said that it lives, in Unix seconds.

Tags with this prefix of Dagster's are on no page."""


class RunLeases:
    """What one run holds; and its sign of life while it holds nothing."""

    def __init__(self, worker: WorkerResource, instance: dg.DagsterInstance | None, run: dg.DagsterRun | None) -> None:
        self.shard = shard_of_run(run.tags if run else {})
        self._worker = worker
        self._instance = instance
        self._run_id = run.run_id if run else None
        self._taken = False
        between_ops = ASKED.get()
        self._requests: list[StopRequest] = [between_ops] if between_ops else []
        self._beaten = utc_now()

    @contextmanager
    def until_stopped(self) -> Iterator[Callable[[], bool]]:
        """Take SIGINT or SIGTERM in the block for a request to stop, and yield what says whether to go on.

        Whoever comes to it later in the run is told so too. A second signal acts as Dagster has it.
        """
        with stop_on_signal() as request:
            self._requests.append(request)
            yield lambda: not any(each.asked() for each in self._requests)

    def beat(self) -> None:
        """Say that the run lives, if it has not said so for a third of a lease."""
        now = utc_now()
        if self._instance is not None and self._run_id and now - self._beaten > self._worker.settings.lease / 3:
            self._instance.add_run_tags(self._run_id, {ALIVE: str(now.timestamp())})
            self._beaten = now

    def take(self, limit: int) -> list[TaskEvent]:
        """Hold up to `limit` due events in the name of this run, those of its shard first."""
        self._taken = True
        return self._worker.open().lease(limit, run_id=self._run_id, shard=self.shard)

    def give_back(self) -> None:
        """Let go of what was not processed, and leave word of this host.

        Else each of its leases runs out, which looks like a death of its holder, and its events are suspected.
        Where the database is away, nothing else can be done.
        """
        if self._taken and self._run_id is not None:
            with suppress(RecurrenceError):
                self._worker.open().release_run(self._run_id)
                self._worker.open().tell_host()


@dg.resource(
    required_resource_keys={"worker"},
    description="The events that a run holds; what is left of them is given back however the run ends, if it can.",
)
def run_leases(context: dg.InitResourceContext) -> Iterator[RunLeases]:  # noqa: D103 (Dagster shows the description above)
    leases = RunLeases(context.resources.worker, context.instance, context.run)
    try:
        yield leases
    finally:
        # The run ends by itself: no signal need end it.
        with stop_on_signal(), defer_signals():
            leases.give_back()


@dataclass(frozen=True, slots=True)
class InFlight:
    """The runs that work on events, and of those the ones that have not begun; and how many are in each shard."""

    total: int
    waiting: int = 0
    shards: Mapping[int, int] = field(default_factory=dict)


def runs_in_flight(
    instance: dg.DagsterInstance, worker: Worker, *, job: str, location: str | None, lease: timedelta, now: datetime
) -> InFlight:
    """Count the runs of a job that wait, or that live: that gave a sign of it within the last lease, or hold an event.

    Raises:
        DatabaseUnavailable: where the database is away.
    """
    records = _runs_of(instance, job, location, IN_FLIGHT)
    old = [record for record in records if is_silent(record, now, lease)]
    dead = {run.run_id for run in _lifeless(old, worker)}
    living = [record.dagster_run for record in records if record.dagster_run.run_id not in dead]
    waiting = sum(1 for run in living if run.status in WAITING)
    return InFlight(len(living), waiting, runs_by_shard(run.tags for run in living))


def dead_runs(
    instance: dg.DagsterInstance, worker: Worker, *, job: str, location: str | None, lease: timedelta, now: datetime
) -> list[dg.DagsterRun]:
    """Return the runs of a job in a code location that gave no sign of life for two leases and hold no event.

    Raises:
        DatabaseUnavailable: where the database is away.
    """
    records = _runs_of(instance, job, location, [dg.DagsterRunStatus.STARTED])
    return _lifeless([record for record in records if is_silent(record, now, 2 * lease)], worker)


def _runs_of(
    instance: dg.DagsterInstance, job: str, location: str | None, statuses: list[dg.DagsterRunStatus]
) -> list[dg.RunRecord]:
    """Return the runs of a job, but not those of a job that another code location calls the same."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=statuses))
    return [record for record in records if not is_elsewhere(record.dagster_run, location)]


def is_silent(record: dg.RunRecord, now: datetime, longest: timedelta) -> bool:
    """Say whether a run has begun, and neither that nor a beat of it is younger than `longest`.

    A sign that lies further ahead than that was dated by a clock that was ahead, and says nothing. Then the run counts
    from when it was made, by the clock of the history.
    """
    if record.dagster_run.status not in BEGUN or record.start_time is None:
        return False
    signs = [record.start_time, _seconds(record.dagster_run.tags.get(ALIVE)), record.create_timestamp.timestamp()]
    believed = [sign for sign in signs if sign <= (now + longest).timestamp()]
    return max(believed, default=0) < (now - longest).timestamp()


def _seconds(text: str | None) -> float:
    """Read the tag of a beat; anybody may have written it."""
    try:
        return float(text or 0)
    except ValueError:
        return 0


def _lifeless(records: list[dg.RunRecord], worker: Worker) -> list[dg.DagsterRun]:
    """Return the runs that hold no event; without records the database is not asked."""
    at_work = worker.queries.runs_at_work() if records else set()
    return [record.dagster_run for record in records if record.dagster_run.run_id not in at_work]


def tag_of(shard: Shard) -> dict[str, str]:
    """Return the tag of a run in this shard, counted from 1 as people do: `2 of 3`; none where there is but one."""
    if shard.of == 1:
        return {}
    return {SHARD: f"{shard.number + 1} of {shard.of}"}


def shard_of_run(tags: Mapping[str, str]) -> Shard:
    """Return the shard of a run with these tags; one that was started by hand, without a tag, takes what it finds.

    Raises:
        InvalidInput: the tag names no shard.
    """
    if SHARD not in tags:
        return WHOLE_QUEUE
    shard = _named(tags[SHARD])
    if shard is None:
        raise InvalidInput(f"{SHARD}: {tags[SHARD]!r} is not a shard such as '2 of 3'")
    return shard


def runs_by_shard(runs: Iterable[Mapping[str, str]]) -> Mapping[int, int]:
    """Count runs, given by their tags, by the numbers of their shards; those without one count nowhere."""
    shards = [_named(tags.get(SHARD, "")) for tags in runs]
    return Counter(shard.number for shard in shards if shard is not None)


def shards_to_start(runs: int, shards: int, at_work: Mapping[int, int]) -> list[Shard]:
    """Return the shards of the next `runs`: each time the one in which the fewest are, counting those before.

    `at_work` has how many runs are in a shard, by its number.
    """
    counts = Counter({number: at_work.get(number, 0) for number in range(shards)})
    chosen = []
    for _ in range(runs):
        number = min(counts, key=lambda shard: (counts[shard], shard))
        counts[number] += 1
        chosen.append(Shard(number, shards))
    return chosen


def _named(text: str) -> Shard | None:
    found = fullmatch(r"(\d{1,4}) of (\d{1,4})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        return None
    return Shard(int(found[1]) - 1, int(found[2]))
