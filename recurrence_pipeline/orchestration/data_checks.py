"""The checks on the data, as Dagster shows them. What they ask is in maintenance/checks.py, their names in promises.py.

Each belongs to the asset that it speaks of. A database that is away fails one check as an error, in asset_checks.py;
those here say that they do not know.
"""

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.maintenance.checks import (
    CHECKS,
    COUNTERS_BEHIND,
    CURSOR_AHEAD,
    CURSOR_BEHIND,
    EVENTS_AHEAD,
    EVENTS_ENDLESS,
    EVENTS_STUCK,
    EVENTS_UNDATED,
    EVENTS_WAITING,
    MEMORY_MISSING,
    ORPHANS,
    SCHEMA,
    Check,
    CheckResult,
)
from recurrence_pipeline.orchestration.metadata import Table, table
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.promises import PROMISES
from recurrence_pipeline.orchestration.resources import WorkerResource, one_line, worker_of
from recurrence_pipeline.storage.database_checks import Sample

QUICK = (SCHEMA, COUNTERS_BEHIND, EVENTS_STUCK, EVENTS_ENDLESS, EVENTS_WAITING)
THOROUGH = tuple(check for check in CHECKS if check not in (*QUICK, ORPHANS))
SPEAKS_OF = {
    **dict.fromkeys((EVENTS_STUCK, EVENTS_ENDLESS, EVENTS_WAITING, EVENTS_UNDATED, EVENTS_AHEAD), "task_events"),
    **dict.fromkeys((MEMORY_MISSING, CURSOR_BEHIND, CURSOR_AHEAD), "task_series"),
    COUNTERS_BEHIND: "counters",
    SCHEMA: "task_events",
}
"""The asset that a check belongs to; all others are of the tasks."""

BY_NAME = {promise.name: check for check, promise in PROMISES.items()}
"""What the worker calls a check, by what Dagster does. No two assets have a check of the same name."""


def key_of(check: Check, names: Names) -> dg.AssetCheckKey:
    """Return the key of a check: that of its asset, and its name."""
    return names.check(SPEAKS_OF.get(check, "tasks"), PROMISES[check.name].name)


def _spec(check: Check, names: Names) -> dg.AssetCheckSpec:
    key = key_of(check, names)
    text = f"{PROMISES[check.name].sentence} Where it fails: {check.explanation} {check.hint}"
    return dg.AssetCheckSpec(key.name, asset=key.asset_key, description=text)


def build_together(names: Names, name: str, checks: Iterable[Check], text: str) -> dg.AssetChecksDefinition:
    """Build checks that are made together."""

    @dg.multi_asset_check(
        name=names(name),
        specs=[_spec(check, names) for check in checks],
        can_subset=True,
        description=text,
        required_resource_keys={names.worker},
    )
    def made_together(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        yield from _results(context.selected_asset_check_keys, worker_of(context, names))

    return made_together


def orphans_evaluation(worker: WorkerResource) -> dg.AssetCheckEvaluation:
    """Look for orphans, and return the result of the check for an op that has just cleaned up."""
    key = key_of(ORPHANS, worker.names)
    (result,) = _results([key], worker)
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )


def _results(keys: Iterable[dg.AssetCheckKey], worker: WorkerResource) -> Iterator[dg.AssetCheckResult]:
    asked = {BY_NAME[key.name]: key for key in keys}
    try:
        results = worker.open().consistency.run(only=asked)
    except (DatabaseUnavailable, Transient) as error:
        for key in asked.values():
            yield unknown(key, error)
    else:
        for result in results:
            yield _result(asked[result.name], result)


def _result(key: dg.AssetCheckKey, result: CheckResult) -> dg.AssetCheckResult:
    check, error = result.check, result.check.severity is Severity.ERROR
    kept = PROMISES[check.name].sentence
    return dg.AssetCheckResult(
        passed=result.severity in {Severity.OK, Severity.INFO},
        asset_key=key.asset_key,
        check_name=key.name,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=f"{result.count} found. {check.explanation} {check.hint}" if result.count else kept,
        metadata={"found": result.count, "samples": _table(result.samples)},
    )


def unknown(key: dg.AssetCheckKey, error: Exception) -> dg.AssetCheckResult:
    """Return the result of a check that could not be made: no error of its own, for one of them says it all."""
    return dg.AssetCheckResult(
        passed=False,
        asset_key=key.asset_key,
        check_name=key.name,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Not known, for the database cannot be worked with: {one_line(error)}",
    )


def _table(samples: Sequence[Sample]) -> Table:
    columns = list(dict.fromkeys(name for sample in samples for name in sample))
    return table(columns, [[sample.get(name) for name in columns] for sample in samples])
