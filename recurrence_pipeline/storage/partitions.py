"""Dividing `tasks`, or another numbered collection, into pieces: what goes over all of it asks for one at a time.

A command that reads a whole collection keeps others from it for seconds where a server does one thing at a time. What
is done with a piece is the business of whoever asks.
"""

from itertools import pairwise
from typing import Any

from bson import ObjectId

from recurrence_pipeline.storage.counters import NUMBERED
from recurrence_pipeline.storage.documents import MAX_WHOLE, Document
from recurrence_pipeline.storage.leasing import FIRST_TIME
from recurrence_pipeline.storage.mongo import Mongo

A_PIECE = 2500
"""About so many documents: read in less than half a second even by a slow server, and in few commands all in all."""

MAX_EMPTY = 10
"""Pieces that may be empty for each that is not: where the old has gone, low numbers lead nowhere for long."""

UNCOUNTED = 1000
"""So many pieces may be empty whatever there is: to count the documents, a server may read all of them."""

SAMPLES = 10
FEW = 2
"""What makes no more than so many pieces is looked at as a whole."""

ANY_ID = {"$gte": ObjectId("0" * 24), "$lte": ObjectId("f" * 24)}
"""Matches ids only, and is a range that an index serves."""

UNNUMBERED: tuple[Any, ...] = (
    None, float("nan"), {"$gte": ""}, ANY_ID, {"$gte": False}, {"$gte": FIRST_TIME},
)  # fmt: skip
"""Selects what stands where a number should, type by type, each a range of the index: nothing, NaN, a text, an id, a
truth value, a date."""

OBJECTS: Document = {"$gte": {}}
"""What an export has that writes numbers as objects, read as plain JSON. Some servers read all documents to find it."""


def partitions(mongo: Mongo, size: int = A_PIECE, counter: str = "tasks", *, objects: bool = True) -> list[Document]:
    """Return filters of which every document matches one, and which match about `size` of them each.

    Without `objects`, but for those numbered by objects: what is done every day, or for whoever waits, asks for no more
    than ranges that all servers find in an index; the checks see all. None where there is no document.

    They are ranges of the number that the counter of that name gives: of all indexes the one that every document is in
    once. The counter says how far the numbers go; where it is behind, the last piece is larger.
    """
    field = NUMBERED[counter]
    last = _whole((mongo.counters.find_one({"_id": counter}) or {}).get("sequence_value"))
    step = size
    if not 0 < last <= UNCOUNTED * size:
        count = mongo.numbered(counter).estimated_document_count()
        if not count and mongo.numbered(counter).find_one({}, {"_id": 1}) is None:  # an estimate can be wrong
            return []
        step = size * max(last // max(MAX_EMPTY * count, 1), 1)
    edges = [float("-inf"), *range(step + 1, last + 1, step), None]
    numbered = ({"$gte": low} | ({} if high is None else {"$lt": high}) for low, high in pairwise(edges))
    return [{field: numbers} for numbers in (*numbered, *UNNUMBERED, *([OBJECTS] if objects else []))]


def samples(mongo: Mongo, size: int) -> list[Document]:
    """Return ranges of numbers of tasks, spread evenly from the first to the last, of `size` together; none if few."""
    field = NUMBERED["tasks"]
    last = _whole((mongo.counters.find_one({"_id": "tasks"}) or {}).get("sequence_value"))
    if last <= FEW * size:
        return []
    width = max(size // SAMPLES, 1)
    lows = (1 + number * (last - width) // (SAMPLES - 1) for number in range(SAMPLES))
    return [{field: {"$gte": low, "$lt": low + width}} for low in lows]


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 <= value <= MAX_WHOLE else 0
