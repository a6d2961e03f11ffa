"""What two ways of the same history differ in, as far as something follows from it."""

from datetime import datetime

from recurrence_pipeline.domain.series_memory import Revision, SeriesMemory
from recurrence_pipeline.simulation.comparing import difference
from recurrence_pipeline.simulation.store import Store
from recurrence_pipeline_tests.world import utc

MONDAY, TUESDAY, WEDNESDAY = utc(2024, 1, 1, 9), utc(2024, 1, 2, 9), utc(2024, 1, 3, 9)
RULES = (Revision("daily", MONDAY, "UTC"), Revision("weekly", MONDAY, "UTC", first=3, replaces=2, start=MONDAY))
"""Nobody has slot 2 any more."""


def reached(number: int, at: datetime | None) -> Store:
    """Return a store that remembers that a series of two rules was generated up to a slot, and its time."""
    return Store(memories={"series": SeriesMemory(number, RULES, at=at)})


def test_a_cursor_on_a_slot_that_nobody_has_says_what_one_before_it_says() -> None:
    assert difference(reached(2, WEDNESDAY), reached(1, TUESDAY)) is None
    assert difference(reached(1, TUESDAY), reached(2, None)) is None


def test_of_two_cursors_on_one_slot_the_times_are_the_same() -> None:
    assert difference(reached(1, TUESDAY), reached(1, None)) == f"at {TUESDAY}, the other way None"
    assert difference(reached(2, WEDNESDAY), reached(2, None)) is None, "nobody has that slot"
    assert difference(reached(1, TUESDAY), reached(1, TUESDAY)) is None


def test_a_slot_that_somebody_has_makes_a_difference() -> None:
    assert difference(reached(1, TUESDAY), reached(0, MONDAY)) == "number 1, the other way 0"
