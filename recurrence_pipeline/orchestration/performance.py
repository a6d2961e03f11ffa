"""How the work has been going, as an asset and as checks. What the figures mean is in monitoring/metrics.py."""

from collections.abc import Callable, Iterator, Mapping

import dagster as dg

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import Outage, Transient
from recurrence_pipeline.domain.model import EventStatus
from recurrence_pipeline.orchestration.assets import task_events
from recurrence_pipeline.orchestration.checks import unknown
from recurrence_pipeline.orchestration.maintenance import MAINTENANCE
from recurrence_pipeline.orchestration.metadata import markdown
from recurrence_pipeline.orchestration.resources import TEAM, WorkerParam, WorkerResource, failing_in_one_line

DEGRADED = "degraded"
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


@dg.asset(
    deps=[task_events],
    check_specs=[
        dg.AssetCheckSpec(
            DEGRADED,
            asset="performance_report",
            description="No figure is more than DEGRADATION_THRESHOLD percent worse than in the three weeks before.",
        )
    ],
    description="The last week compared with the three before. `recurrence report --output FOLDER` has the pictures.",
    group_name=MAINTENANCE,
    kinds={"python"},
    tags={"written_by": "worker"},
    owners=[TEAM],
)
# Beside checks, Dagster takes no type argument.
def performance_report(worker: WorkerParam) -> dg.MaterializeResult:  # type: ignore[type-arg]  # noqa: D103
    from recurrence_pipeline.monitoring.report import performance_report as report_on  # noqa: PLC0415 - pandas

    with failing_in_one_line():
        report = report_on(worker.open().metrics, utc_now(), threshold=worker.settings.degradation_threshold)
    worse = "; ".join(map(str, report.worse))
    check = dg.AssetCheckResult(
        passed=not report.worse,
        check_name=DEGRADED,
        severity=dg.AssetCheckSeverity.ERROR,
        description=worse or "No figure is much worse.",
        metadata={"figures": len(report.worse)},
    )
    return dg.MaterializeResult(metadata={"report": markdown(report.without_pictures())}, check_results=[check])


@dg.multi_asset_check(
    name="figures_of_the_day",
    specs=[dg.AssetCheckSpec(name, asset=task_events.key, description=text) for name, text in DESCRIPTIONS.items()],
    can_subset=True,
    description="Were the events of the last day worked off, and quickly?",
)
def figures_of_the_day(  # noqa: D103
    context: dg.AssetCheckExecutionContext, worker: WorkerParam
) -> Iterator[dg.AssetCheckResult]:
    judges: Mapping[str, Callable[[Mapping[str, float]], tuple[bool, float, str]]] = {
        SUCCESS_RATE: _success,
        PROCESSING_TIME: _time,
        DEAD_LETTERS: _dead_letters,
    }
    names = [key.name for key in context.selected_asset_check_keys]
    try:
        figures = worker.open().metrics.latest() | {DEAD_LETTERS: _count_failed(worker)}
    except (Outage, Transient) as error:
        yield from (unknown(dg.AssetCheckKey(task_events.key, name), error) for name in names)
        return
    for name in names:
        passed, value, text = judges[name](figures)
        yield dg.AssetCheckResult(
            passed=passed,
            asset_key=task_events.key,
            check_name=name,
            severity=dg.AssetCheckSeverity.WARN,
            description=text,
            metadata={name: value, "events": int(figures.get("tasksProcessed", 0))},
        )


def _success(figures: Mapping[str, float]) -> tuple[bool, float, str]:
    rate, events = figures.get("successRate", 100.0), figures.get("tasksProcessed", 0)
    return events < ENOUGH or rate >= LEAST_SUCCESS, rate, f"{rate:.1f} % of {events:.0f} events were completed."


def _time(figures: Mapping[str, float]) -> tuple[bool, float, str]:
    average = figures.get("avgProcessingTime", 0.0)
    return average <= SLOW, average, f"{average:.0f} ms on average."


def _dead_letters(figures: Mapping[str, float]) -> tuple[bool, float, str]:
    failed = figures[DEAD_LETTERS]
    return not failed, failed, f"{failed:.0f} events wait for a person."


def _count_failed(worker: WorkerResource) -> float:
    counts = worker.open().queries.event_counts()
    return float(sum(count for (_, status), count in counts.items() if status == EventStatus.FAILED.value))
