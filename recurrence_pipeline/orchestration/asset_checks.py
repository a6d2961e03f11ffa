"""Asset checks: what the worker finds in its data, as Dagster shows it. What is asked is maintenance/checks.py.

Three groups, by what they cost: a few indexed queries (every 15 minutes), the orphans (also after each cleanup), and a
pass over all tasks (also every week; both every 15 minutes where tasks are few). A database that is away fails one
check as an error; the others say that they do not know.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import dagster as dg

from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.maintenance.checks import (
    CHECKS,
    COUNTERS_BEHIND,
    EVENTS_ENDLESS,
    EVENTS_STUCK,
    EVENTS_WAITING,
    ORPHANS,
    SCHEMA,
    Check,
    CheckResult,
)
from recurrence_pipeline.orchestration.assets import counters, orphan_cleanup, task_events, tasks, worker_health
from recurrence_pipeline.orchestration.metadata import Table, table
from recurrence_pipeline.orchestration.resources import WorkerParam, WorkerResource, one_line
from recurrence_pipeline.storage.database_checks import Sample

QUICK = (SCHEMA, COUNTERS_BEHIND, EVENTS_STUCK, EVENTS_ENDLESS, EVENTS_WAITING)
THOROUGH = tuple(check for check in CHECKS if check not in (*QUICK, ORPHANS))


def _asset(check: Check) -> dg.AssetKey:
    if check is COUNTERS_BEHIND:
        return counters.key
    return task_events.key if check in QUICK else tasks.key


def _specs(checks: Iterable[Check]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(check.name, asset=_asset(check), description=f"{check.explanation} {check.hint}")
        for check in checks
    ]


@dg.asset_check(asset=worker_health, description="The database answers.")
def database_reachable(worker: WorkerParam) -> dg.AssetCheckResult:  # noqa: D103
    health = worker.open().health.status()
    return dg.AssetCheckResult(
        passed=health["status"] == "healthy",
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(str(health.get("error", "the database answers")).split()),
        metadata={"status": health["status"], **health["stats"]},
    )


@dg.multi_asset_check(
    name="quick_checks", specs=_specs(QUICK), can_subset=True, description="A few indexed queries: is work going on?"
)
def quick_checks(context: dg.AssetCheckExecutionContext, worker: WorkerParam) -> Iterator[dg.AssetCheckResult]:  # noqa: D103
    yield from _results(context.selected_asset_check_keys, worker)


@dg.asset_check(
    asset=tasks.key,
    name=ORPHANS.name,
    additional_deps=[orphan_cleanup],
    description=f"{ORPHANS.explanation} {ORPHANS.hint}",
)
def orphans(context: dg.AssetCheckExecutionContext, worker: WorkerParam) -> dg.AssetCheckResult:  # noqa: D103
    (result,) = _results(context.selected_asset_check_keys, worker)
    return result


@dg.multi_asset_check(
    name="thorough_checks", specs=_specs(THOROUGH), can_subset=True, description="One pass over all tasks."
)
def thorough_checks(context: dg.AssetCheckExecutionContext, worker: WorkerParam) -> Iterator[dg.AssetCheckResult]:  # noqa: D103
    yield from _results(context.selected_asset_check_keys, worker)


def _results(keys: Iterable[dg.AssetCheckKey], worker: WorkerResource) -> Iterator[dg.AssetCheckResult]:
    asked = {key.name: key for key in keys}
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
    return dg.AssetCheckResult(
        passed=result.severity in {Severity.OK, Severity.INFO},
        asset_key=key.asset_key,
        check_name=key.name,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=f"{result.count} found. {check.explanation} {check.hint}" if result.count else "None found.",
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


SUCCESS_RATE, PROCESSING_TIME, DEAD_LETTERS = "success_rate", "average_processing_time", "dead_letters"
LEAST_SUCCESS = 95.0
"""In percent."""
SLOW = 1000.0
"""In milliseconds."""
ENOUGH = 20
"""With fewer events in a day, one that fails is no trend."""
DESCRIPTIONS = {
    SUCCESS_RATE: f"At least {LEAST_SUCCESS:g} % of the events that ended in the last day were completed. "
    "`recurrence events --status rejected` says why others were not.",
    PROCESSING_TIME: f"In the last day an event took at most {SLOW:g} ms on average, from its lease to its end. "
    "After a flood it is more: the events of a batch have the time of the batch.",
    DEAD_LETTERS: "No event waits for a person, its retries used up. See `recurrence events --status failed`, then "
    "`recurrence replay`.",
}


@dg.multi_asset_check(
    name="figures_of_the_day",
    specs=[dg.AssetCheckSpec(name, asset=task_events.key, description=text) for name, text in DESCRIPTIONS.items()],
    can_subset=True,
    description="Were the events of the last day processed, and quickly?",
)
def figures_of_the_day(  # noqa: D103
    context: dg.AssetCheckExecutionContext, worker: WorkerParam
) -> Iterator[dg.AssetCheckResult]:
    judges: Mapping[str, Callable[[Mapping[str, float]], tuple[bool, float, str]]] = {
        SUCCESS_RATE: _success,
        PROCESSING_TIME: _time,
        DEAD_LETTERS: _dead_letters,
    }
    keys = context.selected_asset_check_keys
    try:
        figures = worker.open().metrics.latest() | {DEAD_LETTERS: _count_failed(worker)}
    except (DatabaseUnavailable, Transient) as error:
        yield from (unknown(key, error) for key in keys)
        return
    for key in keys:
        passed, value, text = judges[key.name](figures)
        yield dg.AssetCheckResult(
            passed=passed,
            asset_key=key.asset_key,
            check_name=key.name,
            severity=dg.AssetCheckSeverity.WARN,
            description=text,
            metadata={key.name: value, "events": int(figures.get("tasksProcessed", 0))},
        )


def _success(figures: Mapping[str, float]) -> tuple[bool, float, str]:
    rate, events = figures.get("successRate", 100.0), figures.get("tasksProcessed", 0)
    return events < ENOUGH or rate >= LEAST_SUCCESS, rate, f"{rate:.1f} % of {counted(int(events), 'event')} completed."


def _time(figures: Mapping[str, float]) -> tuple[bool, float, str]:
    average = figures.get("avgProcessingTime", 0.0)
    return average <= SLOW, average, f"{average:.0f} ms on average."


def _dead_letters(figures: Mapping[str, float]) -> tuple[bool, float, str]:
    failed = figures[DEAD_LETTERS]
    return not failed, failed, f"{counted(int(failed), 'event')} waiting for a person."


def _count_failed(worker: WorkerResource) -> float:
    counts = worker.open().queries.event_counts()
    return float(sum(count for (_, status), count in counts.items() if status == EventStatus.FAILED.value))
