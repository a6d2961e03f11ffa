"""What follows when somebody changes their mind: an edited series, a completion taken back, a slot not wanted. Pure.

As with creations and completions, the plan is the difference between what should exist and what does: an event that
comes twice, late or after a crash comes to the same. What a person touched is never changed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from recurrence_pipeline.domain.aligning import TOUCHED, align, is_ahead, vacated
from recurrence_pipeline.domain.difference import ChangeKind, SlotChange
from recurrence_pipeline.domain.errors import ChangeRefused, InvalidRecurrence, Permanent
from recurrence_pipeline.domain.ids import occurrence_id, time_of
from recurrence_pipeline.domain.memory import digest_of
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.one_change import Circumstances, OneChange, with_skips_of
from recurrence_pipeline.domain.plan import (
    NO_LONGER_RECURS,
    REOPENED,
    SKIPPED,
    UPDATED,
    MemoryChange,
    NewOccurrence,
    Plan,
    PutBack,
    SlotEdit,
    SlotSkip,
)
from recurrence_pipeline.domain.planning import grouped, refuse_absent
from recurrence_pipeline.domain.recurrence import NONE
from recurrence_pipeline.domain.reopening import TakenBack, taken_back
from recurrence_pipeline.domain.revising import remembering, revised, stopped
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import Skipped
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Action, Operation, Source
from recurrence_pipeline.domain.zones import wall_text, wall_time


def plan_changes(
    events: Sequence[TaskEvent],
    snapshot: Snapshot,
    *,
    now: datetime,
    timezone: str | None = None,
    follow_content: bool = False,
) -> Plan:
    """Plan updates, reopenings and skips; `follow_content` says whether reconciliation's updates change content too.

    One event of a series is planned at a time: the others are left to the next batch, and see what this one did.
    """
    plan, at = Plan(), Circumstances(snapshot, now, timezone, follow_content)
    for series, asking in grouped(events, snapshot, plan):
        present = refuse_absent(plan, series, asking, snapshot, now)
        for event in present[1:]:
            plan.postponed.append(event.id)
        for event in present[:1]:
            part = Plan(series_of_event=plan.series_of_event)
            try:
                _Change(part, series, event, at).plan()
            except Permanent as error:
                plan.refuse([event], error)
                continue
            plan.add(part)
    return plan


class _Change(OneChange):
    """One event, and what it changes in its series."""

    def plan(self) -> None:
        if self._original.repeat_type == NONE:
            self._change_stopped()
        elif self._event.operation is Operation.UPDATE:
            self._update()
        elif self._event.operation is Operation.REOPEN:
            self._reopen()
        else:
            self._skip()

    # The original was changed

    def _update(self) -> None:
        memory, state = self._remembered(), self._state()
        self._tell_of(state.perhaps_untold())
        zone = self._original.timezone or self._timezone or "UTC"
        follow_date = self._event.source is not Source.RECONCILE
        touched = any(t.is_touched is not False and t.id in state.open for t in self._series.occurrences)
        revision = revised(
            state,
            now=self._now,
            from_slot=self._event.slot,
            zone=zone,
            follow_date=follow_date,
            open_stays=touched,
        )
        followed = digest_of(self._original, zone)
        if not self._content and memory.followed is not None:
            followed = f"{followed.partition('.')[0]}.{memory.followed.partition('.')[2]}"
        changed = remembering(state, memory, revision, followed)
        if changed != memory:
            self._series = replace(self._series, memory=changed)
            state = self._state()
        done = align(state, self._series, self._event.id, self._now, content=self._content)
        noted = replace(changed, passed=changed.passed | done.vacated)
        if noted != memory:
            self._part.memories.append(MemoryChange(self._series.id, memory, noted))
            self._series = replace(self._series, memory=noted)
        self._take(state, done, UPDATED)
        if done.is_change or self._event.deleting or state.made_by(self._event.id):
            self._tell(Action.SERIES_UPDATED, self._original.id, subject=self._event.id)

    def _stop(self) -> None:
        """The task does not recur any more: what is ahead and untouched goes."""
        memory = self._series.memory
        ahead = [t for t in self._series.occurrences if is_ahead(t, self._now)]
        going = [t for t in ahead if t.is_touched is False]
        numbers = [t.occurrence_number for t in going if t.occurrence_number is not None]
        if memory is not None and memory.current.rule != NONE:
            changed = stopped(self._series, self._original, memory, numbers, self._now)
            self._part.memories.append(MemoryChange(self._series.id, memory, changed))
        changes = [_goes(t, "the task does not recur any more") for t in going]
        changes += [_stays(t, TOUCHED) for t in ahead if t.is_touched is not False]
        self._retire(None, [t.id for t in going], NO_LONGER_RECURS, Action.RETIRED)
        self._answer(changes)

    def _change_stopped(self) -> None:
        """Only an update tells that a task does not recur any more; else no slot is taken, and none comes."""
        task, event = self._task, self._event
        if event.operation is Operation.UPDATE:
            self._stop()
        elif event.operation is Operation.REOPEN:
            self._require_open()
            self._answer([])
        elif event.slot is not None or event.undo or task.id == self._original.id:
            raise ChangeRefused("The task does not recur any more: it has no slot to skip")
        else:
            is_gone = task.id in event.deleting  # an earlier try has retired it
            if not is_gone:
                self._note_skipped(_slot_of(self._open(task)), task)  # it may recur again before anybody hears of this
            self._retire(None, [] if is_gone else [task.id], SKIPPED, Action.SKIPPED, whatever=True)
            self._answer([] if is_gone else [_goes(task, "skipped")])

    # A completion was taken back

    def _require_open(self) -> None:
        if self._task.is_completed:
            raise ChangeRefused(f"Task {self._task.id} is completed: it was not taken back")

    def _reopen(self) -> None:
        if not (self._task.is_completed and self._event.deleting):  # else completed anew since an earlier try
            self._require_open()
        series = self._series
        if series.memory is None and series.recalled is None and not series.occurrences:  # nothing was ever made
            self._answer([])
            return
        memory, state = self._remembered(), self._state()
        back = TakenBack((), memory)
        if not self._task.is_completed:
            back = taken_back(state, self._series, memory, self._event, self._makers)
        if back.memory == memory and not back.tasks:
            if self._event.deleting:  # what an earlier try took away may be owed by now
                done = align(state, self._series, self._event.id, self._now, content=False, only_new=True)
                self._take(state, done, REOPENED)
            else:
                self._answer([])
            return
        noted = replace(memory, passed=memory.passed | vacated(state, back.tasks))
        self._part.memories.append(MemoryChange(self._series.id, memory, noted))
        self._part.lowered.append(MemoryChange(self._series.id, noted, back.memory))
        self._retire(state, [task.id for task in back.tasks], REOPENED, None)
        self._tell(Action.REOPENED, self._task.id, subject=self._event.id)
        self._answer([_goes(task, "made by the completion that was taken back") for task in back.tasks])

    # A slot is not wanted

    def _skip(self) -> None:
        begun = self._series.memory is not None
        self._remembered()
        state, event = self._state(), self._event
        self._tell_of(state.perhaps_untold())
        slot, task = self._slot(state)
        skipped = state.skipped.get(slot)
        if event.undo:
            if skipped is not None:
                self._wanted_again(state, slot, skipped)
        else:
            self._note_skipped(slot, task)
            state = self._state()
            if task is not None:
                if not begun and task.created_by_event is not None:  # its maker may have died, and finds it no more
                    self._tell(Action.CREATED, task.id)
                self._retire(state, [task.id], SKIPPED, Action.SKIPPED, whatever=True)
                state.open.pop(task.id, None)
        changes = [_goes(task, "skipped")] if task is not None and not event.undo else self._gone
        done = align(state, self._series, event.id, self._now, content=False, only_new=True)
        self._take(state, done, SKIPPED, changes)

    def _slot(self, state: SeriesState) -> tuple[str, Task | None]:
        """Return the key of the slot that a skip speaks of, and the task that is on it.

        Raises:
            ChangeRefused: it cannot be skipped.
        """
        number, named = self._event.slot, self._task
        if number is None and named.id in self._event.deleting:  # an earlier try has retired it
            if named.occurrence_number is None and named.occurrence_at is not None:
                return wall_text(named.occurrence_at), None
            number = state.number(named)
        if number is None and named.id in state.dates:
            return wall_text(state.dates[named.id]), self._open(named)
        number = state.slots.get(named.id) if number is None else number
        if number is None:
            raise ChangeRefused(f"Task {named.id} is on no slot of the series")
        if self._event.undo:  # what is not skipped is wanted already
            return str(number), None
        if number <= state.original_slot:
            raise ChangeRefused(f"Slot {number} is the original itself: complete it, or move its date")
        ids = {n: i for i, n in state.slots.items()}
        there = next((t for t in self._series.occurrences if t.id == ids.get(number)), None)
        if there is None and state.at(number) is None:  # a touched task may be on a slot that an edit has taken
            raise InvalidRecurrence(f"slot: the series has no slot {number}", field="slot", value=number)
        return str(number), None if there is None else self._open(there)

    def _open(self, task: Task) -> Task:
        if task.is_completed:
            raise ChangeRefused(f"Task {task.id} is completed: its slot cannot be skipped")
        return task

    def _wanted_again(self, state: SeriesState, slot: str, skipped: Skipped) -> None:
        del state.skipped[slot]
        if state.recurrence.from_completion and slot.isdigit():
            self._take_back_what_followed(state, int(slot))
        state.wants_again(slot)
        version = self._remembered().rule_version
        self._part.skips.append(SlotSkip(self._series.id, slot, None, version))
        if skipped.task_id is not None and _is_slot(state, slot):
            instead = occurrence_id(self._original.id, int(slot) if slot.isdigit() else slot)
            self._part.put_back.append(PutBack(skipped.event_id, skipped.task_id, instead))
            if (now_on := self._now_on(state, slot)) is not None:
                self._part.edits.append(SlotEdit(skipped.task_id, self._original.id, now_on, None, may_stay=True))
        self._tell(Action.UNSKIPPED, self._original.id, subject=self._event.id)

    def _now_on(self, state: SeriesState, slot: str) -> NewOccurrence | None:
        """Return where a task on a slot should be now: options may have been edited since; None where nothing says."""
        if not slot.isdigit():
            at = wall_time(slot)
            return None if at is None else state.on_date(at, self._event.id)
        if state.recurrence.from_completion:
            return None
        found = (each for each in state.timed(int(slot), 1) if each.number == int(slot))
        return next((state.occurrence(each, self._event.id) for each in found), None)

    def _take_back_what_followed(self, state: SeriesState, number: int) -> None:
        """Let the task go that took the place of a skipped one, so that one task stays open.

        Raises:
            ChangeRefused: a person touched it, or completed it.
        """
        memory = self._series.memory
        later = [t for t in self._series.occurrences if state.slots.get(t.id, 0) > number]
        for task in later:
            if task.is_completed or task.is_touched is not False:
                raise ChangeRefused(f"Slot {number} cannot be wanted again: a person changed task {task.id} since")
            state.open.pop(task.id, None)
        self._retire(state, [task.id for task in later], SKIPPED, Action.RETIRED)
        self._gone = [_goes(task, "it took the place of the skipped one") for task in later]
        if memory is not None and later:
            seen = with_skips_of(state, memory)
            self._part.lowered.append(MemoryChange(self._series.id, seen, replace(seen, number=number, at=None)))


def _slot_of(task: Task) -> str | None:
    """Return the key of the slot that a task says it is on; None where it says nothing."""
    if task.occurrence_number is not None:
        return str(task.occurrence_number)
    return None if task.occurrence_at is None else wall_text(task.occurrence_at)


def _is_slot(state: SeriesState, slot: str) -> bool:
    """Say whether the series still has a slot, be it passed over at the moment: an edit since may have taken it."""
    return not slot.isdigit() or state.line.stretch_of(int(slot)) is not None


def _goes(task: Task, why: str) -> SlotChange:
    return _change(ChangeKind.GOES, task, why)


def _stays(task: Task, why: str) -> SlotChange:
    return _change(ChangeKind.STAYS, task, why)


def _change(kind: ChangeKind, task: Task, why: str) -> SlotChange:
    due = task.due_date if isinstance(task.due_date, datetime) else time_of(task.id)
    return SlotChange(kind, task.id, task.occurrence_number, due, why)
