"""What tests look at after a run."""

import inspect
from typing import Any

import dagster as dg

from recurrence_pipeline.bootstrap import Worker


def numbers_of(result: dg.ExecuteInProcessResult, op: str) -> dict[str, Any]:
    """Return the metadata of an op's output, as plain values."""
    (event,) = [e for e in result.events_for_node(op) if e.event_type is dg.DagsterEventType.STEP_OUTPUT]
    return {name: plain(value) for name, value in event.step_output_data.metadata.items()}


def plain(value: dg.MetadataValue[Any]) -> Any:
    """Return a value of metadata; a table is a list of its rows, each a list of cells."""
    if isinstance(value, dg.TableMetadataValue):
        return [list(record.data.values()) for record in value.records]
    return value.value


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Return what a run reported of each asset that it wrote to, in all its reports together."""
    found: dict[str, dict[str, Any]] = {}
    for event in result.filter_events(lambda event: event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION):
        assert event.asset_key is not None
        shown = {name: value.value for name, value in event.materialization.metadata.items()}
        found.setdefault(event.asset_key.to_user_string(), {}).update(shown)
    return found


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Return what the op that failed says."""
    (event,) = [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_FAILURE]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return str(data.description)


def everything(worker: Worker) -> dict[str, list[dict[str, Any]]]:
    """Return every document of the database."""
    names = sorted(worker.mongo.db.list_collection_names())
    return {name: sorted(worker.mongo.db[name].find(), key=lambda d: str(d["_id"])) for name in names}


def evaluated(sensor: dg.SensorDefinition, context: dg.SensorEvaluationContext) -> Any:
    """Return what the function of a sensor returns.

    Dagster's own call of a sensor outside of its daemon hands over required resources as arguments too.
    """
    return inspect.unwrap(sensor)(context)
