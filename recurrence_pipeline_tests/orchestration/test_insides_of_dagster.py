"""What is used of Dagster that its authors do not promise to keep: a few names, and all of them are there."""

import ast
from importlib import import_module
from pathlib import Path

import recurrence_pipeline

USED = {
    ("dagster._core.scheduler", "DagsterDaemonScheduler"),  # dagster.yaml may name it
    ("dagster._core.storage.event_log", "SqlEventLogStorage"),
    ("dagster._core.storage.event_log.schema", "AssetCheckExecutionsTable"),
    ("dagster._core.storage.event_log.sqlite.sqlite_event_log", "SqliteEventLogStorage"),
    ("dagster._core.storage.runs", "SqlRunStorage"),
    ("dagster._core.storage.runs.schema", "RunTagsTable"),
    ("dagster._core.storage.runs.schema", "RunsTable"),
}
"""Dagster has no function that removes a run for good without a trace of it: run_history.py works on the tables."""


def test_no_more_is_used_of_dagster_s_insides_than_these_names() -> None:
    """Each has to be looked at again with a new version of Dagster, which pyproject.toml therefore pins."""
    files = Path(recurrence_pipeline.__path__[0]).rglob("*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    imports = [(node.module or "", node.names) for node in nodes if isinstance(node, ast.ImportFrom)]

    assert {
        (module, each.name)
        for module, names in imports
        if module.startswith("dagster") and "._" in module
        for each in names
    } == USED


def test_the_names_are_where_they_were() -> None:
    assert [name for module, name in USED if not hasattr(import_module(module), name)] == []
