"""Change streams: what the server tells of as it happens, cut down to what is worth a look. Who looks is not said here.

A stream saves looks, and nothing depends on it. It has what a majority of the replica set has, so it may lag; a
standalone server has none, and one that was away for longer than the oplog reaches is begun anew (MongoDB manual,
"Change Streams"). What the worker writes itself is left out, or each batch would wake it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo.change_stream import DatabaseChangeStream
from pymongo.errors import PyMongoError

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.scan import DeletedOriginal
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo, translated, translating

LONGEST_WAIT = timedelta(seconds=5)
"""For the next change, in one command: what a stream costs while nothing happens, and how late its end is noticed."""

WITH_PRE_IMAGES = 17
"""The wire version of MongoDB 6.0, the first that may keep what a document was before it was deleted."""

NEW, CHANGED, BEFORE = "fullDocument", "updateDescription.updatedFields", "fullDocumentBeforeChange"
STORED = {"$in": ["insert", "replace"]}
RECURS = {"$nin": [None, "none"]}
OPTIONS = r"^recurrence(\.|$)"
HAS_OPTIONS: Document = {
    "$anyElementTrue": {
        "$map": {
            "input": {"$objectToArray": {"$ifNull": [f"${CHANGED}", {}]}},
            "in": {"$regexMatch": {"input": "$$this.k", "regex": OPTIONS}},
        }
    }
}
"""Whether an update sets how a task recurs, or a part of that: then its name has dots in it, which no path can say."""


class NoChangeStream(DatabaseUnavailable):
    """The server has no change streams, or not for us; the text says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something to look at: the task that is named, an original that is gone or, where neither is said, the queue.

    `is_edit` says that how a task recurs is another since, which somebody may be about to tell of.
    """

    task_id: str | None = None
    deleted: DeletedOriginal | None = None
    is_edit: bool = False


class ChangeStream:
    """An open stream. `token` is where a later one may go on."""

    def __init__(self, stream: DatabaseChangeStream[Document], tasks: str) -> None:
        self._stream = stream
        self._tasks = tasks

    @property
    def token(self) -> Mapping[str, Any] | None:
        """Behind what was last read."""
        return self._stream.resume_token

    @translated()
    def next(self) -> Change | None:
        """Return the next change; None where none came within LONGEST_WAIT, or what came is no change of ours.

        Raises:
            RecurrenceError: the stream is broken, or has ended with its database.
        """
        document = self._stream.try_next()
        if document is None and not self._stream.alive:
            raise NoChangeStream("the stream has ended: the database was dropped")
        return None if document is None else _change(document, self._tasks)

    def close(self) -> None:
        """Close it, as far as that can be done: a server that is gone has closed it too."""
        try:
            self._stream.close()
        except PyMongoError:
            return


class ChangeStreams:
    """Opens streams of `tasks` and `task_events`."""

    def __init__(self, mongo: Mongo, *, longest_wait: timedelta = LONGEST_WAIT) -> None:
        self._mongo = mongo
        options = mongo.client.options
        limits = (options.timeout, options.pool_options.socket_timeout)  # an answer that takes as long is an outage
        self._wait = min(longest_wait, *(timedelta(seconds=limit) / 2 for limit in limits if limit))

    @property
    def longest_wait(self) -> timedelta:
        """How long `ChangeStream.next` waits."""
        return self._wait

    def open(self, token: Mapping[str, Any] | None = None) -> ChangeStream:
        """Open a stream of what happens from now on or, with a `token`, since then.

        Raises:
            NoChangeStream: the server is a standalone one.
            RecurrenceError: it cannot be opened: no right to, a token that the oplog does not reach, an outage.
        """
        with translating():
            hello = self._mongo.client.admin.command("hello")
            if "setName" not in hello and hello.get("msg") != "isdbgrid":
                raise NoChangeStream("the server is no replica set")
            stream = self._mongo.db.watch(
                _pipeline(self._mongo.tasks.name, self._mongo.events.name),
                resume_after=token,
                max_await_time_ms=int(self._wait.total_seconds() * 1000),
                full_document_before_change=_before(hello),
            )
        return ChangeStream(stream, self._mongo.tasks.name)


def _before(hello: Mapping[str, Any]) -> str | None:
    return "whenAvailable" if int(hello.get("maxWireVersion", 0)) >= WITH_PRE_IMAGES else None


def _pipeline(tasks: str, events: str) -> list[Mapping[str, Any]]:
    """Return what picks the changes.

    They are events that are pending, tasks that recur anew or otherwise, or are completed, and originals gone. An
    occurrence that is stored open is one of ours.
    """
    wanted = [
        {"ns.coll": events, "operationType": STORED, f"{NEW}.status": "pending"},
        {"ns.coll": events, "operationType": "update", f"{CHANGED}.status": "pending"},
        {
            "ns.coll": tasks,
            "operationType": STORED,
            "$or": [{f"{NEW}.repeatType": RECURS, f"{NEW}.parentRecurringId": None}, {f"{NEW}.isCompleted": True}],
        },
        {
            "ns.coll": tasks,
            "operationType": "update",
            "$or": [
                {f"{CHANGED}.isCompleted": True},
                {f"{CHANGED}.repeatType": {"$exists": True}},
                {"updateDescription.removedFields": {"$regex": OPTIONS}},
                {"$expr": HAS_OPTIONS},
            ],
        },
        {
            "ns.coll": tasks,
            "operationType": "delete",
            f"{BEFORE}.repeatType": RECURS,
            f"{BEFORE}.parentRecurringId": None,
        },
    ]
    kept = ("operationType", "ns.coll", "documentKey._id", "clusterTime", f"{BEFORE}.userId", f"{CHANGED}.isCompleted")
    return [{"$match": {"$or": wanted}}, {"$project": dict.fromkeys(kept, 1)}]


def _change(document: Document, tasks: str) -> Change | None:
    if document["ns"]["coll"] != tasks:
        return Change()
    task_id = document["documentKey"]["_id"]
    if not isinstance(task_id, ObjectId):
        return None
    if document["operationType"] != "delete":
        updated = (document.get("updateDescription") or {}).get("updatedFields") or {}
        is_edit = document["operationType"] != "insert" and updated.get("isCompleted") is not True
        return Change(task_id=str(task_id), is_edit=is_edit)
    user_id, at = (document.get(BEFORE) or {}).get("userId"), document["clusterTime"]
    if not isinstance(user_id, ObjectId):
        return None
    return Change(deleted=DeletedOriginal(str(task_id), str(user_id), at.time, at.inc))
