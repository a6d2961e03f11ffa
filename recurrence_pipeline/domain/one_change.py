"""What every change of a series has in common: what it reads, and how what it comes to is put into its plan. Pure.

What updates, reopenings and skips come to is changes.py's business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from recurrence_pipeline.domain.aligning import Alignment
from recurrence_pipeline.domain.difference import ChangeKind, SlotChange
from recurrence_pipeline.domain.errors import ChangeRefused
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.plan import MISSED, Answer, MemoryChange, NewActivity, Plan, Retirement, SlotSkip
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import SeriesMemory, Skipped
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Action, Source


class Circumstances(NamedTuple):
    """What was read of a batch, when, and what counts where a series says nothing."""

    snapshot: Snapshot
    now: datetime
    timezone: str | None
    follow_content: bool


class OneChange:
    """One event, and what it changes in its series."""

    def __init__(self, plan: Plan, series: Series, event: TaskEvent, at: Circumstances) -> None:
        if series.original is None:
            raise ChangeRefused("Original task not found")
        self._part = plan
        self._series = series
        self._original: Task = series.original
        self._event = replace(event, deleting=at.snapshot.retired.get(event.id, ()))
        self._task = at.snapshot.tasks[event.task_id]
        self._makers = at.snapshot.makers
        self._now = at.now
        self._timezone = at.timezone
        self._content = at.follow_content or event.source is not Source.RECONCILE
        self._gone = list[SlotChange]()

    def _remembered(self) -> SeriesMemory:
        """Return what is remembered of the series; of one that nothing is, as it is before it is changed."""
        if self._series.memory is not None:
            return self._series.memory
        state = self._state()
        begun = state.moves(state.cursor)
        self._part.begun += begun
        self._series = replace(self._series, memory=begun[0].memory)
        return begun[0].memory

    def _state(self) -> SeriesState:
        asked_at = self._event.created_at
        return SeriesState(self._series, self._original, self._timezone, asked_at=asked_at, now=self._now)

    def _take(self, state: SeriesState, done: Alignment, reason: str, changes: Sequence[SlotChange] = ()) -> None:
        part = self._part
        part.occurrences += [*done.new, *(new for new in done.begun if new.subtasks is not None)]
        created = state.in_order({*state.made_by(self._event.id), *(new.id for new in done.new)})
        self._tell_of(dict.fromkeys([*created, *(new.id for new in done.begun)]))
        part.edits += done.edits
        for edit in done.edits:
            if edit.slot is not None:
                self._tell(Action.MOVED, edit.task_id, subject=derived_id(edit.task_id, self._event.id))
        self._retire(state, [task.id for task in done.going], reason, Action.RETIRED)
        self._retire(state, missed := state.missed(), MISSED, Action.MISSED)
        memory = self._remembered()
        part.raised += [MemoryChange(self._series.id, memory, move.memory) for move in state.moves(state.cursor)]
        if done.lowered is not None and done.lowered != memory:
            seen = with_skips_of(state, part.raised[-1].new if part.raised else memory)
            lowered = replace(done.lowered, added=done.lowered.added | (seen.added - memory.added))
            part.lowered.append(MemoryChange(self._series.id, seen, with_skips_of(state, lowered)))
        self._answer([*changes, *done.changes], tuple(i for i in created if i not in missed))

    def _retire(
        self,
        state: SeriesState | None,
        task_ids: Sequence[str],
        reason: str,
        action: Action | None,
        *,
        whatever: bool = False,
    ) -> None:
        if task_ids:
            slots = {i: state.slots.get(i) if state is not None else None for i in task_ids}
            self._part.retirements.append(
                Retirement(self._event, tuple(slots), reason, action, self._original, slots, whatever)
            )

    def _note_skipped(self, slot: str | None, task: Task | None) -> None:
        """Note that a slot is not wanted, unless that is noted; of a task that is there again, by whom it goes now."""
        memory = self._series.memory
        skipped = memory.skipped.get(slot or "") if memory is not None else None
        if memory is None or slot is None or (skipped and (task is None or skipped.event_id == self._event.id)):
            return
        skipped = Skipped(self._event.id, task.id if task else None)
        self._part.skips.append(SlotSkip(self._series.id, slot, skipped, memory.rule_version))
        self._series = replace(self._series, memory=memory.skipping(slot, skipped))

    def _tell_of(self, made: Iterable[str]) -> None:
        for task_id in made:
            self._tell(Action.CREATED, task_id)

    def _tell(self, action: Action, task_id: str, *, subject: str | None = None) -> None:
        if self._original.user_id is not None:
            told = NewActivity.of(action, self._original.user_id, task_id, subject=subject)
            if told not in self._part.activities:
                self._part.activities.append(told)

    def _answer(self, changes: Sequence[SlotChange], created: tuple[str, ...] = ()) -> None:
        ordered = sorted(changes, key=lambda change: (change.due, change.task_id))
        gone = {*self._event.deleting, *(change.task_id for change in ordered if change.kind is ChangeKind.GOES)}
        self._part.changes[self._event.id] = ordered
        edited = tuple(c.task_id for c in ordered if c.kind in {ChangeKind.MOVES, ChangeKind.CHANGES})
        self._part.answers[self._event.id] = Answer(created, None, len(gone), edited)


def with_skips_of(state: SeriesState, memory: SeriesMemory) -> SeriesMemory:
    """Return a memory as it is once the slots are noted that are wanted again."""
    for slot in memory.skipped.keys() - state.skipped.keys():
        memory = memory.skipping(slot, None)
    return memory
