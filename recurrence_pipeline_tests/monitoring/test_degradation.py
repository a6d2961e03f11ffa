"""What counts as worse, and what does not."""

import pytest

from recurrence_pipeline.monitoring.report import FEWEST_EVENTS, degradation

USUAL = {"tasksProcessed": 5000.0, "avgProcessingTime": 400.0, "p95": 900.0, "errorRate": 2.0, "timeoutRate": 0.0}


def worse(**figures: float) -> list[str]:
    return [each.figure for each in degradation(USUAL | figures, USUAL, 50)]


def test_what_stays_as_it_was_is_not_worse() -> None:
    assert worse() == []


def test_what_gets_better_is_not_worse() -> None:
    assert worse(avgProcessingTime=1, p95=2, errorRate=0) == []


@pytest.mark.parametrize(
    ("figure", "at_the_threshold", "above"),
    [("avgProcessingTime", 600.0, 601.0), ("p95", 1350.0, 1351.0), ("errorRate", 3.0, 3.1)],
)
def test_a_figure_is_worse_only_above_the_threshold(figure: str, at_the_threshold: float, above: float) -> None:
    assert worse(**{figure: at_the_threshold}) == []
    assert worse(**{figure: above}) == [figure]


def test_twice_next_to_nothing_is_not_worse() -> None:
    """Else every quiet week after a quieter one would raise an alarm."""
    before = USUAL | {"avgProcessingTime": 2, "p95": 4, "errorRate": 0.1}
    recent = USUAL | {"avgProcessingTime": 90, "p95": 99, "errorRate": 0.9}
    assert degradation(recent, before, 50) == []


def test_a_rate_that_was_zero_may_get_worse() -> None:
    (found,) = degradation(USUAL | {"timeoutRate": 1.5}, USUAL, 50)
    assert str(found) == "timeoutRate rose from 0 % to 1.5 %"


def test_it_says_by_how_much() -> None:
    (found,) = degradation(USUAL | {"p95": 2700}, USUAL, 50)
    assert str(found) == "p95 rose from 900 ms to 2700 ms, +200%"


@pytest.mark.parametrize("side", ["recent", "before"])
def test_few_events_are_compared_with_nothing(side: str) -> None:
    slow = USUAL | {"p95": 60_000}
    few = {"tasksProcessed": FEWEST_EVENTS - 1.0}
    recent, before = (slow | few, USUAL) if side == "recent" else (slow, USUAL | few)
    assert degradation(recent, before, 50) == []
    assert degradation(slow, USUAL, 50) != []


@pytest.mark.parametrize("nothing", [{}, {"p95": float("nan")}])
def test_a_figure_without_a_value_is_left_out(nothing: dict[str, float]) -> None:
    before = {name: value for name, value in USUAL.items() if name != "p95"} | nothing
    assert degradation(USUAL | {"p95": 60_000}, before, 50) == []
