"""A walk over all tasks in the order of (updatedAt, _id): where it is, and what it comes by. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from recurrence_pipeline.domain.model import Task
from recurrence_pipeline.domain.times import MILLISECOND
from recurrence_pipeline.domain.validation import creation_time
from recurrence_pipeline.domain.zones import UTC

LOWEST, HIGHEST = "0" * 24, "f" * 24
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class KeysetPosition:
    """A place in the order of (updatedAt, _id); a walk goes on strictly behind it.

    Tasks without `updatedAt` come first, as MongoDB sorts null before dates.
    """

    time: datetime | None = None
    id: str = LOWEST

    @classmethod
    def before(cls, time: datetime) -> "KeysetPosition":
        """Return the place behind which everything from `time` on follows."""
        return cls(time - MILLISECOND, HIGHEST)

    @classmethod
    def undated_since(cls, time: datetime) -> "KeysetPosition":
        """Return the place behind which tasks without `updatedAt` follow whose ids were made from `time` on."""
        return cls(None, f"{_seconds(time):08x}{LOWEST[8:]}")


@dataclass(frozen=True, slots=True)
class TaskVersion:
    """A task as a walk comes by it."""

    task: Task
    updated_at: datetime | None

    @property
    def place(self) -> KeysetPosition:
        """Where it stands."""
        return KeysetPosition(self.updated_at, self.task.id)

    @property
    def changed_at(self) -> datetime:
        """When it changed, as far as it says so."""
        return self.updated_at or creation_time(self.task)


@dataclass(frozen=True, slots=True)
class DeletedOriginal:
    """An original that was deleted: whose it was, and when by the server's clock, as `seconds` and a number in them."""

    task_id: str
    user_id: str
    seconds: int
    number: int


def _seconds(time: datetime) -> int:
    """Return a time as an ObjectId holds it."""
    return min(max((time - EPOCH) // timedelta(seconds=1), 0), 2**32 - 1)
