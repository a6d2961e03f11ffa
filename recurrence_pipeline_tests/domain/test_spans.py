"""How people say since when."""

from datetime import datetime, timedelta, timezone

import pytest

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.spans import since

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(days=1)),
        (" 7d ", timedelta(days=7)),
        ("2w", timedelta(days=14)),
        ("36500d", timedelta(days=36_500)),
    ],
)
def test_a_length_counts_back_from_now(text: str, length: timedelta) -> None:
    assert since("since", text, NOW) == NOW - length


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=timezone.utc)),
        ("2026-11-20T09:30Z", datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc)),
        ("2026-11-20T09:30+01:00", datetime(2026, 11, 20, 8, 30, tzinfo=timezone.utc)),
    ],
)
def test_a_time_is_taken_as_it_is(text: str, time: datetime) -> None:
    assert since("since", text, NOW) == time


@pytest.mark.parametrize("text", ["", "7", "d", "7 d", "-7d", "1.5h", "7y", "7D", "yesterday", "\u0667d", "2026-13-01"])
def test_what_is_neither_is_named(text: str) -> None:
    with pytest.raises(
        InvalidInput, match=r"^since: '.*' is neither a length such as 90m, 24h, 7d, 2w nor a time such"
    ):
        since("since", text, NOW)


@pytest.mark.parametrize("text", ["0m", "0d", "36501d", "999999999w"])
def test_nothing_and_more_than_a_century_are_named(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"since: '{text}' is not between 1. and a century"):
        since("since", text, NOW)


@pytest.mark.parametrize("text", ["2026-11-24T09:30Z", "2027-01-01"])
def test_a_span_that_has_not_begun_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"since: '{text}' is not in the past"):
        since("since", text, NOW)
