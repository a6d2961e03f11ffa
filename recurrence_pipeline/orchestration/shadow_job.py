"""The job that holds the previous worker against this one. It only reads."""

from typing import Any, Self

import dagster as dg
from pydantic import Field, model_validator

from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.times import since
from recurrence_pipeline.orchestration.resources import MONGODB, WorkerParam, failing_in_one_line, refusing
from recurrence_pipeline.shadow.rules import Verdict


class ShadowConfig(dg.Config):
    """How far back."""

    since: str = Field(default="7d", description="What happened from this time on is compared: 7d, 2026-11-24T09:30Z.")

    @model_validator(mode="after")
    def _is_time(self) -> Self:
        with refusing():
            since("since", self.since, utc_now())
        return self


@dg.op(out=dg.Out(dg.Nothing), tags=MONGODB)
def compare_with_previous_worker(context: dg.OpExecutionContext, config: ShadowConfig, worker: WorkerParam) -> None:
    """Say what the previous worker made otherwise than this one would have."""
    with failing_in_one_line():
        report = worker.open().shadow.compare(since("since", config.since, utc_now()))
    counts = {f"series: {verdict.value}": report.verdicts[verdict] for verdict in Verdict}
    context.add_output_metadata({**counts, "report": dg.MetadataValue.md(report.without_pictures())})


@dg.config_mapping
def shadow_config(config: ShadowConfig) -> dict[str, Any]:
    """Make the config of the op from that of the job, which is checked before a run is launched."""
    return {"ops": {"compare_with_previous_worker": {"config": config.model_dump()}}}


@dg.graph(
    description="What the previous worker made, against what this one would have made: lost, doubled, at other times. "
    "It only reads.",
)
def shadow_previous_worker() -> None:  # noqa: D103
    compare_with_previous_worker()
