"""`audit_log`: what people did from the pages of the API, for AUDIT_RETENTION_DAYS.

A document is `{_id, at, who, act, subject, details, endedAt, result, ok}`. It is written before anything is done, and
what came of it afterwards: one without an end is of a process that died meanwhile, or is still at it.
"""

from collections.abc import Mapping
from datetime import datetime

from bson import ObjectId

from recurrence_pipeline.storage.documents import Document, new_id
from recurrence_pipeline.storage.mongo import Mongo, translated

MAX_RESULT = 1000


class AuditLog:
    """Writes and reads who did what."""

    def __init__(self, mongo: Mongo) -> None:
        self._log = mongo.audit

    @translated()
    def begin(self, *, who: str, act: str, subject: str, details: Mapping[str, str], now: datetime) -> str:
        """Note what somebody is about to do to a series, a deletion or the queue, and return the entry's id."""
        entry = new_id()
        self._log.insert_one(
            {"_id": ObjectId(entry), "at": now, "who": who, "act": act, "subject": subject, "details": dict(details)}
        )
        return entry

    @translated()
    def end(self, entry: str, result: str, now: datetime, *, ok: bool) -> None:
        """Note what came of it."""
        ended = {"endedAt": now, "result": result[:MAX_RESULT], "ok": ok}
        self._log.update_one({"_id": ObjectId(entry)}, {"$set": ended})

    @translated()
    def newest(self, limit: int, *, before: datetime | None = None) -> list[Document]:
        """Return the latest entries, newest first: those from before a time, or all."""
        where: Document = {} if before is None else {"at": {"$lt": before}}
        return list(self._log.find(where).sort([("at", -1)]).limit(limit))

    @translated()
    def entry(self, entry: str) -> Document | None:
        """Return one entry."""
        return self._log.find_one({"_id": ObjectId(entry)})
