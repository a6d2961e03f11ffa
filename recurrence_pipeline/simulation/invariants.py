"""What must hold in every history, each as a name, a sentence and a function; what is expected is expected.py's."""

from collections.abc import Callable
from dataclasses import dataclass

from recurrence_pipeline.domain.ids import activity_id
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.recurrence import NONE
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.simulation import one_rule, what_ifs
from recurrence_pipeline.simulation.expected import place
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.random_series import ORIGINAL
from recurrence_pipeline.simulation.revised import lacks_slots, many_ahead, off_the_line, unfollowed


@dataclass(frozen=True, slots=True)
class Invariant:
    """What always holds. `broken` looks at a history after a step, and says what is wrong; None where all is well."""

    name: str
    sentence: str
    broken: Callable[[History], str | None]


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


def _comes_back(history: History) -> str | None:
    back = history.deleted & history.store.tasks.keys()
    return next((f"{history.name(history.store.tasks[i])} was deleted, and is there again" for i in sorted(back)), None)


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
        one_rule.slot_lost,
    ),
    Invariant(
        "nothing_too_early",
        "No task is made beyond the horizon behind what was completed.",
        one_rule.too_far,
    ),
    Invariant(
        "deleted_stays_deleted",
        "What a person deleted is not made again.",
        _comes_back,
    ),
    Invariant(
        "excluded_changes_no_other_slot",
        "A number is the slot that the rule alone puts there, whatever is excluded or added.",
        one_rule.number_moves,
    ),
    Invariant(
        "slots_increase_on_the_wall_clock",
        "A slot with a higher number is later on the wall clock, whatever the clocks do.",
        one_rule.not_in_order,
    ),
    Invariant(
        "nothing_on_excluded_dates",
        "An excluded date has no task.",
        one_rule.on_excluded,
    ),
    Invariant(
        "nothing_made_while_paused",
        "A slot in a pause has no task.",
        one_rule.paused,
    ),
    Invariant(
        "nothing_on_a_day_off",
        "A slot on a day off has its task where its shift says, every other one where the rule puts it.",
        one_rule.on_a_day_off,
    ),
    Invariant(
        "one_open_from_completion",
        "From completion, one task is open at a time.",
        one_rule.two_open,
    ),
    Invariant(
        "counted_from_the_day_of_completion",
        "From completion, a task is due at the first time of the rule after the day of the completion before it.",
        one_rule.not_from_completion,
    ),
    Invariant(
        "missed_do_not_stay",
        "With `missed: next` no untouched task stays whose time passed and the next one's came, with `latest` one.",
        one_rule.missed_stays,
    ),
    Invariant(
        "a_year_away_is_a_year_of_days",
        "A worker that was away leaves, after its first visit, what one that came all the time leaves.",
        what_ifs.a_year_away,
    ),
    Invariant(
        "reopen_undoes_complete",
        "A completion that is taken back leaves what was there before, in a series that had begun; "
        "completed again, what was there then. Not where the task had been completed and taken back before, and what "
        "that made is still there.",
        what_ifs.not_undone,
    ),
    Invariant(
        "a_skip_can_be_taken_back",
        "A skipped slot has no task; taken back, everything that was there before is there.",
        what_ifs.skip_stays,
    ),
    Invariant(
        "an_edit_of_nothing_changes_nothing",
        "An update whose original says what it said before changes nothing.",
        what_ifs.edits_nothing,
    ),
    Invariant(
        "an_edit_is_followed",
        "After an update untouched tasks ahead are on the new rule, no other is changed; "
        "once reconciliation has looked, another one changes nothing.",
        what_ifs.not_followed,
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
        what_ifs.not_once,
    ),
    Invariant(
        "order_does_not_matter",
        "Events in any order, together or one by one, come to the same tasks.",
        what_ifs.order_matters,
    ),
)
"""All of them; docs/explanation/guarantees.md has the same table."""
