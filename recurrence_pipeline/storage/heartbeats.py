"""Heartbeats of the parts of the system: a document for each in `worker_state`, dated by the server.

Whoever leaves none is judged in monitoring/heartbeat_rules.py. No work depends on them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from recurrence_pipeline.storage.documents import EPOCH, Document
from recurrence_pipeline.storage.mongo import Mongo, translated

ALIVE, OFF, OPENING = "alive", "off", "not open yet"
"""What is said of a change stream that is open, that nobody wants, that just begins; else there is a reason why not."""

SILENT = "silent:"
"""What the keys of these causes of an alert begin with."""


class Part(str, Enum):
    """What leaves heartbeats."""

    DAGSTER = "dagster"  # its daemon and the code server: a tick of the alert sensor needs both
    API = "api"
    WORKER = "worker"  # one that stays: `recurrence process --follow`


@dataclass(frozen=True, slots=True)
class Process:
    """Who leaves a heartbeat. Each process of the API, and each worker that stays, has one of its own; Dagster has one.

    `id` is another one after a start; of a worker it is the number of its process. Only the API has a `port`.
    """

    part: Part
    host: str
    id: str
    port: int | None = None

    @property
    def where(self) -> str:
        """The host, or host and port, or host and process."""
        if self.part is Part.WORKER:
            return f"{self.host}, process {self.id}"
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """What stays the same from one start to the next."""
        return self.part.value if self.part is Part.DAGSTER else f"{self.part.value} {self.where}"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last heartbeat of a process, and since when they have come without a gap.

    `stream` is what it said of its change stream: "alive", or why there is none; None of whoever listens to none.
    """

    process: Process
    since: datetime
    seen: datetime
    stream: str | None = None

    @property
    def key(self) -> str:
        """The key of the alert."""
        return f"{SILENT}{self.process.name}"


A_HEARTBEAT = {"kind": "heartbeat"}


class HeartbeatStore:
    """Reads the heartbeats of all, and writes those of this process."""

    def __init__(self, mongo: Mongo) -> None:
        self._state = mongo.state

    @translated()
    def read(self) -> tuple[datetime, tuple[Heartbeat, ...]]:
        """Return the time that the server has, and all of them."""
        stored = list(self._state.aggregate([{"$match": A_HEARTBEAT}, {"$set": {"now": "$$NOW"}}]))
        beats = tuple(beat for beat in map(_heartbeat, stored) if beat is not None)
        return (stored[0]["now"] if stored else EPOCH), beats

    @translated()
    def write(self, process: Process, *, starting: bool, stream: str | None = None) -> None:
        """Leave a heartbeat; `starting` says that a new line of them begins."""
        said = A_HEARTBEAT | {
            "part": process.part.value,
            "host": process.host,
            "port": process.port,
            "process": process.id,
            "changeStream": stream,
        }
        times = {"seenAt": True} | ({"since": True} if starting else {})
        self._state.update_one({"_id": _id(process)}, {"$set": said, "$currentDate": times}, upsert=True)

    @translated()
    def remove(self, process: Process) -> None:
        """Take back the heartbeat of a process that ends; that of one that has begun in its place meanwhile stays."""
        self._state.delete_one({"_id": _id(process), "process": process.id})

    @translated()
    def remove_old(self, beats: Iterable[Heartbeat]) -> None:
        """Remove heartbeats; where a newer one has come meanwhile, that stays."""
        for beat in beats:
            self._state.delete_one({"_id": _id(beat.process), "seenAt": beat.seen})


def _id(process: Process) -> str:
    return f"heartbeat {process.name}"


def _heartbeat(stored: Document) -> Heartbeat | None:
    """Read one; one that is not as it should be is as good as none."""
    try:
        process = Process(Part(stored["part"]), str(stored["host"]), str(stored["process"]), stored.get("port"))
    except (KeyError, ValueError):
        return None
    since, seen, stream = stored.get("since"), stored.get("seenAt"), stored.get("changeStream")
    if not isinstance(since, datetime) or not isinstance(seen, datetime):
        return None
    return Heartbeat(process, since, seen, None if stream is None else str(stream))
