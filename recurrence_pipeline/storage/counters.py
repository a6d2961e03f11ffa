"""Numbers for people (`taskId`, `activityId`) from the `counters` collection, and inserts that carry them.

A batch takes all its numbers with one `$inc`. Nothing is kept in memory between batches: the counters may be emptied,
reset or spoiled by others at any time. Gaps are allowed, repeats are not. A value that no number can follow (a text,
NaN, null, one that leaves no room) is replaced by the first who meets it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeGuard

from bson import Decimal128
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

HIGHEST = MAX_WHOLE - 2**30
"""The last number that another may follow: above it a count would come, sooner or later, to where doubles skip some."""

COUNTABLE = {"$gte": 0, "$lte": HIGHEST, "$not": {"$type": ["array", "decimal"]}}
"""Selects values that `$inc` makes whole numbers of. A fraction is one too: the whole numbers up to it are taken."""

Maker = Callable[[int], Document]


_VALUE = "$sequence_value"
_TYPE = {"$type": _VALUE}
_NUMBER: Mapping[str, Any] = {
    "$switch": {
        "branches": [
            {"case": {"$in": [_TYPE, ["int", "long"]]}, "then": _VALUE},
            {
                "case": {"$in": [_TYPE, ["double", "decimal", "string"]]},
                "then": {"$convert": {"input": _VALUE, "to": "long", "onError": 0}},
            },
        ],
        "default": 0,
    }
}
_KNOWN: Mapping[str, Any] = {"$cond": [{"$and": [{"$gte": [_NUMBER, 0]}, {"$lte": [_NUMBER, HIGHEST]}]}, _NUMBER, 0]}
"""What a counter says by itself, as a whole number: 0 where that is none, or leaves no room."""


def is_countable(value: object) -> TypeGuard[float]:
    """Say whether a counter has a value that the application can go on from as well: whole, and with room above."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value <= HIGHEST and value == value // 1


def raising(least: int) -> list[Mapping[str, Any]]:
    """Build the update that makes a counter stand at `least`, or at its own number where that is higher."""
    return [{"$set": {"sequence_value": {"$max": [_KNOWN, least]}}}]


@dataclass(frozen=True, slots=True)
class Lag:
    """A counter whose next number is taken already, or that has none to give."""

    counter: str
    value: object
    highest: int


@dataclass(slots=True)
class Inserted:
    """What became of documents: `written` by this call, `refused` with the reason; the rest was there already."""

    written: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    """Those that were written, as they stand in the database."""


class Counters:
    """Numbered inserts into one collection: `counter` is both the counter's `_id` and the collection's name."""

    def __init__(self, mongo: Mongo, counter: str, number_field: str, *, write_chunk: int) -> None:
        self._collection: Collection[Document] = mongo.numbered(counter)
        self._counters: Collection[Document] = mongo.counters
        self._taking = mongo.before_the_journal().counters  # a number is nobody's until it is on a document
        self._counter = counter
        self._field = number_field
        self._write_chunk = write_chunk

    def take(self, count: int) -> range:
        """Take `count` numbers that nobody else gets.

        Raises:
            Transient: the counter cannot be made to count.
        """
        for _ in range(ROUNDS):
            document = self._taking.find_one_and_update(
                {"_id": self._counter, "sequence_value": COUNTABLE},
                {"$inc": {"sequence_value": count}},
                return_document=ReturnDocument.AFTER,
            )
            if document is not None:
                last = int(document["sequence_value"])
                return range(last - count + 1, last + 1)
            self.catch_up()
        value = f"sequence_value {self._value()!r}"
        raise Transient(f"counter {self._counter!r}: no number follows {value}, and it does not stay repaired")

    def catch_up(self) -> None:
        """Create the counter, or raise it, so that it starts after the highest number in use.

        A value that nothing can follow is replaced; of one that is a number for people at least, such as the text
        "105", the number counts too. The server decides by what it finds then, so that several may do this at once.
        """
        value = self._value()
        highest = self.highest(value if is_countable(value) else 0)  # what lies below it need not be looked at
        try:
            self._counters.update_one({"_id": self._counter}, raising(highest), upsert=True)
        except DuplicateKeyError:
            return  # somebody else created it in the same moment

    def lag(self) -> Lag | None:
        """Return how the counter is behind the numbers in use, or spoiled; None where it is neither."""
        # Only what lies above the counter is looked at, but first the number and then the counter is what counts:
        # whoever inserts meanwhile has taken the number before.
        before = self._value()
        highest = self.highest(before if is_countable(before) else 0)
        value = self._value()
        return None if is_countable(value) and value >= highest else Lag(self._counter, value, highest)

    def highest(self, least: float) -> int:
        """Return the highest whole number in use from `least` on that another may follow; 0 where there is none."""
        numbers = {self._field: {"$gte": least, "$lte": HIGHEST}}  # else the highest could be a text: it sorts above
        with self._collection.find(numbers, {self._field: 1}, batch_size=2).sort(self._field, -1) as found:
            for document in found:
                number = document[self._field]
                if isinstance(number, Decimal128):
                    return int(number.to_decimal())
                if isinstance(number, (int, float)):
                    return int(number)
        return 0

    def _value(self) -> object:
        return (self._counters.find_one({"_id": self._counter}) or {}).get("sequence_value")

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
            written, sent = set(chunk), documents[start : start + self._write_chunk]
            try:
                self._collection.insert_many(sent, ordered=False)
            except BulkWriteError as error:
                for refusal in refusals(error):
                    key = chunk[refusal.index]
                    written.discard(key)
                    if self._is_number(refusal.key_value):
                        number_taken.append(key)
                    elif not (refusal.key_value and "_id" in refusal.key_value):
                        result.refused[key] = refusal.message
            result.written |= written
            result.documents |= {key: document for key, document in zip(chunk, sent, strict=True) if key in written}
        return number_taken

    def _is_number(self, key_value: Mapping[str, Any] | None) -> bool:
        return bool(key_value) and self._field in (key_value or {})
