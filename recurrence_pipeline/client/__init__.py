"""What applications import: the client of the internal API, for threads and for asyncio.

    from recurrence_pipeline.client import Delivered, Lost, Queued, WorkerTrigger

It brings little along: the standard library and the plain values of domain/. What speaks HTTP is imported when a
client is made, what reads variables with the first `from_environment`, and what talks to a database when something is
written down there. Nothing of the worker is ever imported.
"""

from recurrence_pipeline.client.base import ClientOptions
from recurrence_pipeline.client.messages import (
    AccessDenied,
    Delivered,
    Delivery,
    Lost,
    Queued,
    Refused,
    TriggerError,
    Unavailable,
)
from recurrence_pipeline.client.outbox import DatabaseOutbox, Outbox
from recurrence_pipeline.client.trigger import AsyncWorkerTrigger, WorkerTrigger

__all__ = [
    "AccessDenied",
    "AsyncWorkerTrigger",
    "ClientOptions",
    "DatabaseOutbox",
    "Delivered",
    "Delivery",
    "Lost",
    "Outbox",
    "Queued",
    "Refused",
    "TriggerError",
    "Unavailable",
    "WorkerTrigger",
]  # fmt: skip
