"""What may happen in a history, each drawn by chance: what people do, that time passes, and that workers come.

Each act changes a history and says what it did; None where it could do nothing. A person deletes nothing while an event
is half done, because a worker died or another's change cut it off: what is deleted in that moment may come back, which
is a known limit (docs/explanation/guarantees.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.recurrence import NONE
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.domain.zones import wall_clock
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.random_series import ORIGINAL, ZONES, edited

Act = Callable[[History], str | None]

PAUSES = (timedelta(minutes=5), timedelta(hours=9), timedelta(days=1), timedelta(days=8), timedelta(days=40))
DIES = 0.1
"""How often a worker dies among its writes."""


def complete(history: History) -> str | None:
    """Complete an open task: mostly the one that is due first."""
    found = history.open_tasks()
    if not found:
        return None
    task = found[0] if history.chance.random() < 0.7 else history.chance.choice(found)
    done = replace(task, is_completed=True, completed_at=history.now, updated_at=history.now, is_touched=True)
    history.store.put(done)
    history.done.append(done)
    if task.id in history.touched:
        history.touched[task.id] = done
    history.ask(Operation.COMPLETE, task.id)
    return f"completed: {history.name(task)}"


def change(history: History) -> str | None:
    """Give an open occurrence another title, or another date."""
    found = [task for task in history.open_tasks() if task.id != ORIGINAL]
    if not found:
        return None
    task = history.chance.choice(found)
    if history.chance.random() < 0.5:
        changed = replace(task, title="Water them twice", updated_at=history.now, is_touched=True)
    else:
        assert isinstance(task.due_date, datetime), "an occurrence has a date"  # noqa: S101
        changed = replace(task, due_date=task.due_date + timedelta(hours=5), updated_at=history.now, is_touched=True)
    history.store.put(changed)
    history.touched[task.id] = changed
    return f"changed by hand: {history.name(task)}"


def delete(history: History) -> str | None:
    """Delete an occurrence, done or not."""
    found = [task for task in history.members() if task.id != ORIGINAL]
    if not found or history.half_done:
        return None
    task = history.chance.choice(found)
    _gone(history, task)
    if history.chance.random() < 0.5:
        history.ask(Operation.DELETE, task.id)
    return f"deleted: {history.name(task)}"


def delete_all(history: History) -> str | None:
    """Delete the original, as an application does: its occurrences are the worker's to delete."""
    if ORIGINAL not in history.store.tasks or history.half_done or history.chance.random() < 0.7:
        return None
    _gone(history, history.store.tasks[ORIGINAL])
    history.ask(Operation.DELETE, ORIGINAL)
    return "the original is deleted"


def clear(history: History) -> str | None:
    """Delete what hangs on the original, and keep that."""
    if ORIGINAL not in history.store.tasks or history.chance.random() < 0.5:
        return None
    history.ask(Operation.DELETE, ORIGINAL)
    return "a deletion of all occurrences is asked for"


def edit(history: History) -> str | None:
    """Change the original: rule and options, its title, its first date, its zone, or that it recurs at all."""
    if not history.changes_come or (head := history.store.tasks.get(ORIGINAL)) is None:
        return None
    kind = history.chance.choices(list(EDITS), list(EDITS.values()))[0]
    history.store.put(replace(kind(history, head), updated_at=history.now))
    history.is_changed = True
    history.is_untraced |= history.memory is None and bool(history.made)
    said = f"edited to {history.head.recurrence or history.head.repeat_type}, {history.head.title!r}, "
    said += f"first at {history.head.due_date:%Y-%m-%d %H:%M} ({history.head.timezone})"
    if history.chance.random() < UNTOLD:
        return f"{said}; nobody is told"
    ahead = [t.occurrence_number for t in history.open_tasks() if t.occurrence_number is not None]
    slot = history.chance.choice(ahead) if ahead and history.chance.random() < 0.2 else None
    history.ask(Operation.UPDATE, ORIGINAL, slot=slot)
    return said if slot is None else f"{said}; from slot {slot} on"


def _another_rule(history: History, head: Task) -> Task:
    return edited(head, history.chance, history.wall)


def _another_title(history: History, head: Task) -> Task:
    title = history.chance.choice(("Water the roses", "Water the beans"))
    return replace(head, title=title, content={"title": title})


def _another_date(history: History, head: Task) -> Task:
    assert isinstance(head.due_date, datetime), "an original has a date"  # noqa: S101
    due = head.due_date + timedelta(days=history.chance.randint(-3, 20), hours=history.chance.choice((0, 0, 3)))
    return replace(head, due_date=due, original_due_date=due)


def _another_zone(history: History, head: Task) -> Task:
    return replace(head, timezone=history.chance.choice(ZONES))


def _no_more(history: History, head: Task) -> Task:  # noqa: ARG001 (as all of these)
    return replace(head, repeat_type=NONE)


EDITS: Mapping[Callable[[History, Task], Task], int] = MappingProxyType(
    {_another_rule: 6, _another_title: 1, _another_date: 1, _another_zone: 1, _no_more: 1}
)
"""What of an original is edited, and how often."""
UNTOLD = 0.3
"""How many edits nobody tells the worker of."""


def reconcile(history: History) -> str | None:
    """Find what nobody told of."""
    return "reconciliation finds something" if history.changes_come and history.reconcile() else None


def reopen(history: History) -> str | None:
    """Un-complete a completed task: mostly the last one."""
    found = [task for task in history.members() if task.is_completed]
    if not history.changes_come or not found:
        return None
    task = found[-1] if history.chance.random() < 0.7 else history.chance.choice(found)
    history.now += timedelta(milliseconds=1)  # later than it was completed
    is_touched = task.id in history.touched if task.id != ORIGINAL else task.is_touched
    again = replace(task, is_completed=False, completed_at=None, updated_at=history.now, is_touched=is_touched)
    history.store.put(again)
    history.done = [each for each in history.done if each.id != task.id]
    history.reopened.add(task.id)
    history.once_done = max(history.once_done, task.occurrence_number or 0)
    history.is_changed = True
    if task.id in history.touched:
        history.touched[task.id] = again
    history.ask(Operation.REOPEN, task.id)
    return f"reopened: {history.name(task)}"


def skip(history: History) -> str | None:
    """Have a slot skipped: that of an open task, or one that is still to come."""
    found = [task for task in history.open_tasks() if task.id != ORIGINAL]
    if not history.changes_come or not found:
        return None
    history.is_changed = True
    task = history.chance.choice(found)
    if history.chance.random() < 0.7 or task.occurrence_number is None:
        history.ask(Operation.SKIP, task.id)
        return f"not wanted: {history.name(task)}"
    slot = task.occurrence_number + history.chance.randint(0, 5)
    history.ask(Operation.SKIP, ORIGINAL, slot=slot)
    return f"not wanted: slot {slot}"


def unskip(history: History) -> str | None:
    """Have a skipped slot again; what was on it may come back, even if a person deleted it."""
    skipped = [slot for slot in (history.memory.skipped if history.memory else ()) if slot.isdigit()]
    if not skipped or ORIGINAL not in history.store.tasks:
        return None
    slot = int(history.chance.choice(skipped))
    history.deleted_slots.discard(slot)
    history.deleted -= {task.id for task in history.made.values() if task.occurrence_number == slot}
    history.ask(Operation.SKIP, ORIGINAL, slot=slot, undo=True)
    return f"wanted again: slot {slot}"


def wait(history: History) -> str:
    """Let time pass."""
    length = history.chance.choice(PAUSES)
    history.now += length
    return f"{length} pass: it is {wall_clock('now', history.now, history.zone):%a %Y-%m-%d %H:%M}"


def repeat(history: History) -> str | None:
    """Hand an event over a second time."""
    if not history.finished:
        return None
    event = history.chance.choice(history.finished)
    history.queue.append(event)
    return f"comes once more: {history.named(event)}"


def work(history: History) -> str | None:
    """Let a worker process some of the queue, in any order, and perhaps die of it."""
    if not history.queue:
        return None
    events = history.chance.sample(history.queue, history.chance.randint(1, len(history.queue)))
    return history.process([events], dies=history.chance.random() < DIES)


def work_at_once(history: History) -> str | None:
    """Let two workers read the same moment, and write one after the other; they may hold the same events."""
    if not history.queue:
        return None
    both = [history.chance.sample(history.queue, history.chance.randint(1, len(history.queue))) for _ in range(2)]
    return history.process(both, dies=False)


def _gone(history: History, task: Task) -> None:
    history.store.delete(task.id)
    history.deleted.add(task.id)
    history.deleted_slots.add(task.occurrence_number)
    history.touched.pop(task.id, None)


ACTS: Mapping[Act, int] = MappingProxyType(
    {
        complete: 6,
        change: 1,
        delete: 2,
        delete_all: 1,
        clear: 1,
        edit: 3,
        reconcile: 1,
        reopen: 2,
        skip: 2,
        unskip: 1,
        wait: 3,
        repeat: 2,
        work: 6,
        work_at_once: 2,
    }
)
"""What may happen next, and how often."""
