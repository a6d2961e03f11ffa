"""What is used of Dagster that its authors do not promise to keep: in two modules, and each name is where it was."""

import ast
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.instance import RUNLESS_RUN_ID
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage

import recurrence_pipeline
from recurrence_pipeline.orchestration.insides import CHECKS, EVENTS, NO_RUN, RUN_TAGS, RUNS, folder_of_events, storages

PACKAGE = Path(recurrence_pipeline.__path__[0])
HOST = "local/dagster_host.py"
USED = {
    ("orchestration/insides.py", "dagster._core.scheduler", "DagsterDaemonScheduler"),
    (HOST, "dagster._core.workspace.context", "WorkspaceProcessContext"),
    (HOST, "dagster._core.workspace.load_target", "WorkspaceFileTarget"),
    (HOST, "dagster._daemon.controller", "daemon_controller_from_instance"),
}


def imported() -> Iterator[tuple[str, str, str]]:
    """Yield what the package imports of Dagster's insides: the file, the module and the name."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = node.names if isinstance(node, ast.Import | ast.ImportFrom) else ()
            for each in names:
                module = (node.module or "") if isinstance(node, ast.ImportFrom) else each.name
                if module.startswith("dagster") and "._" in module:
                    yield file.relative_to(PACKAGE).as_posix(), module, each.name


def test_no_more_is_used_of_dagster_s_insides_than_is_held_here() -> None:
    """Each has to be looked at again with a new version of Dagster, which pyproject.toml therefore pins."""
    assert set(imported()) == USED


@pytest.mark.parametrize("table", [RUNS, RUN_TAGS, CHECKS, EVENTS], ids=lambda table: table.name)
def test_the_tables_of_the_history_have_the_columns_that_are_asked_for(
    automated: dg.DagsterInstance, table: sa.TableClause
) -> None:
    """Dagster has no function that removes a run for good without a trace of it: run_history.py works on the tables."""
    events, records = storages(automated)
    with events.index_connection() if table in (CHECKS, EVENTS) else records.connect() as connection:
        columns = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}

    assert {column.name for column in table.c} <= columns


def test_what_a_sensor_reports_of_an_asset_is_in_no_run() -> None:
    assert NO_RUN == RUNLESS_RUN_ID


def test_on_sqlite_each_run_has_a_file_of_events(automated: dg.DagsterInstance) -> None:
    folder = folder_of_events(automated)

    assert folder is not None
    assert (folder / "index.db").is_file()


def test_postgresql_is_asked_in_the_same_way() -> None:
    assert {"index_connection", "run_connection", "delete_events_for_run"} <= set(dir(PostgresEventLogStorage))
    assert "connect" in dir(PostgresRunStorage)
    assert "path_for_shard" not in dir(PostgresEventLogStorage)
