"""Planners with a fault each, by the invariant that has to find it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from recurrence_pipeline.domain.changes import plan_changes
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.model import Series, Task, TaskEvent
from recurrence_pipeline.domain.plan import Plan, Reparent, Retirement
from recurrence_pipeline.domain.planning import plan_batch, plan_deletions
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.simulation.store import Planner


def spoiled(change: Callable[[Plan, Snapshot], object]) -> Planner:
    """Return a planner whose plans are changed."""

    def batch(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime) -> Plan:
        plan = plan_batch(events, snapshot, now=now)
        change(plan, snapshot)
        return plan

    return Planner(batch=batch)


def misled(change: Callable[[Series], Series]) -> Planner:
    """Return a planner that is shown other series than there are."""

    def batch(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime) -> Plan:
        series = {i: change(each) for i, each in snapshot.series.items()}
        return plan_batch(events, Snapshot(snapshot.tasks, series), now=now)

    return Planner(batch=batch)


def saying(original: Task, **options: Any) -> Task:
    """Return an original that says something else of its recurrence."""
    said = dict(original.recurrence) if isinstance(original.recurrence, dict) else {}
    return replace(original, recurrence=said | options)


def with_original(change: Callable[[Task], Task]) -> Planner:
    return misled(lambda series: replace(series, original=series.original and change(series.original)))


def fails(*_: object, **__: object) -> Plan:
    raise ZeroDivisionError


def _a_second_task(plan: Plan, _: Snapshot) -> None:
    plan.occurrences += [replace(new, id=occurrence_id(new.id, "twin")) for new in plan.occurrences]


def _a_day_late(plan: Plan, _: Snapshot) -> None:
    plan.occurrences = [replace(new, at=new.at + timedelta(1), due=new.due + timedelta(1)) for new in plan.occurrences]


def _turned_round(plan: Plan, _: Snapshot) -> None:
    times = [new.at for new in reversed(plan.occurrences)]
    plan.occurrences = [replace(new, at=at) for new, at in zip(plan.occurrences, times, strict=True)]


def _hung_elsewhere(plan: Plan, snapshot: Snapshot) -> None:
    members = [task for series in snapshot.series.values() for task in series.occurrences]
    plan.links += [Reparent(task.id, str(task.parent_recurring_id), "00" * 12) for task in members]


def _only_the_first(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime) -> Plan:
    return plan_batch(events[:1], snapshot, now=now)


def _paired(plan: Plan, _: Snapshot) -> None:
    if plan.occurrences:
        last = plan.occurrences[-1]
        number = (last.slot or 0) + 1
        other = replace(last, id=occurrence_id(last.original.id, number), slot=number, at=last.at + timedelta(1))
        plan.occurrences.append(replace(other, due=last.due + timedelta(1)))


def _the_next_day(plan: Plan, _: Snapshot) -> None:
    plan.occurrences = [replace(new, at=new.at + timedelta(1), due=new.due + timedelta(1)) for new in plan.occurrences]


def _not_moved(plan: Plan, _: Snapshot) -> None:
    for new in plan.occurrences:
        new.shifted_to = None


def _sees_nothing_missed(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime) -> Plan:
    plan = plan_batch(events, snapshot, now=now)
    plan.retirements.clear()
    return plan


def _forgets_the_past(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime) -> Plan:
    plan = plan_batch(events, snapshot, now=now)
    plan.occurrences = [new for new in plan.occurrences if new.due > now]
    return plan


def _changing(change: Callable[[Plan], object]) -> Planner:
    def changes(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime) -> Plan:
        plan = plan_changes(events, snapshot, now=now)
        change(plan)
        return plan

    return Planner(changes=changes)


def _retires_all(events: Sequence[TaskEvent], snapshot: Snapshot, *, now: datetime) -> Plan:
    plan = plan_changes(events, snapshot, now=now)
    for event in events:
        series = snapshot.series_of(event.task_id)
        if series.original is not None:
            slots = {task.id: task.occurrence_number for task in series.occurrences}
            plan.retirements.append(Retirement(event, tuple(slots), "all", None, series.original, slots))
    return plan


def _deletes_nothing(events: Sequence[TaskEvent], snapshot: Snapshot) -> Plan:
    return replace(plan_deletions(events, snapshot), removals=[])


def _counts_nothing(events: Sequence[TaskEvent], snapshot: Snapshot) -> Plan:
    plan = plan_deletions(events, snapshot)
    return replace(plan, answers={event_id: replace(answer, deleted=0) for event_id, answer in plan.answers.items()})


BROKEN: Mapping[str, Planner] = {
    "planning_never_fails": Planner(batch=fails),
    "no_slot_twice": spoiled(_a_second_task),
    "no_slot_lost": spoiled(lambda plan, _: plan.occurrences.clear()),
    "nothing_too_early": with_original(lambda original: saying(original, horizon=9)),
    "deleted_stays_deleted": misled(lambda series: replace(series, memory=None)),
    "excluded_changes_no_other_slot": spoiled(_a_day_late),
    "slots_increase_on_the_wall_clock": spoiled(_turned_round),
    "nothing_on_excluded_dates": with_original(lambda original: saying(original, excluded=[])),
    "nothing_made_while_paused": with_original(lambda original: saying(original, paused=[])),
    "nothing_on_a_day_off": spoiled(_not_moved),
    "one_open_from_completion": spoiled(_paired),
    "counted_from_the_day_of_completion": spoiled(_the_next_day),
    "missed_do_not_stay": Planner(batch=_sees_nothing_missed),
    "a_year_away_is_a_year_of_days": Planner(batch=_forgets_the_past),
    "reopen_undoes_complete": _changing(lambda plan: plan.retirements.clear()),
    "a_skip_can_be_taken_back": _changing(lambda plan: plan.retirements.clear()),
    "an_edit_of_nothing_changes_nothing": Planner(changes=_retires_all),
    "an_edit_is_followed": _changing(lambda plan: plan.edits.clear()),
    "an_edit_is_followed_or_refused": _changing(lambda plan: plan.memories.clear()),
    "what_is_ahead_is_in_line": _changing(lambda plan: plan.edits.clear()),
    "what_is_ahead_is_there": _changing(lambda plan: plan.occurrences.clear()),
    "one_ahead_from_completion": spoiled(_paired),
    "touched_is_never_changed": spoiled(_hung_elsewhere),
    "every_task_is_told_of": spoiled(lambda plan, _: plan.activities.clear()),
    "nothing_outlives_its_original": Planner(deletions=_deletes_nothing),
    "a_deletion_counts_what_it_removed": Planner(deletions=_counts_nothing),
    "plan_twice_is_once": spoiled(lambda plan, _: plan.cursors.clear()),
    "order_does_not_matter": Planner(batch=_only_the_first),
}
