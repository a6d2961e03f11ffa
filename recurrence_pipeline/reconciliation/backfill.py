"""Backfilling what was there before us: what reconciliation would ask for, first as a dry run, then for good.

Nothing is asked for here: backfilling lifts the watermark, and reconciliation comes by everything in its own time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.planning import plan_batch
from recurrence_pipeline.reconciliation.reconciler import Reconciliation, UnqueuedWork
from recurrence_pipeline.reconciliation.rules import Reason, request
from recurrence_pipeline.worker.context import WorkerContext

SAMPLES = 20


@dataclass(slots=True)
class Backlog:
    """What was there before the watermark and would be asked for. Of `asked` tasks, `samples` are some."""

    watermark: datetime | None
    looked_at: int = 0
    asked: Counter[Reason] = field(default_factory=Counter)
    series: int = 0
    occurrences: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    samples: list[Mapping[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "watermark": self.watermark,
            "lookedAt": self.looked_at,
            "asked": {reason.value: self.asked[reason] for reason in (Reason.NEW, Reason.BEHIND)},
            "series": self.series,
            "occurrences": self.occurrences,
            "refused": [{"reason": text, "count": count} for text, count in self.refused.most_common()],
            "samples": self.samples,
        }


class Backfill:
    """Counts what backfilling would come to, and backfills."""

    def __init__(self, context: WorkerContext, reconciliation: Reconciliation) -> None:
        self._context = context
        self._reconciliation = reconciliation

    def backlog(self) -> Backlog:
        """Count what backfilling would have asked for, and what would come of it now; nothing is written.

        Reads all tasks, piece by piece.
        """
        mark = self._context.watermark.read()
        backlog = Backlog(mark.watermark)
        counted: set[str] = set()
        for piece in self._context.task_changes.everything(self._context.rules.reconcile_step):
            backlog.looked_at += len(piece)
            if mark.watermark is None:
                continue
            everything = self._reconciliation.findings(piece, None)
            without = {f.sighting.task.id for f in self._reconciliation.findings(piece, mark.watermark)}
            self._count([f for f in everything if f.sighting.task.id not in without], backlog, counted)
        return backlog

    def run(self) -> None:
        """Have everything reconciled from now on. Doing it again changes nothing."""
        self._context.watermark.lift(self._context.clock())

    def _count(self, findings: Sequence[UnqueuedWork], backlog: Backlog, counted: set[str]) -> None:
        """Count findings, and plan those of series that are not `counted` yet: what is planned is the whole series."""
        backlog.asked.update(f.reason for f in findings)
        for f in findings[: SAMPLES - len(backlog.samples)]:
            task = f.sighting.task
            backlog.samples.append({"taskId": task.id, "title": task.title, "reason": f.reason.value})
        new = {f.original.id: f for f in findings if f.original.id not in counted}
        if not new:
            return
        counted.update(new)
        now = self._context.clock()
        events = [request(f.sighting, f.reason, now, due=f.due) for f in new.values()]
        snapshot = self._context.tasks.load(event.task_id for event in events)
        plan = plan_batch(events, snapshot, now=now, timezone=self._context.rules.timezone)
        backlog.series += len(plan.answers)
        backlog.occurrences += len(plan.occurrences)
        backlog.refused.update(str(error) for error in plan.refusals.values())
