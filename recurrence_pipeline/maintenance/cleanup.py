"""Maintenance of the data: occurrences whose original is gone, and activities that are old.

Finding what is inconsistent is consistency.py's business; when all this runs, orchestration/schedules.py's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from recurrence_pipeline.domain.errors import CleanupRefused
from recurrence_pipeline.domain.model import Task, TaskEvent
from recurrence_pipeline.domain.plan import NewActivity, Removal
from recurrence_pipeline.domain.vocabulary import Action, Operation, Source
from recurrence_pipeline.storage.chunks import chunks
from recurrence_pipeline.storage.documents import new_id
from recurrence_pipeline.worker.context import WorkerContext

TOO_LARGE_A_PART = 0.2
"""Of all occurrences: so many orphans look like originals that are missing, after half a restore for instance."""

ORIGINALS_AT_A_TIME = 100

log = structlog.get_logger(__name__)


class Maintenance:
    """Cleans up. Safe to run twice, at once, and to be killed anywhere."""

    def __init__(self, context: WorkerContext) -> None:
        self._tasks = context.tasks
        self._series = context.series
        self._deleted = context.deleted
        self._activities = context.activities
        self._orphan_limit = context.rules.orphan_limit
        self._activity_retention = context.rules.activity_retention
        self._keep_deleted = context.rules.keep_deleted
        self._clock = context.clock

    def pending(self) -> dict[str, int]:
        """Return how many orphans, series and activities the next maintenance would take; nothing is written."""
        return {
            "orphansToDelete": self.count_orphans(),
            "seriesToForget": self.forget_series(dry_run=True),
            "activitiesToArchive": self.count_old_activities(),
        }

    def count_orphans(self) -> int:
        """Return how many tasks `clean_orphans` would delete."""
        return self._count_with_what_hangs_below(self._tasks.orphans())

    def count_old_activities(self) -> int:
        """Return how many activities `archive_activities` would move."""
        return self._activities.older_than(self._old())

    def clean_orphans(self, *, confirm: bool = False) -> int:
        """Delete occurrences whose original is gone, keep copies, tell their users, and return how many went.

        Raises:
            CleanupRefused: there are more than the limit, and more than 20 % of all occurrences, and nobody confirmed.
        """
        orphans = self._tasks.orphans()
        if not orphans:
            return 0
        found = self._count_with_what_hangs_below(orphans)
        if not confirm and found > self._orphan_limit:
            self._refuse_too_large_a_part(found)
        cause = TaskEvent(new_id(), Operation.DELETE, next(iter(orphans)), self._clock(), source=Source.MANUAL)
        deleted = 0
        for originals in chunks(orphans, ORIGINALS_AT_A_TIME):
            deleted += self._clean(originals, cause)
            log.info("orphans cleaned", deleted=deleted, found=found)
        return deleted

    def forget_series(self, *, dry_run: bool = False) -> int:
        """Forget what is known of series whose originals have been gone as long as deleted tasks are kept."""
        return self._series.forget_gone(self._clock(), self._keep_deleted, dry_run=dry_run)

    def archive_activities(self) -> int:
        """Move activities that have been kept long enough to the archive, and return how many went."""
        return self._activities.archive(self._old(), lambda moved: log.info("activities archived", moved=moved))

    def _old(self) -> datetime:
        return self._clock() - self._activity_retention

    def _refuse_too_large_a_part(self, found: int) -> None:
        occurrences = self._tasks.count_occurrences()
        if found > TOO_LARGE_A_PART * occurrences:
            raise CleanupRefused(
                f"{found} of {occurrences} occurrences have no original, more than ORPHAN_CLEANUP_LIMIT "
                f"({self._orphan_limit}) and 20 %: nothing was deleted. If that is right, run it with confirm: true"
            )

    def _count_with_what_hangs_below(self, orphans: Mapping[str, int]) -> int:
        """Return how many tasks hang on what is gone, or on what would go with it."""
        found, above = 0, set(orphans)
        seen = set(above)
        while above:
            pages = chunks(above, ORIGINALS_AT_A_TIME)  # of the tasks, no more than a page is in memory
            below = {task.id for page in pages for task in self._tasks.hanging_on(page)} - seen
            found, seen, above = found + len(below), seen | below, below
        return found

    def _clean(self, originals: Sequence[str], cause: TaskEvent) -> int:
        """Delete what hangs on the given originals, unless one has come back meanwhile, and what hangs on that in turn.

        In the order of a cascade: activities, copies, sub-tasks, deletion. A crash in between is completed by the next
        cleanup; of two at once each task is deleted, and counted, by one.
        """
        deleted, gone = 0, set(originals) - self._tasks.existing(originals)
        while gone:
            orphans = self._tasks.hanging_on(gone)
            deleted += self._delete(orphans, cause)
            gone = {task.id for task in orphans}
        return deleted

    def _delete(self, orphans: Sequence[Task], cause: TaskEvent) -> int:
        now = self._clock()
        owned = [(task.id, task.user_id) for task in orphans if task.user_id is not None]
        self._activities.write((NewActivity.of(Action.ORPHAN_CLEANED, user, task) for task, user in owned), now)
        ids = tuple(task.id for task in orphans)
        below, owners = self._tasks.subtasks.below(ids), {task.id: task.user_id for task in orphans}
        subtasks = tuple(t.id for i, tasks in below.items() for t in tasks if t.user_id == owners[i])
        self._deleted.keep([Removal(cause, (*subtasks, *ids), "orphan")], now)
        self._tasks.delete(subtasks)
        return self._tasks.delete(ids)
