"""What was moved because a clock has changed, and how to take it back: a record on each task that was moved.

`lastMove` is `{run, at, due, was, told}`: the run that did it and when, the new dueDate, the fields that it set as they
were before (null: not there), and whether the user has been told. It is written with the move itself, in one write, and
goes when its task goes: no crash leaves a move without its record, and no record needs clearing up.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from recurrence_pipeline.domain.ids import derived_id
from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.plan import NewActivity
from recurrence_pipeline.domain.times import iso
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage.chunks import id_chunks
from recurrence_pipeline.storage.documents import MEMBER, Document, is_touched, of_user, owner_of, task_from
from recurrence_pipeline.storage.mongo import Mongo, translated, translating
from recurrence_pipeline.storage.partitions import ANY_ID
from recurrence_pipeline.storage.task_edits import TaskEdit
from recurrence_pipeline.storage.task_scan import matching

MOVE = "lastMove"
"""The field of a task that has the record."""
UNTOLD = {f"{MOVE}.told": False}
RECURS: Document = {"$or": [{"parentRecurringId": ANY_ID}, {"repeatType": {"$nin": ["none", None]}}]}


@dataclass(frozen=True, slots=True)
class Move:
    """The record of a move. `was` are the fields that it set, as they were before."""

    task_id: str
    user_id: str | None
    run: str
    due: datetime
    was: Mapping[str, Any]
    is_told: bool

    @property
    def activity(self) -> NewActivity | None:
        """What the user is told; None where it is not known whose the task is.

        Its id comes from the task, the run and the instant: whoever tells it, and however often, it is told once.
        """
        before = self.was.get("dueDate")
        if self.user_id is None or not isinstance(before, datetime):
            return None
        subject = derived_id(self.task_id, self.run, iso(self.due))
        text = f"from {iso(before)} to {iso(self.due)}"
        return NewActivity.of(Action.MOVED, self.user_id, self.task_id, subject=subject, detail=text)


class TaskMoves:
    """Goes over the tasks that may have to move, and over those that were moved."""

    def __init__(self, mongo: Mongo, *, read_chunk: int) -> None:
        self._mongo = mongo
        self._tasks = mongo.tasks
        self._read_chunk = read_chunk

    def ahead(self, now: datetime) -> Iterator[Task]:
        """Yield the open tasks of series that are due in the future, in no order."""
        wanted = {"isCompleted": {"$ne": True}, "dueDate": {"$gt": now}, **RECURS}
        return map(task_from, matching(self._mongo, wanted, MEMBER))

    def untold(self, user_id: str | None = None) -> Iterator[str]:
        """Yield the tasks, of one user or of all, that runs have moved which died before they told the users."""
        if user_id is None:
            return (str(document["_id"]) for document in matching(self._mongo, UNTOLD, {"_id": 1}))
        with translating():
            return iter([str(d["_id"]) for d in self._tasks.find({**of_user(user_id), **UNTOLD}, {"_id": 1})])

    def of_run(self, run: str) -> Iterator[Document]:
        """Yield the whole documents of what a run has moved last, and left in their zone."""
        return matching(self._mongo, {f"{MOVE}.run": ObjectId(run), f"{MOVE}.was.timezone": {"$exists": False}})

    @translated()
    def records(self, task_ids: Iterable[str]) -> list[Move]:
        """Return the records of tasks, of those that have one."""
        found = (
            move_of(document)
            for chunk in id_chunks(task_ids, self._read_chunk)
            for document in self._tasks.find({"_id": {"$in": chunk}}, {"userId": 1, MOVE: 1})
        )
        return [move for move in found if move is not None]

    @translated()
    def told(self, task_ids: Iterable[str]) -> None:
        """Note that the users have been told."""
        for chunk in id_chunks(task_ids, self._read_chunk):
            self._tasks.update_many({"_id": {"$in": chunk}, **UNTOLD}, {"$set": {f"{MOVE}.told": True}})


def move_of(document: Mapping[str, Any]) -> Move | None:
    """Read the record of a task; None where there is none that makes sense."""
    match document.get(MOVE):
        case {"run": ObjectId() as run, "due": datetime() as due, "was": {**was}, "told": bool(is_told)}:
            fields = {str(name): value for name, value in was.items()}
            return Move(str(document["_id"]), owner_of(document), str(run), due, fields, is_told)
    return None


def is_as_left(document: Mapping[str, Any], move: Move) -> bool:
    """Say whether a task is still as a move left it."""
    return document.get("dueDate") == move.due and not is_touched(document)


def moving(seen: Document, fields: Mapping[str, Any], *, run: str, now: datetime) -> TaskEdit:
    """Return the edit that sets fields of a task, its dueDate among them, and records how they were; None: absent."""
    record = {
        "run": ObjectId(run),
        "at": now,
        "due": fields["dueDate"],
        "was": {name: seen.get(name) for name in fields},
        "told": False,
    }
    there = {name: value for name, value in fields.items() if value is not None}
    gone = tuple(name for name, value in fields.items() if value is None and name in seen)
    return TaskEdit(seen, {**there, MOVE: record}, without=gone)
