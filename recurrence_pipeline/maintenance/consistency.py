"""The consistency of the data: runs the checks, and repairs what can be repaired without asking a person.

What the checks are is in checks.py, what they see in rules.py. Nothing is repaired unless it is asked for
by name and with `dry_run=False`, and every repair changes only what is still as it was seen.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta

import structlog

from recurrence_pipeline.domain.errors import CleanupRefused
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import CastId, CursorMove, DateFromDue, Reparent
from recurrence_pipeline.maintenance.checks import (
    CHECKS,
    COUNTERS_BEHIND,
    EVENTS_AHEAD,
    EVENTS_ENDLESS,
    EVENTS_STUCK,
    EVENTS_UNDATED,
    EVENTS_WAITING,
    NESTED,
    ORPHANS,
    SCHEMA,
    WRONG_ID_TYPES,
    CheckResult,
    Repair,
    chosen,
)
from recurrence_pipeline.maintenance.cleanup import Maintenance
from recurrence_pipeline.maintenance.rules import (
    BY_CLOCK,
    BY_PARENT,
    BY_PARENT_TASK,
    BY_SERIES,
    BY_TASK,
    Fix,
    Issue,
    change,
)
from recurrence_pipeline.maintenance.scan import ConsistencyScan, ScanProgress
from recurrence_pipeline.storage.database_checks import IN_THE_WAY, Sampled
from recurrence_pipeline.worker.context import WorkerContext

WAITING_TOO_LONG = timedelta(minutes=15)

OF_TASKS = BY_TASK | BY_PARENT | BY_PARENT_TASK | BY_SERIES | BY_CLOCK
"""The checks that take a pass over the tasks."""

HANGING = frozenset({NESTED.name, WRONG_ID_TYPES.name})
"""Those of them whose repair changes what hangs on what."""

log = structlog.get_logger(__name__)


class Consistency:
    """Checks and repairs. Safe to run beside the worker, by several at once, and to be killed anywhere."""

    def __init__(self, context: WorkerContext, maintenance: Maintenance) -> None:
        self._context = context
        self._maintenance = maintenance
        self._scan = ConsistencyScan(context)
        self._looks: Mapping[str, Callable[[], Sampled]] = {
            COUNTERS_BEHIND.name: context.database_checks.lagging_counters,
            SCHEMA.name: context.database_checks.schema_faults,
            EVENTS_STUCK.name: lambda: context.database_checks.left_since(context.clock() - context.rules.lease),
            EVENTS_ENDLESS.name: context.database_checks.held_for_ever,
            EVENTS_UNDATED.name: context.database_checks.undated,
            EVENTS_AHEAD.name: lambda: context.database_checks.ahead(context.clock(), context.rules.lease),
            EVENTS_WAITING.name: lambda: context.database_checks.waiting_since(context.clock() - WAITING_TOO_LONG),
        }

    def run(self, *, only: Iterable[str] | None = None, progress: ScanProgress = lambda _: None) -> list[CheckResult]:
        """Run the checks, or only those named, and return the result of each; its count is 0 where all is well.

        `progress` is told, now and then, how many tasks have been looked at.

        Raises:
            InvalidInput: there is no such check.
            DatabaseUnavailable: the database is away, or not prepared.
        """
        results = {check.name: CheckResult(check) for check in chosen(CHECKS, only, field_name="only")}
        if not OF_TASKS.isdisjoint(results):
            for issues in self._scan.issues(results.keys(), progress):
                for issue in issues:
                    results[issue.check.name].add([issue.sample])
        for name in results.keys() & self._looks.keys():
            some = self._looks[name]()
            results[name].count, results[name].samples = some.count, some.samples
        log.info("data checked", found={name: result.count for name, result in results.items() if result.count})
        return list(results.values())

    def repair(
        self, names: Iterable[str] | None = None, *, dry_run: bool = True, progress: ScanProgress = lambda _: None
    ) -> list[Repair]:
        """Repair what the named checks find, or all that can be repaired; with `dry_run` only say what would be done.

        Repaired again, nothing is left to do. What a repair brings to light (an occurrence that hangs on the right
        original now can be on a slot that is taken) is for the next run of the checks.

        Raises:
            InvalidInput: there is no such check, or what it finds cannot be repaired without a person.
            DatabaseUnavailable: the database is away, or not prepared.
        """
        checks = chosen((check for check in CHECKS if check.repairable), names, field_name="repair")
        repairs = {check.name: Repair(check.name, written=not dry_run) for check in checks}
        self._repair_database(repairs)
        # What hangs on the right original first: without it, a series lacks what it has.
        for pass_over in (HANGING, OF_TASKS - HANGING):
            if wanted := pass_over & repairs.keys():
                for issues in self._scan.issues(wanted, progress):
                    self._repair_tasks(issues, repairs)
        if ORPHANS.name in repairs:
            self._repair_orphans(repairs[ORPHANS.name])
        log.info(
            "data repaired", written=not dry_run, repaired={r.name: r.repaired for r in repairs.values() if r.found}
        )
        return list(repairs.values())

    def _repair_database(self, repairs: Mapping[str, Repair]) -> None:
        database_checks = self._context.database_checks
        for name, put_right in (
            (SCHEMA.name, database_checks.complete_schema),
            (COUNTERS_BEHIND.name, database_checks.catch_up),
            (EVENTS_ENDLESS.name, database_checks.give_back_endless),
        ):
            if name not in repairs:
                continue
            some = self._looks[name]()
            repair = repairs[name]
            repair.found = some.count
            repair.add(some.samples)
            repair.repaired = some.count - sum(1 for sample in some.samples if sample.get("fault") == IN_THE_WAY)
            if some.count and repair.written:
                put_right()
                repair.repaired = some.count - self._looks[name]().count

    def _repair_tasks(self, issues: Sequence[Issue], repairs: Mapping[str, Repair]) -> None:
        """Repair the issues of one piece of the pass."""
        by_check: dict[str, list[Fix]] = {}
        for issue in issues:
            name = issue.check.name
            repairs[name].found += 1
            if name == ORPHANS.name:
                repairs[name].add([dict(issue.sample) | {"change": "deleted, with a copy kept"}])
            elif issue.fix is not None:
                repairs[name].add([dict(issue.sample) | {"change": change(issue.fix)}])
                by_check.setdefault(name, []).append(issue.fix)
        for name, fixes in by_check.items():
            repairs[name].repaired += self._mend(fixes) if repairs[name].written else len(fixes)

    def _mend(self, fixes: Collection[Fix]) -> int:
        now = self._context.clock()
        moves = [m for m in fixes if isinstance(m, CursorMove)]
        self._context.series.move(moves)
        return (
            len(moves)
            + self._context.tasks.link((m for m in fixes if isinstance(m, Reparent)), now)
            + self._context.task_scan.cast_ids((m for m in fixes if isinstance(m, CastId)), now)
            + self._context.task_scan.date_from_due((m for m in fixes if isinstance(m, DateFromDue)), now)
            + self._context.events.add((m for m in fixes if isinstance(m, TaskEvent)), available_at=now)
        )

    def _repair_orphans(self, repair: Repair) -> None:
        if not repair.written:
            repair.repaired = repair.found
            return
        try:
            repair.repaired = self._maintenance.clean_orphans() if repair.found else 0
        except CleanupRefused as error:
            repair.refused = str(error)
