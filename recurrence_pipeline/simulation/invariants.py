"""What must hold in every history, each as a name, a sentence and a function; what is expected is expected.py's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from recurrence_pipeline.domain.calendar import in_utc
from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.model import Action, Operation, Task, TaskEvent, activity_id
from recurrence_pipeline.domain.plan import Plan
from recurrence_pipeline.domain.recurrence import NONE, Missed, Recurrence, read_recurrence
from recurrence_pipeline.simulation.comparing import difference
from recurrence_pipeline.simulation.expected import counted_from, due_of, expected, place, slots, time_has_come
from recurrence_pipeline.simulation.forks import Fork
from recurrence_pipeline.simulation.history import ASKING, History, Visit
from recurrence_pipeline.simulation.random_series import ORIGINAL, edited
from recurrence_pipeline.simulation.revised import is_void, lacks_slots, many_ahead, off_the_line, unfollowed
from recurrence_pipeline.simulation.store import Store, plan_of

VISIT = "65920082" + "00" * 8
AWAY = (1, 2, 3, 5, 8, 15, 31, 60)
"""Days after which a worker that is there comes; one that is away comes on the last of them alone."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """What always holds. `broken` looks at a history after a step, and says what is wrong; None where all is well."""

    name: str
    sentence: str
    broken: Callable[[History], str | None]


def _unchanged(broken: Callable[[History], str | None]) -> Callable[[History], str | None]:
    """Look at histories in which nobody changed the series itself: there all that was ever made is on one rule."""
    return lambda history: None if history.is_changed else broken(history)


def _raised(history: History) -> str | None:
    return history.raised


def _slot_twice(history: History) -> str | None:
    seen: dict[object, Task] = {}
    for task in history.store.tasks.values():
        number = 0 if task.id == ORIGINAL else task.occurrence_number
        by_place = number is None or not (history.is_changed or history.recurrence.from_completion)
        slot = place(history, task) if by_place else number
        other = seen.setdefault(slot, task)
        if other is not task:
            return f"{history.name(task)} has two tasks: {other.id} and {task.id}"
    return None


@_unchanged
def _slot_lost(history: History) -> str | None:
    if not history.is_calm or history.recurrence.from_completion:
        return None
    if history.recurrence.missed is not Missed.EACH and not _was_visited(history):
        return None
    done = max((place(history, t) for t in history.store.tasks.values() if t.is_completed), default=None)
    had = {place(history, task) for task in history.made.values()} | {history.wall}
    lost = (at for at in expected(history, done) if at not in had)
    return next((f"{at:%a %Y-%m-%d %H:%M} never had a task" for at in lost), None)


@_unchanged
def _too_far(history: History) -> str | None:
    if history.recurrence.from_completion:
        return None
    done = max((place(history, task) for task in history.done), default=None)
    wanted = set(expected(history, done))
    too_far = (task for task in history.made.values() if place(history, task) not in wanted)
    return next((f"{history.name(task)} has a task too early" for task in too_far), None)


def _comes_back(history: History) -> str | None:
    back = history.deleted & history.store.tasks.keys()
    return next((f"{history.name(history.store.tasks[i])} was deleted, and is there again" for i in sorted(back)), None)


@_unchanged
def _number_moves(history: History) -> str | None:
    known = slots(history, 1 + max((task.occurrence_number or 0 for task in history.made.values()), default=0))
    for task in history.made.values():
        number, at = task.occurrence_number, task.occurrence_at
        if at is None or task.due_date != in_utc(task.shifted_to or at, history.zone):
            return f"{history.name(task)} is due at {task.due_date}"
        if history.recurrence.from_completion:
            continue
        if number is not None and known[number] != at:
            return f"{history.name(task)} is at {known[number]:%Y-%m-%d %H:%M} by the rule alone"
    return None


@_unchanged
def _not_in_order(history: History) -> str | None:
    if history.recurrence.from_completion:  # who is early may have the same day again
        return None
    numbered = {
        t.occurrence_number: place(history, t) for t in history.made.values() if t.occurrence_number is not None
    }
    walls = [history.wall, *(numbered[number] for number in sorted(numbered))]
    wrong = (late for early, late in pairwise(walls) if not early < late)
    return next((f"{at:%Y-%m-%d %H:%M} is not later than the slot before it" for at in wrong), None)


@_unchanged
def _on_excluded(history: History) -> str | None:
    wrong = (task for task in history.made.values() if history.recurrence.excludes(place(history, task)))
    return next((f"{history.name(task)} is excluded, and has a task" for task in wrong), None)


@_unchanged
def _paused(history: History) -> str | None:
    wrong = (task for task in history.made.values() if history.recurrence.pause_at(place(history, task)))
    return next((f"{history.name(task)} lies in a pause, and has a task" for task in wrong), None)


@_unchanged
def _on_a_day_off(history: History) -> str | None:
    for task in history.made.values():
        at = place(history, task)
        if history.recurrence.moved(at) != (task.shifted_to or at):
            return f"{history.name(task)} is at {task.shifted_to or at:%a %Y-%m-%d}"
    return None


@_unchanged
def _two_open(history: History) -> str | None:
    if not history.recurrence.from_completion:
        return None
    found = history.open_tasks()
    return f"{len(found)} are open: {', '.join(map(history.name, found))}" if len(found) > 1 else None


@_unchanged
def _not_from_completion(history: History) -> str | None:
    if not history.recurrence.from_completion:
        return None
    done = {task.occurrence_number or 0: task for task in history.done}
    for task in history.made.values():
        before = done.get((task.occurrence_number or 0) - 1)
        if before is None or before.completed_at is None:
            return f"{history.name(task)} was made, and the one before it was not completed"
        if (at := counted_from(history, before.completed_at)) != task.occurrence_at:
            return f"{history.name(task)}, counted from {before.completed_at}, is {at}"
    return None


@_unchanged
def _missed_stays(history: History) -> str | None:
    missed = history.recurrence.missed
    if not history.is_calm or missed is Missed.EACH or not _was_visited(history):
        return None
    beginning = time_has_come(history)
    if beginning is None:
        return None
    others = ((place(history, task), task) for task in history.open_tasks() if task.id != ORIGINAL)
    passed = [task for at, task in others if at < beginning and due_of(history, at) <= history.now]
    stays = [task for task in (passed[:-1] if missed is Missed.LATEST else passed) if not task.is_touched]
    return next((f"{history.name(task)} was missed, and is still open" for task in stays), None)


def _was_visited(history: History) -> bool:
    visit = history.visit
    return visit is not None and not visit.died and any(e.id not in history.refusals for e in _asking(visit))


def _a_year_away(history: History) -> str | None:
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


def _not_undone(history: History) -> str | None:
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


def _skip_stays(history: History) -> str | None:
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


def _not_followed(history: History) -> str | None:
    """Have the original edited, and look at what follows."""
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


def _edits_nothing(history: History) -> str | None:
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


def _touched_changed(history: History) -> str | None:
    for task_id, left in history.touched.items():
        now = history.store.tasks.get(task_id)
        if now != left and task_id not in history.deleted | history.store.removed.keys():
            return f"{history.name(left)} was changed by a person, and then by the worker: {left} is {now}"
    return None


def _untold(history: History) -> str | None:
    if not history.is_calm or history.is_untraced or history.head.repeat_type == NONE:
        return None
    there = ((i, task) for i, task in history.store.tasks.items() if i != ORIGINAL)
    untold = (task for i, task in there if activity_id(Action.CREATED, i) not in history.store.told)
    return next((f"nobody was told of {history.name(task)}" for task in untold), None)


def _outlives(history: History) -> str | None:
    if history.queue or ORIGINAL in history.store.tasks:
        return None
    return next((f"{history.name(t)} is there without its original" for t in history.store.tasks.values()), None)


def _miscounted(history: History) -> str | None:
    for event_id, said in history.counts.items():
        if said != (found := len(history.removed.get(event_id, ()))):
            return f"deletion {event_id} says that it removed {said}, and removed {found}"
    return None


def _not_once(history: History) -> str | None:
    visit = history.visit
    if visit is None or visit.died or len(visit.events) != len(_asking(visit)):
        return None
    again = plan_of(visit.after, _asking(visit), visit.now, history.planner)
    return f"the same events once more would write {written}" if (written := _written(again, visit.after)) else None


def _order_matters(history: History) -> str | None:
    visit = history.visit
    if visit is None or visit.died or len(visit.events) != len(_asking(visit)):
        return None
    other = visit.before.copy()
    for event in sorted(visit.events, key=lambda event: event.id[::-1], reverse=len(visit.events) % 2 == 0):
        for write in other.writes(plan_of(other, [event], visit.now, history.planner), visit.now):
            write()
    return difference(visit.after, other)


def _asking(visit: Visit) -> list[TaskEvent]:
    return [event for event in visit.events if event.operation in ASKING]


def _written(plan: Plan, store: Store) -> str:
    names = ("occurrences", "links", "cursors", "removals", "memories", "skips", "edits", "lowered")
    counts = {name: len(getattr(plan, name)) for name in names}
    counts["retirements"] = sum(store.may_retire(each, i) for each in plan.retirements for i in each.task_ids)
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


INVARIANTS = (
    Invariant(
        "planning_never_fails",
        "Whatever happens, planning ends in a plan.",
        _raised,
    ),
    Invariant(
        "no_slot_twice",
        "No slot ever has two tasks.",
        _slot_twice,
    ),
    Invariant(
        "no_slot_lost",
        "Once all events are processed, every slot up to the horizon has had its task.",
        _slot_lost,
    ),
    Invariant(
        "nothing_too_early",
        "No task is made beyond the horizon behind what was completed.",
        _too_far,
    ),
    Invariant(
        "deleted_stays_deleted",
        "What a person deleted is not made again.",
        _comes_back,
    ),
    Invariant(
        "excluded_changes_no_other_slot",
        "A number is the slot that the rule alone puts there, whatever is excluded or added.",
        _number_moves,
    ),
    Invariant(
        "slots_increase_on_the_wall_clock",
        "A slot with a higher number is later on the wall clock, whatever the clocks do.",
        _not_in_order,
    ),
    Invariant(
        "nothing_on_excluded_dates",
        "An excluded date has no task.",
        _on_excluded,
    ),
    Invariant(
        "nothing_made_while_paused",
        "A slot in a pause has no task.",
        _paused,
    ),
    Invariant(
        "nothing_on_a_day_off",
        "A slot on a day off has its task where its shift says, every other one where the rule puts it.",
        _on_a_day_off,
    ),
    Invariant(
        "one_open_from_completion",
        "From completion, one task is open at a time.",
        _two_open,
    ),
    Invariant(
        "counted_from_the_day_of_completion",
        "From completion, a task is due at the first time of the rule after the day of the completion before it.",
        _not_from_completion,
    ),
    Invariant(
        "missed_do_not_stay",
        "With `missed: next` no untouched task stays whose time passed and the next one's came, with `latest` one.",
        _missed_stays,
    ),
    Invariant(
        "a_year_away_is_a_year_of_days",
        "A worker that was away leaves, after its first visit, what one that came all the time leaves.",
        _a_year_away,
    ),
    Invariant(
        "reopen_undoes_complete",
        "A completion that is taken back leaves what was there before, in a series that had begun; "
        "completed again, what was there then. Not where the task had been completed and taken back before, and what "
        "that made is still there.",
        _not_undone,
    ),
    Invariant(
        "a_skip_can_be_taken_back",
        "A skipped slot has no task; taken back, everything that was there before is there.",
        _skip_stays,
    ),
    Invariant(
        "an_edit_of_nothing_changes_nothing",
        "An update whose original says what it said before changes nothing.",
        _edits_nothing,
    ),
    Invariant(
        "an_edit_is_followed",
        "After an update untouched tasks ahead are on the new rule, no other is changed; "
        "once reconciliation has looked, another one changes nothing.",
        _not_followed,
    ),
    Invariant(
        "an_edit_is_followed_or_refused",
        "In the end every edit of rule and options is followed, told or untold, or an event says why it cannot be.",
        unfollowed,
    ),
    Invariant(
        "what_is_ahead_is_in_line",
        "Whatever was edited, skipped and taken back: an untouched task ahead is on a slot that is wanted now.",
        off_the_line,
    ),
    Invariant(
        "what_is_ahead_is_there",
        "Whatever was edited, skipped and taken back: every slot ahead, as far as the horizon, has its task, "
        "but for those before a task that was ever completed.",
        lacks_slots,
    ),
    Invariant(
        "one_ahead_from_completion",
        "An edit to `from: completion` leaves one untouched task ahead at most.",
        many_ahead,
    ),
    Invariant(
        "touched_is_never_changed",
        "What a person changed, no worker changes.",
        _touched_changed,
    ),
    Invariant(
        "every_task_is_told_of",
        "The user's activity log has a line for every task that was made.",
        _untold,
    ),
    Invariant(
        "nothing_outlives_its_original",
        "Once the deletion of an original is processed, none of its occurrences is left.",
        _outlives,
    ),
    Invariant(
        "a_deletion_counts_what_it_removed",
        "A deletion says how many tasks it removed, in all its tries together.",
        _miscounted,
    ),
    Invariant(
        "plan_twice_is_once",
        "The same events once more have nothing left to do.",
        _not_once,
    ),
    Invariant(
        "order_does_not_matter",
        "Events in any order, together or one by one, come to the same tasks.",
        _order_matters,
    ),
)
"""All of them; docs/explanation/guarantees.md has the same table."""
