"""Cutting what is asked for or written into commands of limited size: how many there are depends on a batch alone."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from bson import ObjectId

T = TypeVar("T")

A_STATEMENT = 5
"""So many documents of one insert cost a server what one update or deletion by itself costs it, if that waits for the
journal: the embedded one writes to the disk after each statement of a command."""


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of up to `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def statements(requests: Iterable[T], write_chunk: int) -> Iterator[list[T]]:
    """Yield updates and deletions of single documents: as many as take as long as an insert of `write_chunk`."""
    return chunks(requests, max(write_chunk // A_STATEMENT, 1))


def id_chunks(ids: Iterable[str], size: int) -> Iterator[list[ObjectId]]:
    """Yield ids as the database has them, in their order, in lists of up to `size`."""
    return chunks(map(ObjectId, sorted(ids)), size)
