"""The words that the system, the application and its users share: what happened, who says so, and what came of it."""

from enum import Enum


class Operation(str, Enum):
    """What happened to the task, as the application says it."""

    CREATE = "create"
    COMPLETE = "complete"
    DELETE = "delete"
    UPDATE = "update"
    """The original was changed: its title, date, rule or options."""
    REOPEN = "reopen"
    """A completed task was un-completed."""
    SKIP = "skip"
    """A slot is not wanted or, with `undo`, wanted again."""


CONTRACT = (Operation.CREATE, Operation.COMPLETE, Operation.DELETE)
"""What the internal contract's endpoint takes."""
CHANGES = (Operation.UPDATE, Operation.REOPEN, Operation.SKIP)
"""What follows a change of mind: processed behind creations and completions, and before deletions."""


class Source(str, Enum):
    """Who wrote the event."""

    OUTBOX = "outbox"
    API = "api"
    RECONCILE = "reconcile"
    MANUAL = "manual"


class EventStatus(str, Enum):
    """Where an event is on its way.

    pending --lease--> processing --done, or nothing to do--> completed
       ^                   |  |--permanent error------------> rejected   logged, not tried again by itself
       |--transient error--|  |--attempts used up, partial--> failed     dead letter, for review
       |--lease ran out----|
    failed, rejected --replay (manual)--> pending
    """

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"


REFUSED = (EventStatus.FAILED, EventStatus.REJECTED)
"""The states in which an event waits for a person."""


class Action(str, Enum):
    """What the activity log of a user can say about this worker."""

    CREATED = "RECURRING_TASK_CREATED"
    UPDATED = "RECURRING_TASK_UPDATED"
    DELETED = "RECURRING_TASKS_DELETED"
    ORPHAN_CLEANED = "ORPHANED_RECURRING_TASK_CLEANED"
    MISSED = "RECURRING_TASK_MISSED"
    SKIPPED = "RECURRING_TASK_SKIPPED"
    UNSKIPPED = "RECURRING_TASK_UNSKIPPED"
    REOPENED = "RECURRING_TASK_REOPENED"
    RETIRED = "RECURRING_TASK_RETIRED"
    MOVED = "RECURRING_TASK_MOVED"
    SERIES_UPDATED = "RECURRING_SERIES_UPDATED"
    CREATE_FAILED = "WORKER_CREATE_FAILED"
    COMPLETE_FAILED = "WORKER_COMPLETE_FAILED"
    DELETE_FAILED = "WORKER_DELETE_FAILED"
    UPDATE_FAILED = "WORKER_UPDATE_FAILED"
    REOPEN_FAILED = "WORKER_REOPEN_FAILED"
    SKIP_FAILED = "WORKER_SKIP_FAILED"
