"""Groups of writes that come last before the outcomes, put off to go out in one command or, else, each by itself.

What is put off, and in which order, is plan_writer.py's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recurrence_pipeline.storage.ordered_writes import Write
from recurrence_pipeline.worker.context import WriteStep

FEW = 4
"""For so many events that somebody waits for. More are told of by inserts of their own, which cost a server less."""


@dataclass(slots=True)
class LastWrites:
    """What was put off. `matched` is how many documents its updates find; `activities`, how many it tells."""

    steps: list[WriteStep] = field(default_factory=list)
    by_themselves: list[Callable[[], object]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    matched: int = 0
    activities: int = 0

    def put_off(
        self, steps: Sequence[WriteStep], by_itself: Callable[[], object], writes: Sequence[Write], matched: int = 0
    ) -> None:
        """Put off groups of writes; `by_itself` does what these writes do, whatever was done of it before."""
        self.steps += steps
        self.by_themselves.append(by_itself)
        self.writes += writes
        self.matched += matched
