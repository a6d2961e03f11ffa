"""The steps of the switch. Each asks the database for what it needs, and does what a command of its own does.

Nothing is remembered from one step to the next but by the database itself, so that a step may be done again, and a
switch that was cut off goes on where it was. What the traces of the previous worker say is decided in rules.py.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.maintenance.checks import CURSOR_BEHIND
from recurrence_pipeline.shadow.rules import Verdict as Fault
from recurrence_pipeline.storage.previous_worker import PreviousWorker, Traces
from recurrence_pipeline.switch.names import THERE, Step
from recurrence_pipeline.switch.rules import Verdict, Watched, watched
from recurrence_pipeline.worker.signals import stop_on_signal

PAUSE = 2.0
"""In seconds, between two looks at what the previous worker writes."""
SHOWN = 5
ANY_TIME = "It only reads, and may be done at any time."

ADVICE = {
    Verdict.AT_WORK: "Every process of the application must send /internal to this worker's API, or write events.",
    Verdict.UNKNOWN: "Create a recurring task in the application, and do this step again. Where that cannot be done, "
    "and you know that the previous worker stands still: --allow-quiet",
}


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step came to: whether the next one may follow, what was found, and what is to be done by a person."""

    step: Step
    done: bool
    found: tuple[str, ...]
    advice: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "step": self.step.value,
            "done": self.done,
            "found": list(self.found),
            "advice": list(self.advice),
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the steps are done: what the shadow compares, how many seconds are watched, whether a silence is enough."""

    since: datetime
    watch: float = 60.0
    allow_quiet: bool = False


class Switch:
    """Does the steps on the database of a worker; `wait` is called with seconds."""

    def __init__(self, worker: Worker, wanted: Wanted, *, wait: Callable[[float], None] = time.sleep) -> None:
        self._worker = worker
        self._wanted = wanted
        self._wait = wait
        self._previous = PreviousWorker(worker.mongo, read_chunk=worker.settings.read_chunk)
        self._first: Traces | None = None
        self._steps: Mapping[Step, Callable[[], StepResult]] = {
            Step.SHADOW: self._shadow,
            Step.INIT_DB: self._init_db,
            Step.BACKFILL: self._backfill,
            Step.STOP: self._stop,
            Step.GO: self._go,
            Step.BACK: self._back,
        }

    def run(self, step: Step) -> StepResult:
        """Do a step.

        Raises:
            DatabaseUnavailable: the database is away, or the step before was not done on it.
        """
        return self._steps[step]()

    def overview(self) -> list[StepResult]:
        """Say, of each step on the way there, whether the database shows it to be done; nothing is written."""
        if not self._previous.has_series():
            return [self._no_series(Step.SHADOW)]
        try:
            mark = self._prepared()
        except DatabaseUnavailable as error:
            said = {Step.SHADOW: ANY_TIME, Step.INIT_DB: str(error)}
            return [StepResult(step, done=False, found=(said.get(step, "After init-db."),)) for step in THERE]
        waits = "None: every series is reconciled." if mark is None else f"Series from before {_at(mark)} wait for it."
        found = self._look()
        silent = found.verdict is Verdict.SILENT
        alive, unfinished = self._alive(), self._worker.queries.unfinished()
        works = f"Alive: {', '.join(alive) or 'nothing'}; {counted(unfinished, 'event')} unfinished."
        return [
            StepResult(Step.SHADOW, done=True, found=(ANY_TIME,)),
            StepResult(Step.INIT_DB, done=True, found=("The database is prepared.",)),
            StepResult(Step.BACKFILL, done=silent or mark is None, found=(waits,)),
            StepResult(Step.STOP, done=silent, found=tuple(_said(found))),
            StepResult(Step.GO, done=silent and bool(alive), found=(works,)),
        ]

    def remaining(self) -> list[Step]:
        """Return the steps that are still to be done, by what the database shows."""
        steps = self.overview()
        begin = next((each.step for each in steps if not each.done), None)
        return [] if begin is None else list(THERE[THERE.index(begin) :])

    def _shadow(self) -> StepResult:
        if not self._previous.has_series():
            return self._no_series(Step.SHADOW)
        report = self._worker.shadow.compare(self._wanted.since)
        faults = {verdict.value: report.faults[verdict] for verdict in Fault if report.faults[verdict]}
        same, judged = report.verdicts[Fault.SAME], report.verdicts.total()
        told = ", ".join(f"{verdict}: {count}" for verdict, count in faults.items()) or "none"
        found = (
            f"{counted(judged, 'series', 'series')} since {_at(self._wanted.since)}, {same} the same; faults: {told}."
        )
        figures = {"series": judged, "same": same, "faults": report.faults.total()}
        advice = ("The worst of them, with reasons: recurrence shadow",) if faults else ()
        return StepResult(Step.SHADOW, done=True, found=(found,), advice=advice, figures=figures)

    def _init_db(self) -> StepResult:
        if not self._previous.has_series():
            return self._no_series(Step.INIT_DB)
        report = self._worker.init_db()
        self._prepared()
        left = [f"Left out: {name}: {why}" for name, why in report.left_out.items()]
        added = f"{len(report.added)} added." if report.added else "Everything was there already."
        figures = {"added": len(report.added), "leftOut": len(left)}
        return StepResult(Step.INIT_DB, done=True, found=(added, *report.added, *left), figures=figures)

    def _backfill(self) -> StepResult:
        self._prepared()
        backlog = self._worker.backfill.backlog()
        figures = {"lookedAt": backlog.looked_at, "series": backlog.series, "occurrences": backlog.occurrences}
        if backlog.watermark is None:
            return StepResult(Step.BACKFILL, done=True, found=("Every series is reconciled.",), figures=figures)
        found = (
            f"Of {counted(backlog.looked_at, 'task')}: {backlog.series} series from before {_at(backlog.watermark)} "
            f"would be continued, with {counted(backlog.occurrences, 'new occurrence')}; nothing was written."
        )
        advice = "They go on when an event names them. To have all continued, after `go`: recurrence backfill --yes"
        return StepResult(Step.BACKFILL, done=True, found=(found,), advice=(advice,), figures=figures)

    def _stop(self) -> StepResult:
        self._prepared()
        result, alive = self._judged(Step.STOP, self._watch()), self._alive()
        ours = f"Of this worker is alive: {', '.join(alive) or 'nothing; events wait until `go`'}."
        return replace(result, found=(*result.found, ours), figures={**result.figures, "alive": alive})

    def _go(self) -> StepResult:
        self._prepared()
        if not (stopped := self._judged(Step.GO, self._watch())).done:
            return stopped
        events = self._process()
        (repair,) = self._worker.consistency.repair([CURSOR_BEHIND.name], dry_run=False)
        if not (still := self._judged(Step.GO, self._look())).done:
            return still
        alive = self._alive()
        found = (
            *stopped.found,
            f"{counted(events, 'event')} processed.",
            f"{counted(repair.repaired, 'cursor')} moved past what the previous worker made meanwhile.",
            f"Alive: {', '.join(alive)}." if alive else "Neither Dagster nor the API runs.",
        )
        start = () if alive else ("Start the rest: systemctl start recurrence.target, or recurrence up",)
        advice = (*start, "Turn reconcile_sensor on, if it is off.", "An hour later: recurrence doctor")
        figures = {"cursorsMoved": repair.repaired, "processed": events, "alive": alive}
        return StepResult(Step.GO, done=True, found=found, advice=advice, figures={**stopped.figures, **figures})

    def _back(self) -> StepResult:
        self._prepared()
        events = self._process()
        alive, beyond = self._alive(), self._previous.beyond()
        came = 0 if alive else self._arrivals()
        found = [f"{counted(events, 'event')} processed, {counted(came, 'event')} came after them."]
        found += [f"Alive: {each}." for each in alive]
        found += [
            f"The previous worker will not continue {counted(count, 'series', 'series')} of {rule}, or not as meant."
            for rule, count in sorted(beyond.items())
        ]
        found.append(
            "What init-db added stays, and is in nobody's way: indexes, counters, and collections that only this "
            "worker reads. The tasks that were made are ordinary ones."
        )
        stop = "Stop this worker (systemctl stop recurrence.target, or recurrence up), then do this step again."
        write = "Have the application write no more events, and call its own worker; then do this step again."
        advice = ((stop,) if alive else ()) + ((write,) if came else ())
        figures = {"processed": events, "unfinished": came, "alive": alive, "beyond": beyond.total()}
        return StepResult(Step.BACK, done=not advice, found=tuple(found), advice=advice, figures=figures)

    def _arrivals(self) -> int:
        """Watch the queue, in which nothing is unfinished, and return how many events came; nobody processes them."""
        left = self._wanted.watch
        while (came := self._worker.queries.unfinished()) == 0 and left > 0:
            self._wait(min(PAUSE, left))
            left -= PAUSE
        return came

    def _prepared(self) -> datetime | None:
        """Return the watermark.

        Raises:
            DatabaseUnavailable: the database was not prepared.
        """
        self._worker.require_schema()
        return self._worker.context.watermark.read().watermark

    def _no_series(self, step: Step) -> StepResult:
        found = f"There is no recurring task in {self._worker.mongo.db.name!r}."
        advice = "See that MONGODB_URL names the application's database. If it does, nothing is to be taken over."
        return StepResult(step, done=False, found=(found,), advice=(advice,))

    def _watch(self) -> Watched:
        """Look for as long as is wanted, or until the previous worker writes something.

        Where this was done before, its beginning is the beginning: once more is one look.
        """
        left = 0.0 if self._first else self._wanted.watch
        self._first = self._first or self._previous.traces()
        while (found := self._look()).verdict is not Verdict.AT_WORK and left > 0:
            self._wait(min(PAUSE, left))
            left -= PAUSE
        return found

    def _look(self) -> Watched:
        last = self._previous.traces(self._first)
        return watched(self._first or last, last, self._worker.settings.recurrence_timezone)

    def _judged(self, step: Step, found: Watched) -> StepResult:
        quiet = found.verdict is Verdict.UNKNOWN and self._wanted.allow_quiet
        done = quiet or found.verdict is Verdict.SILENT
        if not done:
            self._first = None  # the next watch begins anew, with what people have done by then
        figures = {
            "previousWorker": found.verdict.value,
            "lastSeen": found.last,
            "unanswered": len(found.unanswered),
            "handed": found.handed,
            "marks": [mark.as_json() for mark in found.marks[:SHOWN]],
        }
        advice = () if done else (ADVICE[found.verdict],)
        return StepResult(step, done=done, found=tuple(_said(found)), advice=advice, figures=figures)

    def _process(self) -> int:
        """Process what is due until nothing is unfinished, and return how many events that were."""
        with stop_on_signal() as stop:
            summary = self._worker.drain(until_empty=True, go_on=lambda _: not stop.asked(), wait=self._wait)
        if stop.signal is not None:
            signal.raise_signal(stop.signal)
        return summary.events

    def _alive(self) -> list[str]:
        return [f"{row['part']} on {row['where']}" for row in self._worker.parts.rows() if not row["standsStill"]]


def _said(found: Watched) -> Iterator[str]:
    if found.verdict is Verdict.AT_WORK:
        yield f"The previous worker is at work: it wrote {counted(len(found.marks), 'document')} meanwhile."
        for mark in found.marks[:SHOWN]:
            yield f"{_at(mark.at)}: {mark.what}, task {mark.task_id}"
        return
    since = f"since {_at(found.last)}" if found.last else "that can be seen"
    yield f"The previous worker has written nothing {since}."
    if found.verdict is Verdict.UNKNOWN:
        yield "Nothing has happened since that it would have answered: that proves nothing."
        return
    yield (
        f"{counted(len(found.unanswered), 'recurring task')} created since got no occurrence of it; "
        f"{found.handed} handed to this worker."
    )


def _at(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
