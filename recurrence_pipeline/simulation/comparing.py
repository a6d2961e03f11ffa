"""What two stores differ in, as far as it matters: two ways of the same history must end in the same. Pure."""

from collections.abc import Collection
from dataclasses import fields, replace

from recurrence_pipeline.domain.errors import Permanent
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.simulation.revised import is_void
from recurrence_pipeline.simulation.store import Store


def difference(one: Store, other: Store) -> str | None:
    """Say what differs between what two ways ended in, but for who made what."""
    a, b = one.tasks, other.tasks
    if a.keys() != b.keys():
        return f"one way there are {sorted(a.keys() - b.keys())}, the other way {sorted(b.keys() - a.keys())}"
    unlike = (f"{i}: {_facts(a[i])}, the other way {_facts(b[i])}" for i in a if _facts(a[i]) != _facts(b[i]))
    if (found := next(unlike, None)) is not None:
        return found
    known, known_else = _known(one, other), _known(other, one)
    names = (each.name for each in fields(SeriesMemory))
    said = (
        f"{name} {getattr(known[i], name)}, the other way {getattr(known_else[i], name)}"
        for name in names
        for i in known
        if i in known_else and getattr(known[i], name) != getattr(known_else[i], name)
    )
    return None if known == known_else else "; ".join(said) or f"{known.keys()}, the other way {known_else.keys()}"


def _known(store: Store, beside: Store) -> dict[str, SeriesMemory]:
    """Return what is remembered, as far as something follows from it.

    Which slots were passed over matters behind the highest completed one, where they are slots still and nobody asked
    for that. Tasks behind the cursor, and behind what is passed over there, say the same as a cursor that has passed
    them, and when their slots are. On a slot that is void or was passed over a cursor says what it would say on the one
    before: when that is matters where `beside` is on the same. Where slots from completion are their tasks alone say.
    """
    numbers = (task.occurrence_number or 0 for task in store.tasks.values() if task.is_completed)
    finished = max(numbers, default=-1)
    there = {task.occurrence_number for task in store.tasks.values()}
    others = beside.memories
    return {i: _that_matters(_unbroken(store, i), others.get(i), finished, there) for i in store.memories}


def _unbroken(store: Store, series_id: str) -> SeriesMemory:
    """Return what is remembered of a series as if the cursor had passed what is there, or passed over, behind it."""
    memory, original = store.memories[series_id], store.tasks.get(series_id)
    there = {task.occurrence_number or 0 for task in store.tasks.values()}
    if original is None or max(there) <= memory.number:
        return memory
    try:
        state = SeriesState(store.series(series_id), original, None)
    except Permanent:  # its rule is none by now
        return memory
    slots = state.timed(memory.number + 1, max(there) - memory.number)
    wanted = {slot.number for slot in slots if not state.skips(slot.at, slot.number)}
    number, passed = memory.number, set(memory.passed)
    while number < max(there) and (number + 1 in there or number + 1 not in wanted):
        number += 1
        if number not in there and not is_void(memory, number):
            passed.add(number)
    return replace(memory, number=number, passed=frozenset(passed))


def _that_matters(
    memory: SeriesMemory, beside: SeriesMemory | None, finished: int, there: Collection[int | None]
) -> SeriesMemory:
    number = memory.number
    while number > 0 and (str(number) in memory.skipped or number in memory.passed or is_void(memory, number)):
        number -= 1  # nobody has those
    passed = frozenset(n for n in memory.passed if finished < n <= number and str(n) not in memory.skipped)
    if len(memory.revisions) > 1:  # what an earlier rule passed over is forgotten once a later slot is completed
        passed = frozenset()
    ruled_by = next((each for each in reversed(memory.revisions) if each.first <= number), memory.current)
    is_alone = memory.current.from_completion or ruled_by.from_completion
    is_told = number != memory.number or number in there or memory.skipped or is_alone
    at = memory.at if not is_told and beside is not None and beside.number == number else None
    return replace(memory, number=number, passed=passed, at=at, skip_changes=0)


def _facts(task: Task) -> tuple[object, ...]:
    return task.title, task.due_date, task.is_completed, task.occurrence_number, task.occurrence_at
