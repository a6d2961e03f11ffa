"""What must be true of the data in the end, whatever was killed: each check returns what it finds wrong, in words.

Counted by `dateutil` and from what the application remembers; of the worker's own code only the ids are taken, by which
a slot and an activity are known.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId
from dateutil.relativedelta import relativedelta
from pymongo.database import Database

from recurrence_pipeline.domain.ids import activity_id, occurrence_id
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.chaos.application import Application, Fate, Series

STEP = {"daily": relativedelta(days=1), "weekly": relativedelta(weeks=1), "monthly": relativedelta(months=1)}
AHEAD = 3


@dataclass
class Data:
    """Everything that the database holds in the end."""

    tasks: dict[ObjectId, Document]
    events: dict[ObjectId, Document]
    activities: list[Document]
    copies: list[Document]
    hanging: dict[ObjectId, list[Document]] = field(default_factory=dict)

    @classmethod
    def read(cls, db: Database[Document]) -> "Data":
        data = cls(
            {task["_id"]: task for task in db.tasks.find()},
            {event["_id"]: event for event in db.task_events.find()},
            list(db.useractivities.find()),
            list(db.deleted_tasks.find()),
        )
        for task in data.tasks.values():
            if task["parentRecurringId"] is not None:
                data.hanging.setdefault(task["parentRecurringId"], []).append(task)
        return data

    def about(self, action: Action) -> Counter[ObjectId]:
        """Count the activities of a kind by what they are about."""
        return Counter(activity["taskId"] for activity in self.activities if activity["action"] == action.value)

    def redeliveries(self) -> int:
        """How often an event was taken again after it had been taken."""
        return sum(max(event.get("lease", {}).get("term", 0) - 1, 0) for event in self.events.values())


def findings(data: Data, application: Application) -> list[str]:
    """Return everything that is wrong."""
    return [
        *_events(data, application),
        *_numbers(data),
        *(found for series in application.series for found in _series(data, series)),
        *_activities(data, application),
        *_vanished(data, application),
    ]


def came_back(data: Data, application: Application) -> int:
    """Count the occurrences that are there although a person deleted them: a known limit, not a finding."""
    return sum(len(_slots(data, series) & series.pruned) for series in application.series)


def _events(data: Data, application: Application) -> Iterator[str]:
    lost = application.events.keys() - data.events.keys()
    if lost:
        yield f"{len(lost)} events are lost"
    gone = {series.original for series in application.series if series.gone}
    may_be_refused = gone | {
        occurrence for series in application.series if series.gone for occurrence in _ids(series, range(1, 200))
    }
    for event in data.events.values():
        status, about = event["status"], f"{event['operation']} of {event['taskId']}"
        if status == "completed" or (status == "rejected" and event["taskId"] in may_be_refused):
            continue
        yield f"{about} ended {status}: {[e['message'] for e in event.get('errors', [])]}"


def _numbers(data: Data) -> Iterator[str]:
    for name, numbers in (
        ("taskId", Counter(task["taskId"] for task in data.tasks.values())),
        ("activityId", Counter(activity["activityId"] for activity in data.activities)),
    ):
        for number, count in numbers.items():
            if count > 1:
                yield f"{name} {number} is there {count} times"


def _series(data: Data, series: Series) -> Iterator[str]:
    hanging = data.hanging.get(series.original, [])
    if series.gone:
        if hanging:
            yield f"{len(hanging)} occurrences hang on {series.original}, which is gone"
        return
    expected = set(range(1, max(series.completed, default=-1) + 1 + AHEAD + 1))
    slots = Counter(task["occurrenceNumber"] for task in hanging)
    yield from (f"slot {n} of {series.original} is there {count} times" for n, count in slots.items() if count > 1)
    if lost := expected - slots.keys() - series.pruned:
        yield f"slots {sorted(lost)} of {series.original} ({series.repeat_type}, {series.fate.value}) are lost"
    if extra := slots.keys() - expected:
        yield f"slots {sorted(extra)} of {series.original} should not be there"
    for task in hanging:
        due = _due(series, task["occurrenceNumber"])
        if task["dueDate"] != due or task["originalDueDate"] != due:
            yield f"slot {task['occurrenceNumber']} of {series.original} is due {task['dueDate']} and not {due}"
        if task["isCompleted"] != (task["occurrenceNumber"] in series.completed):
            yield f"slot {task['occurrenceNumber']} of {series.original}: isCompleted is {task['isCompleted']}"


def _activities(data: Data, application: Application) -> Iterator[str]:
    """One activity for each fact, and what events say they created adds up to just that."""
    told = data.about(Action.CREATED)
    yield from (f"{task_id} was created {count} times in the log" for task_id, count in told.items() if count > 1)
    kept = [series for series in application.series if series.fate is Fate.KEPT]
    made = {task_id for series in kept for task_id in _ids(series, _slots(data, series))}
    untold = made - told.keys()
    if untold:
        yield f"{len(untold)} occurrences have no activity"
    created = Counter(i for event in data.events.values() for i in (event.get("result") or {}).get("created", []))
    yield from (f"{task_id} was created by {count} events" for task_id, count in created.items() if count > 1)
    claimed = sum(created[task_id] for task_id in made)
    if claimed != len(made):
        yield f"events say that they created {claimed} occurrences of kept series; there are {len(made)}"
    deletions = {e["_id"] for e in data.events.values() if (e.get("result") or {}).get("deleted", 0) > 0}
    stated = {a["_id"] for a in data.activities if a["action"] == Action.DELETED.value}
    if stated != {ObjectId(activity_id(Action.DELETED, str(event_id))) for event_id in deletions}:
        yield f"{len(deletions)} events deleted something, {len(stated)} activities say so, and they differ"


def _vanished(data: Data, application: Application) -> Iterator[str]:
    """Whatever was created is there, or a copy of it is, or a person deleted it."""
    copied = {copy["task"]["_id"] for copy in data.copies}
    pruned = {task_id for series in application.series for task_id in _ids(series, series.pruned)}
    originals = {series.original for series in application.series}
    vanished = data.about(Action.CREATED).keys() - data.tasks.keys() - copied - pruned - originals
    if vanished:
        yield f"{len(vanished)} occurrences have vanished without a copy"


def _slots(data: Data, series: Series) -> set[int]:
    return {task["occurrenceNumber"] for task in data.hanging.get(series.original, [])}


def _ids(series: Series, slots: Iterable[int]) -> list[ObjectId]:
    return [ObjectId(occurrence_id(str(series.original), number)) for number in slots]


def _due(series: Series, number: int) -> datetime:
    return series.anchor + STEP[series.repeat_type] * number
