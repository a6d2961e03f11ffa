"""The least that any worker must do: read the events and the tasks they name, build the documents, write them in bulk.

It trusts what it reads: all tasks are there, each rule is one it knows, tasks are due at whole minutes of UTC, none of
their sub-tasks has its own, nobody else writes, no write fails. It loads no more of a series than the operation needs,
and has no lease, no order of writes that survives a crash, no second look.
The documents it leaves are those that the worker leaves (the tests compare them): ids, slots and numbers included.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId
from pymongo import DeleteMany, ReturnDocument, UpdateOne

from benchmarks.bulk import hold, insert, pieces, update, updates_together
from benchmarks.content import CHUNK, chunks
from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.domain.calendar import slots
from recurrence_pipeline.domain.content import COPIED_FIELDS
from recurrence_pipeline.domain.fingerprint import DIGEST
from recurrence_pipeline.domain.ids import activity_id, derived_id, occurrence_id
from recurrence_pipeline.domain.memory import digest_of
from recurrence_pipeline.domain.recurrence import HORIZON
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.domain.zones import wall_text
from recurrence_pipeline.storage.documents import Document, digest, task_from
from recurrence_pipeline.storage.mongo import Mongo

READ = dict.fromkeys((*COPIED_FIELDS, "originalDueDate"), 1)
ZONES = use_newest_time_zone_data()
SIBLING = {"isCompleted": 1, "occurrenceNumber": 1, "parentRecurringId": 1}


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one operation, and the time at which they are processed."""

    mongo: Mongo
    events: Sequence[Document]
    now: datetime

    def named(self) -> list[ObjectId]:
        """Return the ids of the tasks that the events name."""
        return [event["taskId"] for event in self.events]

    def originals(self) -> dict[ObjectId, Document]:
        """Read the named tasks."""
        return {
            task["_id"]: task
            for piece in pieces(self.named())
            for task in self.mongo.tasks.find({"_id": {"$in": piece}}, READ)
        }

    def children(self, fields: Mapping[str, int] | None) -> dict[ObjectId, list[Document]]:
        """Read what hangs on the named tasks."""
        found: dict[ObjectId, list[Document]] = defaultdict(list)
        for piece in pieces(self.named()):
            for task in self.mongo.tasks.find({"parentRecurringId": {"$in": piece}}, fields):
                found[task["parentRecurringId"]].append(task)
        return found

    def subtasks(self, ids: Sequence[ObjectId]) -> list[Document]:
        """Read the sub-tasks of tasks; most have none, so that many ids can be asked for at once."""
        return [t for piece in chunks(ids) for t in self.mongo.tasks.find({"parentTaskId": {"$in": piece}})]

    def cursors(self) -> dict[ObjectId, int]:
        """Read how far the series of the named tasks are."""
        return {
            series["_id"]: series["cursor"]["number"]
            for piece in pieces(self.named())
            for series in self.mongo.series.find({"_id": {"$in": piece}}, {"cursor.number": 1})
        }

    def numbers(self, counter: str, count: int) -> range:
        """Take so many numbers."""
        found = self.mongo.counters.find_one_and_update(
            {"_id": counter}, {"$inc": {"sequence_value": count}}, return_document=ReturnDocument.AFTER
        )
        last = int((found or {})["sequence_value"])
        return range(last - count + 1, last + 1)

    def add(self, occurrences: Sequence[Document]) -> None:
        """Number occurrences, and insert them."""
        for task, number in zip(occurrences, self.numbers("tasks", len(occurrences)), strict=True):
            task["taskId"] = number
        insert(self.mongo.tasks, occurrences)

    def log(self, facts: Sequence[tuple[Action, ObjectId, ObjectId, ObjectId]]) -> None:
        """Write the activities that state facts: what was done, of what, for whom, under which subject."""
        numbers = self.numbers("useractivities", len(facts))
        insert(
            self.mongo.activities,
            [
                {
                    "_id": ObjectId(activity_id(action, str(subject))),
                    "activityId": number,
                    "userId": user,
                    "action": action.value,
                    "taskId": task,
                    "timestamp": self.now,
                    "message": f"User performed {action.value} :: {task}",
                }
                for (action, task, user, subject), number in zip(facts, numbers, strict=True)
            ],
        )

    def finish(self, results: Sequence[Document], also: Sequence[Document] = ()) -> None:
        """Record what became of the events."""
        now = datetime.now(timezone.utc)
        ended = {"status": "completed", "finishedAt": now, "durationMs": int((now - self.now).total_seconds() * 1000)}
        update(
            self.mongo.events,
            (
                UpdateOne({"_id": event["_id"]}, {"$set": ended | {"result": result} | (more or {})})
                for event, result, more in zip(self.events, results, also or [{}] * len(results), strict=True)
            ),
        )


def work(mongo: Mongo) -> None:
    """Process the queue, whose events are all of one operation."""
    while events := list(mongo.events.find({"status": "pending"}).limit(CHUNK)):
        batch = Batch(mongo, events, datetime.now(timezone.utc))
        hold(mongo, [event["_id"] for event in events], batch.now)
        {"create": created, "complete": completed, "delete": deleted}[events[0]["operation"]](batch)


def created(batch: Batch) -> None:
    """Add the first occurrences of each series."""
    originals = batch.originals()
    made = [_next(originals[event["taskId"]], event, batch.now, range(1, HORIZON + 1)) for event in batch.events]
    occurrences = [task for tasks in made for task in tasks]
    batch.add(occurrences)
    batch.log([(Action.CREATED, task["_id"], task["userId"], task["_id"]) for task in occurrences])
    insert(batch.mongo.series, [_memory(originals[tasks[-1]["parentRecurringId"]], tasks[-1]) for tasks in made])
    batch.finish([_result(created=tasks) for tasks in made])


def completed(batch: Batch) -> None:
    """Add an occurrence to each series, behind the last, and name the next one."""
    originals, cursors, children = batch.originals(), batch.cursors(), batch.children(SIBLING)
    made, following = [], []
    for event in batch.events:
        original = originals[event["taskId"]]
        made += _next(original, event, batch.now, [cursors[original["_id"]] + 1])
        still_open = (task for task in children[original["_id"]] if not task["isCompleted"])
        following.append(min(still_open, key=lambda task: task["occurrenceNumber"])["_id"])
    batch.add(made)
    facts = [(Action.CREATED, task["_id"], task["userId"], task["_id"]) for task in made]
    facts += [(Action.UPDATED, key, originals[key]["userId"], key) for key in batch.named()]
    batch.log(facts)
    update(batch.mongo.series, updates_together({t["parentRecurringId"]: {"cursor": _cursor(t)} for t in made}))
    batch.finish([_result(created=[task], updated=key) for task, key in zip(made, following, strict=True)])


def deleted(batch: Batch) -> None:
    """Delete what hangs on each task, and the sub-tasks of that, and keep copies."""
    children = batch.children(None)
    asked = {task["_id"]: event for event in batch.events for task in children[event["taskId"]]}
    subtasks = batch.subtasks(list(asked))
    copies = [_copy(task, asked[task["_id"]], batch.now) for tasks in children.values() for task in tasks]
    copies += [_copy(task, asked[task["parentTaskId"]], batch.now) for task in subtasks]
    insert(batch.mongo.deleted, copies)
    batch.log([(Action.DELETED, e["taskId"], e["userId"], e["_id"]) for e in batch.events])
    ids = [*asked, *(task["_id"] for task in subtasks)]
    batch.mongo.tasks.bulk_write([DeleteMany({"_id": {"$in": piece}}) for piece in pieces(ids)], ordered=False)
    gone = [[task["_id"] for task in children[event["taskId"]]] for event in batch.events]
    batch.finish([_result(deleted=len(ids)) for ids in gone], [{"deleting": ids} for ids in gone])


def _next(original: Document, event: Document, now: datetime, numbers: Sequence[int]) -> list[Document]:
    """Build the occurrences of these numbers."""
    content = {name: original[name] for name in COPIED_FIELDS if name in original}
    key = str(original["_id"])
    made: list[Document] = [
        {
            "_id": ObjectId(occurrence_id(key, number)),
            **content,
            "dueDate": due,
            "originalDueDate": due,
            "isCompleted": False,
            "parentTaskId": None,
            "parentRecurringId": original["_id"],
            "occurrenceNumber": number,
            "occurrenceAt": wall_text(due),
            "createdByEvent": event["_id"],
            "createdAt": now,
            "updatedAt": now,
            "__v": 0,
        }
        for number, due in zip(
            numbers,
            slots(original["originalDueDate"], original["repeatType"], numbers[0], len(numbers)),
            strict=True,
        )
    ]
    return [task | {DIGEST: digest(task)} for task in made]


def _memory(original: Document, last: Document) -> Document:
    """Build what is remembered of a series whose last occurrence is this."""
    anchor = original["originalDueDate"]
    revision = {"rule": original["repeatType"], "anchor": _wall(anchor), "timezone": "UTC", "anchoredAt": anchor}
    followed = digest_of(task_from(original, with_content=True), "UTC")
    return {
        "_id": original["_id"],
        "cursor": _cursor(last),
        "revisions": [revision],
        "followed": followed,
        "timeZoneData": ZONES.version,
    }


def _cursor(last: Document) -> Document:
    return {"number": last["occurrenceNumber"], "at": _wall(last["dueDate"]), "revision": 0}


def _wall(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(timespec="minutes")


def _copy(task: Document, event: Document, now: datetime) -> Document:
    key = ObjectId(derived_id(str(task["_id"]), "deleted", str(event["_id"])))
    return {
        "_id": key,
        "deletion": event["_id"],
        "deletedBy": event["userId"],
        "deletedAt": now,
        "reason": "cascade",
        "task": task,
    }


def _result(created: Sequence[Document] = (), updated: ObjectId | None = None, deleted: int = 0) -> dict[str, Any]:
    return {"created": [task["_id"] for task in created], "updated": updated, "deleted": deleted}
