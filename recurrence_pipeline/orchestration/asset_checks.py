"""Asset checks: which there are, and those on how the work goes. Those on the data are built in data_checks.py.

They are named by the good state (promises.py), and belong to the asset they speak of; one check, of worker_health, says
whether all of them are green. Three groups, by what they cost: a few indexed queries (every 15 minutes), the orphans
(also after each cleanup), and a pass over all tasks (also every week; both every 15 minutes where tasks are few). A
database that is away fails one check as an error; the others say that they do not know.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.domain.errors import DatabaseUnavailable, Transient
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.maintenance.checks import ORPHANS
from recurrence_pipeline.orchestration.assets import NOT_DEGRADED
from recurrence_pipeline.orchestration.data_checks import QUICK, THOROUGH, build_together, key_of, unknown
from recurrence_pipeline.orchestration.metadata import table
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.resources import worker_of

DATABASE_REACHABLE, ALL_CHECKS_PASS = "database_reachable", "all_checks_pass"
SUCCESS_RATE, PROCESSING_TIME, DEAD_LETTERS = "events_succeed", "events_processed_quickly", "no_dead_letters"
FIGURES = (SUCCESS_RATE, PROCESSING_TIME, DEAD_LETTERS)


def few_queries(names: Names) -> list[dg.AssetCheckKey]:
    """Return the checks that cost a few indexed queries, however many tasks there are."""
    return [
        names.check("worker_health", DATABASE_REACHABLE),
        *(key_of(check, names) for check in QUICK),
        *(names.check("task_events", figure) for figure in FIGURES),
    ]


def pass_over_tasks(names: Names) -> list[dg.AssetCheckKey]:
    """Return the checks that take a pass over all tasks."""
    return [key_of(check, names) for check in (ORPHANS, *THOROUGH)]


def sum_of_all(names: Names) -> dg.AssetCheckKey:
    """Return the check that says of all others whether they pass."""
    return names.check("worker_health", ALL_CHECKS_PASS)


def all_but_the_sum(names: Names) -> list[dg.AssetCheckKey]:
    """Return every other check; that of the report is the report's own."""
    return [*few_queries(names), *pass_over_tasks(names), names.check("performance_report", NOT_DEGRADED)]


def build_checks(names: Names) -> list[dg.AssetChecksDefinition]:
    """Build the checks, but for that of the report."""
    return [
        _database_reachable(names),
        build_together(names, "quick_checks", QUICK, "A few indexed queries: is work going on?"),
        _figures_of_the_day(names),
        build_together(names, "orphans", [ORPHANS], "Occurrences whose original is gone."),
        build_together(names, "thorough_checks", THOROUGH, "One pass over all tasks."),
        _all_checks_pass(names),
    ]


def _database_reachable(names: Names) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=names.key("worker_health"),
        name=DATABASE_REACHABLE,
        description="The database answers.",
        required_resource_keys={names.worker},
    )
    def database_reachable(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        health = worker_of(context, names).open().health.status()
        return dg.AssetCheckResult(
            passed=health["status"] == "healthy",
            severity=dg.AssetCheckSeverity.ERROR,
            description=" ".join(str(health.get("error", "the database answers")).split()),
            metadata={"status": health["status"], **health["stats"]},
        )

    return database_reachable


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


def _figures_of_the_day(names: Names) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=names("figures_of_the_day"),
        specs=[
            dg.AssetCheckSpec(name, asset=names.key("task_events"), description=DESCRIPTIONS[name]) for name in FIGURES
        ],
        can_subset=True,
        description="Were the events of the last day processed, and quickly?",
        required_resource_keys={names.worker},
    )
    def figures_of_the_day(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        keys = context.selected_asset_check_keys
        try:
            worker = worker_of(context, names).open()
            figures = worker.metrics.latest() | {DEAD_LETTERS: _count_failed(worker)}
        except (DatabaseUnavailable, Transient) as error:
            yield from (unknown(key, error) for key in keys)
        else:
            yield from (_judged(key, figures) for key in keys)

    return figures_of_the_day


def _judged(key: dg.AssetCheckKey, figures: Mapping[str, float]) -> dg.AssetCheckResult:
    passed, value, text = JUDGES[key.name](figures)
    return dg.AssetCheckResult(
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


JUDGES: Mapping[str, Callable[[Mapping[str, float]], tuple[bool, float, str]]] = {
    SUCCESS_RATE: _success,
    PROCESSING_TIME: _time,
    DEAD_LETTERS: _dead_letters,
}


def _count_failed(worker: Worker) -> float:
    counts = worker.queries.event_counts()
    return float(sum(count for (_, status), count in counts.items() if status == EventStatus.FAILED.value))


def evaluation_of(record: Any) -> dg.AssetCheckEvaluation | None:
    """Return what a check found; None where it was only planned, by a run that is under way or died."""
    evaluation: object = record.evaluation if record else None
    return evaluation if isinstance(evaluation, dg.AssetCheckEvaluation) else None


LAST = {"dagster/priority": "-10"}
"""Of the steps that may run, Dagster takes the one with the highest number: this one comes when the others are done."""


def _all_checks_pass(names: Names) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=names.key("worker_health"),
        name=ALL_CHECKS_PASS,
        description="No check of any asset failed when it was last made. The table has them all, the failing ones "
        "first.",
        op_tags=LAST,
    )
    def all_checks_pass(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        keys = all_but_the_sum(names)
        latest = context.instance.get_latest_asset_check_evaluation_record
        return _sum({key: evaluation_of(latest(key)) for key in keys})

    return all_checks_pass


def _sum(found: Mapping[dg.AssetCheckKey, dg.AssetCheckEvaluation | None]) -> dg.AssetCheckResult:
    """Return what checks say together; None stands for one that was never made."""
    made = {key: each for key, each in found.items() if each is not None}
    failing = {key: each for key, each in made.items() if not each.passed}
    error = any(each.severity is dg.AssetCheckSeverity.ERROR for each in failing.values())
    rows = sorted(
        (each.passed, key.asset_key.to_user_string(), key.name, each.description) for key, each in made.items()
    )
    return dg.AssetCheckResult(
        passed=not failing,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=", ".join(sorted(key.name for key in failing)) or f"All {len(made)} checks passed.",
        metadata={
            "checks_failing": len(failing),
            "checks_made": len(made),
            "checks_never_made": len(found) - len(made),
            "checks": table(["passed", "asset", "check", "says"], rows),
        },
    )
