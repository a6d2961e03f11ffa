"""How people say since when."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.times import lasting, since

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


SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86_400}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 ms"),
        (0, "0 ms"),
        (0.25, "250 ms"),
        (1, "1 s"),
        (1.44, "1.4 s"),
        (59.99, "59.9 s"),
        (60, "1 min"),
        (725, "12 min 5 s"),
        (3600, "1 h"),
        (3 * 3600 + 12 * 60 + 40, "3 h 12 min"),
        (3600 + 59, "1 h"),
        (86_400, "1 d"),
        (902 * 86_400 + 4 * 3600, "902 d 4 h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


@given(st.timedeltas(min_value=timedelta(0)))
def test_what_is_told_is_the_duration_but_for_what_is_left_of_smaller_units(duration: timedelta) -> None:
    parts = lasting(duration).split()
    told = sum(float(number) * SECONDS[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True))
    smallest = {"ms": 0.001, "s": 0.1 if len(parts) == 2 else 1, "min": 1, "h": 60, "d": 3600}
    if len(parts) == 4:
        smallest |= {"min": 60, "h": 3600}
    assert -0.001 <= duration.total_seconds() - told <= smallest[parts[-1]] + 0.001
