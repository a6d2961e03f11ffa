"""Laws of shards: whatever is due is taken, nobody is kept from anything, and workers side by side do not meet."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.domain.ids import occurrence_id
from recurrence_pipeline.domain.shards import SMALL, WHOLE_QUEUE, Shard, lane_of, shard_from

task_ids = st.integers(0, 2**96 - 1).map(lambda number: f"{number:024x}")
queues = st.lists(task_ids, max_size=300).map(lambda ids: list(enumerate(ids)))
shards = st.integers(1, 8).flatmap(lambda of: st.builds(Shard, st.integers(0, of - 1), st.just(of)))


def all_lanes(of: int) -> list[Shard]:
    return [Shard(number, of) for number in range(of)]


def queue_of(shard: int, shards: int, count: int) -> list[tuple[int, str]]:
    """Return a queue of events that are all of one shard."""
    ids = (f"{number:08x}" + "0" * 16 for number in range(100 * shards * count))
    return list(enumerate([task_id for task_id in ids if lane_of(task_id, shards) == shard][:count]))


@given(shards, queues, st.integers(1, 100))
def test_something_is_chosen_wherever_something_is_due_nothing_twice_and_no_more_than_asked(
    shard: Shard, due: list[tuple[int, str]], limit: int
) -> None:
    chosen = shard.choose(due, limit)

    assert bool(chosen) == bool(due)
    assert len(chosen) <= limit
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= {event for event, _ in due}


@given(shards, queues)
def test_a_lane_that_is_asked_again_and_again_takes_everything(shard: Shard, due: list[tuple[int, str]]) -> None:
    """Else what belongs to a worker that died would never be done."""
    asked = 0
    while due:
        taken = set(shard.choose(due, 50))
        due = [entry for entry in due if entry[0] not in taken]
        asked += 1
        assert asked <= 300


@given(st.integers(1, 8), queues)
def test_no_event_is_in_two_lanes_and_none_in_no_lane(of: int, due: list[tuple[int, str]]) -> None:
    own = [
        [event for event in shard.choose(due, len(due) + 1) if lane_of(due[event][1], of) == shard.number]
        for shard in all_lanes(of)
    ]

    assert sorted(chain(*own)) == [event for event, _ in due]


@given(queues, st.integers(1, 100))
def test_the_whole_queue_is_taken_in_the_order_in_which_it_is_due(due: list[tuple[int, str]], limit: int) -> None:
    assert WHOLE_QUEUE.choose(due, limit) == [event for event, _ in due][:limit]


@given(shards, queues)
def test_a_lane_takes_its_own_in_the_order_in_which_they_are_due(shard: Shard, due: list[tuple[int, str]]) -> None:
    own = [event for event in shard.choose(due, 50) if lane_of(due[event][1], shard.of) == shard.number]

    assert own == sorted(own)


def test_helpers_take_each_another_part_of_what_waits_in_one_lane() -> None:
    """A backlog that was written within one second is all in one shard."""
    due = queue_of(0, 3, 600)

    taken = [set(shard.choose(due, 200)) for shard in all_lanes(3)]

    assert [len(part) for part in taken] == [200, 200, 200]
    assert len(set(chain(*taken))) == 600


def test_a_helper_takes_a_handful_at_once() -> None:
    """Sharing it would take a round trip for each few events."""
    due = queue_of(0, 3, SMALL)

    assert len(Shard(1, 3).choose(due, 500)) == SMALL


@given(task_ids, st.integers(0, 1000), st.integers(1, 8))
def test_an_original_and_its_occurrences_are_in_one_lane(original_id: str, slot: int, of: int) -> None:
    assert lane_of(original_id, of) == lane_of(occurrence_id(original_id, slot), of)


def test_ids_as_an_application_makes_them_are_spread_over_the_lanes() -> None:
    counts = [0, 0, 0]
    for second in range(3000):
        counts[lane_of(f"{0x6B046C62 + second:08x}5c5f3b9749e06fec", 3)] += 1

    assert min(counts) > 900


@given(shards)
def test_a_shard_is_named_by_its_number_from_1(shard: Shard) -> None:
    assert shard_from(f"{shard.number + 1}/{shard.of}") == shard


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", " 1/2", "1/2\n", "1/99999"])
def test_what_names_no_shard_is_refused_with_the_text(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"shard: .* is not N/M") as caught:
        shard_from(text)
    assert repr(text) in str(caught.value)
