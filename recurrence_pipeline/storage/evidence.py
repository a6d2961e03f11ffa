"""What is left of the past of series that the worker remembers nothing of. What follows is domain/memory.py's business.

A series that is simply new costs one look at the copies of deleted tasks, for the whole batch: only they know one of
which all that hung on it was deleted.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recurrence_pipeline.domain.ids import activity_id, occurrence_id
from recurrence_pipeline.domain.memory import recall
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.vocabulary import Action, EventStatus
from recurrence_pipeline.storage.activities import known_activities
from recurrence_pipeline.storage.chunks import id_chunks
from recurrence_pipeline.storage.documents import MAX_WHOLE, task_from
from recurrence_pipeline.storage.mongo import Mongo

FIRST_SLOTS = range(1, 4)

WIDER = 8
"""Times as many slots are looked up next where all that were looked up are told of."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A series without a memory: its original and its members."""

    original: Task
    members: Sequence[Task]

    @property
    def has_a_past(self) -> bool:
        """Whether anything on its tasks hints at work that was done on it."""
        return self.original.cursor is not None or any(t.occurrence_number is not None for t in self.members)


class Evidence:
    """Looks for traces of series in `deleted_tasks`, `task_events` and the activity log."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._read_chunk = read_chunk

    def recall(self, forgotten: Mapping[str, Forgotten]) -> dict[str, Cursor | None]:
        """Return, of the series that have a past, how far each is at least; None where all of it is another's.

        That is a copy of an original: what an earlier version wrote on the one came along to the other.
        """
        deleted = self._deleted_slots(forgotten)
        suspects = {i: series for i, series in forgotten.items() if series.has_a_past or deleted[i]}
        if not suspects:
            return {}
        unfinished = self._unfinished(suspects)
        alone = [i for i, series in suspects.items() if not series.members and not deleted[i]]
        copies = set(alone) - self._made_once({i: suspects[i].original.cursor for i in alone})
        recalled = {
            i: None if i in copies else recall(s.original, s.members, unfinished=unfinished[i], deleted=deleted[i])
            for i, s in suspects.items()
        }
        begun = {i: cursor for i, cursor in recalled.items() if cursor is not None}
        told = self._told_of({i: cursor.number for i, cursor in begun.items()})
        recalled |= {i: Cursor(number, begun[i].repeat_type) for i, number in told.items()}
        return recalled

    def _told_of(self, least: Mapping[str, int]) -> dict[str, int]:
        """Return the series that are further than that by the activity log: each slot in between was made once.

        What is told of was there, and was deleted where it is not; a slot that nothing is told of may still be owed.
        """
        reached = dict(least)
        asked, ahead = set(least), len(FIRST_SLOTS)
        while asked:
            slots = {i: range(reached[i] + 1, min(reached[i] + ahead, MAX_WHOLE) + 1) for i in asked}
            ids = {activity_id(Action.CREATED, occurrence_id(i, n)): (i, n) for i, ns in slots.items() for n in ns}
            told = {ids[activity] for activity in self._known(ids)}
            for i, numbers in slots.items():
                reached[i] = next((n for n in numbers if (i, n) not in told), numbers.stop) - 1
            asked = {i for i, numbers in slots.items() if numbers and reached[i] == numbers[-1]}
            ahead *= WIDER
        return {i: number for i, number in reached.items() if number > least[i]}

    def _deleted_slots(self, suspects: Mapping[str, Forgotten]) -> Mapping[str, list[int]]:
        slots: dict[str, list[int]] = defaultdict(list)
        fields = {"task._id": 1, "task.userId": 1, "task.parentRecurringId": 1, "task.occurrenceNumber": 1}
        for ids in id_chunks(suspects, self._read_chunk):
            for copy in self._mongo.deleted.find({"task.parentRecurringId": {"$in": ids}}, fields):
                task = task_from(copy["task"])
                series = suspects.get(task.parent_recurring_id or "")  # a list may hold the id that was asked for
                if series and task.occurrence_number is not None and task.user_id == series.original.user_id:
                    slots[series.original.id].append(task.occurrence_number)
        return slots

    def _unfinished(self, suspects: Mapping[str, Forgotten]) -> Mapping[str, set[str | None]]:
        """Return, by series, the events that made members of it and were not completed.

        Those that are not there were, or they would be. The first version did not note which event made what: there,
        any event of the series counts, and stands as None.
        """
        made_by = {t.created_by_event for s in suspects.values() for t in s.members}
        named = self._not_completed("_id", (i for i in made_by if i is not None))
        nameless = {
            task_id: series_id
            for series_id, s in suspects.items()
            if any(t.occurrence_number is not None and t.created_by_event is None for t in s.members)
            for task_id in (series_id, *(t.id for t in s.members))
        }
        open_series = {nameless[task_id] for task_id in self._not_completed("taskId", nameless)}
        return {i: named | ({None} if i in open_series else set()) for i in suspects}

    def _not_completed(self, field: str, ids: Iterable[str]) -> set[str]:
        """Return which of these values events have in a field that were not completed."""
        found, wanted = set[str](), set(ids)
        for chunk in id_chunks(wanted, self._read_chunk):
            events = self._mongo.events.find({field: {"$in": chunk}}, {field: 1, "status": 1})
            found |= {str(event[field]) for event in events if event.get("status") != EventStatus.COMPLETED.value}
        return found & wanted  # a list may hold the value that was asked for

    def _made_once(self, cursors: Mapping[str, Cursor | None]) -> set[str]:
        """Return the series of which the activity log, or its archive, knows an occurrence by its derived id."""
        told: dict[str, str] = {}
        for series_id, cursor in cursors.items():
            last = min(cursor.number, MAX_WHOLE) if cursor is not None else 0
            for slot in {*FIRST_SLOTS, *range(max(last - 2, 1), last + 1)}:
                told[activity_id(Action.CREATED, occurrence_id(series_id, slot))] = series_id
        return {told[activity] for activity in self._known(told)}

    def _known(self, activity_ids: Iterable[str]) -> set[str]:
        return known_activities(self._mongo, activity_ids, self._read_chunk)
