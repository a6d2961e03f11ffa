"""What the database must hold before work can begin: collections, validators, indexes, counters, known series.

`ensure_schema` may run at any time, also on the application's own data: it adds what is missing, and changes nothing
that is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pymongo import IndexModel
from pymongo.collection import Collection
from pymongo.errors import CollectionInvalid, OperationFailure

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation, Source
from recurrence_pipeline.storage.counters import NUMBERED, Counters
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.leasing import FIRST_TIME, LAST_TIME
from recurrence_pipeline.storage.mongo import Mongo, translated
from recurrence_pipeline.storage.series_migration import is_migrated, migrate
from recurrence_pipeline.storage.timeouts import LONG, time_limit

DATE = {"bsonType": "date"}
ID = {"bsonType": "objectId"}
WHOLE = {"bsonType": ["int", "long", "double"], "minimum": 0, "maximum": 2**53}

OPERATION_NAMES = "create, complete, delete, update, reopen or skip"
OF_THE_WORKER = ("deleting", "result", "startedAt", "finishedAt", "durationMs", "runId")

EVENT_SCHEMA: Mapping[str, Any] = {
    "bsonType": "object",
    "title": "An event for the recurrence worker: look at this task, because of what happened to it",
    "required": ["operation", "taskId", "createdAt", "availableAt", "status"],
    "properties": {
        "_id": ID,
        "operation": {"enum": [o.value for o in Operation], "description": "operation is " + OPERATION_NAMES},
        "taskId": ID | {"description": "taskId is the ObjectId of the task"},
        "userId": ID | {"description": "userId is an ObjectId; a delete needs it"},
        "status": {"enum": [s.value for s in EventStatus], "description": "a producer writes status: 'pending'"},
        "source": {"enum": [s.value for s in Source], "description": "source is outbox, api, reconcile or manual"},
        "createdAt": DATE | {"description": "createdAt is the date of what happened"},
        "availableAt": DATE | {"description": "availableAt is the date from which the event is due"},
        "attempts": WHOLE | {"description": "attempts counts failures; a producer need not write it"},
        "slot": WHOLE | {"description": "slot is the number that a skip speaks of; without it, that of its task"},
        "fromSlot": WHOLE | {"description": "fromSlot is the first slot that an update changes"},
        "undo": {"bsonType": "bool", "description": "undo takes a skip back"},
        "errors": {"bsonType": "array"},
        "lease": {"bsonType": "object", "properties": {"term": WHOLE, "until": DATE, "owner": {"bsonType": "string"}}},
    },
    "allOf": [
        {
            "anyOf": [
                {"properties": {"operation": {"enum": [o.value for o in Operation if o is not Operation.DELETE]}}},
                {"required": ["userId"], "description": "a delete event names its userId"},
            ]
        },
        {
            "anyOf": [
                {"properties": {"status": {"enum": [s.value for s in EventStatus if s is not EventStatus.PROCESSING]}}},
                {"required": ["lease"], "description": "an event in work has a lease, or nobody ever takes it over"},
            ]
        },
        {
            "description": "a new event has nothing that only the worker writes: " + ", ".join(OF_THE_WORKER),
            "anyOf": [
                {"properties": {"status": {"enum": [s.value for s in EventStatus if s is not EventStatus.PENDING]}}},
                {"required": ["lease"], "properties": {"lease": {"required": ["term"]}}},
                {
                    "not": {"anyOf": [{"required": [name]} for name in OF_THE_WORKER]},
                    "properties": {"attempts": {"maximum": 0}, "errors": {"maxItems": 0}},
                },
            ],
        },
    ],
}

# Without a zone, as the driver reads them back from the collection's options: they are compared with what is there.
_FIRST, _LAST = FIRST_TIME.replace(tzinfo=None), LAST_TIME.replace(tzinfo=None)

KNOWN_DATES: Mapping[str, Any] = {
    "createdAt": {"$gte": _FIRST, "$lte": _LAST},
    "availableAt": {"$gte": _FIRST, "$lte": _LAST},
    "lease.until": {"$not": {"$gt": _LAST}},
}
"""`$jsonSchema` cannot bound a date; those before the year 1 and after 9999 are none to most programs."""

EVENT_RULES: Mapping[str, Any] = {
    "validator": {"$jsonSchema": EVENT_SCHEMA, **KNOWN_DATES},
    "validationLevel": "moderate",
}
"""Moderate: an event that was wrong before the validator came can still be leased, and rejected."""

SHARED = ("tasks", "useractivities")
"""Where the application makes indexes too, some of them the same."""

APART: Mapping[str, Any] = {"background": False}
"""How they are made on the embedded server, under names of their own. It compares every option, and the order of
options, with those of an index of that name, where MongoDB looks at what an index does. It refuses (86) what Mongoose 8
asks for with `background: true` where ours was made without, what Mongoose 9 asks for without where ours was made with
it, and either where two options stand the other way round: no index of one name suits both. So there, and there only,
the application gets its own beside ours."""

NAMESPACE_EXISTS = 48


@dataclass(frozen=True, slots=True)
class Index:
    """One index; `options` as createIndex takes them."""

    collection: str
    keys: tuple[tuple[str, int], ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name MongoDB (and the application) gives such an index by default."""
        return "_".join(f"{name}_{direction}" for name, direction in self.keys)

    @property
    def label(self) -> str:
        """How it is reported."""
        return f"index {self.collection} {self.name}"

    def model(self, *, apart: bool = False) -> IndexModel:
        """Return it as the driver creates it; `apart` from one of the application's on the same keys."""
        name = {"name": f"recurrence_{self.name}", **APART} if apart else {"name": self.name}
        return IndexModel(list(self.keys), **{**name, **self.options})

    def among(self, existing: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return that of a collection's indexes which does its work, else another on the same fields, else None."""
        same = [present for present in existing.values() if tuple(present["key"]) == self.keys]
        return next((present for present in same if not differs(present, self)), same[0] if same else None)


def required_indexes(settings: Settings) -> list[Index]:
    """Return every index the work relies on."""
    return [
        Index("tasks", (("taskId", 1),), {"unique": True}),
        Index("tasks", (("parentRecurringId", 1),)),
        Index("tasks", (("parentTaskId", 1),)),
        Index("tasks", (("userId", 1), ("repeatType", 1))),
        Index("tasks", (("userId", 1), ("dueDate", 1))),
        Index("tasks", (("updatedAt", 1), ("_id", 1))),
        Index("useractivities", (("activityId", 1),), {"unique": True}),
        Index("useractivities", (("userId", 1), ("timestamp", -1))),
        Index("task_events", (("status", 1), ("availableAt", 1))),
        Index("task_events", (("status", 1), ("lease.until", 1))),
        Index("task_events", (("taskId", 1),)),
        Index("task_events", (("createdAt", 1), ("_id", 1))),
        Index(
            "task_events",
            (("finishedAt", 1),),
            _kept_for(settings.event_retention_days) | {"partialFilterExpression": {"status": "completed"}},
        ),
        Index("deleted_tasks", (("deletion", 1),)),
        Index("deleted_tasks", (("task.parentRecurringId", 1),)),
        Index("deleted_tasks", (("deletedAt", 1),), _kept_for(settings.keep_deleted_days)),
        Index("audit_log", (("at", 1),), _kept_for(settings.audit_retention_days)),
    ]


@dataclass(slots=True)
class SchemaReport:
    """What `ensure_schema` added, and what it could not (with the reason)."""

    added: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@translated()
def ensure_schema(mongo: Mongo, settings: Settings) -> SchemaReport:
    """Create what is missing and report it; run again, it finds nothing to do.

    An index that the data contradicts (two tasks with one `taskId`) is left out and reported: it must not keep the
    worker from starting.
    """
    report = SchemaReport()
    _ensure_events(mongo, report)
    indexes, embedded = required_indexes(settings), is_embedded(mongo)
    for collection in sorted({index.collection for index in indexes}):
        of_collection = [index for index in indexes if index.collection == collection]
        _ensure_indexes(mongo.db[collection], of_collection, report, apart=embedded and collection in SHARED)
    counters = {document["_id"] for document in mongo.counters.find({"_id": {"$in": list(NUMBERED)}}, {"_id": 1})}
    for counter in NUMBERED.keys() - counters:
        Counters(mongo, counter, NUMBERED[counter], write_chunk=1).catch_up()
        report.added.append(f"counter {counter}")
    if not is_migrated(mongo) and (series := migrate(mongo, settings)):
        report.added.append(f"task_series: {series} series of an earlier version")
    return report


@translated()
def require_schema(mongo: Mongo) -> None:
    """Make sure that the database has been prepared.

    Raises:
        DatabaseUnavailable: it has not, or is away.
    """
    if "task_events" not in mongo.db.list_collection_names(filter={"name": "task_events"}):
        raise DatabaseUnavailable(
            f"{mongo.db.name!r} has no collection task_events: run `recurrence init-db` first "
            "(or does MONGODB_URL name another database?)"
        )


def _ensure_events(mongo: Mongo, report: SchemaReport) -> None:
    try:
        mongo.db.create_collection("task_events", **EVENT_RULES)
    except (CollectionInvalid, OperationFailure) as error:  # it is there already, or is made by another just now
        if isinstance(error, OperationFailure) and error.code != NAMESPACE_EXISTS:
            raise
        found = next(iter(mongo.db.list_collections(filter={"name": "task_events"})), {})
        if EVENT_RULES.items() <= found.get("options", {}).items():
            return
        mongo.db.command("collMod", "task_events", **EVENT_RULES)
    report.added.append("validator of task_events")


def is_embedded(mongo: Mongo) -> bool:
    """Say whether the server is the embedded one."""
    return "secantusVersion" in mongo.client.admin.command("buildInfo")


def _ensure_indexes(
    collection: Collection[Document], wanted: Sequence[Index], report: SchemaReport, *, apart: bool
) -> None:
    existing = collection.index_information()
    missing = []
    for index in wanted:
        present = index.among(existing)
        if present is None:
            missing.append(index)
        elif differs(present, index):
            _adjust(collection, index, present, report)
    _create(collection, missing, report, apart=apart)


def _create(collection: Collection[Document], missing: Sequence[Index], report: SchemaReport, *, apart: bool) -> None:
    """Create all with one command: the server reads the documents once. Where one cannot be, each by itself."""
    if not missing:
        return
    try:
        with time_limit(LONG):
            collection.create_indexes([index.model(apart=apart) for index in missing])
    except OperationFailure as error:
        if len(missing) == 1:
            report.left_out[missing[0].label] = str(error).split(", full error", 1)[0]
            return
        for index in missing:  # one that was made before it failed is there, which is no error
            _create(collection, [index], report, apart=apart)
    else:
        report.added.extend(index.label for index in missing)


def differs(present: Mapping[str, Any], index: Index) -> bool:
    """Say whether an existing index on the same keys would not do the work of the required one."""
    return any(
        present.get(option) != value for option, value in index.options.items() if option != "partialFilterExpression"
    )


def _adjust(collection: Collection[Document], index: Index, present: Mapping[str, Any], report: SchemaReport) -> None:
    """Change how long a TTL index keeps documents; an index of another kind stays, and is reported."""
    seconds = index.options.get("expireAfterSeconds")
    if seconds is None or "expireAfterSeconds" not in present:
        report.left_out[index.label] = "an index on the same fields with other options exists"
        return
    collection.database.command(
        "collMod", collection.name, index={"keyPattern": dict(index.keys), "expireAfterSeconds": seconds}
    )
    report.added.append(f"{index.label} (kept {lasting(timedelta(seconds=seconds))})")


def _kept_for(days: int) -> dict[str, Any]:
    return {"expireAfterSeconds": int(timedelta(days=days).total_seconds())}
