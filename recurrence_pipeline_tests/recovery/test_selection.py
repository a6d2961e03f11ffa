"""Which refused events are meant: every field narrows, and what is not meant is told why."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.finished_events import RefusedEvent
from recurrence_pipeline.domain.times import instant
from recurrence_pipeline.domain.vocabulary import EventStatus, Operation
from recurrence_pipeline.recovery.replay import EventFilter

ENDED = datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc)
A_REJECTED_CREATE = RefusedEvent("e1", "create", "rejected", "ORIGINAL_NOT_FOUND", "Original task not found", ENDED)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"statuses": [EventStatus.REJECTED]},
        {"operation": Operation.CREATE},
        {"code": "ORIGINAL_NOT_FOUND"},
        {"since": ENDED},
        {"until": ENDED + timedelta(milliseconds=1)},
        {"since": ENDED, "until": ENDED + timedelta(days=1), "code": "ORIGINAL_NOT_FOUND"},
    ],
)
def test_an_event_that_fits_all_that_is_set_is_meant(fields: dict[str, Any]) -> None:
    assert EventFilter(**fields).mismatch(A_REJECTED_CREATE) is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"statuses": [EventStatus.FAILED]}, "its status is rejected"),
        ({"operation": Operation.DELETE}, "its operation is create"),
        ({"code": "PARTIAL"}, "its error is ORIGINAL_NOT_FOUND"),
        ({"since": ENDED + timedelta(milliseconds=1)}, "it ended 2026-11-24T09:30:00+00:00"),
        ({"until": ENDED}, "it ended 2026-11-24T09:30:00+00:00"),
        ({"operation": Operation.CREATE, "code": "PARTIAL"}, "its error is ORIGINAL_NOT_FOUND"),
    ],
)
def test_one_that_does_not_is_told_why(fields: dict[str, Any], why: str) -> None:
    assert EventFilter(**fields).mismatch(A_REJECTED_CREATE) == why


@pytest.mark.parametrize("status", ["pending", "processing", "completed"])
def test_an_event_that_was_not_refused_is_never_meant(status: str) -> None:
    assert EventFilter().mismatch(RefusedEvent("e1", "create", status)) == f"its status is {status}"


def test_an_event_that_does_not_say_when_it_ended_fits_no_time() -> None:
    timeless = RefusedEvent("e1", "create", "failed")

    assert EventFilter().mismatch(timeless) is None
    assert EventFilter(since=ENDED).mismatch(timeless) == "it ended at an unknown time"
    assert EventFilter(until=ENDED).mismatch(timeless) == "it ended at an unknown time"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=timezone.utc)),
        (" 2026-11-24T09:30 ", ENDED),
        ("2026-11-24T09:30:00Z", ENDED),
        ("2026-11-24T10:30+01:00", ENDED),
    ],
)
def test_times_are_read_as_people_write_them_and_are_utc_unless_they_say_so(text: str, meant: datetime) -> None:
    assert instant("since", text, ENDED) == meant


def test_no_time_is_no_bound() -> None:
    assert instant("since", None, ENDED) is None


def test_what_is_no_time_is_named() -> None:
    with pytest.raises(InvalidInput, match="until: 'yesterday' is neither a length such as"):
        instant("until", "yesterday", ENDED)
