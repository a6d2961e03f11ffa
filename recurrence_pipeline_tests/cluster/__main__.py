"""`make cluster-test`. RECURRENCE_CLUSTER_EVENTS: how many events a backlog has; RECURRENCE_CLUSTER_SEED: which."""

import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from random import SystemRandom

import structlog
from rich.console import Console
from rich.table import Table

from recurrence_pipeline_tests.cluster.services import missing

EVENTS = 2000


def main() -> int:
    """Run it and print what happened; 2 where something is missing."""
    console = Console(width=110)
    if wanting := missing():
        for text in wanting:
            console.print(text, style="red", highlight=False, soft_wrap=True)
        return 2
    from recurrence_pipeline_tests.cluster.running import run_cluster  # noqa: PLC0415  (needs what may be missing)

    seed = int(os.environ.get("RECURRENCE_CLUSTER_SEED") or SystemRandom().randrange(10**6))
    events = int(os.environ.get("RECURRENCE_CLUSTER_EVENTS") or EVENTS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console.print(f"Three hosts, five backlogs of {events} events, seed {seed}", highlight=False)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="recurrence-cluster-", ignore_cleanup_errors=True) as folder:
        report = run_cluster(
            events,
            seed=seed,
            folder=Path(folder),
            say=lambda text: console.print(f"{time.monotonic() - began:6.1f} s  {text}", highlight=False),
        )
    drawn = Table("backlog", "events", "events/s", "database busy", "by host", "by shard", title="What the hosts did")
    for phase in report.phases:
        shares = [", ".join(f"{k} {n}" for k, n in sorted(c.items())) for c in (phase.by_host, phase.by_lane)]
        drawn.add_row(phase.name, str(phase.events), f"{phase.rate:.0f}", f"{phase.database_busy:.0%}", *shares)
    console.print(drawn)
    console.print(f"Runs: {dict(sorted(report.runs.items()))}; events taken over from a lost host: {report.taken_over}")
    for found in report.findings:
        console.print(f"WRONG: {found}", style="red", highlight=False)
    console.print(f"{len(report.findings)} findings" if report.findings else "The documents are those of one worker.")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
