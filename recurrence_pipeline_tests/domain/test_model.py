"""What an event that has ended says."""

import pytest

from recurrence_pipeline.domain.finished_events import OUTCOMES, FinishedEvent
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline_tests.world import utc

UNFINISHED = {EventStatus.PENDING, EventStatus.PROCESSING}


def test_every_status_is_an_outcome_or_unfinished() -> None:
    assert set(OUTCOMES) | UNFINISHED == set(EventStatus)
    assert UNFINISHED.isdisjoint(OUTCOMES)


@pytest.mark.parametrize(
    ("status", "failures", "retries"),
    [
        (EventStatus.COMPLETED, 0, 0),
        (EventStatus.COMPLETED, 2, 2),
        (EventStatus.REJECTED, 1, 0),
        (EventStatus.REJECTED, 2, 1),
        (EventStatus.FAILED, 4, 3),
        (EventStatus.FAILED, 0, 0),
    ],
)
def test_the_first_try_is_no_retry(status: EventStatus, failures: int, retries: int) -> None:
    """A completed event has failed once for each retry, a refused one also in its last try."""
    event = FinishedEvent("6b046c55c5f3b9749e06fec5", "create", status, utc(2024, 1, 1), failures=failures)
    assert event.retries == retries
