"""What a piece of work came to, in numbers that add up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recurrence_pipeline.domain.difference import SlotChange
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.event_updates import Outcome

RETRIED = "retried"
"""The outcome of an event that failed and is pending again; the other outcomes are final statuses."""

MAX_REFUSALS = 50


@dataclass(frozen=True, slots=True)
class RefusedOutcome:
    """An event that ended `rejected` or `failed`, and why."""

    event_id: str
    operation: Operation
    task_id: str
    status: str
    code: str
    message: str


@dataclass(slots=True)
class BatchSummary:
    """The numbers of one batch, or of many added up.

    `outcomes` counts events by (operation, outcome), where an outcome is completed, rejected, failed or retried.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    occurrences_created: int = 0
    occurrences_deleted: int = 0
    activities_written: int = 0
    leases_lost: int = 0
    newest: datetime | None = None
    """When the youngest of the events was created."""
    refused: list[RefusedOutcome] = field(default_factory=list)
    """The first 50 events that were rejected or failed."""

    @property
    def events(self) -> int:
        """How many events were worked on to an outcome."""
        return self.outcomes.total()

    def count(self, outcome: str) -> int:
        """Return how many events had an outcome."""
        return sum(number for (_, name), number in self.outcomes.items() if name == outcome)

    def refuse(self, refused: RefusedOutcome) -> None:
        """Remember an event that was rejected or failed, if there is room."""
        if len(self.refused) < MAX_REFUSALS:
            self.refused.append(refused)

    def by_collection(self) -> dict[str, dict[str, int]]:
        """Return what was written to each collection of the application's and the worker's, by its name."""
        made = {"occurrences_created": self.occurrences_created, "occurrences_deleted": self.occurrences_deleted}
        return {
            "tasks": made | {"events_completed": self.count("completed")},
            "useractivities": {"activities_written": self.activities_written},
            "deleted_tasks": {"copies_kept": self.occurrences_deleted},
        }

    def __add__(self, other: "BatchSummary") -> "BatchSummary":
        return BatchSummary(
            self.outcomes + other.outcomes,
            self.occurrences_created + other.occurrences_created,
            self.occurrences_deleted + other.occurrences_deleted,
            self.activities_written + other.activities_written,
            self.leases_lost + other.leases_lost,
            max(filter(None, (self.newest, other.newest)), default=None),
            (self.refused + other.refused)[:MAX_REFUSALS],
        )

    def numbers(self) -> dict[str, int]:
        """Return the figures by name, as Dagster and Prometheus have them."""
        return {
            "events": self.events,
            "completed": self.count("completed"),
            "rejected": self.count("rejected"),
            "failed": self.count("failed"),
            "retried": self.count(RETRIED),
            "occurrences_created": self.occurrences_created,
            "occurrences_deleted": self.occurrences_deleted,
            "activities_written": self.activities_written,
            "leases_lost": self.leases_lost,
        }

    def as_json(self) -> dict[str, Any]:
        """Return all of it for a program, in the words of the HTTP contract."""
        return {_camel(name): number for name, number in self.numbers().items()} | {
            "outcomes": [{"operation": o, "outcome": s, "count": n} for (o, s), n in sorted(self.outcomes.items())]
        }


@dataclass(slots=True)
class Results:
    """What is kept of a batch for callers who wait for it, event by event."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """What was recorded of each event last, by its id; nothing of one that was left to another worker."""
    told: dict[str, Document] = field(default_factory=dict)
    """Tasks that callers are told of and that need not be read again, by id: what was inserted, for one."""
    changes: dict[str, Sequence[SlotChange]] = field(default_factory=dict)
    """What each change came to, slot by slot, by the id of its event."""
    series: dict[str, str] = field(default_factory=dict)
    """The series that each change is of, by the id of its event."""
    summary: BatchSummary = field(default_factory=BatchSummary)
    """The numbers of it all."""


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
