"""Executors of runs that a signal leaves green or gray, and not red: Dagster's own, of one process, told what it means.

Of runs that process events Dagster keeps a signal between two ops and raises it when the next op begins, so that each
deploy would leave red runs. Here it is a request to stop, as it is within an op (run_leases.py): what is left is given
back, and the run is a success. A look at the worker's health is only canceled: the next one comes soon.
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


class CancelableExecutor(StoppableExecutor):
    """Executes as another executor does; a signal cancels the run, as somebody's request would, and is no failure."""

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Yield the events of the run."""
        try:
            yield from self._inner.execute(plan_context, execution_plan)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            # What ends by a signal is canceled where that was asked for (Dagster, `job_execution_iterator`).
            plan_context.instance.report_run_canceling(plan_context.dagster_run, "Told to stop by a signal.")
            raise


DAGSTERS: Any = dg.in_process_executor
"""What is wrapped; it takes the same config."""


def _of_one_process(wrapped: type[StoppableExecutor], description: str) -> dg.ExecutorDefinition:
    return dg.ExecutorDefinition(
        "in_process",
        config_schema=DAGSTERS.config_schema,
        executor_creation_fn=lambda context: wrapped(DAGSTERS.executor_creation_fn(context)),
        description=description,
    )


stoppable_executor = _of_one_process(
    StoppableExecutor, "One process, in which a signal between two ops is a request to stop."
)
cancelable_executor = _of_one_process(CancelableExecutor, "One process, which a signal cancels.")
