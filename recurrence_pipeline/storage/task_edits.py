"""Changes of tasks that nobody has touched: each is written only where the task is still what was seen.

What an edit may do is decided elsewhere. Here is the promise: what a person changes at the same moment stays theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, UpdateOne

from recurrence_pipeline.domain.fingerprint import DIGEST, OWN_FIELDS
from recurrence_pipeline.storage.chunks import chunks, statements
from recurrence_pipeline.storage.documents import Document, covered_fields, digest
from recurrence_pipeline.storage.mongo import Mongo, translated


@dataclass(frozen=True, slots=True)
class TaskEdit:
    """A task as it was seen, the fields to set (as stored), and those to take away."""

    seen: Document
    fields: Mapping[str, Any]
    without: tuple[str, ...] = field(default=())


class TaskEdits:
    """Rewrites and removes tasks, each only where it is as it was seen."""

    def __init__(self, mongo: Mongo, *, read_chunk: int, write_chunk: int) -> None:
        self._tasks = mongo.tasks
        self._read_chunk = read_chunk
        self._write_chunk = write_chunk

    @translated()
    def edit_original(self, edit: TaskEdit, now: datetime) -> bool:
        """Make an edit of an original, as the application does: it has no digest. Say whether it was as it was seen."""
        change = {"$set": {**edit.fields, "updatedAt": now}}
        return self._tasks.update_one(as_seen(edit.seen), change).matched_count == 1

    @translated()
    def rewrite(self, edits: Sequence[TaskEdit], now: datetime) -> set[str]:
        """Make the edits, and return the ids of the tasks that are as wanted now, by this call or an earlier one."""
        wanted: dict[ObjectId, str] = {}
        requests = list[UpdateOne]()
        for edit in edits:
            new = {name: value for name, value in edit.seen.items() if name not in edit.without} | dict(edit.fields)
            wanted[edit.seen["_id"]] = written_as = digest(new)
            change: Document = {"$set": {**edit.fields, DIGEST: written_as, "updatedAt": now}}
            if edit.without:
                change["$unset"] = dict.fromkeys(edit.without, "")
            requests.append(UpdateOne(as_seen(edit.seen), change))
        modified = sum(
            self._tasks.bulk_write(chunk, ordered=False).matched_count
            for chunk in statements(requests, self._write_chunk)
        )
        if modified == len(requests):
            return {str(i) for i in wanted}
        return {
            str(document["_id"])
            for chunk in chunks(wanted, self._read_chunk)
            for document in self._tasks.find({"_id": {"$in": chunk}})
            if document.get(DIGEST) == wanted[document["_id"]] == digest(document)
        }

    @translated()
    def remove(self, seen: Iterable[Document]) -> int:
        """Delete the tasks that are still as they were seen, and return how many this call removed."""
        requests = (DeleteOne(as_seen(document)) for document in seen)
        return sum(
            self._tasks.bulk_write(chunk, ordered=False).deleted_count
            for chunk in statements(requests, self._write_chunk)
        )


def as_seen(document: Mapping[str, Any]) -> Document:
    """Return the filter for a task that nobody changed since: its id, and all that its digest covers.

    That a field is there is asked beside what it is, which no index answers: else a server may look up, for each field
    of each task, what indexes there are that begin with it, which takes twice as long as the update itself.
    """
    names = dict.fromkeys((*covered_fields(document), *OWN_FIELDS, DIGEST))
    covered = {
        name: {"$eq": document[name], "$exists": True} if name in document else {"$exists": False} for name in names
    }
    return {"_id": document["_id"], **covered}
