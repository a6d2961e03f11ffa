"""What a person can do to a series from its page: looked at first, slot by slot, and then done.

Each is an operation that there is: a completion, an update, a skip, a deletion. Another rule and a pause are edits of
the original, as the application makes them, and the update that follows. Should this process die between the two,
reconciliation finds the edit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum
from typing import Any

from recurrence_pipeline.domain.changes import plan_changes
from recurrence_pipeline.domain.difference import ChangeKind, Difference, SlotChange
from recurrence_pipeline.domain.english import typed_rule
from recurrence_pipeline.domain.errors import ChangeRefused, InvalidInput, OriginalNotFound
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import Plan, Removal, Retirement
from recurrence_pipeline.domain.recurrence import CUSTOM, NONE, read_recurrence
from recurrence_pipeline.domain.vocabulary import Operation, Source
from recurrence_pipeline.domain.zones import time_zone, wall_clock
from recurrence_pipeline.storage.documents import Document, object_id
from recurrence_pipeline.storage.events import new_event
from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline.worker.context import WorkerContext
from recurrence_pipeline.worker.loading import load_for_changes
from recurrence_pipeline.worker.service import WorkerService


class Act(str, Enum):
    """What can be done to a series."""

    COMPLETE = "complete"
    """The worker is told that a task is done; the check mark on it is the application's."""
    SKIP = "skip"
    RULE = "rule"
    PAUSE = "pause"
    DELETE = "delete"
    """What hangs on the original goes; the original is the application's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One act. `task_id` is any task of the series, of a completion the one that is done."""

    act: Act
    series_id: str
    task_id: str
    slot: int | None = None
    rule: str = ""
    until: date | None = None


class SeriesActions:
    """Looks at what an act would come to, and does it. Safe to do twice: what is done is not done again."""

    def __init__(self, context: WorkerContext, service: WorkerService) -> None:
        self._context = context
        self._service = service

    def look(self, wanted: Wanted) -> Difference:
        """Say what it would come to; nothing is written.

        Raises:
            InvalidInput: what is asked for cannot be right, naming the field.
            RecurrenceError: why nothing would be done.
        """
        original = self._original(wanted)
        match wanted.act:
            case Act.SKIP:
                return self._service.change(wanted.task_id, Operation.SKIP.value, slot=wanted.slot, dry_run=True)
            case Act.RULE | Act.PAUSE:
                return self._look_at_edit(wanted, original)
        named = wanted.task_id if wanted.act is Act.COMPLETE else original.id
        event, plan = self._service.plan(named, wanted.act.value, original.user_id)
        if event.id in plan.refusals:
            raise plan.refusals[event.id]
        return Difference(original.id, tuple(self._changes(plan)))

    def do(self, wanted: Wanted) -> str:
        """Do it, and say in one line what came of it.

        Raises:
            InvalidInput, ChangeRefused: as `look`, and where somebody edited the original at the same moment.
            ProcessingFailed: with the cause's code, and whether it is being tried again.
        """
        original = self._original(wanted)
        match wanted.act:
            case Act.SKIP:
                return told(self._change(wanted.task_id, Operation.SKIP, slot=wanted.slot))
            case Act.RULE | Act.PAUSE:
                document, fields = self._edit(wanted, original)
                if fields and not self._context.edits.edit_original(TaskEdit(document, fields), self._context.clock()):
                    raise ChangeRefused("somebody edited the original at the same moment: look again")
                return told(self._change(wanted.task_id, Operation.UPDATE))
        user_id, named = original.user_id, wanted.task_id if wanted.act is Act.COMPLETE else original.id
        done = self._service.process_task_recurrence(named, wanted.act.value, user_id, source=Source.API)["result"]
        return f"tasks deleted: {done}" if wanted.act is Act.DELETE else f"tasks made: {len(done['createdTasks'])}"

    def _change(self, task_id: str, operation: Operation, slot: int | None = None) -> Difference:
        return self._service.change(task_id, operation.value, slot=slot, dry_run=False, source=Source.API)

    def _original(self, wanted: Wanted) -> Task:
        """Return the original of the series.

        Raises:
            InvalidInput: the task is none of it.
            OriginalNotFound: the task, or the original, is not there.
        """
        tasks = self._context.tasks.climb([str(object_id(wanted.task_id))])
        task = tasks.get(wanted.task_id)
        while task is not None and task.parent_recurring_id is not None:
            task = tasks.get(task.parent_recurring_id)
        if task is None:
            raise OriginalNotFound(f"Task {wanted.task_id}, or the original of its series, is not there")
        if task.id != wanted.series_id:
            raise InvalidInput(f"task: {wanted.task_id!r} is none of this series")
        return task

    def _changes(self, plan: Plan) -> Iterator[SlotChange]:
        """Yield what a plan makes and takes away, in the order of time."""
        leaving: list[Removal | Retirement] = [*plan.removals, *plan.retirements]
        going = {i: each.reason for each in leaving for i in each.task_ids}
        tasks = self._context.tasks.climb(going)
        changes = [
            SlotChange(ChangeKind.APPEARS, new.id, new.slot, new.due, "the series has a slot there")
            for new in plan.occurrences
            if not new.is_there
        ]
        changes += [
            SlotChange(ChangeKind.GOES, i, tasks[i].occurrence_number, due, why)
            for i, why in going.items()
            if i in tasks and isinstance(due := tasks[i].due_date, datetime)
        ]
        yield from sorted(changes, key=lambda change: (change.due, change.task_id))

    # Edits of the original

    def _look_at_edit(self, wanted: Wanted, original: Task) -> Difference:
        _, fields = self._edit(wanted, original)
        event = new_event(original.id, Operation.UPDATE.value, None, source=Source.API, now=self._context.clock())
        snapshot = load_for_changes(self._context, [event])
        series = snapshot.series_of(original.id)
        edited = _edited(snapshot.tasks[original.id], fields)
        snapshot = replace(
            snapshot,
            tasks={**snapshot.tasks, original.id: edited},
            series={**snapshot.series, series.id: replace(series, original=edited)},
        )
        plan = plan_changes([event], snapshot, now=event.created_at, timezone=self._context.rules.timezone)
        if event.id in plan.refusals:
            raise plan.refusals[event.id]
        return Difference(series.id, plan.changes.get(event.id, ()))

    def _edit(self, wanted: Wanted, original: Task) -> tuple[Document, Mapping[str, Any]]:
        """Return the original as it is stored, and the fields to set; none where it says so already."""
        document = self._context.tasks.documents([original.id])[original.id]
        options = document.get("recurrence")
        options = dict(options) if isinstance(options, Mapping) else {}
        repeat_type = original.repeat_type
        if repeat_type == NONE:
            raise ChangeRefused("The task does not recur: that begins in the application")
        if wanted.act is Act.RULE:
            repeat_type, options["rule"] = CUSTOM, str(typed_rule(wanted.rule))
        else:
            options["paused"] = self._with_pause(original, options.get("paused"), wanted.until)
        read_recurrence(repeat_type, options)
        fields = {"repeatType": repeat_type, "recurrence": options}
        return document, {} if all(document.get(name) == value for name, value in fields.items()) else fields

    def _with_pause(self, original: Task, paused: object, until: date | None) -> list[object]:
        zone = time_zone(original.timezone or self._context.rules.timezone)
        today = wall_clock("now", self._context.clock(), zone).date()
        if until is None or until < today:
            raise InvalidInput(f"until: {until} is not a day from {today} on")
        before = list(paused) if isinstance(paused, list) else []
        pause = {"from": today.isoformat(), "until": until.isoformat()}
        return before if pause in before else [*before, pause]


def _edited(original: Task, fields: Mapping[str, Any]) -> Task:
    """Return an original as it would be read if the fields were set."""
    if not fields:
        return original
    content = {**original.content, **fields}
    return replace(original, repeat_type=fields["repeatType"], recurrence=fields["recurrence"], content=content)


def told(difference: Difference) -> str:
    """Say in one line how many tasks a difference is about, by what becomes of them."""
    counts = {kind: sum(change.kind is kind for change in difference.changes) for kind in ChangeKind}
    said = [f"{kind.value}: {count}" for kind, count in counts.items() if count]
    return ", ".join(said) or "nothing changes"
