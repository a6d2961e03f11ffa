"""How large documents are in the database."""

from collections.abc import Iterable

from bson import encode

from recurrence_pipeline.storage.documents import Document


def stored_size(documents: Iterable[Document]) -> int:
    """Return the bytes of BSON that documents come to; indexes and compression aside."""
    return sum(len(encode(document)) for document in documents)
