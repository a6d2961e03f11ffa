"""The users' activity log. It tells what was done and never fails the work."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial

import structlog

from recurrence_pipeline.domain.plan import NewActivity
from recurrence_pipeline.storage.documents import activity_document
from recurrence_pipeline.storage.mongo import Mongo, translated
from recurrence_pipeline.storage.numbering import Numbering

log = structlog.get_logger(__name__)


class Activities:
    """Writes to `useractivities`."""

    def __init__(self, mongo: Mongo, *, write_chunk: int) -> None:
        self._activities = mongo.activities
        self._numbering = Numbering(mongo, "useractivities", "activityId", write_chunk=write_chunk)

    @translated()
    def write(self, activities: Iterable[NewActivity], now: datetime) -> int:
        """Write what is not there yet and return how many that were; what the database refuses is logged."""
        by_id = {activity.id: activity for activity in activities}
        inserted = self._numbering.insert(
            {key: partial(activity_document, activity, now) for key, activity in by_id.items()}
        )
        for key, reason in inserted.refused.items():
            log.warning("activity refused", action=by_id[key].action.value, taskId=by_id[key].task_id, error=reason)
        return len(inserted.written)

    @translated()
    def count(self) -> int:
        """Return how many there are, roughly where a cluster is moving documents."""
        return self._activities.estimated_document_count()
