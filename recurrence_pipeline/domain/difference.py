"""What a change of a series comes to, slot by slot: what a dry run answers and what was done. Pure values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class ChangeKind(str, Enum):
    """What becomes of the task of a slot."""

    APPEARS = "appears"
    MOVES = "moves"
    CHANGES = "changes"
    """It stays where it is, and its content follows the original's."""
    GOES = "goes"
    STAYS = "stays"


@dataclass(frozen=True, slots=True)
class SlotChange:
    """What becomes of one task; `why` is a short sentence. Times are UTC; `was` and `due` differ where it moves.

    `slot` is the number that it has then; None on an added date.
    """

    kind: ChangeKind
    task_id: str
    slot: int | None
    due: datetime
    why: str
    was: datetime | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What an operation changes in one series, in the order of time; `written` says whether that was done."""

    series_id: str
    changes: Sequence[SlotChange] = field(default_factory=tuple)
    written: bool = False
