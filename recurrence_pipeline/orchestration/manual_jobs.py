"""The jobs that a person starts: one operation, a retry of refused events, undoing a deletion.

What they do is the worker's. Pressed as they are, they only look: `dry_run` is true until somebody sets it to false.
What they are asked is checked before a run is launched, where a config mapping makes the op's config; whoever launches
one sees how it ends, and so nobody is alerted of one that fails.
"""

from contextlib import suppress
from typing import Any, Literal, Self

import dagster as dg
from pydantic import Field, model_validator

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.times import instant
from recurrence_pipeline.domain.vocabulary import CHANGES, REFUSED, EventStatus, Operation, Source
from recurrence_pipeline.orchestration.materializations import materialize
from recurrence_pipeline.orchestration.metadata import (
    DRY_RUN,
    MAX_ROWS,
    answer_metadata,
    difference_metadata,
    events_table,
    plan_metadata,
    table,
)
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import MONGODB, Resources, WorkerParam, failing_in_one_line, refusing
from recurrence_pipeline.orchestration.shadow_job import shadow_config, shadow_previous_worker
from recurrence_pipeline.recovery.replay import AT_MOST, EventFilter, Replay
from recurrence_pipeline.recovery.restore import Restored
from recurrence_pipeline.storage.documents import object_id
from recurrence_pipeline.storage.events import new_event
from recurrence_pipeline.worker.summary import Results

LISTED = 50
"""Deletions that a run without one lists."""

BY_HAND = {"recurrence/started_by": "hand"}
"""On the runs of these jobs."""


class ReplayConfig(dg.Config):
    """Which refused events; what is empty does not narrow."""

    event_ids: list[str] = Field(default_factory=list, description="Only these events: 24 hex digits each.")
    code: str = Field(default="", description="Only those whose last error has this code, such as TRANSIENT.")
    status: Literal["any", "failed", "rejected"] = Field(default="any", description="Only those of this status.")
    operation: Literal["any", "create", "complete", "delete", "update", "reopen", "skip"] = Field(
        default="any", description="Only those of this operation."
    )
    since: str = Field(default="", description="Only those that ended from this time on, such as 2026-11-24T09:30Z.")
    until: str = Field(default="", description="Only those that ended before this time.")
    limit: int = Field(default=AT_MOST, ge=1, description="At most so many, the longest waiting first.")
    dry_run: bool = Field(default=True, description=DRY_RUN)

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        """Refuse what `selection` refuses, and what is no id."""
        with refusing():
            self.selection()
            for event_id in self.event_ids:
                object_id(event_id, "event_ids")
        return self

    def selection(self) -> EventFilter:
        """Return what is meant.

        Raises:
            InvalidInput: a time is none.
        """
        now = utc_now()
        return EventFilter(
            statuses=REFUSED if self.status == "any" else [EventStatus(self.status)],
            operation=None if self.operation == "any" else Operation(self.operation),
            code=self.code or None,
            since=instant("since", self.since or None, now),
            until=instant("until", self.until or None, now),
        )


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def replay_refused_events(context: dg.OpExecutionContext, config: ReplayConfig, worker: WorkerParam) -> None:
    """Show which refused events would get another try or, without `dry_run`, give it to them."""
    with failing_in_one_line():
        replay = worker.open().dead_letters.replay(
            config.selection(), config.event_ids, limit=config.limit, dry_run=config.dry_run
        )
    context.add_output_metadata(_replay_metadata(replay))


@dg.config_mapping
def _replay(config: ReplayConfig) -> dict[str, Any]:
    return {"ops": {"replay_refused_events": {"config": config.model_dump()}}}


@dg.graph(
    description="Another try for failed and rejected events, by id, code, status, operation or time. It only shows "
    "what it would take until `dry_run` is set to false.",
)
def replay_events() -> None:  # noqa: D103
    replay_refused_events()


class RestoreConfig(dg.Config):
    """Which deletion."""

    deletion: str = Field(default="", description="The deletion; without one, the latest are listed.")
    again: bool = Field(default=False, description="Also put back what was put back before and has gone since.")
    dry_run: bool = Field(default=True, description=DRY_RUN)

    @model_validator(mode="after")
    def _is_id(self) -> Self:
        with refusing():
            if self.deletion:
                object_id(self.deletion, "deletion")
        return self


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def restore_deleted_tasks(context: dg.OpExecutionContext, config: RestoreConfig, worker: WorkerParam) -> None:
    """List deletions, show what undoing one would come to or, without `dry_run`, undo it."""
    deletions = worker.open().deletions
    with failing_in_one_line():
        if not config.deletion:
            metadata = _deletions_metadata(deletions.recent(LISTED))
        else:
            metadata = _restored_metadata(
                deletions.restore(config.deletion, dry_run=config.dry_run, again=config.again)
            )
    context.add_output_metadata(metadata)
    if metadata["written"]:
        materialize(context, worker, {"tasks": {"restored": metadata["restored"]}})


@dg.config_mapping
def _restore(config: RestoreConfig) -> dict[str, Any]:
    return {"ops": {"restore_deleted_tasks": {"config": config.model_dump()}}}


@dg.graph(
    description="Put back what a cascade or a cleanup deleted. Without a deletion it lists the latest; with one it "
    "only shows what it would do until `dry_run` is set to false.",
)
def restore_tasks() -> None:  # noqa: D103
    restore_deleted_tasks()


def _replay_metadata(replay: Replay) -> dict[str, Any]:
    reasons = [(*row, count) for row, count in replay.reasons.most_common()]
    return {
        "written": replay.written,
        "selected": replay.selected,
        "replayed": replay.replayed,
        "more": replay.more,
        "reasons": table(["operation", "status", "code", "reason", "count"], reasons),
        "left": table(["event", "reason"], replay.left.items()),
    }


def _deletions_metadata(rows: list[dict[str, Any]]) -> dict[str, Any]:
    columns = ["deleted", "by", "reason", "tasks", "restored", "one of the tasks", "deletion"]
    keys = ("deletedAt", "deletedBy", "reason", "tasks", "restored", "title", "deletion")
    return {
        "written": False,
        "deletions": table(columns, [[row[key] for key in keys] for row in rows]),
    }


def _restored_metadata(done: Restored) -> dict[str, Any]:
    originals = [(new.task_id, new.replaces, new.slot, new.anchor) for new in done.originals.values()]
    return {
        "written": done.written,
        "tasks": done.tasks,
        "restored": done.restored,
        "already_there": done.there,
        "gone_since": done.gone,
        "restored_before": done.before,
        "new_originals": table(["task", "instead of", "slot", "counted from"], originals),
        "renumbered": table(["task", "new number"], done.renumbered.items()),
        "refused": table(["task", "reason"], done.refused.items()),
    }


class TaskConfig(dg.Config):
    """One operation, asked for by hand."""

    task_id: str = Field(default="", description="The task: 24 hex digits; without one, the latest events are listed.")
    # Dagster wants the NAMES of an Enum, which are in capitals.
    operation: Literal["create", "complete", "delete", "update", "reopen", "skip"] = Field(
        default="create", description="What happened to the task."
    )
    user_id: str = Field(default="", description="Whose tasks are deleted: 24 hex digits; only delete needs it.")
    slot: int | None = Field(
        default=None, description="Of skip: which slot, if not the task's. Of update: the first one to change."
    )
    undo: bool = Field(default=False, description="Of skip: the slot is wanted again.")
    dry_run: bool = Field(default=True, description=DRY_RUN)

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        """Refuse what no event can say: an id that is none, a deletion of nobody's tasks, a slot of a creation."""
        if self.task_id:
            asked = (self.task_id, self.operation, self.user_id or None)
            with refusing():
                new_event(*asked, source=Source.MANUAL, now=utc_now(), slot=self.slot, undo=self.undo)
        return self


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def process_one_task(context: dg.OpExecutionContext, config: TaskConfig, worker: WorkerParam) -> None:
    """List events; show what an operation on one task would come to or, without `dry_run`, process it at once."""
    results = Results()
    with failing_in_one_line():
        metadata = _processed(worker.open(), config, context.run_id, results)
    context.add_output_metadata(metadata)
    if metadata["written"]:
        materialize(context, worker, results.summary.by_collection(), results.summary.newest)


def _processed(worker: Worker, config: TaskConfig, run_id: str, results: Results) -> dict[str, Any]:
    """Do what the config asks for, and return what it came to or would come to; the numbers are in the results."""
    if not config.task_id:
        return {"written": False, "events": events_table(worker.queries.events(limit=MAX_ROWS))}
    if config.operation in set(CHANGES):
        options: dict[str, Any] = {"slot": config.slot, "undo": config.undo, "dry_run": config.dry_run}
        difference = worker.change(config.task_id, config.operation, **options, run_id=run_id, results=results)
        return difference_metadata(difference)
    asked = (config.task_id, config.operation, config.user_id or None)
    if config.dry_run:
        return plan_metadata(*worker.plan(*asked)) | _rule(worker, config.task_id)
    return answer_metadata(worker.process_task_recurrence(*asked, run_id=run_id, results=results))


def _rule(worker: Worker, task_id: str) -> dict[str, str]:
    """Return the rule of a task's series in words, where there is such a series."""
    with suppress(RecurrenceError):
        return {"rule": worker.queries.series(task_id.lower()).words or "none"}
    return {}


@dg.config_mapping
def _one_task(config: TaskConfig) -> dict[str, Any]:
    return {"ops": {"process_one_task": {"config": config.model_dump()}}}


@dg.graph(
    description="One operation on one task, by hand; also update, reopen and skip, which change a series. Without a "
    "task it lists the latest events; with one it only shows what it would do until `dry_run` is set to false.",
)
def process_task() -> None:  # noqa: D103
    process_one_task()


CONFIGS = (
    (process_task, _one_task),
    (replay_events, _replay),
    (restore_tasks, _restore),
    (shadow_previous_worker, shadow_config),
)
"""What each of them is asked."""


def build_manual_jobs(names: Names, resources: Resources) -> list[dg.JobDefinition]:
    """Build the jobs."""
    return [
        steps.to_job(
            name=names(steps.name),
            config=config,
            tags=BY_HAND,
            resource_defs=resources,
            executor_def=dg.in_process_executor,
        )
        for steps, config in CONFIGS
    ]
