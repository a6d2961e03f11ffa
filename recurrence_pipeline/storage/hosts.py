"""Which hosts have worked lately, and with which time zone data: a document for each host in `worker_state`.

For a person who compares them (`recurrence doctor`). No work depends on it, so a write that fails costs nothing.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from recurrence_pipeline.config.time_zone_data import TimeZoneData
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo, translated


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host and the time zone data it uses: IANA's version and where they are from. `seen` is None for this one."""

    name: str
    version: str | None
    source: str | None
    seen: datetime | None = None


LATELY = timedelta(days=1)
FORGOTTEN_AFTER = timedelta(days=30)
"""Containers get a new name at each start: without an end there would be more and more of them."""

A_HOST = {"kind": "host"}


class Hosts:
    """Reads the documents of all hosts, and writes that of this one."""

    def __init__(self, mongo: Mongo, name: str, data: TimeZoneData) -> None:
        self._state = mongo.state
        self._data = data
        self.this = HostSeen(name, data.version, data.used.source if data.used else None)

    def tell(self, now: datetime) -> None:
        """Leave word of this host."""
        with suppress(RecurrenceError):  # refused, or the database is away: others will, or this one later
            self._write(now)

    @translated()
    def _write(self, now: datetime) -> None:
        said = {"host": self.this.name, "timeZoneData": self.this.version, "source": self.this.source, "seenAt": now}
        self._state.update_one({"_id": f"host {self.this.name}"}, {"$set": A_HOST | said}, upsert=True)
        self._state.delete_many(A_HOST | {"seenAt": {"$lt": now - FORGOTTEN_AFTER}})

    @translated()
    def others(self, now: datetime) -> list[HostSeen]:
        """Return the other hosts that worked in the last day."""
        found = self._state.find(A_HOST | {"seenAt": {"$gte": now - LATELY}})
        return [_host(each) for each in found if each.get("host") != self.this.name]


def _host(stored: Document) -> HostSeen:
    return HostSeen(str(stored["host"]), stored.get("timeZoneData"), stored.get("source"), stored["seenAt"])
