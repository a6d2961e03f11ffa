"""Cutting what is asked for or written into commands of limited size: how many there are depends on a batch alone."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from bson import ObjectId

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of up to `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def id_chunks(ids: Iterable[str], size: int) -> Iterator[list[ObjectId]]:
    """Yield ids as the database has them, in their order, in lists of up to `size`."""
    return chunks(map(ObjectId, sorted(ids)), size)
