"""`recurrence doctor`: is a running system well, and what is to be done where it is not?

Here the looks are put together: at the settings and this machine (machine.py), at the database (doctor/database.py),
and at what answers on the ports (http.py, broker.py).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.config.time_zone_data import find_time_zone_data
from recurrence_pipeline.doctor.broker import look_at_broker
from recurrence_pipeline.doctor.database import Diagnostics
from recurrence_pipeline.doctor.http import look_at_api, look_at_dagster, look_at_metrics
from recurrence_pipeline.doctor.machine import (
    look_at_access,
    look_at_disks,
    look_at_maintenance,
    look_at_names,
    look_at_time_zones,
    look_at_versions,
)
from recurrence_pipeline.doctor.rules import HealthCheckResult, fault
from recurrence_pipeline.domain.errors import ConfigurationError

__all__ = ["examine"]


def examine(
    environment: Mapping[str, str],
    read_settings: Callable[[], Settings],
    clock: Callable[[], datetime],
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[HealthCheckResult]:
    """Yield everything that is found, good or bad; wrong settings end it, because nothing else can be asked.

    `read_settings` reads them from that environment, and `progress` is told how many tasks have been read.
    """
    yield from look_at_versions()
    yield look_at_time_zones(find_time_zone_data(), clock())
    try:
        settings = read_settings()
        worker = open_worker(settings, clock=clock)
    except ConfigurationError as error:
        yield fault("settings", str(error), "Fix the variables named; docs/reference/settings.md has them all.")
        return
    yield look_at_names(environment)
    yield look_at_maintenance(settings, clock())
    with worker:
        diagnostics = Diagnostics(worker.context, worker.consistency, worker.parts)
        yield from diagnostics.look(progress)
    yield look_at_access(settings)
    yield look_at_api(settings)
    yield from look_at_dagster(settings, clock(), diagnostics.dagster)
    yield from look_at_broker(environment)
    yield from look_at_metrics(settings)
    yield from look_at_disks(settings, environment)
