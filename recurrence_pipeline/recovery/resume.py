"""Resumes a series that stopped because everything open in it was deleted. What follows is domain/resume.py's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from recurrence_pipeline.domain.errors import LeaseLost, OriginalNotFound, PartialWrite
from recurrence_pipeline.domain.members import require_member
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Answer, NewOccurrence
from recurrence_pipeline.domain.resume import Resumption, plan_resumption
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation, Source
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.storage.documents import new_id, object_id
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.worker.context import WorkerContext, WriteStep
from recurrence_pipeline.worker.processor import Processor

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What resuming came to or, where nothing was `written`, would come to. Nothing new where the series `goes_on`."""

    series_id: str
    title: str
    written: bool
    goes_on: bool = False
    occurrences: Sequence[NewOccurrence] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "seriesId": self.series_id,
            "title": self.title,
            "written": self.written,
            "goesOn": self.goes_on,
            "created": [{"slot": new.slot, "taskId": new.id, "dueDate": new.due} for new in self.occurrences],
        }


class Resuming:
    """Resumes series. Safe to ask twice, twice at once, and to be killed anywhere: asked again, it is completed."""

    def __init__(self, context: WorkerContext, processor: Processor) -> None:
        self._context = context
        self._processor = processor

    def resume(self, task_id: str, *, dry_run: bool = True) -> Resumed:
        """Make the next 3 slots of the series that a task belongs to, or with `dry_run` only say which those are.

        An event stands for it: it names what was made and, where this is cut off while the original is being deleted,
        has the worker remove that.

        Raises:
            InvalidInput: `task_id` is not an id.
            OriginalNotFound: there is no such task, or its original is gone.
            NotAMember, WrongType: it hangs on a series, and is none of it.
            ResumeRefused: the series has not stopped, in a way that an event repairs, or does not recur.
            InvalidRecurrence, RuleChanged: it cannot be continued.
            Partial: the database refused an occurrence; asked again, the rest is made.
        """
        remembered = self._context.tasks.load([str(object_id(task_id))]).series_of(task_id.lower()).memory
        snapshot = self._context.tasks.load([task_id.lower()])
        # Remembered before it was looked: what others make at this moment counts as made, and no more follows on it.
        series = snapshot.series_of(task_id.lower())
        series = replace(series, memory=remembered or series.memory)
        original = series.original
        if original is None:
            raise OriginalNotFound(f"Task {task_id}, or the original of its series, is not there")
        require_member(snapshot.tasks[task_id.lower()], series)
        now = self._context.clock()
        event = TaskEvent(new_id(), Operation.CREATE, original.id, now, original.user_id, Source.MANUAL)
        plan = plan_resumption(series, original, event_id=event.id, now=now, timezone=self._context.rules.timezone)
        if plan is None:
            return Resumed(series.id, original.title, written=False, goes_on=True)
        if not dry_run:
            held = self._context.events.add_held(self._processor.hold_new([event]))
            if not held:
                raise LeaseLost(f"event {event.id} is there already")
            self._write(plan, held[0])
            log.info("series resumed", series=series.id, occurrences=len(plan.occurrences))
        return Resumed(series.id, original.title, written=not dry_run, occurrences=plan.occurrences)

    def _write(self, plan: Resumption, event: TaskEvent) -> None:
        context = self._context
        context.series.move(plan.passed)
        context.on_step(WriteStep.CURSORS)
        refused = context.tasks.insert(plan.occurrences, context.clock()).refused
        context.on_step(WriteStep.OCCURRENCES)
        if refused:
            raise PartialWrite(
                f"{counted(len(refused), 'occurrence')} could not be written: {next(iter(refused.values()))}"
            )
        if not context.tasks.existing([event.task_id]):
            context.tasks.delete(new.id for new in plan.occurrences)
            raise OriginalNotFound("Original task not found")
        context.activities.write(plan.activities, context.clock())
        context.on_step(WriteStep.ACTIVITIES)
        context.series.move(plan.reached)
        answer = Answer(created=tuple(new.id for new in plan.occurrences))
        context.events.finish([Outcome(event, EventStatus.COMPLETED, answer)], now=context.clock())
