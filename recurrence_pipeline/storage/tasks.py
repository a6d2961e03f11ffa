"""The application's tasks: reading what a batch speaks of, and the writes of a plan. Their sub-tasks: subtasks.py.

Reads go out in chunks of `read_chunk` ids per `$in`, writes in chunks of `write_chunk` documents: how many commands
that makes depends on the size of a batch only.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from bson import ObjectId
from pymongo import DeleteMany, UpdateOne

from recurrence_pipeline.domain.content import content_digest
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plan import NewOccurrence, Reparent
from recurrence_pipeline.domain.snapshot import MAX_NESTING, Snapshot
from recurrence_pipeline.storage.chunks import chunks, id_chunks, statements
from recurrence_pipeline.storage.counters import Counters, Inserted
from recurrence_pipeline.storage.documents import (
    MEMBER,
    PLANNED_FIELDS,
    Document,
    is_touched,
    occurrence_document,
    of_user,
    subtask_document,
    subtask_due,
    task_as_written,
)
from recurrence_pipeline.storage.evidence import Evidence, Forgotten
from recurrence_pipeline.storage.joined_tasks import Joined, JoinedTasks
from recurrence_pipeline.storage.mongo import BARE_DATES, Mongo, translated
from recurrence_pipeline.storage.ordered_writes import Write
from recurrence_pipeline.storage.partitions import ANY_ID, partitions
from recurrence_pipeline.storage.subtasks import Subtasks
from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline.storage.timeouts import long_read

PLANNED = dict.fromkeys(PLANNED_FIELDS, 1)


class Tasks:
    """Reads and writes `tasks`."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int) -> None:
        self._mongo = mongo
        self._tasks = mongo.tasks
        self._bare = mongo.tasks.with_options(BARE_DATES)
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk
        self.subtasks = Subtasks(mongo, chunk=write_chunk)
        self._joined = JoinedTasks(mongo, read_chunk=read_chunk)
        self._evidence = Evidence(mongo, read_chunk=read_chunk)
        self._numbering = Counters(mongo, "tasks", "taskId", write_chunk=write_chunk)

    @translated()
    def load(self, task_ids: Iterable[str], fields: Mapping[str, int] = MEMBER) -> Snapshot:
        """Read the named tasks, the originals above them, and everything that hangs on those: of that, the `fields`.

        `ORIGINAL` are all that is read of an original, its content included.
        """
        return self._load(set(task_ids), fields)

    @translated()
    def series_of(self, originals: Iterable[Task]) -> dict[str, Series]:
        """Read what hangs on originals that were read before, and what is known or left of their past.

        Not in one command, as a batch does: there is one for hundreds of series, and to join them takes the embedded
        server half as long again.
        """
        tasks = {task.id: task for task in originals}
        found = Joined(dict(tasks), self._joined.hanging(tasks, MEMBER), self._joined.memories(tasks))
        return dict(self._snapshot(found, tasks.keys(), found.hanging).series)

    @translated()
    def climb(self, task_ids: Iterable[str]) -> dict[str, Task]:
        """Read the named tasks and the originals above them, and nothing that hangs on those."""
        return _climbed(set(task_ids), self._joined.tasks)

    @translated()
    def load_for_deletion(self, task_ids: Iterable[str], fields: Mapping[str, int] = MEMBER) -> Snapshot:
        """Read the named tasks, what hangs on them, and what hangs on the same original as they do."""
        named, found = set(task_ids), Joined()
        tasks = self._joined.read(named, fields, found)
        heads = named | {t.parent_recurring_id for t in tasks.values() if t.parent_recurring_id}
        self._joined.read(heads - tasks.keys() - named, fields, found)
        found.hanging |= self._joined.hanging(heads - found.tasks.keys(), fields)
        return self._snapshot(found, heads, found.hanging)

    @translated()
    def load_for_changes(self, task_ids: Iterable[str]) -> Snapshot:
        """Read as `load` does, and of the open members whether somebody touched them, or a sub-task of theirs.

        What hangs on an original that recurs no more is read too.
        """
        snapshot = self._load(set(task_ids), PLANNED, every=True)
        still_open = {t.id for series in snapshot.series.values() for t in series.occurrences if not t.is_completed}
        whole = {i: task_as_written(document) for i, document in self.documents(still_open).items()}
        for task_id, below in self.subtasks.below(still_open, whole=True).items():
            if task_id in whole and any(task.is_touched for task in below):
                whole[task_id] = replace(whole[task_id], is_touched=True)
        series = {
            i: replace(each, occurrences=tuple(whole.get(task.id, task) for task in each.occurrences))
            for i, each in snapshot.series.items()
        }
        return replace(
            snapshot,
            series=series,
            tasks={**snapshot.tasks, **{i: whole[i] for i in whole.keys() & snapshot.tasks.keys()}},
        )

    @translated()
    def documents(self, task_ids: Iterable[str]) -> dict[str, Document]:
        """Return whole documents by id."""
        found = chain.from_iterable(
            self._tasks.find({"_id": {"$in": chunk}}) for chunk in id_chunks(task_ids, self._read_chunk)
        )
        return {document["_id"].binary.hex(): document for document in found}

    @translated()
    def existing(self, task_ids: Iterable[str]) -> set[str]:
        """Return which of the tasks are there."""
        return {
            document["_id"].binary.hex()
            for chunk in id_chunks(task_ids, self._read_chunk)
            for document in self._tasks.find({"_id": {"$in": chunk}}, {"_id": 1}, batch_size=len(chunk) + 1)
        }

    @translated()
    def insert(self, occurrences: Sequence[NewOccurrence], now: datetime) -> Inserted:
        """Insert occurrences under their derived ids, numbered from the counter, and copies of sub-tasks with them."""
        documents = {
            new.id: partial(occurrence_document, new, now, content_digest(new.original)) for new in occurrences
        }
        for source, new, copy_id, parent in self.subtasks.copies(occurrences):
            documents[copy_id] = partial(subtask_document, source, new, copy_id, parent, now)
        return self._numbering.insert(documents)

    @translated()
    def following(self, moved: Sequence[NewOccurrence]) -> list[TaskEdit]:
        """Return the edits with which copies of sub-tasks follow occurrences that move; those that are touched stay."""
        wanted = {copy_id: subtask_due(source, new) for source, new, copy_id, _ in self.subtasks.copies(moved)}
        there = {i: found for i, found in self.documents(wanted).items() if not is_touched(found)}
        return [TaskEdit(there[i], {"dueDate": wanted[i]}) for i in there if wanted[i] != there[i].get("dueDate")]

    @translated()
    def link(self, links: Iterable[Reparent], now: datetime) -> int:
        """Hang tasks on their originals where they still hang on what they were seen to, and return how many did."""
        requests = (
            UpdateOne(
                {"_id": ObjectId(link.task_id), "parentRecurringId": ObjectId(link.seen)},
                {"$set": {"parentRecurringId": ObjectId(link.original_id), "updatedAt": now}},
            )
            for link in links
        )
        written = (self._tasks.bulk_write(chunk, ordered=False) for chunk in statements(requests, self._write_chunk))
        return sum(each.modified_count for each in written)

    @translated()
    def delete(self, task_ids: Iterable[str]) -> int:
        """Delete tasks and return how many this call removed."""
        requests = (DeleteMany({"_id": {"$in": chunk}}) for chunk in id_chunks(task_ids, self._read_chunk))
        at_once = max(self._write_chunk // self._read_chunk, 1)
        return sum(self._tasks.bulk_write(c, ordered=False).deleted_count for c in chunks(requests, at_once))

    def deletes(self, task_ids: Iterable[str]) -> list[Write]:
        """Return what deletes tasks."""
        namespace = self._tasks.full_name
        return [DeleteMany({"_id": {"$in": ids}}, namespace=namespace) for ids in id_chunks(task_ids, self._read_chunk)]

    @translated()
    def count_by_kind(self, user_id: str | None = None) -> list[Document]:
        """Return rows by repeatType and kind, `{repeatType, isOccurrence, count}`: one of each for every piece."""
        group: Mapping[str, Any] = {
            "$group": {
                "_id": {"repeatType": "$repeatType", "isOccurrence": {"$gt": ["$parentRecurringId", None]}},
                "count": {"$sum": 1},
            }
        }
        asked = partitions(self._mongo, objects=False) if user_id is None else [of_user(user_id)]
        rows = chain.from_iterable(self._tasks.aggregate([{"$match": piece}, group]) for piece in asked)
        return [row["_id"] | {"count": row["count"]} for row in rows]

    @translated()
    def count_roughly(self) -> int:
        """Return how many tasks there are, roughly where a cluster is moving documents."""
        return self._tasks.estimated_document_count()

    @translated()
    def count_occurrences(self) -> int:
        """Return how many tasks hang on another."""
        hanging = {"parentRecurringId": ANY_ID}
        return sum(self._tasks.count_documents(piece | hanging) for piece in partitions(self._mongo, objects=False))

    @translated()
    def orphans(self) -> dict[str, int]:
        """Return the originals that are gone, and how many tasks hang on each: one pass over all tasks, in pieces.

        The `$lookup` asks for each distinct original of a piece once, by `_id`.
        """
        pipeline: list[Mapping[str, Any]] = [
            {"$match": {"parentRecurringId": ANY_ID}},
            {"$group": {"_id": "$parentRecurringId", "count": {"$sum": 1}}},
            {"$lookup": {"from": self._tasks.name, "localField": "_id", "foreignField": "_id", "as": "original"}},
            {"$match": {"original": []}},
            {"$project": {"count": 1}},
        ]
        gone: dict[str, int] = defaultdict(int)
        with long_read(self._tasks.database):
            for piece in partitions(self._mongo, objects=False):
                for row in self._tasks.aggregate([{"$match": piece}, *pipeline], allowDiskUse=True):
                    gone[row["_id"].binary.hex()] += row["count"]
        return dict(gone)

    @translated()
    def hanging_on(self, parents: Iterable[str]) -> list[Task]:
        """Return the tasks that hang directly on any of the given ones."""
        return [task for children in self._joined.hanging(parents, MEMBER).values() for task in children]

    def _load(self, named: set[str], fields: Mapping[str, int], *, every: bool = False) -> Snapshot:
        found = Joined()
        tasks = _climbed(named, lambda ids: self._joined.read(ids, fields, found))
        climbing = Snapshot(tasks)
        head_of = {i: climbing.series_of(i).id for i in tasks.keys() | named}
        head_of |= {head: head for head in head_of.values()}
        found.hanging |= self._joined.hanging(head_of.keys() - tasks.keys(), fields)
        members: dict[str, list[Task]] = defaultdict(list)
        for parent, head in head_of.items():
            if every or head not in tasks or tasks[head].repeat_type != "none":
                members[head] += found.hanging.get(parent, ())
        return self._snapshot(found, set(head_of.values()), members, every=every)

    def _snapshot(
        self,
        found: Joined,
        heads: Collection[str],
        children: Mapping[str, Sequence[Task]],
        *,
        every: bool = False,
    ) -> Snapshot:
        """Put series together: what hangs on them, and what is known or left of their past."""
        tasks = found.tasks
        originals = {head: _original(head, tasks) for head in heads}
        recurring = {head: task for head, task in originals.items() if task and task.repeat_type != "none"}
        known = found.memories if every else {i: found.memories[i] for i in recurring.keys() & found.memories.keys()}
        members, strangers = _by_owner(children, originals)
        forgotten = {i: Forgotten(task, members[i]) for i, task in recurring.items() if i not in known}
        recalled = self._evidence.recall(forgotten)
        for head in (head for head, cursor in recalled.items() if cursor is None):
            tasks[head] = originals[head] = replace(recurring[head], cursor=None, original_slot=0)
        return Snapshot(
            tasks,
            {
                i: Series(i, original, members[i], strangers[i], known.get(i), recalled.get(i))
                for i, original in originals.items()
            },
        )


def _climbed(named: Iterable[str], read: Callable[[Collection[str]], dict[str, Task]]) -> dict[str, Task]:
    """Return the named tasks and the originals above them."""
    tasks = dict(read(set(named)))
    for _ in range(MAX_NESTING):
        above = {t.parent_recurring_id for t in tasks.values() if t.parent_recurring_id} - tasks.keys()
        found = read(above)
        tasks |= found
        if not any(t.parent_recurring_id for t in found.values()):
            break
    return tasks


def _original(head: str, tasks: Mapping[str, Task]) -> Task | None:
    """Return the head of a series; what hangs on something itself starts no series inside the series."""
    original = tasks.get(head)
    return None if original is None or original.parent_recurring_id is not None else original


def _by_owner(
    children: Mapping[str, Sequence[Task]], originals: Mapping[str, Task | None]
) -> tuple[Mapping[str, tuple[Task, ...]], Mapping[str, tuple[Task, ...]]]:
    """Return, by series, the tasks of the original's user, and those of others. Without an original all are members."""
    members, strangers = {}, {}
    for head, original in originals.items():
        hanging = children.get(head, ())
        members[head] = tuple(t for t in hanging if original is None or t.user_id == original.user_id)
        strangers[head] = tuple(t for t in hanging if original is not None and t.user_id != original.user_id)
    return members, strangers
