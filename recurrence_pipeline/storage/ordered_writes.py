"""Writes to several collections as one command, made in their order (MongoDB 8.0 and newer, `bulkWrite`).

The short way for a few writes of which each is expected to do what it says. Where one does not, the rest is not made,
and whoever asked makes all of them again, each group by itself: writes here can be repeated. The embedded server makes
such writes before it has them in its journal, whatever it was asked for: what must last is written behind them.
"""

from collections.abc import Sequence
from typing import TypeAlias

from pymongo import DeleteMany, InsertOne, UpdateMany, UpdateOne
from pymongo.errors import ClientBulkWriteException, PyMongoError
from pymongo.results import ClientBulkWriteResult

from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo, translation

Write: TypeAlias = InsertOne[Document] | UpdateOne | UpdateMany | DeleteMany
"""One write, with its namespace."""

SINCE = 25
"""The wire version of MongoDB 8.0."""


def takes_ordered_writes(mongo: Mongo) -> bool:
    """Say whether the servers, as far as the driver has seen them, know the command."""
    servers = mongo.client.topology_description.server_descriptions().values()
    known = [server.max_wire_version for server in servers if server.is_server_type_known]
    return bool(known) and min(known) >= SINCE


def write_in_order(mongo: Mongo, writes: Sequence[Write], *, matched: int) -> ClientBulkWriteResult | None:
    """Make the writes; None where one was refused, or the updates did not find as many documents as they should.

    Raises:
        RecurrenceError, PyMongoError: the database did not do it, or nobody knows whether it did.
    """
    try:
        done = mongo.client.bulk_write(writes, ordered=True, write_concern=mongo.db.write_concern)
    except ClientBulkWriteException as error:
        if isinstance(error.error, PyMongoError):
            raise translation(error.error) from error
        if error.error is not None or error.write_concern_errors:
            raise DatabaseUnavailable(f"ordered writes: {error.error or error.write_concern_errors}") from error
        return None
    inserts = sum(isinstance(write, InsertOne) for write in writes)
    return done if done.inserted_count == inserts and done.matched_count == matched else None
