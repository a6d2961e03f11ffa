"""Tasks with what hangs on them, and with what is remembered of them as series: one command for each chunk of a batch.

What of it makes a series is tasks.py's business.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bson import ObjectId

from recurrence_pipeline.domain.content import COPIED_FIELDS, named_to_copy
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.series_memory import SeriesMemory
from recurrence_pipeline.storage.chunks import id_chunks
from recurrence_pipeline.storage.documents import MEMBER, Document, task_from
from recurrence_pipeline.storage.mongo import BARE_DATES, Mongo
from recurrence_pipeline.storage.series_documents import memory_from
from recurrence_pipeline.storage.subtasks import A_PAGE

FEW = 500
"""So many tasks may hang on one to come with it: the answer of a join is a document, which holds 16 MB."""

ORIGINAL = MEMBER | dict.fromkeys(COPIED_FIELDS, 1)


@dataclass(slots=True)
class Joined:
    """What was read: tasks, by the id of a task what hangs on it, and the memories of those that are series."""

    tasks: dict[str, Task] = field(default_factory=dict)
    hanging: dict[str, list[Task]] = field(default_factory=dict)
    memories: dict[str, SeriesMemory] = field(default_factory=dict)


class JoinedTasks:
    """Reads `tasks` and `task_series` together."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._tasks = mongo.tasks.with_options(BARE_DATES)
        self._series = mongo.series.with_options(BARE_DATES)
        self._read_chunk = read_chunk

    def read(self, task_ids: Iterable[str], fields: Mapping[str, int], found: Joined) -> dict[str, Task]:
        """Put to what was `found` the tasks and, of what hangs on them, the `fields`; return these tasks."""
        few: list[Document] = [{"$limit": FEW}, {"$project": fields}]
        hanging = {"from": self._tasks.name, "foreignField": "parentRecurringId", "pipeline": few}
        remembered = {"from": self._series.name, "foreignField": "_id"}
        pipeline: list[Document] = [
            {"$project": ORIGINAL},
            {"$lookup": {**hanging, "localField": "_id", "as": "hanging"}},
            {"$lookup": {**remembered, "localField": "_id", "as": "memory"}},
        ]
        documents: list[Document] = []
        for chunk in id_chunks(task_ids, self._read_chunk):
            documents += self._tasks.aggregate([{"$match": {"_id": {"$in": chunk}}}, *pipeline], batchSize=A_PAGE)
        many = [document for document in documents if len(document["hanging"]) == FEW]
        found.hanging |= self.hanging([document["_id"].binary.hex() for document in many], fields)
        for document in documents:
            task_id, hanging_on = document["_id"].binary.hex(), document.pop("hanging")
            if len(hanging_on) < FEW:
                found.hanging |= _by_parent(hanging_on, fields)
            found.memories.update((task_id, memory) for m in document.pop("memory") if (memory := memory_from(m)))
        tasks = self._with_content(documents)
        found.tasks |= tasks
        return tasks

    def tasks(self, task_ids: Iterable[str]) -> dict[str, Task]:
        """Return the tasks, with their content."""
        return self._with_content(self._find("_id", task_ids, ORIGINAL))

    def hanging(self, parents: Iterable[str], fields: Mapping[str, int]) -> dict[str, list[Task]]:
        """Return what hangs on tasks, whether or not those are there themselves."""
        return _by_parent(self._find("parentRecurringId", parents, fields), fields)

    def memories(self, series_ids: Iterable[str]) -> dict[str, SeriesMemory]:
        """Return what is remembered of series."""
        return {
            document["_id"].binary.hex(): memory
            for chunk in id_chunks(series_ids, self._read_chunk)
            for document in self._series.find({"_id": {"$in": chunk}}, batch_size=A_PAGE)
            if (memory := memory_from(document))
        }

    def _with_content(self, documents: list[Document]) -> dict[str, Task]:
        """Read originals, and of those that name further fields to copy, these too."""
        more = {
            document["_id"].binary.hex(): names
            for document in documents
            if (names := named_to_copy(document.get("recurrence")))
        }
        if more:
            fields = dict.fromkeys({name for names in more.values() for name in names}, 1)
            further = {document["_id"]: document for document in self._find("_id", more, fields)}
            documents = [further.get(document["_id"], {}) | document for document in documents]
        return {task.id: task for task in (task_from(document, with_content=True) for document in documents)}

    def _find(self, name: str, ids: Iterable[str], fields: Mapping[str, int]) -> list[Document]:
        return [
            document
            for chunk in id_chunks(ids, self._read_chunk)
            for document in self._tasks.find({name: {"$in": chunk}}, fields, batch_size=A_PAGE)
        ]


def _by_parent(documents: Iterable[Document], fields: Mapping[str, int]) -> dict[str, list[Task]]:
    hanging: dict[str, list[Task]] = defaultdict(list)
    for document in documents:
        parent = document["parentRecurringId"]
        # What has ids of another type was not made by the application, and is not ours to move or delete.
        if isinstance(parent, ObjectId) and isinstance(document["_id"], ObjectId):
            hanging[parent.binary.hex()].append(task_from(document, with_content=fields is ORIGINAL))
    return hanging
