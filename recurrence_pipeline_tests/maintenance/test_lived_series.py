"""Series of several rules, with slots skipped, missed, excluded, moved and deleted: sound, harmed, and put right."""

import os

import pytest

from recurrence_pipeline.domain.recurrence import NONE
from recurrence_pipeline_tests.simulation.living import Life
from recurrence_pipeline_tests.world import World

HISTORIES = 12 * int(os.environ.get("RECURRENCE_EXAMPLES", "1"))


def red(world: World) -> dict[str, int]:
    return {finding.name: finding.count for finding in world.worker.consistency.run() if finding.count}


def excused(life: Life) -> set[str]:
    """Return what may be found: it is for people to know that they ended a series, or moved its first date unheard."""
    head, found = life.history.head, set[str]()
    if "edited to none" in "\n".join(life.told) or head.repeat_type == NONE:
        found.add("repeat_type_differs")
    if life.history.memory is not None and life.history.memory.current.anchored_at != head.due_date:
        found.add("first_date_moved")
    if all(task.is_completed for task in life.history.store.tasks.values()):
        found.add("series_stopped")
    return found


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_after_any_life_of_a_series_memory_and_database_agree_and_nothing_is_found(world: World, seed: int) -> None:
    life = Life(world, seed)
    life.live()
    assert red(world).keys() <= excused(life), "\n".join(life.told)
