"""Numbers for people (`taskId`, `activityId`) from the `counters` collection, and inserts that carry them.

A batch takes all its numbers with one `$inc`. Nothing is kept in memory between batches: the counters may be emptied or
reset by others at any time. Gaps are allowed, repeats are not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from recurrence_pipeline.domain.errors import Transient
from recurrence_pipeline.storage.documents import MAX_WHOLE, Document
from recurrence_pipeline.storage.mongo import Mongo, refusals

ROUNDS = 5
"""How often a lagging counter is moved past the numbers in use before a document is given up."""

NUMBERED: Mapping[str, str] = {"tasks": "taskId", "useractivities": "activityId"}
"""The counters of this system (each named like its collection), and the field that holds the number."""

Maker = Callable[[int], Document]


@dataclass(slots=True)
class Inserted:
    """What became of documents: `written` by this call, `refused` with the reason; the rest was there already."""

    written: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


class Numbering:
    """Numbered inserts into one collection: `counter` is both the counter's `_id` and the collection's name."""

    def __init__(self, mongo: Mongo, counter: str, number_field: str, *, write_chunk: int) -> None:
        self._collection: Collection[Document] = mongo.numbered(counter)
        self._counters: Collection[Document] = mongo.counters
        self._counter = counter
        self._field = number_field
        self._write_chunk = write_chunk

    def take(self, count: int) -> range:
        """Take `count` numbers that nobody else gets."""
        for _ in range(ROUNDS):
            document = self._counters.find_one_and_update(
                {"_id": self._counter},
                {"$inc": {"sequence_value": count}},
                return_document=ReturnDocument.AFTER,
            )
            if document is not None:
                last = int(document["sequence_value"])
                return range(last - count + 1, last + 1)
            self.catch_up()
        raise Transient(f"counter {self._counter!r} keeps vanishing: somebody empties the counters collection")

    def catch_up(self) -> None:
        """Create the counter, or raise it, so that it starts after the highest number in use."""
        value = (self._counters.find_one({"_id": self._counter}) or {}).get("sequence_value")
        least = value if isinstance(value, (int, float)) else 0  # what lies below it need not be looked at
        numbers = {self._field: {"$gte": least, "$lte": MAX_WHOLE}}  # else the highest could be a text: it sorts above
        highest = self._collection.find_one(numbers, {self._field: 1}, sort=[(self._field, -1)]) or {}
        number = highest.get(self._field)
        try:
            self._counters.update_one(
                {"_id": self._counter},
                {"$max": {"sequence_value": int(number) if isinstance(number, (int, float)) else 0}},
                upsert=True,
            )
        except DuplicateKeyError:
            return  # somebody else created it in the same moment

    def insert(self, makers: Mapping[str, Maker]) -> Inserted:
        """Insert documents by their derived ids; an id that is there already is success, not an error."""
        result = Inserted()
        waiting = dict(makers)
        for _ in range(ROUNDS):
            if not waiting:
                return result
            numbers = self.take(len(waiting))
            documents = [make(number) for make, number in zip(waiting.values(), numbers, strict=True)]
            again = self._insert(list(waiting), documents, result)
            waiting = {key: waiting[key] for key in again}
            if waiting:
                self.catch_up()
        result.refused.update((key, f"no free {self._field} after {ROUNDS} tries") for key in waiting)
        return result

    def insert_with_their_numbers(self, documents: Mapping[str, Document]) -> tuple[Inserted, dict[str, int]]:
        """Insert documents by their ids, each with the number it has; where that is taken meanwhile, with a new one.

        Returns also the new numbers, by id.
        """
        result = Inserted()
        taken = self._insert(list(documents), list(documents.values()), result)
        new: dict[str, int] = {}

        def renumbered(key: str, number: int) -> Document:
            new[key] = number
            return documents[key] | {self._field: number}

        again = self.insert({key: partial(renumbered, key) for key in taken})
        result.written |= again.written
        result.refused |= again.refused
        return result, {key: number for key, number in new.items() if key in again.written}

    def _insert(self, keys: Sequence[str], documents: Sequence[Document], result: Inserted) -> list[str]:
        """Insert in chunks and return the keys whose number was taken."""
        number_taken = []
        for start in range(0, len(keys), self._write_chunk):
            chunk = keys[start : start + self._write_chunk]
            written = set(chunk)
            try:
                self._collection.insert_many(documents[start : start + self._write_chunk], ordered=False)
            except BulkWriteError as error:
                for refusal in refusals(error):
                    key = chunk[refusal.index]
                    written.discard(key)
                    if self._is_number(refusal.key_value):
                        number_taken.append(key)
                    elif not (refusal.key_value and "_id" in refusal.key_value):
                        result.refused[key] = refusal.message
            result.written |= written
        return number_taken

    def _is_number(self, key_value: Mapping[str, Any] | None) -> bool:
        return bool(key_value) and self._field in (key_value or {})
