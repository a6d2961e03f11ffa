"""How far a series should have been generated, where it takes long to see."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from recurrence_pipeline.domain import counting, instances
from recurrence_pipeline.domain.model import Series
from recurrence_pipeline.domain.reach import MAX_PASSED_OVER, Reach
from recurrence_pipeline.domain.rules import Rule
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline_tests.domain.in_memory import an_original, utc


@pytest.mark.parametrize("missed", ["each", "next"])
def test_a_series_of_days_off_alone_ends_and_its_days_are_walked_some_times_at_most(
    monkeypatch: pytest.MonkeyPatch, missed: str
) -> None:
    """Its rule is counted day by day, and each look further ahead, or back, begins at the first date."""
    walked = 0

    def days_after(rule: Rule, anchor: date, after: int) -> Iterator[int]:
        nonlocal walked
        for day in walk(rule, anchor, after):
            walked += 1
            yield day

    walk = instances.days_after
    monkeypatch.setattr(counting, "days_after", days_after)
    rule = "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1,2"
    original = replace(
        an_original("custom", utc(2024, 2, 1, 9)),
        recurrence={"rule": rule, "shift": {"to": "skip"}, "missed": missed},
    )
    state = SeriesState(Series(original.id, original), original, None, now=utc(2700, 1, 1))

    assert state.reach() == Reach(0, ends=True)
    assert walked <= 16 * MAX_PASSED_OVER
