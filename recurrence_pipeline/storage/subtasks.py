"""Sub-tasks: those of tasks, at any depth, and what copies an occurrence gets of its original's.

A sub-task hangs on its task by `parentTaskId`; what hangs on a series, too, is that series' own. Copies are inserted
with their occurrences, in tasks.py; what they look like is in documents.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import NewOccurrence
from recurrence_pipeline.storage.chunks import id_chunks
from recurrence_pipeline.storage.documents import MEMBER, Document, task_as_written, task_from
from recurrence_pipeline.storage.mongo import BARE_DATES, Mongo, translated

A_PAGE = 10_000
"""Documents that one answer brings, or as many as 16 MB hold: the first one of a server has but 101 unless more are
asked for."""


class Subtasks:
    """Reads sub-tasks; each level costs a command for every `chunk` tasks."""

    def __init__(self, mongo: Mongo, *, chunk: int) -> None:
        self._tasks = mongo.tasks.with_options(BARE_DATES)
        self._chunk = chunk

    @translated()
    def below(self, task_ids: Iterable[str], *, whole: bool = False) -> dict[str, list[Task]]:
        """Return the sub-tasks of tasks, and theirs in turn, by the task of these that they belong to in the end.

        Read as a `whole`, each says whether somebody touched it.
        """
        found: dict[str, list[Task]] = defaultdict(list)
        for head, task, document in self._walk(task_ids, None if whole else MEMBER):
            found[head].append(task_as_written(document) if whole else task)
        return found

    def copies(self, occurrences: Iterable[NewOccurrence]) -> Iterator[tuple[Document, NewOccurrence, str, str]]:
        """Yield each sub-task to copy, for which occurrence, the id of its copy, and the id of the task above that."""
        with_subtasks = [new for new in occurrences if new.subtasks is not None]
        sources: dict[str, list[Document]] = defaultdict(list)
        for head, _, source in self._walk({new.original.id for new in with_subtasks}, None):
            sources[head].append(source)
        for new in with_subtasks:
            copies = {new.original.id: new.id}
            for source in sources.get(new.original.id, ()):
                source_id = str(source["_id"])
                copies[source_id] = copy_id = derived_id(new.id, "subtask", source_id)
                yield source, new, copy_id, copies[str(source["parentTaskId"])]

    def _walk(self, task_ids: Iterable[str], fields: Mapping[str, int] | None) -> Iterator[tuple[str, Task, Document]]:
        """Yield the sub-tasks of tasks, each behind what it hangs on, with the task that it belongs to in the end."""
        above = {i: i for i in task_ids}
        seen = set(above)
        while above:
            below: dict[str, str] = {}
            for document in self._hanging_on(above, fields):
                task = task_from(document)
                if task.misread is None and task.parent_recurring_id is None and task.id not in seen:
                    below[task.id] = head = above[task.parent_task_id or ""]
                    yield head, task, document
            seen |= below.keys()
            above = below

    def _hanging_on(self, task_ids: Iterable[str], fields: Mapping[str, int] | None) -> Iterator[Document]:
        """Yield what is a sub-task of tasks. Most have none: then a server answers for many ids as fast as for few."""
        for chunk in id_chunks(task_ids, self._chunk):
            yield from self._tasks.find({"parentTaskId": {"$in": chunk}}, fields, batch_size=A_PAGE)
