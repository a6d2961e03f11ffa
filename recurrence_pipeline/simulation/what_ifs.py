"""What holds if something more happens, tried on a copy of a history. Each says what is wrong, or None."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.recurrence import NONE, Missed, Recurrence, read_recurrence
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.simulation.comparing import difference
from recurrence_pipeline.simulation.expected import place
from recurrence_pipeline.simulation.forks import Fork
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.random_series import ORIGINAL, edited
from recurrence_pipeline.simulation.revised import is_void
from recurrence_pipeline.simulation.store import Store, plan_of

VISIT = "65920082" + "00" * 8
AWAY = (1, 2, 3, 5, 8, 15, 31, 60)
"""Days after which a worker that is there comes; one that is away comes on the last of them alone."""


def a_year_away(history: History) -> str | None:
    """Let a worker come every few days, and another at the end alone; say how their tasks differ."""
    if history.visit is None or not history.is_calm or history.recurrence.from_completion:
        return None
    there, away, event = history.store.copy(), history.store.copy(), history.finished[0]
    event = replace(event, id=VISIT, operation=Operation.CREATE, task_id=ORIGINAL)
    for days in AWAY:
        for store in (there, away) if days == AWAY[-1] else (there,):
            now = history.now + timedelta(days=days)
            for write in store.writes(plan_of(store, [event], now, history.planner), now):
                write()
    if there.removed.keys() != away.removed.keys():
        return f"visited, {sorted(there.removed)} are removed; else {sorted(away.removed)}"
    return difference(there, away)


def not_undone(history: History) -> str | None:
    """Complete the next task and reopen it; say what is not as it was."""
    if not (history.is_over and history.is_calm) or history.is_untraced:
        return None
    fork = Fork(history)
    found = fork.open_tasks()
    if not found or found[0].id in history.reopened or _made_by_completions_of(found, fork):
        return None  # what an earlier completion made goes along
    task, before = found[0], fork.store.copy()
    has_begun = ORIGINAL in before.memories  # one whose creation was refused is begun by a completion, for good
    fork.complete(task)
    completed = fork.store.copy()
    plan = fork.reopen(task)
    if plan.refusals:
        if history.reopened:  # an earlier completion may stand in the way that could not be taken back
            return None
        return f"reopening {history.name(task)} is refused: {next(iter(plan.refusals.values()))}"
    if has_begun and (unlike := difference(before, fork.store)) is not None:
        return f"completed and reopened {history.name(task)}: {unlike}"
    fork.complete(task)
    unlike = difference(completed, fork.store)
    return None if unlike is None else f"completed {history.name(task)} again: {unlike}"


def _made_by_completions_of(tasks: list[Task], fork: Fork) -> bool:
    completions = {(Operation.COMPLETE.value, task.id) for task in tasks}
    makers = (task.created_by_event for task in fork.store.tasks.values())
    return any(fork.store.events.get(maker or "") in completions for maker in makers)


def skip_stays(history: History) -> str | None:
    """Skip a task and take that back; say what is wrong then."""
    if not (history.is_over and history.is_calm):
        return None
    fork = Fork(history)
    found = [task for task in fork.open_tasks() if task.id != ORIGINAL]
    if not found:
        return None
    task, before = found[-1], fork.store.copy()
    plan = fork.ask(Operation.SKIP, task.id)
    if task.id in fork.store.tasks:
        return f"{history.name(task)} was skipped, and is there: {plan.refusals}"
    number, memory = task.occurrence_number, fork.store.memories.get(ORIGINAL)
    if number is None or history.head.repeat_type == NONE or (memory is not None and is_void(memory, number)):
        return None  # an edit may have taken its slot
    if fork.ask(Operation.SKIP, ORIGINAL, slot=number, undo=True).refusals:
        return None  # from completion, a person has completed one since
    lacking = before.tasks.keys() - fork.store.tasks.keys()  # what was made in its place stays
    return f"skipped {history.name(task)}, and took that back: {sorted(lacking)} are gone" if lacking else None


def not_followed(history: History) -> str | None:
    """Have the original edited, and say what does not follow."""
    if not (history.is_over and history.is_calm) or history.is_untraced:
        return None
    fork = Fork(history)
    before = fork.store.copy()
    chance = Random(history.seed)  # noqa: S311 - repeatable is the point
    original = edited(fork.store.tasks[ORIGINAL], chance, history.wall)
    said = f"edited to {original.recurrence or original.repeat_type}: "
    plan = fork.update(original)
    followed = read_recurrence(original.repeat_type, original.recurrence)
    if plan.refusals:
        return None
    for task in before.tasks.values():
        if followed.missed is not Missed.EACH and not task.is_completed and not task.is_touched:
            continue  # it may be retired
        is_ahead = isinstance(task.due_date, datetime) and task.due_date > fork.now and not task.is_completed
        if task.id != ORIGINAL and fork.store.tasks.get(task.id) != task and (task.is_touched or not is_ahead):
            return f"{said}{history.name(task)} was changed, which is done, past or a person's"
    is_counted = followed.from_completion or history.recurrence.from_completion
    wrong = None if is_counted else _off_the_rule(history, fork, followed)
    if wrong is not None:
        return said + wrong
    update = fork.last
    fork.ask(Operation.CREATE, ORIGINAL)  # as reconciliation does: an added date may be where the rule had a slot
    again = history.planner.changes([update], fork.store.load([ORIGINAL]), now=fork.now)
    return f"{said}the same once more would write {written}" if (written := _written(again, fork.store)) else None


def _off_the_rule(history: History, fork: Fork, recurrence: Recurrence) -> str | None:
    """Say which untouched task ahead is not on the rule that is followed now."""
    endless = recurrence.rule.without_end()
    memory = fork.store.memories[ORIGINAL]
    current, dates = memory.current, recurrence.added_at(memory.revisions[0].anchor, memory.added)
    done = max((place(history, t) for t in fork.store.tasks.values() if t.is_completed), default=history.wall)
    for task in fork.open_tasks():
        at = task.occurrence_at
        if (
            at is None
            or task.is_touched
            or (task.occurrence_number is not None and task.occurrence_number < current.first)
            or at <= done
            or not isinstance(task.due_date, datetime)
            or task.due_date <= fork.now
        ):
            continue
        moment = timedelta(microseconds=1)
        if at not in dates and next(instances(endless, current.anchor, at - moment), None) != at:
            return f"{history.name(task)} is not on it"
        if task.title != fork.store.tasks[ORIGINAL].title:
            return f"{history.name(task)} is still called {task.title}"
    return None


def edits_nothing(history: History) -> str | None:
    """Tell of an edit that is none; say what it changed."""
    gone = {t.id for t in history.done} - history.store.tasks.keys()
    if not (history.is_over and history.is_calm) or gone or history.is_untraced:
        return None  # where what was completed is gone, so is what it brought
    fork = Fork(history)
    if (
        history.is_changed and fork.update(fork.store.tasks[ORIGINAL]).refusals
    ):  # what nobody told of counts from now on
        return None
    before = fork.store.copy()
    plan = fork.update(fork.store.tasks[ORIGINAL])
    if plan.refusals:
        return f"an update that changes nothing is refused: {next(iter(plan.refusals.values()))}"
    unlike = difference(before, fork.store)
    return None if unlike is None else f"an update that changes nothing: {unlike}"


def not_once(history: History) -> str | None:
    """Plan the last events once more; say what would be written."""
    visit = history.visit
    if visit is None or visit.died or len(visit.events) != len(visit.asking):
        return None
    again = plan_of(visit.after, visit.asking, visit.now, history.planner)
    return f"the same events once more would write {written}" if (written := _written(again, visit.after)) else None


def order_matters(history: History) -> str | None:
    """Process the last events in another order; say what differs."""
    visit = history.visit
    if visit is None or visit.died or len(visit.events) != len(visit.asking):
        return None
    other = visit.before.copy()
    for event in sorted(visit.events, key=lambda event: event.id[::-1], reverse=len(visit.events) % 2 == 0):
        for write in other.writes(plan_of(other, [event], visit.now, history.planner), visit.now):
            write()
    return difference(visit.after, other)


def _written(plan: Plan, store: Store) -> str:
    names = ("occurrences", "links", "cursors", "removals", "memories", "skips", "edits", "lowered")
    counts = {name: len(getattr(plan, name)) for name in names}
    counts["retirements"] = sum(store.may_retire(each, i) for each in plan.retirements for i in each.task_ids)
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
