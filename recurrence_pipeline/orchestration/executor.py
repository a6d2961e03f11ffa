"""The executor of runs that process events: Dagster's own, of one process, which a signal between two ops does not end.

Dagster keeps such a signal and raises it when the next op begins, so that each deploy would leave red runs. Here it is
a request to stop, as it is within an op (run_leases.py): what is left is given back, and the run is a success.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

import dagster as dg

from recurrence_pipeline.worker.signals import StopRequest, restoring_handlers, stop_on_signal

ASKED: ContextVar[StopRequest | None] = ContextVar("recurrence_stop_request", default=None)
"""Where a signal between two ops of the run in this process is noted."""


class StoppableExecutor(dg.Executor):
    """Executes as another executor does, in this process."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> Any:
        """How the other one retries."""
        return self._inner.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Yield the events of the run."""
        with restoring_handlers(), ExitStack() as listening:
            listening.callback(ASKED.set, None)
            for event in self._inner.execute(plan_context, execution_plan):
                # From here on Dagster puts back what it finds: its own handlers are for the time within an op.
                if event.event_type is dg.DagsterEventType.RESOURCE_INIT_STARTED:
                    ASKED.set(listening.enter_context(stop_on_signal()))
                yield event


DAGSTERS: Any = dg.in_process_executor
"""What is wrapped; it takes the same config."""

stoppable_executor = dg.ExecutorDefinition(
    "in_process",
    config_schema=DAGSTERS.config_schema,
    executor_creation_fn=lambda context: StoppableExecutor(DAGSTERS.executor_creation_fn(context)),
    description="One process, in which a signal between two ops is a request to stop.",
)
