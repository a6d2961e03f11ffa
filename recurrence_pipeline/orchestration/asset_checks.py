"""Asset checks: what the worker finds in its data, as Dagster shows it. What is asked is maintenance/checks.py.

They are named by the good state (promises.py), and belong to the asset they speak of; one check, of worker_health, says
whether all of them are green. Three groups, by what they cost: a few indexed queries (every 15 minutes), the orphans
(also after each cleanup), and a pass over all tasks (also every week; both every 15 minutes where tasks are few). A
database that is away fails one check as an error; the others say that they do not know.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.domain.words import counted
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
from recurrence_pipeline.orchestration.assets import (
    counters,
    performance_report,
    task_events,
    task_series,
    tasks,
    worker_health,
)
from recurrence_pipeline.orchestration.metadata import Table, table
from recurrence_pipeline.orchestration.promises import PROMISES
from recurrence_pipeline.orchestration.resources import WorkerParam, WorkerResource, check_key, one_line
from recurrence_pipeline.storage.database_checks import Sample

QUICK = (SCHEMA, COUNTERS_BEHIND, EVENTS_STUCK, EVENTS_ENDLESS, EVENTS_WAITING)
THOROUGH = tuple(check for check in CHECKS if check not in (*QUICK, ORPHANS))
SPEAKS_OF = {
    **dict.fromkeys((EVENTS_STUCK, EVENTS_ENDLESS, EVENTS_WAITING, EVENTS_UNDATED, EVENTS_AHEAD), task_events),
    **dict.fromkeys((MEMORY_MISSING, CURSOR_BEHIND, CURSOR_AHEAD), task_series),
    COUNTERS_BEHIND: counters,
    SCHEMA: task_events,
}
"""The asset that a check belongs to; all others are of the tasks."""


def _key(check: Check) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(SPEAKS_OF.get(check, tasks).key, PROMISES[check.name].name)


def _description(check: Check) -> str:
    return f"{PROMISES[check.name].sentence} Where it fails: {check.explanation} {check.hint}"


def _specs(checks: Iterable[Check]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(_key(check).name, asset=_key(check).asset_key, description=_description(check))
        for check in checks
    ]


BY_NAME = {promise.name: check for check, promise in PROMISES.items()}


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


@dg.asset_check(asset=tasks.key, name=_key(ORPHANS).name, description=_description(ORPHANS))
def orphans(context: dg.AssetCheckExecutionContext, worker: WorkerParam) -> dg.AssetCheckResult:  # noqa: D103
    (result,) = _results(context.selected_asset_check_keys, worker)
    return result


def orphans_evaluation(worker: WorkerResource) -> dg.AssetCheckEvaluation:
    """Look for orphans, and return what an op that has just cleaned up reports of it."""
    key = check_key(worker, _key(ORPHANS))
    (result,) = _results([key], worker)
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )


@dg.multi_asset_check(
    name="thorough_checks", specs=_specs(THOROUGH), can_subset=True, description="One pass over all tasks."
)
def thorough_checks(context: dg.AssetCheckExecutionContext, worker: WorkerParam) -> Iterator[dg.AssetCheckResult]:  # noqa: D103
    yield from _results(context.selected_asset_check_keys, worker)


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


SUCCESS_RATE, PROCESSING_TIME, DEAD_LETTERS = "events_succeed", "events_processed_quickly", "no_dead_letters"
MEASURED = {
    SUCCESS_RATE: "success_percent",
    PROCESSING_TIME: "average_processing_ms",
    DEAD_LETTERS: "events_failed",
}
"""What is plotted of each."""
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
            metadata={MEASURED[key.name]: value, "events_processed": int(figures.get("tasksProcessed", 0))},
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


def evaluation_of(record: Any) -> dg.AssetCheckEvaluation | None:
    """Return what a check found; None where it was only planned, by a run that is under way or died."""
    evaluation: object = record.evaluation if record else None
    return evaluation if isinstance(evaluation, dg.AssetCheckEvaluation) else None


WITH_CHECKS = [database_reachable, quick_checks, figures_of_the_day, orphans, thorough_checks, performance_report]
"""What has checks."""
LAST = {"dagster/priority": "-10"}
"""Of the steps that may run, Dagster takes the one with the highest number: this one comes when the others are done."""


@dg.asset_check(
    asset=worker_health,
    description="No check of any asset failed when it was last made. The table has them all, the failing ones first.",
    op_tags=LAST,
)
def all_checks_pass(context: dg.AssetCheckExecutionContext, worker: WorkerParam) -> dg.AssetCheckResult:  # noqa: D103
    keys = [check_key(worker, key) for each in WITH_CHECKS for key in each.check_keys]
    found = [(key, context.instance.get_latest_asset_check_evaluation_record(key)) for key in keys]
    made = [(key, each) for key, record in found if (each := evaluation_of(record)) is not None]
    failing = [(key, each) for key, each in made if not each.passed]
    error = any(each.severity is dg.AssetCheckSeverity.ERROR for _, each in failing)
    rows = sorted((each.passed, key.asset_key.to_user_string(), key.name, each.description) for key, each in made)
    return dg.AssetCheckResult(
        passed=not failing,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=", ".join(sorted(key.name for key, _ in failing)) or f"All {len(made)} checks passed.",
        metadata={
            "checks_failing": len(failing),
            "checks_made": len(made),
            "checks_never_made": len(keys) - len(made),
            "checks": table(["passed", "asset", "check", "says"], rows),
        },
    )


CHECK_DEFINITIONS = [*WITH_CHECKS[:-1], all_checks_pass]
"""All definitions of checks; that of the report is the report's own."""
