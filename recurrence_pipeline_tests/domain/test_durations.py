"""Durations as people say them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.durations import lasting

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
