"""What goes over all tasks does so in ranges of an index: no command of it reads a collection, however large."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from bson import ObjectId
from pymongo import monitoring

from benchmarks.maintenance import fill
from benchmarks.stage import Database, Stage, stage
from benchmarks.upkeep import KINDS
from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.storage.mongo import Mongo

INDEXED = {"$eq", "$gt", "$gte", "$lt", "$lte", "$in"}
"""What the embedded server finds in an index, where it is not asked for objects; else it reads everything."""

OF_OBJECTS: Mapping[str, Any] = {"taskId": {"$gte": {}}}
SEES_ALL = {"consistency", "reconciliation", "backfill"}
"""What is done once a week, or by hand, also sees tasks that are numbered by objects, in one command."""

LARGE = ("tasks", "useractivities", "task_series")


class Asked(monitoring.CommandListener):
    """Keeps what is asked of the large collections: name and filter, which is None where all of it is asked for."""

    def __init__(self) -> None:
        self.filters: list[tuple[str, Mapping[str, Any] | None]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        command, name = event.command, event.command.get(event.command_name)
        if name in LARGE:
            self.filters += [(name, asked) for asked in filters(event.command_name, command)]

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def filters(kind: str, command: Mapping[str, Any]) -> Iterator[Mapping[str, Any] | None]:
    match kind:
        case "find":
            yield command["filter"]
        case "aggregate":
            yield command["pipeline"][0].get("$match")
        case "count" | "distinct" | "findAndModify":
            yield command.get("query")
        case "update" | "delete":
            yield from (statement["q"] for statement in command.get(f"{kind}s", ()))


@contextmanager
def asked_of(at: Stage) -> Iterator[tuple[Worker, Asked]]:
    asked = Asked()
    with open_worker(at.worker.settings, listeners=[asked]) as worker:
        yield worker, asked


def in_an_index(mongo: Mongo, name: str, asked: Mapping[str, Any] | None) -> bool:
    """Say whether a filter has a condition that an index of the collection serves, as the embedded server reads it."""
    if not asked or any(field.startswith("$") for field in asked):
        return False
    leading = {next(iter(index["key"])) for index in mongo.db[name].list_indexes()}
    return any(_is_range(wanted) for field, wanted in asked.items() if field in leading)


def _is_range(wanted: object) -> bool:
    if not isinstance(wanted, Mapping):
        return True
    return wanted.keys() <= INDEXED and not any(isinstance(bound, Mapping) for bound in wanted.values())


@pytest.mark.parametrize(
    "kind", [*sorted(KINDS.keys() - {"metrics"}), "how many occurrences there are", "missed slots"]
)
def test_every_command_of_what_goes_over_all_tasks_is_served_by_an_index(mongodb_server: str, kind: str) -> None:
    """Else it takes a server that does one thing at a time seconds, for each piece: time grows as a square."""
    more: dict[str, Callable[[Worker], Any]] = {
        "how many occurrences there are": lambda worker: worker.context.tasks.count_occurrences(),
        "missed slots": lambda worker: worker.reconciliation.ask_for_missed(),
    }
    with stage(Database(mongodb_server, None)) as at:
        fill(at, 400)
        with asked_of(at) as (worker, asked):
            {**KINDS, **more}[kind](worker)
        mongo = at.worker.mongo
        unserved = [(name, wanted) for name, wanted in asked.filters if not in_an_index(mongo, name, wanted)]

    assert asked.filters
    assert unserved == ([("tasks", OF_OBJECTS)] if kind in SEES_ALL else [])


def test_a_condition_that_no_index_serves_is_noticed(mongodb_server: str) -> None:
    """As the embedded server decides, whatever it says when asked to explain."""
    with stage(Database(mongodb_server, None)) as at:
        task = ObjectId()
        unserved: list[Mapping[str, Any]] = [{}, {"$and": [{"_id": task}]}, {"title": "Run"}, {"taskId": {"$gte": {}}}]
        assert not any(in_an_index(at.worker.mongo, "tasks", wanted) for wanted in unserved)
        assert in_an_index(at.worker.mongo, "tasks", {"title": "Run", "_id": task})
