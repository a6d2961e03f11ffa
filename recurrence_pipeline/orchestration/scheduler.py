"""How Dagster's own programs come to the newest time zone data: an entry point that `scheduler` in dagster.yaml names.

The daemon walks along the schedules, and the web server says when they come next; neither loads definitions.py. But
each process of Dagster makes the classes that dagster.yaml names, before it works out any time.
"""

from typing import Any

from recurrence_pipeline.config.time_zone_data import use_newest_time_zone_data
from recurrence_pipeline.orchestration.insides import SCHEDULER


class NewestTimeZones(SCHEDULER):
    """Dagster's scheduler, in a process that uses the newest time zone data."""

    def __init__(self, **config: Any) -> None:
        use_newest_time_zone_data()
        super().__init__(**config)
