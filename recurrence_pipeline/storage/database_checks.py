"""What the work stands on: counters, indexes, validators, and the queue. Is it as it should be, and can it be repaired?

What should be there is said in schema.py and counters.py; tasks are looked at in task_scan.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.counters import NUMBERED, Counters, is_countable
from recurrence_pipeline.storage.leasing import (
    ANY_TIME,
    GIVEN_BACK,
    LAST_TIME,
    PENDING,
    PROCESSING,
    latest_end,
    put_off,
)
from recurrence_pipeline.storage.mongo import Mongo, translated
from recurrence_pipeline.storage.schema import (
    EVENT_RULES,
    Index,
    SchemaReport,
    differs,
    ensure_schema,
    required_indexes,
)
from recurrence_pipeline.storage.series_migration import is_migrated
from recurrence_pipeline.storage.timeouts import long_read

MAX_SAMPLES = 20
Sample = Mapping[str, Any]
"""One thing a check found: a flat mapping of names to texts, numbers and dates."""


@dataclass(frozen=True, slots=True)
class Server:
    """What the database server says of itself, and how this client asks it to write.

    `ahead` is by how much its clock is ahead of this machine's. `write_concern` holds `w` and `j` where they are set.
    """

    version: str
    replica_set: str | None
    ahead: timedelta
    write_concern: Mapping[str, Any]


MISSING, DIFFERENT, IN_THE_WAY = "missing", "different", "another index on the same fields is there"

ENDLESS = {"status": PROCESSING, "lease.until": {"$not": ANY_TIME}}
"""Events that are held, and whose lease has no end."""


SAMPLED = dict.fromkeys(("operation", "taskId", "attempts", "availableAt", "createdAt", "startedAt", "lease.until"), 1)
"""What is told of an event."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """How many there are, and some of them."""

    count: int
    samples: list[Sample]


class DatabaseChecks:
    """Looks at all that is no task."""

    def __init__(self, mongo: Mongo, settings: Settings) -> None:
        self._mongo = mongo
        self._settings = settings

    @translated()
    def server(self, clock: Callable[[], datetime]) -> Server:
        """Ask the server who it is and what time it has; `clock` is read before and after, and the middle counts."""
        admin = self._mongo.client.admin
        before = clock()
        hello = admin.command("hello")
        here = before + (clock() - before) / 2
        there = hello["localTime"]
        return Server(
            version=str(admin.command("buildInfo")["version"]),
            replica_set=hello.get("setName"),
            ahead=(there if there.tzinfo else there.replace(tzinfo=timezone.utc)) - here,
            write_concern=dict(self._mongo.client.write_concern.document),
        )

    @translated()
    def lagging_counters(self) -> Sampled:
        """Return the counters that are missing, behind, or no number that another follows: `{counter, value, highest}`.

        The value is shown as it would be written in Python where it is none that counts.
        """
        with long_read(self._mongo.db):
            lags = [lag for numbering in self._numberings() if (lag := numbering.lag()) is not None]
        return Sampled(
            len(lags), [{"counter": x.counter, "value": _shown(x.value), "highest": x.highest} for x in lags]
        )

    @translated()
    def catch_up(self) -> None:
        """Raise the counters to the highest numbers in use; one that counts is never lowered."""
        with long_read(self._mongo.db):
            for numbering in self._numberings():
                numbering.catch_up()

    @translated()
    def schema_faults(self) -> Sampled:
        """Return which indexes and validators are missing or different: `{what, fault}`."""
        faults: list[Sample] = []
        found = next(iter(self._mongo.db.list_collections(filter={"name": "task_events"})), {}).get("options", {})
        if not EVENT_RULES.items() <= found.items():
            faults.append({"what": "validator of task_events", "fault": DIFFERENT if "validator" in found else MISSING})
        present: dict[str, Mapping[str, Mapping[str, Any]]] = {}
        for index in required_indexes(self._settings):
            if index.collection not in present:
                present[index.collection] = self._mongo.db[index.collection].index_information()
            if fault := _fault(index.among(present[index.collection]), index):
                faults.append({"what": f"index {index.collection} {index.name}", "fault": fault})
        if not is_migrated(self._mongo):
            faults.append({"what": "task_series, with the series of an earlier version", "fault": MISSING})
        return Sampled(len(faults), faults)

    @translated()
    def complete_schema(self) -> SchemaReport:
        """Create what is missing; see schema.py."""
        return ensure_schema(self._mongo, self._settings)

    def left_since(self, then: datetime) -> Sampled:
        """Return the held events whose lease ran out before `then`."""
        return self._some({"status": PROCESSING, "lease.until": {"$lt": then}}, "lease.until")

    def waiting_since(self, then: datetime) -> Sampled:
        """Return the pending events that have been due since before `then`."""
        return self._some({"status": PENDING, "availableAt": {"$lt": then}}, "availableAt")

    def held_for_ever(self) -> Sampled:
        """Return the held events whose lease has no end."""
        return self._some(ENDLESS, "startedAt")

    def undated(self) -> Sampled:
        """Return the events, ended or not, whose creation or time has no date that can be read."""
        return self._some({"$or": [{name: {"$not": ANY_TIME}} for name in ("availableAt", "createdAt")]}, "availableAt")

    @translated()
    def ahead(self, now: datetime, lease: timedelta) -> Sampled:
        """Return the unfinished events with a time that no honest clock can have written up to now."""
        late = {"$gt": latest_end(now, now + lease), "$lte": LAST_TIME}
        asked = (
            (put_off(now), "availableAt"),
            ({"status": PROCESSING, "lease.until": late}, "lease.until"),
            ({"status": {"$in": [PENDING, PROCESSING]}, "createdAt": late}, "createdAt"),
        )
        found: dict[str, Sample] = {}
        with long_read(self._mongo.db):
            for wanted, field in asked:
                for event in self._mongo.events.find(wanted, SAMPLED):
                    found.setdefault(str(event["_id"]), _event_sample(event, field))
        return Sampled(len(found), list(found.values())[:MAX_SAMPLES])

    @translated()
    def give_back_endless(self) -> int:
        """Make the held events whose lease has no end pending again, and return how many that were."""
        return self._mongo.events.update_many(ENDLESS, GIVEN_BACK).modified_count

    @translated()
    def _some(self, wanted: Mapping[str, Any], since: str) -> Sampled:
        with long_read(self._mongo.db):
            found = list(self._mongo.events.find(wanted, SAMPLED).sort(since, 1).limit(MAX_SAMPLES))
            is_all = len(found) < MAX_SAMPLES
            count = len(found) if is_all else self._mongo.events.count_documents(wanted)
        return Sampled(count, [_event_sample(event, since) for event in found])

    def _numberings(self) -> list[Counters]:
        return [Counters(self._mongo, counter, field, write_chunk=1) for counter, field in NUMBERED.items()]


def _shown(value: object) -> object:
    """Return a counter's value so that JSON and a table can hold it: infinities and dates they cannot."""
    return value if value is None or isinstance(value, (str, int)) or is_countable(value) else repr(value)


def _fault(present: Mapping[str, Any] | None, index: Index) -> str | None:
    """Return what is wrong with the index that is there on the fields of a required one."""
    if present is None:
        return MISSING
    if dict(present.get("partialFilterExpression") or {}) != index.options.get("partialFilterExpression", {}):
        return IN_THE_WAY
    if not differs(present, index):
        return None
    adjustable = "expireAfterSeconds" in present and "expireAfterSeconds" in index.options
    return DIFFERENT if adjustable else IN_THE_WAY


def _event_sample(event: Mapping[str, Any], since: str) -> Sample:
    value: Any = event
    for name in since.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return {
        "eventId": str(event["_id"]),
        "operation": _shown(event.get("operation")),
        "taskId": str(event.get("taskId")),
        "since": value if isinstance(value, datetime) else _shown(value),
        "attempts": _shown(event.get("attempts", 0)),
    }
