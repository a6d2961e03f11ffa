"""What the worker remembers of a series, as values. What follows is memory.py's; storage/task_series.py keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last slot ever generated for a series, and the repeatType it was counted in."""

    number: int
    repeat_type: str


class Skipped(NamedTuple):
    """Who asked that a slot be skipped (an event), and the task that went for it, if there was one."""

    event_id: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """The rule that slots are counted by from number `first` on. Times are on the wall clock, under the label of UTC.

    `anchor` is what the rule counts from, in `timezone`; `anchored_at` the date of the original that it was read from:
    another one there means that somebody moved the first date since. Of a later revision slot `first` is at `start`,
    and it takes the place of all slots from number `replaces` on that an earlier one had.
    """

    rule: str
    anchor: datetime
    timezone: str
    anchored_at: datetime | None = None
    first: int = 0
    replaces: int = 0
    start: datetime | None = None
    from_completion: bool = False


class RuleVersion(NamedTuple):
    """What slots are counted by: how many rules, where the last begins, how often it changed which are not wanted."""

    revisions: int
    first: int
    skip_changes: int = 0


@dataclass(frozen=True, slots=True)
class SeriesMemory:
    """What the worker knows of a series by itself, whatever becomes of the application's documents.

    `number` is the last slot ever generated. The last revision is the one that counts now.
    """

    number: int
    revisions: tuple[Revision, ...]
    original_slot: int = 0
    """The original's own slot: 0, unless it took the place of one that was gone when a deletion was undone."""
    at: datetime | None = None
    """When slot `number` is on the wall clock, labelled as anchors are; rules of a rare kind are counted on from it."""
    added: frozenset[datetime] = frozenset()
    """The added dates, which have no numbers, that were ever generated."""
    passed: frozenset[int] = frozenset()
    """The slots up to `number` for which no task was made: passed over, not lost. Those far behind the highest
    completed one are forgotten."""
    skipped: Mapping[str, Skipped] = field(default_factory=dict)
    """The slots that are not wanted: by number, or by the text of an added date."""
    skip_changes: int = 0
    """How often it changed which slots those are."""
    followed: str | None = None
    """The digest of what the original said of its rule and options when that was last followed; see memory.py."""

    @classmethod
    def begun(  # noqa: PLR0913, PLR0917 (what is known of a series that has one rule)
        cls,
        number: int,
        rule: str,
        anchor: datetime,
        timezone: str,
        anchored_at: datetime | None = None,
        original_slot: int = 0,
        at: datetime | None = None,
        added: frozenset[datetime] = frozenset(),
    ) -> "SeriesMemory":
        """Return the memory of a series of which one rule is known."""
        return cls(number, (Revision(rule, anchor, timezone, anchored_at),), original_slot, at, added)

    @property
    def current(self) -> Revision:
        """The revision that counts now."""
        return self.revisions[-1]

    @property
    def rule_version(self) -> RuleVersion:
        """By what a plan counts slots: another rule, or another slot that is not wanted, is another version."""
        return RuleVersion(len(self.revisions), self.current.first, self.skip_changes)

    def skipping(self, slot: str, skipped: Skipped | None) -> "SeriesMemory":
        """Return the memory of a series of which one slot more is not wanted or, with None, is wanted again."""
        others = {each: who for each, who in self.skipped.items() if each != slot or skipped is not None}
        noted = others if skipped is None else others | {slot: skipped}
        return replace(self, skipped=noted, skip_changes=self.skip_changes + 1)
