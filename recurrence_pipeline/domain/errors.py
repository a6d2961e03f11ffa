"""The errors of the system, sorted by what to do next. Drivers' errors are translated into these in storage/mongo.py.

RecurrenceError
├── Permanent            the same input fails for ever: the event ends `rejected`
│   ├── InvalidInput     a request names something that cannot be (field and value in the text)
│   ├── InvalidRecurrence  the task may not recur, or its calendar has no such slot
│   ├── WrongType        an id is of another type than ObjectId: who is meant cannot be told
│   ├── NotAMember       the task names an original of another user
│   ├── OriginalNotFound the task, or the original of its series, is not there
│   ├── RuleChanged      the original's rule is not the one its slots were counted by
│   └── WriteRejected    the database took the command and refused this document
├── Transient            may work a moment later: the event is tried again with backoff
│   ├── TaskNotVisibleYet  a young event names a task that is not there yet
│   ├── PartialWrite     some writes of the event were refused, the others are done
│   ├── InternalError    something that nobody foresaw: a defect of ours, or data of a shape never seen
│   └── PoisonEvent      the workers that held the event died, again and again
├── LeaseLost            another worker holds the event now: whoever lost it stops writing
├── DatabaseUnavailable  the database cannot be worked with: stop the run, use up no attempt
├── PermissionDenied     a user asked for what belongs to another
├── NotReplayable        the event is being worked on, or has been completed
├── CleanupRefused       the orphan cleanup would delete too much to do so unasked
├── RestoreRefused       a deletion cannot be put back as it was: nothing was written
├── ResumeRefused        a series is none, or lacks slots that an event would make: nothing was written
├── TimeZoneDataOutdated  another host knows newer laws of time: nothing was moved
├── ProcessingFailed     what was asked for at once did not come to be; the text has the cause
└── ConfigurationError   a setting is wrong: refuse to start, with the variable's name
"""

from copyreg import __newobj__  # type: ignore[attr-defined]
from datetime import datetime
from typing import Any, ClassVar


class RecurrenceError(Exception):
    """Base of all errors raised on purpose; `code` is stable and meant for programs, the text for people."""

    code: ClassVar[str] = "ERROR"

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied, and sent to other processes, as it is: what it was made of is not known any more."""
        return __newobj__, (type(self), *self.args), self.__dict__


class Permanent(RecurrenceError):
    """Trying again cannot help."""

    code = "PERMANENT"


class InvalidInput(Permanent):
    """A request holds a value that cannot be right."""

    code = "INVALID_INPUT"


class InvalidRecurrence(Permanent):
    """The task may not recur; `field` and `value` say why."""

    code = "INVALID_RECURRENCE"

    def __init__(self, message: str, *, field: str, value: object = None) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


class WrongType(Permanent):
    """An id is stored as another type than ObjectId (field and value in the text)."""

    code = "WRONG_TYPE"


class NotAMember(Permanent):
    """A task hangs on the original of another user: it is none of that series."""

    code = "NOT_A_MEMBER"


class OriginalNotFound(Permanent):
    """There is no task to work on."""

    code = "ORIGINAL_NOT_FOUND"


class ChangeRefused(Permanent):
    """A change of a series cannot be followed, or not be taken back; the text says what stands in the way."""

    code = "CHANGE_REFUSED"


class RuleChanged(Permanent):
    """The series was counted by another rule; it is left alone until a person decides."""

    code = "RULE_CHANGED"

    def __init__(self, *, counted_as: str, says: str) -> None:
        what = "recurrence.rule" if "=" in says else "repeatType"
        super().__init__(f"{what} is {says!r}, but the series was counted as {counted_as!r}: it is left alone")
        self.counted_as = counted_as
        self.says = says


class WriteRejected(Permanent):
    """The database refused a document (validator, size, a unique key that is taken)."""

    code = "WRITE_REFUSED"


class Transient(RecurrenceError):
    """Trying again later may help."""

    code = "TRANSIENT"


class MemoryChanged(Transient):
    """Another worker changed what is remembered of the series at the same moment; the event is planned anew."""

    code = "MEMORY_CHANGED"


class TaskNotVisibleYet(Transient):
    """The event came before the task it names, and is worth waiting for until `until`."""

    code = "TASK_NOT_VISIBLE_YET"

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class PartialWrite(Transient):
    """Some writes of the event were refused; the text names what was and was not done."""

    code = "PARTIAL"


class InternalError(Transient):
    """An error of no known kind; the text is its own."""

    code = "UNEXPECTED"


class PoisonEvent(Transient):
    """Every worker that took the event died holding it."""

    code = "HOLDER_DIED"


class LeaseLost(RecurrenceError):
    """The lease ran out or was taken over; nothing more may be written for these events."""

    code = "LEASE_LOST"


class DatabaseUnavailable(RecurrenceError):
    """The database is away, refuses us, or is not the one we were told to use."""

    code = "OUTAGE"


class PermissionDenied(RecurrenceError):
    """A user asked for what belongs to another."""

    code = "NOT_THEIRS"


class NotReplayable(RecurrenceError):
    """The event is being worked on, or has been completed."""

    code = "NOT_REPLAYABLE"


class CleanupRefused(RecurrenceError):
    """So many occurrences have no original that the originals may be what is missing: nothing was deleted."""

    code = "CLEANUP_REFUSED"


class RestoreRefused(RecurrenceError):
    """There is no such deletion, it is not over yet, or what it took is there again; nothing was written."""

    code = "RESTORE_REFUSED"


class ResumeRefused(RecurrenceError):
    """The task does not recur, or its series goes on by another way than being resumed; nothing was written."""

    code = "RESUME_REFUSED"


class TimeZoneDataOutdated(RecurrenceError):
    """Another host uses newer time zone data: tasks would be moved back to where an older law put them. None was."""

    code = "TIME_ZONE_DATA_OUTDATED"


class ProcessingFailed(RecurrenceError):
    """An operation that was asked for at once failed; `retryable` says that it is being tried again."""

    def __init__(self, operation: str, cause: str, *, code: str, retryable: bool) -> None:
        super().__init__(f"Worker processing failed for operation: {operation}: {cause}")
        self.cause = cause
        self.cause_code = code
        self.retryable = retryable


class ConfigurationError(RecurrenceError):
    """A setting cannot be used; the text names the variable and the value."""

    code = "CONFIGURATION"
