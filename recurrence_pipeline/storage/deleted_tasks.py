"""`deleted_tasks`: copies of what is about to be deleted, and the way back from them into `tasks`.

A copy is `{_id, deletion, deletedBy, deletedAt, reason, task}`. A restoration adds to each copy `restoring {original,
at}` before it inserts the task, and `restoredAt` after that, so that one that was interrupted can be completed, and
nobody puts the same task back twice.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import InsertOne, UpdateOne

from recurrence_pipeline.domain.fingerprint import DIGEST
from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import Removal
from recurrence_pipeline.domain.restore import DeletedTask, NewOriginal, Restoration, SeriesOfUser
from recurrence_pipeline.storage.chunks import chunks, id_chunks, statements
from recurrence_pipeline.storage.counters import Counters
from recurrence_pipeline.storage.documents import MEMBER_FIELDS, Document, digest, is_touched, task_from
from recurrence_pipeline.storage.mongo import BARE_DATES, Mongo, insert_new, translated
from recurrence_pipeline.storage.ordered_writes import Write
from recurrence_pipeline.storage.timeouts import long_read

COPY = {"deletedAt": 1, "deletedBy": 1, "reason": 1, "restoring": 1, "restoredAt": 1, "task._id": 1} | {
    f"task.{name}": 1 for name in MEMBER_FIELDS
}


@dataclass(slots=True)
class RestoreResult:
    """What became of tasks: `written` by this call, `renumbered` where their taskId was taken, `refused` with why."""

    written: set[str] = field(default_factory=set)
    renumbered: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, other: "RestoreResult") -> None:
        """Add what became of other tasks."""
        self.written |= other.written
        self.renumbered |= other.renumbered
        self.refused |= other.refused


class DeletedTasks:
    """Keeps copies in `deleted_tasks`, and puts tasks back."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int) -> None:
        self._tasks = mongo.tasks
        self._bare_tasks = mongo.tasks.with_options(BARE_DATES)
        self._deleted = mongo.deleted
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk
        self._numbering = Counters(mongo, "tasks", "taskId", write_chunk=write_chunk)

    @translated()
    def count_roughly(self) -> int:
        """Return how many copies there are, roughly where a cluster is moving documents."""
        return self._deleted.estimated_document_count()

    @translated()
    def keep(self, removals: Sequence[Removal], now: datetime) -> None:
        """Copy what is about to be deleted, with who, when and why.

        A copy that is there already was made by an earlier try: it stays as it is, unless the task was put back or
        changed since. Then what would be lost now is another state of it, and that is what is kept.
        """
        for chunk in chunks(self._copies_of(removals, now), self._write_chunk):
            self._renew(insert_new(self._deleted, chunk))

    @translated()
    def inserts(self, removals: Sequence[Removal], now: datetime) -> list[Write]:
        """Return what writes copies of what is about to be deleted, as it stands now, where there are none yet."""
        namespace = self._deleted.full_name
        return [InsertOne(copy, namespace=namespace) for copy in self._copies_of(removals, now)]

    def _copies_of(self, removals: Sequence[Removal], now: datetime) -> list[Document]:
        deletion_of = {task_id: removal.event.id for removal in removals for task_id in removal.task_ids}
        stamps = {removal.event.id: _stamp(removal, now) for removal in removals}
        copies = []
        for ids in id_chunks(deletion_of, self._read_chunk):
            for task in self._bare_tasks.find({"_id": {"$in": ids}}):
                task_id = task["_id"].binary.hex()
                deletion = deletion_of[task_id]
                copies.append({"_id": _copy_id(task_id, deletion), **stamps[deletion], "task": task})
        return copies

    @translated()
    def kept(self, deletions: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
        """Return, by deletion, of which of the given tasks it has made a copy."""
        asked = {str(_copy_id(i, deletion)): (deletion, i) for deletion, ids in deletions.items() for i in ids}
        kept: dict[str, set[str]] = {}
        for chunk in id_chunks(asked, self._read_chunk):
            for copy in self._deleted.find({"_id": {"$in": chunk}}, {"_id": 1}):
                deletion, task_id = asked[str(copy["_id"])]
                kept.setdefault(deletion, set()).add(task_id)
        return kept

    @translated()
    def retired(self, events: Iterable[str]) -> dict[str, list[Task]]:
        """Return, by event, the occurrences of which it has made copies."""
        found: dict[str, list[Task]] = {}
        for chunk in id_chunks(events, self._read_chunk):
            of_series = {"deletion": {"$in": chunk}, "task.parentRecurringId": {"$ne": None}}
            for copy in self._deleted.find(of_series, COPY | {"deletion": 1}):
                found.setdefault(str(copy["deletion"]), []).append(task_from(copy["task"]))
        return found

    @translated()
    def forget(self, deletion: str, task_ids: Iterable[str]) -> None:
        """Delete copies of what was not deleted after all."""
        for chunk in chunks((_copy_id(task_id, deletion) for task_id in task_ids), self._read_chunk):
            self._deleted.delete_many({"_id": {"$in": chunk}})

    @translated()
    def recent(self, limit: int) -> list[Document]:
        """Return the latest deletions, newest first.

        Rows of `{deletion, deletedAt, deletedBy, reason, tasks, restored, title}`; the title is that of one task.
        """
        with long_read(self._deleted.database):
            return self._by_deletion(limit)

    @translated()
    def of_series(self, series_id: str, limit: int = 100) -> list[Document]:
        """Return the latest deletions that took something of a series, as `recent` does; they count that alone."""
        return self._by_deletion(limit, {"$match": {"task.parentRecurringId": ObjectId(series_id)}})

    def _by_deletion(self, limit: int, *only: Mapping[str, Any]) -> list[Document]:
        first = {name: {"$first": f"${name}"} for name in ("deletedBy", "reason")}
        restored = {"$sum": {"$cond": [{"$gt": ["$restoredAt", None]}, 1, 0]}}
        counts = {"deletedAt": {"$max": "$deletedAt"}, "tasks": {"$sum": 1}, "restored": restored}
        pipeline: list[Mapping[str, Any]] = [
            *only,
            {"$group": {"_id": "$deletion", **counts, **first, "title": {"$first": "$task.title"}}},
            {"$sort": {"deletedAt": -1, "_id": -1}},
            {"$limit": limit},
        ]
        found = list(self._deleted.aggregate(pipeline, allowDiskUse=True))
        return [{"deletion": row.pop("_id"), **row} for row in found]

    @translated()
    def copies(self, deletion: str) -> list[DeletedTask]:
        """Return what a deletion took."""
        return [_copy(found) for found in self._deleted.find({"deletion": ObjectId(deletion)}, COPY)]

    @translated()
    def replacements(self, originals: Iterable[str]) -> dict[SeriesOfUser, str]:
        """Return what took the place of originals that were gone, by original and user: the latest, of several."""
        wanted = {"task._id": 1, "task.parentRecurringId": 1, "task.userId": 1, "restoring": 1}
        marked: list[tuple[datetime, SeriesOfUser, str]] = []
        for ids in id_chunks(originals, self._read_chunk):
            for found in self._deleted.find({"task.parentRecurringId": {"$in": ids}}, wanted):
                task, mark = task_from(found["task"]), _mark(found)
                if mark and task.parent_recurring_id and mark[0] != task.parent_recurring_id:
                    marked.append((mark[1], (task.parent_recurring_id, task.user_id), mark[0]))
        return {series: head for _, series, head in sorted(marked, key=lambda row: row[0])}

    @translated()
    def differing(self, deletion: str, task_ids: Iterable[str]) -> set[str]:
        """Return which of the tasks are there now and are not what was deleted.

        What a restoration has begun to put back counts as the same: its user may have changed it since.
        """
        different = set()
        for copies in self._copies(deletion, task_ids, self._read_chunk):
            there = {task["_id"]: task for task in self._tasks.find({"_id": {"$in": list(copies)}})}
            different |= {i for i, task in there.items() if not _mark(copies[i]) and task != copies[i]["task"]}
        return {str(i) for i in different}

    @translated()
    def begin(self, deletion: str, parents: Mapping[str, str], now: datetime) -> None:
        """Note on the copies what their tasks are to hang on."""
        self._update(
            UpdateOne(
                {"_id": _copy_id(task_id, deletion)},
                {"$set": {"restoring": {"original": ObjectId(parent), "at": now}}},
            )
            for task_id, parent in parents.items()
        )

    @translated()
    def put_back(
        self, deletion: str, task_ids: Iterable[str], plan: Restoration, now: datetime, *, to_stay: bool = False
    ) -> RestoreResult:
        """Insert tasks as planned; one that is there already stays as it is.

        What is `to_stay` counts as touched by a person: the worker, which retired it, would do so again.
        """
        result = RestoreResult()
        for copies in self._copies(deletion, task_ids, self._write_chunk):
            documents = {str(i): _as_planned(copy["task"], plan, now) for i, copy in copies.items()}
            for document in documents.values() if to_stay else ():
                document.pop(DIGEST, None)
            inserted, renumbered = self._numbering.insert_with_their_numbers(documents)
            result.add(RestoreResult(inserted.written, renumbered, inserted.refused))
        return result

    @translated()
    def finish(self, deletion: str, task_ids: Iterable[str], now: datetime) -> None:
        """Note on the copies that their tasks are back."""
        self._update(
            UpdateOne({"_id": _copy_id(task_id, deletion)}, {"$set": {"restoredAt": now}}) for task_id in task_ids
        )

    def _renew(self, copies: Iterable[Document]) -> None:
        """Replace copies whose tasks were put back, or changed, since they were made."""
        updates = []
        for copy in copies:
            news = {
                "$set": {name: copy[name] for name in ("deletedAt", "reason", "task")},
                "$unset": {"restoring": "", "restoredAt": ""},
            }
            updates.append(UpdateOne({"_id": copy["_id"], "restoredAt": {"$exists": True}}, news))
            if isinstance(changed := copy["task"].get("updatedAt"), datetime):
                updates.append(UpdateOne({"_id": copy["_id"], "task.updatedAt": {"$lt": changed}}, news))
        self._update(updates)

    def _copies(self, deletion: str, task_ids: Iterable[str], size: int) -> Iterator[dict[ObjectId, Document]]:
        """Yield whole copies by the ids of their tasks, about so many at a time."""
        held: dict[ObjectId, Document] = {}
        copy_ids = (str(_copy_id(task_id, deletion)) for task_id in task_ids)
        for ids in id_chunks(copy_ids, min(size, self._read_chunk)):
            held |= {copy["task"]["_id"]: copy for copy in self._deleted.find({"_id": {"$in": ids}})}
            if len(held) + self._read_chunk > size:
                yield held
                held = {}
        if held:
            yield held

    def _update(self, updates: Iterable[UpdateOne]) -> None:
        for requests in statements(updates, self._write_chunk):
            self._deleted.bulk_write(requests, ordered=False)


def _stamp(removal: Removal, now: datetime) -> Document:
    """Return what the copies of a removal have in common."""
    return {
        "deletion": ObjectId(removal.event.id),
        "deletedBy": ObjectId(removal.event.user_id) if removal.event.user_id else None,
        "deletedAt": now,
        "reason": removal.reason,
    }


def _as_planned(task: Document, plan: Restoration, now: datetime) -> Document:
    """Return the task as it was, but for what it hangs on and, of a new original, what makes it one.

    What nobody touched stays untouched.
    """
    task_id, was = str(task["_id"]), task.get("parentRecurringId")
    new = plan.originals.get(task_id)
    if new is not None:
        return task | _original_fields(new) | {"updatedAt": now}
    parent = ObjectId(plan.parents[task_id]) if task_id in plan.parents else was
    if parent == was:
        return task
    planned = task | {"parentRecurringId": parent, "updatedAt": now}
    return planned if is_touched(task) else planned | {DIGEST: digest(planned)}


def _original_fields(new: NewOriginal) -> Document:
    return {"parentRecurringId": None} | ({} if new.anchor is None else {"originalDueDate": new.anchor})


def _copy(document: Document) -> DeletedTask:
    mark = _mark(document)
    deleted_by = document.get("deletedBy")
    return DeletedTask(
        task=task_from(document["task"]),
        deleted_at=document["deletedAt"],
        deleted_by=str(deleted_by) if deleted_by else None,
        reason=str(document["reason"]),
        original=mark[0] if mark else None,
        is_restored=document.get("restoredAt") is not None,
    )


def _mark(document: Document) -> tuple[str, datetime] | None:
    mark = document.get("restoring")
    return (str(mark["original"]), mark["at"]) if mark else None


def _copy_id(task_id: str, deletion: str) -> ObjectId:
    return ObjectId(derived_id(task_id, "deleted", deletion))
