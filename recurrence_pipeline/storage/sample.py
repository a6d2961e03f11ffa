"""Whether a database of our own still wants the sample data: once, while it is empty, and never again by itself.

What was asked is stored before the first document is, so that an import that a crash cut off is completed; and after
the last one, so that what people or cascades delete stays deleted. Loading the data is the business of import_jsonl.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from recurrence_pipeline.storage.mongo import Mongo, translated

SAMPLE = {"_id": "sample"}
HOLDS_DATA = (
    "tasks",
    "task_events",
    "users",
    "useractivities",
    "useractivities_archive",
    "deleted_tasks",
    "task_series",
)
"""A database is empty where none of these holds a document. What `init-db` makes (counters, marks) does not count."""


@translated()
def is_empty(mongo: Mongo) -> bool:
    """Say whether the database holds nothing of the application's, nor anything that came of it."""
    return all(mongo.db[name].find_one({}, {"_id": 1}) is None for name in HOLDS_DATA)


@translated()
def wants_sample(mongo: Mongo, now: datetime, *, asked: bool = False) -> bool:
    """Say whether the sample is to be loaded, or what was loaded of it to be completed; `sample_loaded` ends that.

    The first answer stays: of a database that was not empty then, nothing is asked again once it is. Where it is
    `asked` for, the answer is yes.
    """
    if asked:
        mongo.state.update_one(SAMPLE, {"$set": {"wanted": True, "storedAt": now}}, upsert=True)
        return True
    known = mongo.state.find_one(SAMPLE)
    if known is None:
        known = SAMPLE | {"wanted": is_empty(mongo), "storedAt": now}
        try:
            mongo.state.insert_one(known)
        except DuplicateKeyError:  # somebody else has just asked the same
            return wants_sample(mongo, now)
    return known["wanted"] is True


@translated()
def sample_loaded(mongo: Mongo, now: datetime) -> None:
    """Store that all of it was loaded."""
    mongo.state.update_one(SAMPLE, {"$set": {"wanted": False, "loadedAt": now}})


@translated()
def edit_task(mongo: Mongo, task_id: str, fields: Mapping[str, Any], now: datetime) -> None:
    """Change a task as the application does: for a demonstration of what follows."""
    mongo.tasks.update_one({"_id": ObjectId(task_id)}, {"$set": {**fields, "updatedAt": now}})
