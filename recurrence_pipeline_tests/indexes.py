"""Indexes by their fields: the embedded server has some under names of their own (see storage/schema.py)."""

from pymongo.collection import Collection

from recurrence_pipeline.storage.documents import Document


def drop_index_on(collection: Collection[Document], *fields: str) -> None:
    """Drop every index on exactly these fields, ascending; there is one."""
    names = [
        name
        for name, index in collection.index_information().items()
        if list(index["key"]) == [(field, 1) for field in fields]
    ]
    assert names, f"no index on {fields}"
    for name in names:
        collection.drop_index(name)
