"""Lanes as Dagster knows them: a tag of each run that works on events. What a lane is for is in domain/shards.py.

The tag says of how many lanes it is one, so that a worker need not be told. No limit of Dagster's run queue is put on
it: a run that died with its machine would keep its lane from everybody until Dagster notices.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from re import fullmatch

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.shards import WHOLE, Lane

LANE = "recurrence/lane"


def tag_of(lane: Lane) -> dict[str, str]:
    """Return the tag of a run in this lane, counted from 1 as people do: `2 of 3`."""
    return {LANE: f"{lane.number + 1} of {lane.of}"}


def lane_of_run(tags: Mapping[str, str]) -> Lane:
    """Return the lane of a run with these tags; one that was started by hand, without a tag, takes what it finds.

    Raises:
        InvalidInput: the tag names no lane.
    """
    if LANE not in tags:
        return WHOLE
    lane = _named(tags[LANE])
    if lane is None:
        raise InvalidInput(f"{LANE}: {tags[LANE]!r} is not a lane such as '2 of 3'")
    return lane


def runs_by_lane(runs: Iterable[Mapping[str, str]]) -> Mapping[int, int]:
    """Count runs, given by their tags, by the numbers of their lanes; those without one count nowhere."""
    lanes = [_named(tags.get(LANE, "")) for tags in runs]
    return Counter(lane.number for lane in lanes if lane is not None)


def lanes_to_start(runs: int, lanes: int, at_work: Mapping[int, int]) -> list[Lane]:
    """Return the lanes of the next `runs`: each time the one in which the fewest are, counting those before.

    `at_work` has how many runs are in a lane, by its number.
    """
    counts = Counter({number: at_work.get(number, 0) for number in range(lanes)})
    chosen = []
    for _ in range(runs):
        number = min(counts, key=lambda lane: (counts[lane], lane))
        counts[number] += 1
        chosen.append(Lane(number, lanes))
    return chosen


def _named(text: str) -> Lane | None:
    found = fullmatch(r"(\d{1,4}) of (\d{1,4})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        return None
    return Lane(int(found[1]) - 1, int(found[2]))
