"""The writes of a plan, in an order that survives a crash at any point. What should be written is planned elsewhere.

Each group of writes asks for the lease first, and may be repeated. Those that change or remove what a person may have
touched meanwhile are change_writer.py's. What is not written leaves the plan, which says in the end what came of it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import ParamSpec, TypeVar

from recurrence_pipeline.domain.errors import LeaseLost, MemoryChanged, OriginalNotFound, PartialWrite, RecurrenceError
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import (
    ORIGINAL_GONE,
    CursorMove,
    MemoryChange,
    NewActivity,
    NewOccurrence,
    Plan,
    Removal,
    SlotSkip,
)
from recurrence_pipeline.domain.planning import removal_of_subtasks
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.storage.event_updates import Outcome
from recurrence_pipeline.storage.events import new_event
from recurrence_pipeline.worker.change_writer import ChangeWriter
from recurrence_pipeline.worker.context import WorkerContext, WriteStep
from recurrence_pipeline.worker.last_writes import FEW, LastWrites
from recurrence_pipeline.worker.lease import LeaseHolder
from recurrence_pipeline.worker.summary import BatchSummary, Results

P = ParamSpec("P")
R = TypeVar("R")


class PlanWriter:
    """Applies plans for the events of one hold; counts into the `summary`, and keeps for the `results`.

    Raises (from all that writes):
        LeaseLost: where another worker holds one of the events now; nothing more was written.
        RecurrenceError: where the database did not do what was asked; what was written can be written again.
    """

    def __init__(
        self, context: WorkerContext, hold: LeaseHolder, summary: BatchSummary, results: Results | None, now: datetime
    ) -> None:
        self._context = context
        self._hold = hold
        self._summary = summary
        self._results = results
        self._now = now
        self._last = LastWrites()

    def apply(self, events: Sequence[TaskEvent], plan: Plan) -> None:
        """Write what is planned of creations, completions and changes."""
        if plan.begun:
            self.write(WriteStep.REVISIONS, self._context.series.move, plan.begun)
        lost = self._remember(WriteStep.REVISIONS, plan, plan.memories)
        lost |= self._note_skips(plan, [s for s in plan.skips if s.skipped is not None and s.series_id not in lost])
        changing = ChangeWriter(self._context, self.write, self.log, self._now)
        back = changing.put_back(plan.put_back)
        plan.leave_out(back)
        plan.activities = [a for a in plan.activities if a.task_id not in back]
        plan.occurrences = [new for new in plan.occurrences if new.original.id not in lost and new.id not in back]
        void = lost | self._insert(events, plan)
        touched = [event for event in events if plan.series_of_event[event.id] in void]
        void |= {event.task_id for event in touched}
        told = [a for a in plan.activities if a.task_id not in void]
        if plan.occurrences and plan.only_makes and self._may_put_off(events):
            self._put_off_telling(told)
            moves = [move for move in plan.cursors if move.series_id not in void]
            writes, matched = self._context.series.writes(moves)
            self._last.put_off([WriteStep.CURSORS], partial(self._move_cursors, moves), writes, matched)
            return
        self.write(WriteStep.ACTIVITIES, self.log, told)
        self.write(
            WriteStep.LINKS, self._context.tasks.link, [x for x in plan.links if x.original_id not in void], self._now
        )
        stayed = changing.edit([edit for edit in plan.edits if edit.original_id not in void])
        _refuse_series(plan, dict.fromkeys(stayed, MemoryChanged("a task was changed at the same moment")))
        void |= stayed
        self._summary.occurrences_deleted += self._remove(plan.removals)
        void |= self._remember(WriteStep.CURSORS, plan, [each for each in plan.raised if each.series_id not in void])
        self._move_cursors([move for move in plan.cursors if move.series_id not in void])
        void |= self._note_skips(plan, [s for s in plan.skips if s.skipped is None and s.series_id not in void])
        retirements = [each for each in plan.retirements if each.original.id not in void]
        gone, staying = changing.retire(retirements)
        self._summary.occurrences_deleted += gone
        _refuse_series(plan, dict.fromkeys(staying, MemoryChanged("a task was changed at the same moment")))
        void |= staying
        self._remember(WriteStep.LOWERED, plan, [change for change in plan.lowered if change.series_id not in void])

    def apply_deletions(self, events: Sequence[TaskEvent], plan: Plan) -> None:
        """Write what is planned of cascades: what goes is announced first, so that its count stays true."""
        removals = plan.removals
        self._announce({removal.event.id: (removal.event, removal.task_ids) for removal in removals})
        self.write(WriteStep.CURSORS_PAST_DELETIONS, self._context.series.move, plan.cursors)
        if self._may_put_off(events) and removals and not self._context.tasks.subtasks.below(_ids(removals)):
            self._put_off_telling(plan.activities)
            writes = self._context.deleted.inserts(removals, self._now) + self._context.tasks.deletes(_ids(removals))
            self._last.put_off([WriteStep.KEEP_DELETED, WriteStep.DELETE], partial(self._delete, removals), writes)
            return
        self.write(WriteStep.ACTIVITIES, self.log, plan.activities)
        self._delete(removals)

    def finish(
        self,
        outcomes: Sequence[Outcome],
        failures: Sequence[NewActivity],
        *,
        run_id: str | None,
        log: Callable[[Sequence[NewActivity]], None],
    ) -> None:
        """Write what was put off, log `failures`, and record what became of events."""
        self._write_last()
        self.write(WriteStep.FAILURES, log, failures)
        now = self._context.clock()
        self.write(WriteStep.OUTCOMES, self._context.events.finish, outcomes, now=now, run_id=run_id)

    def write(self, step: WriteStep, write: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make one group of writes, sure of the lease."""
        self._make_sure()
        result = write(*args, **kwargs)
        self._context.on_step(step)
        return result

    def log(self, activities: Sequence[NewActivity]) -> None:
        """Write activities, and count them."""
        self._summary.activities_written += self._context.activities.write(activities, self._now)

    def _make_sure(self) -> None:
        if lost := self._hold.refresh() or self._hold.store():
            self._summary.leases_lost += lost
            raise LeaseLost(f"{counted(lost, 'event')} held by another worker now")

    def _may_put_off(self, events: Sequence[TaskEvent]) -> bool:
        """Say whether somebody waits, for so little that one command can take what is still to be written."""
        return self._results is not None and len(events) <= FEW and self._context.events.takes_ordered_writes

    def _put_off_telling(self, activities: Sequence[NewActivity]) -> None:
        self._make_sure()
        by_itself = partial(self.write, WriteStep.ACTIVITIES, self.log, activities)
        self._last.put_off([WriteStep.ACTIVITIES], by_itself, self._context.activities.inserts(activities, self._now))
        self._last.activities = len(activities)

    def _write_last(self) -> None:
        """Write what was put off in one command or, where that does not do all of it, each group by itself."""
        last, self._last = self._last, LastWrites()
        done = None
        if last.writes:
            self._make_sure()
            done = self._context.events.write_in_order(last.writes, matched=last.matched)
        if done is None:
            for by_itself in last.by_themselves:
                by_itself()
            return
        self._summary.activities_written += last.activities
        self._summary.occurrences_deleted += done.deleted_count
        for step in last.steps:
            self._context.on_step(step)

    def _move_cursors(self, moves: Sequence[CursorMove]) -> None:
        self._bring_in_line(self.write(WriteStep.CURSORS, self._context.series.move, moves, same_rule=True))

    def _delete(self, removals: Sequence[Removal]) -> None:
        self._summary.occurrences_deleted += self._remove(removals)

    def _bring_in_line(self, revised: set[str]) -> None:
        """Have series looked at once more of which the rule, or a slot not wanted, changed while slots were made."""
        now = self._context.clock()
        events = [new_event(i, Operation.UPDATE, None, source=Source.RECONCILE, now=now) for i in sorted(revised)]
        if events:
            self._context.events.add(events, available_at=now)

    def _note_skips(self, plan: Plan, skips: Sequence[SlotSkip]) -> set[str]:
        """Note which slots are not wanted before their tasks go, and that they are once their tasks are back."""
        lost = self.write(WriteStep.SKIPS, self._context.series.skip, skips) if skips else set[str]()
        _refuse_series(plan, dict.fromkeys(lost, MemoryChanged("the series was changed at the same moment")))
        return lost

    def _remember(self, step: WriteStep, plan: Plan, changes: Sequence[MemoryChange]) -> set[str]:
        """Change what is remembered; return the series that another worker changed meanwhile: they are planned anew."""
        if not changes:
            return set()
        lost = {change.series_id for change in changes} - self.write(step, self._context.series.change, changes)
        if lost:
            _refuse_series(plan, dict.fromkeys(lost, MemoryChanged("the series was changed at the same moment")))
        return lost

    def _announce(self, announced: Mapping[str, tuple[TaskEvent, tuple[str, ...]]]) -> None:
        """Note on events what they are about to delete; what is not stored yet is stored with it."""
        if not announced:
            return
        deleting = {event_id: ids for event_id, (_, ids) in announced.items()}
        if self._hold.is_new:
            self._hold.announced(deleting)
            self.write(WriteStep.ANNOUNCE, lambda: None)
        else:
            self.write(WriteStep.ANNOUNCE, self._context.events.announce, announced)
            self._hold.announced(deleting)

    def _insert(self, events: Sequence[TaskEvent], plan: Plan) -> set[str]:
        """Insert what is planned; return the ids of the series, and of the occurrences, that did not come to be.

        The events of such a series are refused in the plan: as partial where the database refused a document, as
        without an original where that has gone since it was loaded.
        """
        if not plan.occurrences:
            return set()
        inserted = self.write(
            WriteStep.OCCURRENCES, self._context.tasks.insert, plan.occurrences, self._context.clock()
        )
        self._summary.occurrences_created += len(inserted.written & {new.id for new in plan.occurrences})
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
        self._summary.occurrences_created -= min(undone, self._summary.occurrences_created)
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
        along = [removal_of_subtasks(removal, below) for removal in removals] if below else []
        self.write(WriteStep.KEEP_DELETED, self._context.deleted.keep, [*removals, *along], self._now)
        if subtasks := _ids(along):
            self.write(WriteStep.DELETE_SUBTASKS, self._context.tasks.delete, subtasks)
        return self.write(WriteStep.DELETE, self._context.tasks.delete, _ids(removals))


def _ids(removals: Iterable[Removal]) -> set[str]:
    return {task_id for removal in removals for task_id in removal.task_ids}


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
