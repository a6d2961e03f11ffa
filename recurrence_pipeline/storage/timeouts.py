"""How long the database may take for several commands in all. The limit of a single command is the client's."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pymongo
from pymongo.database import Database
from pymongo.errors import PyMongoError

from recurrence_pipeline.domain.errors import RecurrenceError

LONG = timedelta(hours=1)
"""For one command that reads a whole collection, or builds an index of it."""


@contextmanager
def time_limit(limit: timedelta) -> Iterator[None]:
    """Give all that this thread asks of the database so long together, the search for a server included.

    What comes too late fails as an outage or as a transient error. A limit around this one stays in force.
    """
    with pymongo.timeout(limit.total_seconds()):
        yield


def is_timeout(error: RecurrenceError) -> bool:
    """Say whether an error means that a limit ran out, the server's or ours, and nothing else."""
    return isinstance(error.__cause__, PyMongoError) and error.__cause__.timeout


@contextmanager
def long_read(database: Database[Any]) -> Iterator[None]:
    """Give what reads a whole collection an hour, of a server that answers now.

    The limit covers the search for a server too: one that is away would be waited for just as long.
    """
    database.command("ping")
    with time_limit(LONG):
        yield
