"""The checks on the data: what each asks, what a find means, and what to do about it. Texts only; nothing is looked at.

Which series or task fails a check is decided in rules.py; what was found, and repaired, are values at the end.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.storage.database_checks import MAX_SAMPLES, Sample


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the data. `explanation` says what a find means, `hint` what to do about it."""

    name: str
    severity: Severity
    explanation: str
    hint: str
    repairable: bool = False


ORPHANS = Check(
    "orphans",
    Severity.ERROR,
    "An occurrence hangs on a task that is not there, and no event is waiting that would delete it.",
    "The repair is the orphan cleanup, with its guard: copies are kept, and users are told. "
    "Many at once look like originals that are missing: look for those first.",
    repairable=True,
)
WRONG_ID_TYPES = Check(
    "wrong_id_types",
    Severity.ERROR,
    "An id of a task (_id, userId, parentRecurringId or parentTaskId) is stored as something else than an ObjectId, as "
    "some imports leave it. Nothing is made of such a task, and no deletion finds it; a userId that is text of 24 hex "
    "digits is understood.",
    "The repair makes ObjectIds of text of 24 hex digits, and of {$oid: ...}. What is something else, or an _id, a "
    "person has to replace.",
    repairable=True,
)
SUBTASKS_LEFT = Check(
    "subtasks_left_behind",
    Severity.WARNING,
    "A sub-task hangs on a task that is not there: no list shows it, and nothing deletes it. What this worker deletes "
    "takes its sub-tasks along; what the application deletes itself does not.",
    "Delete it in the application, or set its parentTaskId to null.",
)
SLOT_CLASHES = Check(
    "slot_clashes",
    Severity.WARNING,
    "Two tasks of a series are on one slot. The previous worker made such pairs when it was asked twice.",
    "Delete the one that is not wanted, in the application: only a person knows which that is. It is not made again.",
)
OWNER_DIFFERS = Check(
    "owner_differs",
    Severity.WARNING,
    "An occurrence belongs to another user than its original. Deleting the series leaves it behind.",
    "Find out whose it is, and set its userId, or its parentRecurringId to null.",
)
OWNER_MISSING = Check(
    "owner_missing",
    Severity.WARNING,
    "An original has no userId, or null: its occurrences are made, and belong to nobody. No user's list shows them, "
    "and no deletion takes them, for that names a user.",
    "Set the userId of the original and of its occurrences, or delete them all.",
)
NESTED = Check(
    "nested_occurrences",
    Severity.ERROR,
    "An occurrence hangs on an occurrence, where neither a completion nor a deletion of the series finds it.",
    "The repair hangs it on the original of the series, where that is there and is the same user's.",
    repairable=True,
)
REPEAT_TYPE_DIFFERS = Check(
    "repeat_type_differs",
    Severity.WARNING,
    "An occurrence repeats otherwise than its original, or a series otherwise than its original says for an hour: "
    "its slots are those of the rule before.",
    "`recurrence update ID` shows what following the edit comes to, or why it cannot be followed.",
)
RECURRING_SUBTASKS = Check(
    "recurring_subtasks",
    Severity.WARNING,
    "A sub-task says that it repeats. Sub-tasks cannot: nothing is made for it.",
    "Set its repeatType to none, or its parentTaskId to null and ask for it with `recurrence trigger create`.",
)
NO_ORIGINAL_DUE_DATE = Check(
    "missing_original_due_date",
    Severity.WARNING,
    "A recurring task has no date as originalDueDate: its slot is counted from its dueDate, and moves when a person "
    "moves that.",
    "The repair sets it to dueDate, which is what counts now. Where there is no dueDate, or originalDueDate holds "
    "something else than a date, a person has to set it.",
    repairable=True,
)
MEMORY_MISSING = Check(
    "series_memory_missing",
    Severity.WARNING,
    "Nothing is remembered of a series that this worker has worked on: `task_series` has no document of it, after a "
    "restoration that left the collection out, say.",
    "The repair writes one, with the highest slot that the series and its deleted tasks show; so does its next event.",
    repairable=True,
)
FIRST_DATE_MOVED = Check(
    "first_date_moved",
    Severity.WARNING,
    "The first date of a running series was changed. The series goes on from the date that it began with.",
    "If that was not meant, set originalDueDate back to the date in `began`. For a series that begins on another date, "
    "delete this one and create a new one.",
)
CURSOR_BEHIND = Check(
    "cursor_behind",
    Severity.WARNING,
    "An occurrence is on a slot past the cursor of its series. Were it deleted, it would come back.",
    "The repair raises the cursor over the slots that are there, up to the first that is not: that one may still be "
    "owed. What is left then has a gap before it, which closes when the series gets there.",
    repairable=True,
)
CURSOR_AHEAD = Check(
    "cursor_ahead",
    Severity.WARNING,
    "The cursor of a series is past every slot it should reach, and the activity log knows of no task on it: the slots "
    "up to it will never be made.",
    "Where nobody deleted such tasks (of the previous worker, say), set cursor.number in `task_series` to the highest "
    "slot that is there. It is not repaired: a lower cursor could bring back what a person deleted.",
)
SERIES_BEHIND = Check(
    "series_behind",
    Severity.ERROR,
    "A series lacks slots that it should have, up to 3 behind the next one, and no event is waiting that would make "
    "them. Tasks that people deleted are not missing; a series from before this worker, which it never worked on, is "
    "not behind until it is backfilled.",
    "The repair writes an event, and the worker does the rest. If it stays, look at `recurrence events --task` of it.",
    repairable=True,
)
SERIES_STOPPED = Check(
    "series_stopped",
    Severity.INFO,
    "Everything that was open in a series was deleted: no task is left to complete, and nothing more will come.",
    "If that was not meant to end it: `recurrence resume TASK_ID` makes its next 3 slots.",
)
SERIES_UNWORKABLE = Check(
    "series_unworkable",
    Severity.ERROR,
    "A running series cannot be continued; the reason stands beside it. Every event that names it is rejected.",
    "Repair the field that the reason names, then `recurrence replay` its rejected events.",
)
COUNTERS_BEHIND = Check(
    "counters_behind",
    Severity.ERROR,
    "A counter is missing, stands below the highest number in use, or holds what no number follows (a text, NaN, "
    "infinity, a fraction, more than 2^53): what the application inserts next is refused, or gets no number.",
    "The repair sets it to the highest number in use; a number that only has another type is kept. The worker does so "
    "too, where it cannot go on from what it finds.",
    repairable=True,
)
SCHEMA = Check(
    "schema",
    Severity.ERROR,
    "An index or a validator that the work relies on is missing, or is another than it should be.",
    "The repair is `recurrence init-db`. An index that stays different has to be dropped by a person first.",
    repairable=True,
)
EVENTS_STUCK = Check(
    "events_stuck",
    Severity.ERROR,
    "The lease of an event ran out more than a lease ago, and no worker took it over.",
    "Nothing has to be repaired: the next worker takes it first. See that one runs: dagster-daemon and its sensor.",
)
EVENTS_ENDLESS = Check(
    "events_endless",
    Severity.ERROR,
    "An event is marked as being worked on, but has no lease that could run out. Workers take it where nothing else is "
    "due.",
    "The repair gives it back: pending again, with no failure counted.",
    repairable=True,
)
EVENTS_UNDATED = Check(
    "events_undated",
    Severity.WARNING,
    "The createdAt or availableAt of an event is no date, or none between the years 1 and 9999. The worker takes such "
    "an event as due at once, and as created long ago.",
    "Nothing has to be repaired. Find the program that writes such events, and see that the validator is on: "
    "`recurrence init-db`.",
)
EVENTS_AHEAD = Check(
    "events_ahead",
    Severity.WARNING,
    "A time on an unfinished event lies further ahead than an honest clock can have written it: its creation, the end "
    "of its lease, or a retry. The worker does not wait for it.",
    "Nothing has to be repaired. Find the machine whose clock is ahead, and set it right.",
)
EVENTS_WAITING = Check(
    "events_waiting",
    Severity.ERROR,
    "An event has been due for more than 15 minutes.",
    "See that a worker runs: dagster-daemon and `task_event_sensor`, or `recurrence process`. If one does, it is too "
    "slow.",
)

CHECKS = (
    ORPHANS, NESTED, WRONG_ID_TYPES, OWNER_DIFFERS, OWNER_MISSING, REPEAT_TYPE_DIFFERS, RECURRING_SUBTASKS,
    SUBTASKS_LEFT, NO_ORIGINAL_DUE_DATE, SLOT_CLASHES, MEMORY_MISSING, FIRST_DATE_MOVED, CURSOR_BEHIND, CURSOR_AHEAD,
    SERIES_BEHIND, SERIES_STOPPED, SERIES_UNWORKABLE, COUNTERS_BEHIND, SCHEMA, EVENTS_STUCK, EVENTS_ENDLESS,
    EVENTS_UNDATED, EVENTS_AHEAD, EVENTS_WAITING,
)  # fmt: skip
"""All checks, in the order they are reported in."""


@dataclass(slots=True)
class CheckResult:
    """What a check found: how many issues, and some of them. Each by itself is an `Issue`, in rules.py."""

    check: Check
    count: int = 0
    samples: list[Sample] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the check."""
        return self.check.name

    @property
    def severity(self) -> Severity:
        """How bad it is, for what was found; OK where nothing was."""
        return self.check.severity if self.count else Severity.OK

    def add(self, samples: Iterable[Sample]) -> None:
        """Count some more, and keep the first of all."""
        for sample in samples:
            self.count += 1
            if len(self.samples) < MAX_SAMPLES:
                self.samples.append(sample)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.check.name,
            "severity": self.check.severity.value,
            "count": self.count,
            "explanation": self.check.explanation,
            "hint": self.check.hint,
            "repairable": self.check.repairable,
            "samples": [dict(sample) for sample in self.samples],
        }


@dataclass(slots=True)
class Repair:
    """What a repair came to or, where nothing was `written`, would come to.

    `found` is what the check finds, `repaired` what is put right (would be). The rest is left, `refused` may say why.
    """

    name: str
    written: bool
    found: int = 0
    repaired: int = 0
    changes: list[Sample] = field(default_factory=list)
    refused: str | None = None

    @property
    def left(self) -> int:
        """How much stays as it is."""
        return max(self.found - self.repaired, 0)

    def add(self, changes: Iterable[Sample]) -> None:
        """Keep the first changes."""
        self.changes += list(changes)[: MAX_SAMPLES - len(self.changes)]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"left": self.left}


def chosen(checks: Iterable[Check], names: Iterable[str] | None, *, field_name: str) -> list[Check]:
    """Return the checks with these names, in their order; all where no names are given.

    Raises:
        InvalidInput: a name is none of theirs.
    """
    known = {check.name: check for check in checks}
    if names is None:
        return list(known.values())
    wanted = set(names)
    if unknown := sorted(wanted - known.keys()):
        raise InvalidInput(f"{field_name}: {unknown[0]!r} is not one of {', '.join(known)}")
    return [check for name, check in known.items() if name in wanted]
