"""What a run says of the collections that it wrote to: counts of its own, and how many documents there are.

Dagster does not make these collections, people and the worker do; so each run reports what it added. What the API or a
terminal did is reported by a sensor (sensors.py). Nothing is reported of a collection that nothing can have written to.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import dagster as dg

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.times import lasting
from recurrence_pipeline.orchestration.resources import WorkerResource

ROW_COUNT = "dagster/row_count"
"""The name under which Dagster's pages show how many rows an asset has."""


def written(
    worker: WorkerResource, counts: Mapping[str, Mapping[str, int]], last_event: datetime | None = None
) -> Iterator[dg.AssetMaterialization]:
    """Yield what was written to each collection, given by its name, where any of its counts is more than 0."""
    rows: Mapping[str, int] = {}
    with suppress(DatabaseUnavailable, Transient):  # the work is done: what cannot be counted now is left out
        rows = worker.open().queries.row_counts()
    for name, numbers in counts.items():
        if not any(numbers.values()):
            continue
        metadata: dict[str, Any] = {**numbers}
        if last_event is not None:
            metadata["last_event_at"] = dg.MetadataValue.timestamp(last_event)
        if name in rows:
            metadata[ROW_COUNT] = rows[name]
        yield dg.AssetMaterialization(worker.names.key(name), metadata=metadata)


def materialize(
    context: dg.OpExecutionContext,
    worker: WorkerResource,
    counts: Mapping[str, Mapping[str, int]],
    last_event: datetime | None = None,
) -> None:
    """Report what an op wrote; see `written`."""
    for materialization in written(worker, counts, last_event):
        context.log_event(materialization)


def queue_metadata(worker: Worker) -> dict[str, Any]:
    """Return how deep the queue is, and how old: raw, to plot, and beside that as people read it.

    Raises:
        DatabaseUnavailable: where the database is away.
    """
    queue = worker.queries.queue()
    age = utc_now() - queue.oldest if queue.oldest else None
    return {
        "events_due": queue.due,
        "oldest_due_age_seconds": round(max(age.total_seconds(), 0), 3) if age else 0.0,
        "oldest_due_age": lasting(age) if age else "nothing is due",
    }
