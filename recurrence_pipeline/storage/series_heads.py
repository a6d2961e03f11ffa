"""The originals of series in the order of their numbers, a window at a time: for lists that people page through.

A window is a range of `taskId`, which a unique index serves, so that it costs the same whatever else is stored. A task
without a number is found under its user only. All of them in no order, for what goes over everything, is
series_pages.py's business.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from bson import ObjectId

from recurrence_pipeline.storage.documents import Document, of_user, whole
from recurrence_pipeline.storage.mongo import Mongo, translated

WINDOW = 1000
"""How many numbers are looked at in one go."""
OF_A_USER = 5000
"""How many heads of one user are looked at: those of the lowest numbers are left out where there are more."""

QUIET = ("none", None, "")
"""What `repeatType` says of a task that does not recur."""

_NOTHING = {"$in": [None, ""]}
_FIELDS = {"taskId": 1, "repeatType": 1}


class Head(NamedTuple):
    """An original, or what was one: its number in the application and its id."""

    number: int
    id: str


class Heads(NamedTuple):
    """The heads of a window in order, and where the next one begins; None behind the last."""

    found: Sequence[Head]
    next: int | None


class SeriesHeads:
    """Reads which series there are, window by window."""

    def __init__(self, mongo: Mongo) -> None:
        self._tasks = mongo.tasks
        self._series = mongo.series
        self._counters = mongo.counters

    @translated()
    def window(self, begin: int | None, *, oldest_first: bool, title: str = "") -> Heads:
        """Return the heads whose numbers come next from `begin` on; None begins at the end that is asked for."""
        last = self._last()
        if oldest_first:
            low = max(begin or 1, 1)
            high = low + WINDOW
            numbers = {"$gte": low} | ({"$lt": high} if high <= last else {})
            following = high if high <= last else None
        else:
            high = last if begin is None else begin
            low = high - WINDOW
            numbers = {"$gt": low} | ({} if begin is None else {"$lte": high})
            following = low if low > 0 else None
        return Heads(self._heads({"taskId": numbers}, title, oldest_first=oldest_first), following)

    @translated()
    def of_user(self, user_id: str, *, oldest_first: bool, title: str = "") -> list[Head]:
        """Return the heads of a user's series in order."""
        newest = self._heads(of_user(user_id), title, oldest_first=False)[:OF_A_USER]
        return newest[::-1] if oldest_first else newest

    def _heads(self, where: Document, title: str, *, oldest_first: bool) -> list[Head]:
        """Return the tasks of a selection that recur, and those that did: the worker remembers them."""
        named: Document = {"title": {"$regex": re.escape(title), "$options": "i"}} if title else {}
        # Some servers look for an index for all that one $match asks for, and find none for this.
        pipeline: list[dict[str, Any]] = [
            {"$match": where},
            {"$match": {"parentRecurringId": _NOTHING, **named}},
            {"$project": _FIELDS},
        ]
        tasks = [task for task in self._tasks.aggregate(pipeline) if isinstance(task["_id"], ObjectId)]
        quiet = [task["_id"] for task in tasks if task.get("repeatType") in QUIET]
        known = {each["_id"] for each in self._series.find({"_id": {"$in": quiet}}, {"_id": 1})} if quiet else set()
        heads = (task for task in tasks if task["_id"] in known or task.get("repeatType") not in QUIET)
        found = (Head(whole(task.get("taskId")) or 0, task["_id"].binary.hex()) for task in heads)
        return sorted(found, reverse=not oldest_first)

    def _last(self) -> int:
        counter = self._counters.find_one({"_id": "tasks"}) or {}
        return whole(counter.get("sequence_value")) or 0
