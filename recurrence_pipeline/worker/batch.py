"""One batch of held events: load -> plan -> apply, in an order of writes that survives a crash at any point.

Nothing is decided here: what should be written is planned in domain/planning.py, what a failure means in
domain/retries.py. Which events make a batch, and what follows when one fails as a whole, is processor.py's business.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import ParamSpec, TypeVar

import structlog

from recurrence_pipeline.domain.announcing import believed
from recurrence_pipeline.domain.changes import plan_changes
from recurrence_pipeline.domain.errors import (
    DatabaseUnavailable,
    LeaseLost,
    MemoryChanged,
    OriginalNotFound,
    PartialWrite,
    Permanent,
    PoisonEvent,
    RecurrenceError,
)
from recurrence_pipeline.domain.model import CHANGES, ErrorRecord, EventStatus, Operation, Source, TaskEvent
from recurrence_pipeline.domain.plan import (
    ORIGINAL_GONE,
    Answer,
    MemoryChange,
    NewActivity,
    NewOccurrence,
    Plan,
    Removal,
    SlotSkip,
    Snapshot,
)
from recurrence_pipeline.domain.planning import (
    failure_activity,
    plan_batch,
    plan_deletions,
    removal_of_subtasks,
)
from recurrence_pipeline.domain.retries import Reject, RetryAt, after_failure
from recurrence_pipeline.domain.scan import TaskVersion
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.storage.events import new_event
from recurrence_pipeline.storage.tasks import PLANNED
from recurrence_pipeline.worker.change_writer import ChangeWriter
from recurrence_pipeline.worker.context import WorkerContext, WriteStep
from recurrence_pipeline.worker.lease import LeaseHolder
from recurrence_pipeline.worker.summary import RETRIED, BatchSummary, RefusedOutcome, Results

MAX_HOLDER_DEATHS = 5
"""An event that so many workers died of is taken for the cause."""

log = structlog.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Batch:
    """Processes the events of one hold, and counts.

    Raises (from `run` and `fail`):
        LeaseLost: where another worker holds one of the events now; nothing more was written.
        RecurrenceError: where the database did not do what was asked; what was written can be written again.
    """

    def __init__(
        self, context: WorkerContext, hold: LeaseHolder, *, run_id: str | None, results: Results | None = None
    ) -> None:
        self.summary = BatchSummary()
        self._results = results
        self._context = context
        self._hold = hold
        self._run_id = run_id
        self._now: datetime = context.clock()

    def run(self) -> BatchSummary:
        """Process all events: creations and completions first, then deletions with a load of their own."""
        self.summary.leases_lost += self._hold.refresh()
        dead = [event for event in self._hold.events if event.holder_deaths >= MAX_HOLDER_DEATHS]
        alive = [event for event in self._hold.events if event.holder_deaths < MAX_HOLDER_DEATHS]
        deletions = [event for event in alive if event.operation is Operation.DELETE]
        changes = [event for event in alive if event.operation in CHANGES]
        others = [event for event in alive if event.operation in {Operation.CREATE, Operation.COMPLETE}]
        if dead:
            self._finish(
                dead, _all_refused(dead, PoisonEvent(f"{MAX_HOLDER_DEATHS} workers died holding it alone")), Snapshot()
            )
        if others:
            snapshot = load(self._context, others)
            plan = plan_batch(others, snapshot, now=self._now, timezone=self._context.rules.timezone)
            self._apply(others, plan)
            self._finish(others, plan, snapshot)
        while changes:
            snapshot = load_for_changes(self._context, changes)
            content = self._context.rules.follow_edits
            plan = plan_changes(
                changes, snapshot, now=self._now, timezone=self._context.rules.timezone, follow_content=content
            )
            done, changes = _postponed(changes, plan)
            self._apply(done, plan)
            if self._results is not None:
                self._results.changes.update(plan.changes)
            self._finish(done, plan, snapshot)
        if deletions:
            snapshot = self._context.tasks.load_for_deletion((event.task_id for event in deletions), PLANNED)
            deletions = self._as_believed(deletions, snapshot)
            plan = plan_deletions(deletions, snapshot, timezone=self._context.rules.timezone)
            self._apply_deletions(plan)
            self._finish(deletions, plan, snapshot)
        return self.summary

    def fail(self, error: RecurrenceError) -> BatchSummary:
        """Record that all events failed with the same error."""
        plan = _all_refused(self._hold.events, error)
        self._finish(self._hold.events, plan, Snapshot(), tell=self._try_to_log)
        return self.summary

    def _apply(self, events: Sequence[TaskEvent], plan: Plan) -> None:
        if plan.begun:
            self._write(WriteStep.REVISIONS, self._context.series.move, plan.begun)
        lost = self._remember(WriteStep.REVISIONS, plan, plan.memories)
        lost |= self._note_skips(plan, [s for s in plan.skips if s.skipped is not None and s.series_id not in lost])
        changing = ChangeWriter(self._context, self._write, self._log, self._now)
        back = changing.put_back(plan.put_back)
        plan.leave_out(back)
        plan.activities = [a for a in plan.activities if a.task_id not in back]
        plan.occurrences = [new for new in plan.occurrences if new.original.id not in lost and new.id not in back]
        void = lost | self._insert(events, plan)
        touched = [event for event in events if plan.series_of_event[event.id] in void]
        void |= {event.task_id for event in touched}
        self._write(WriteStep.ACTIVITIES, self._log, [a for a in plan.activities if a.task_id not in void])
        self._write(
            WriteStep.LINKS, self._context.tasks.link, [x for x in plan.links if x.original_id not in void], self._now
        )
        stayed = changing.edit([edit for edit in plan.edits if edit.original_id not in void])
        _refuse_series(plan, dict.fromkeys(stayed, MemoryChanged("a task was changed at the same moment")))
        void |= stayed
        self.summary.occurrences_deleted += self._remove(plan.removals)
        void |= self._remember(WriteStep.CURSORS, plan, [each for each in plan.raised if each.series_id not in void])
        moves = [move for move in plan.cursors if move.series_id not in void]
        self._bring_in_line(self._write(WriteStep.CURSORS, self._context.series.move, moves, same_rule=True))
        void |= self._note_skips(plan, [s for s in plan.skips if s.skipped is None and s.series_id not in void])
        retirements = [each for each in plan.retirements if each.original.id not in void]
        gone, staying = changing.retire(retirements)
        self.summary.occurrences_deleted += gone
        _refuse_series(plan, dict.fromkeys(staying, MemoryChanged("a task was changed at the same moment")))
        void |= staying
        self._remember(WriteStep.LOWERED, plan, [change for change in plan.lowered if change.series_id not in void])

    def _bring_in_line(self, revised: set[str]) -> None:
        """Have series looked at once more whose rule was changed while slots of the earlier one were made."""
        now = self._context.clock()
        events = [new_event(i, Operation.UPDATE, None, source=Source.RECONCILE, now=now) for i in sorted(revised)]
        if events:
            self._context.events.add(events, available_at=now)

    def _note_skips(self, plan: Plan, skips: Sequence[SlotSkip]) -> set[str]:
        """Note which slots are not wanted before their tasks go, and that they are once their tasks are back."""
        lost = self._write(WriteStep.SKIPS, self._context.series.skip, skips) if skips else set[str]()
        _refuse_series(plan, dict.fromkeys(lost, MemoryChanged("the series was changed at the same moment")))
        return lost

    def _announce(self, announced: Mapping[str, tuple[TaskEvent, tuple[str, ...]]]) -> None:
        if announced:
            self._write(WriteStep.ANNOUNCE, self._context.events.announce, announced)
            self._hold.announced({event_id: ids for event_id, (_, ids) in announced.items()})

    def _remember(self, step: WriteStep, plan: Plan, changes: Sequence[MemoryChange]) -> set[str]:
        """Change what is remembered; return the series that another worker changed meanwhile: they are planned anew."""
        if not changes:
            return set()
        lost = {change.series_id for change in changes} - self._write(step, self._context.series.change, changes)
        if lost:
            _refuse_series(plan, dict.fromkeys(lost, MemoryChanged("the series was changed at the same moment")))
        return lost

    def _as_believed(self, events: Sequence[TaskEvent], snapshot: Snapshot) -> list[TaskEvent]:
        """Return the events with what they announced in an earlier try, as far as that can be."""
        kept = self._context.deleted.kept({event.id: event.deleting for event in events if event.deleting})
        return [believed(event, snapshot, kept.get(event.id, ())) for event in events]

    def _apply_deletions(self, plan: Plan) -> None:
        self._announce({removal.event.id: (removal.event, removal.task_ids) for removal in plan.removals})
        self._write(WriteStep.CURSORS_PAST_DELETIONS, self._context.series.move, plan.cursors)
        self._write(WriteStep.ACTIVITIES, self._log, plan.activities)
        self.summary.occurrences_deleted += self._remove(plan.removals)

    def _insert(self, events: Sequence[TaskEvent], plan: Plan) -> set[str]:
        """Insert what is planned; return the ids of the series, and of the occurrences, that did not come to be.

        The events of such a series are refused in the plan: as partial where the database refused a document, as
        without an original where that has gone since it was loaded.
        """
        if not plan.occurrences:
            return set()
        inserted = self._write(
            WriteStep.OCCURRENCES, self._context.tasks.insert, plan.occurrences, self._context.clock()
        )
        self.summary.occurrences_created += len(inserted.written & {new.id for new in plan.occurrences})
        if self._results is not None:
            self._results.told.update(inserted.documents)
        originals = {new.original.id for new in plan.occurrences}
        gone = originals - self._still_there(originals, plan)
        leftover: dict[str, list[str]] = defaultdict(list)
        for new in plan.occurrences:
            if new.original.id in gone:
                leftover[new.event_id].append(new.id)
        users = {new.event_id: new.original.user_id for new in plan.occurrences}  # events need not say whose task it is
        of_user = (replace(event, user_id=users[event.id]) for event in events if event.id in leftover)
        undone = self._remove([Removal(event, tuple(leftover[event.id]), ORIGINAL_GONE) for event in of_user])
        self.summary.occurrences_created -= min(undone, self.summary.occurrences_created)
        problems = _partial(plan.occurrences, inserted.refused)
        problems |= dict.fromkeys(gone, OriginalNotFound("Original task not found"))
        others = {new.id for new in plan.occurrences if not new.is_there} - inserted.written - inserted.refused.keys()
        missing = {*inserted.refused, *chain.from_iterable(leftover.values())}
        plan.leave_out(missing | others)  # what was refused or undone, and what another worker made
        _refuse_series(plan, problems)
        return missing | problems.keys()

    def _still_there(self, originals: set[str], plan: Plan) -> set[str]:
        """Return which originals are there still. What callers will be told of is read with them."""
        if self._results is None:
            return self._context.tasks.existing(originals)
        told = {answer.updated for answer in plan.answers.values() if answer.updated is not None}
        told -= {link.task_id for link in plan.links}  # of those, what is about to be written is told
        found = self._context.tasks.documents(originals | told)
        self._results.told.update((i, found[i]) for i in told & found.keys())
        return originals & found.keys()

    def _remove(self, removals: Sequence[Removal]) -> int:
        """Delete tasks and their sub-tasks, after keeping copies of them, and return how many of the tasks went.

        Sub-tasks go first: what an earlier attempt has deleted already is asked for its sub-tasks once more.
        """
        if not removals:
            return 0
        below = self._context.tasks.subtasks.below(_ids(removals))
        along = [removal_of_subtasks(removal, below) for removal in removals]
        self._write(WriteStep.KEEP_DELETED, self._context.deleted.keep, [*removals, *along], self._now)
        if subtasks := _ids(along):
            self._write(WriteStep.DELETE_SUBTASKS, self._context.tasks.delete, subtasks)
        return self._write(WriteStep.DELETE, self._context.tasks.delete, _ids(removals))

    def _log(self, activities: Sequence[NewActivity]) -> None:
        self.summary.activities_written += self._context.activities.write(activities, self._now)

    def _try_to_log(self, activities: Sequence[NewActivity]) -> None:
        """Log, or give it up: where the activity log is what fails, an event could else never end."""
        try:
            self._log(activities)
        except DatabaseUnavailable:
            raise
        except RecurrenceError as error:
            log.warning("activities about failures given up", count=len(activities), error=str(error))
        except Exception:
            log.exception("activities about failures given up", count=len(activities))

    def _finish(
        self,
        events: Sequence[TaskEvent],
        plan: Plan,
        snapshot: Snapshot,
        *,
        tell: Callable[[Sequence[NewActivity]], None] | None = None,
    ) -> None:
        """Record what became of each event, after telling the users about those that failed for good."""
        outcomes = [self._outcome(event, plan, snapshot) for event in events]
        failures = [
            failure_activity(o.event, snapshot.tasks.get(o.event.task_id), o.error.message)
            for o in outcomes
            if o.error is not None and o.status is not EventStatus.PENDING
        ]
        self._write(WriteStep.FAILURES, tell or self._log, [activity for activity in failures if activity is not None])
        self._write(
            WriteStep.OUTCOMES, self._context.events.finish, outcomes, now=self._context.clock(), run_id=self._run_id
        )
        self._hold.drop(events)
        if self._results is not None:
            self._results.outcomes.update((outcome.event.id, outcome) for outcome in outcomes)
        write_failures(outcomes, snapshot, max_retries=self._context.rules.retries.max_retries)
        self._count(outcomes)

    def _outcome(self, event: TaskEvent, plan: Plan, snapshot: Snapshot) -> Outcome:
        error = plan.refusals.get(event.id)
        answer = plan.answers.get(event.id)
        if error is None:
            return Outcome(event, EventStatus.COMPLETED, answer or Answer())
        now = self._context.clock()
        attempt = event.attempts + 1
        policy = self._context.rules.retries
        decision = after_failure(error, attempt=attempt, now=now, policy=policy, jitter=self._context.chance())
        kind = "permanent" if isinstance(error, Permanent) else "transient"
        record = ErrorRecord(kind, error.code, str(error), now, attempt)
        if isinstance(decision, RetryAt):
            return Outcome(event, EventStatus.PENDING, answer, record, decision.at)
        if not isinstance(decision, Reject):
            return Outcome(event, EventStatus.FAILED, answer, record)
        task = None if isinstance(error, OriginalNotFound) else snapshot.tasks.get(event.task_id)  # that may come back
        version = TaskVersion(task, task.updated_at).changed_at if task is not None else None
        return Outcome(event, EventStatus.REJECTED, answer, record, refused_version=version)

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            event, status = outcome.event, outcome.status
            name = RETRIED if status is EventStatus.PENDING else status.value
            self.summary.outcomes[event.operation.value, name] += 1
            self.summary.newest = max(self.summary.newest or event.created_at, event.created_at)
            if outcome.error is not None and status is not EventStatus.PENDING:
                error = outcome.error
                self.summary.refuse(
                    RefusedOutcome(event.id, event.operation, event.task_id, status.value, error.code, error.message)
                )

    def _write(self, step: WriteStep, write: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make one group of writes, sure of the lease."""
        if lost := self._hold.refresh():
            self.summary.leases_lost += lost
            raise LeaseLost(f"{counted(lost, 'event')} held by another worker now")
        result = write(*args, **kwargs)
        self._context.on_step(step)
        return result


def load(context: WorkerContext, events: Sequence[TaskEvent]) -> Snapshot:
    """Read what creations and completions speak of and, of open tasks that one completes, whether they are again."""
    snapshot = context.tasks.load((event.task_id for event in events), PLANNED)
    completed = (snapshot.tasks.get(event.task_id) for event in events if event.operation is Operation.COMPLETE)
    still_open = {task.id for task in completed if task is not None and not task.is_completed}
    return replace(snapshot, reopened=context.events.reopened(still_open)) if still_open else snapshot


def load_for_changes(context: WorkerContext, events: Sequence[TaskEvent]) -> Snapshot:
    """Read what changes speak of and, where completions are taken back, what made the occurrences."""
    retired = context.deleted.retired(event.id for event in events)
    gone = {task.id: task for tasks in retired.values() for task in tasks}
    named = {event.task_id for event in events}
    heads = {head for i in named & gone.keys() if (head := gone[i].parent_recurring_id) is not None}
    snapshot = context.tasks.load_for_changes(named | heads)
    there = {task.id for series in snapshot.series.values() for task in series.hanging}
    snapshot = replace(
        snapshot,
        tasks={**{i: gone[i] for i in named & gone.keys()}, **snapshot.tasks},
        retired={i: tuple(task.id for task in tasks if task.id not in there) for i, tasks in retired.items()},
    )
    if not any(event.operation is Operation.REOPEN for event in events):
        return snapshot
    tasks = (task for series in snapshot.series.values() for task in series.occurrences)
    makers = {task.created_by_event for task in tasks if task.created_by_event is not None}
    return replace(snapshot, makers=context.events.makers(makers))


def _ids(removals: Iterable[Removal]) -> set[str]:
    return {task_id for removal in removals for task_id in removal.task_ids}


def _postponed(events: Sequence[TaskEvent], plan: Plan) -> tuple[list[TaskEvent], list[TaskEvent]]:
    """Return the events that were planned, and those that are planned once their series is as it was planned."""
    later = set(plan.postponed)
    return [e for e in events if e.id not in later], [e for e in events if e.id in later]


def _all_refused(events: Sequence[TaskEvent], error: RecurrenceError) -> Plan:
    plan = Plan()
    plan.refuse(events, error)
    return plan


def _partial(occurrences: Sequence[NewOccurrence], refused: Mapping[str, str]) -> dict[str, RecurrenceError]:
    """Return, by series, which slots the database refused, and why the first of them."""
    missing: dict[str, list[NewOccurrence]] = {}
    for new in occurrences:
        if new.id in refused:
            missing.setdefault(new.original.id, []).append(new)
    return {series_id: PartialWrite(_could_not_be_written(new, refused)) for series_id, new in missing.items()}


def _could_not_be_written(missing: Sequence[NewOccurrence], refused: Mapping[str, str]) -> str:
    slots = ", ".join(new.name for new in missing)
    return f"slot{'s' if len(missing) > 1 else ''} {slots} could not be written: {refused[missing[0].id]}"


def _refuse_series(plan: Plan, problems: Mapping[str, RecurrenceError]) -> None:
    """Refuse the events of troubled series; what is partly done stays in their answers."""
    for event_id, series_id in plan.series_of_event.items():
        if series_id in problems and event_id not in plan.refusals:
            plan.refusals[event_id] = problems[series_id]
            if not isinstance(problems[series_id], PartialWrite):
                plan.answers.pop(event_id, None)


log = structlog.get_logger(__name__)


def write_failures(outcomes: Sequence[Outcome], snapshot: Snapshot, *, max_retries: int) -> None:
    """Write an error line for each outcome that is a failure, whether it is tried again or not; see config/logs.py."""
    for outcome in outcomes:
        if outcome.error is None:
            continue
        event, task = outcome.event, snapshot.tasks.get(outcome.event.task_id)
        sentence = f"Worker processing failed for operation: {event.operation.value}"
        log.error(
            sentence,
            operation=event.operation.value,
            taskId=event.task_id,
            userId=event.user_id or (task.user_id if task else None),
            reason=outcome.error.message,
            retryAttempt=outcome.error.attempt - 1,
            maxRetries=max_retries,
        )
