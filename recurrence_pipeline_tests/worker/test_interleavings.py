"""Two workers and the application, interleaved at every database call: any history ends in the documents of a model.

Hypothesis draws what people do, which workers take which part of the queue, where they die, when leases run out, and
who comes next at each command. The model knows no event, worker or lease: only which slots should be there.

Two limits stay, and are the only exceptions (`may_be_back` with `may_be_empty`, and `may_leave_orphans`):

* An occurrence that a person deletes before its making has ended, while a worker is between reading and writing or
  before the cursor has passed it, may come back; the event of its deletion then takes it away again. Should it be
  back before that event is even written, the event asks for something else: for all that hang on the same original.
* A worker that dies, or loses its lease, while the original is being deleted can leave occurrences. The orphan cleanup
  takes them.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from recurrence_pipeline_tests.worker.interleaving import Death
from recurrence_pipeline_tests.worker.stage import ApplicationAction, Scenario, Shift, Stage

pytestmark = pytest.mark.long

EXAMPLES = 60 * int(os.environ.get("RECURRENCE_EXAMPLES", "1"))

DEEDS = [
    "create", "complete", "tell again", "delete an occurrence", "delete the series", "move a due date", "store anew",
    "time passes",
]  # fmt: skip


def deeds(*most_often: str) -> st.SearchStrategy[ApplicationAction]:
    small = st.integers(0, 5)
    what = st.sampled_from([*most_often, *DEEDS])
    return st.builds(ApplicationAction, what, small, small, times=st.integers(1, 2), later=st.sampled_from([0, 0, 90]))


def episodes() -> st.SearchStrategy[Scenario]:
    nowhere = st.none()
    death = nowhere | nowhere | st.builds(Death, st.integers(1, 45), st.booleans())
    shift = st.builds(Shift, looks=st.integers(1, 3), limit=st.integers(1, 6), death=death)
    commands = st.integers(1, 16) | st.just(60)  # a few, or a whole batch
    order = st.lists(st.tuples(st.integers(0, 2), commands), min_size=2, max_size=10)
    return st.builds(
        Scenario,
        before=st.lists(deeds("create", "create", "complete"), min_size=1, max_size=3),
        meanwhile=st.lists(deeds("delete the series", "delete the series", "complete"), min_size=1, max_size=3),
        shifts=st.tuples(shift, shift),
        order=order,
    )


@pytest.fixture
def stage(mongodb_url: str) -> Iterator[Stage]:
    stage = Stage(mongodb_url)
    yield stage
    stage.close()


@pytest.mark.parametrize("what", ["complete", "tell again", "delete an occurrence", "delete the series", "time passes"])
@pytest.mark.parametrize("death", [None, "dies there"])
def test_whatever_happens_between_any_two_commands_of_a_worker_the_documents_are_those_of_the_model(
    stage: Stage, what: str, death: str | None
) -> None:
    """The first worker stands still (or dies) at one command after the other, the world goes on, then so does it."""
    place, ends = 1, 0
    while not ends:
        stage.clear()
        shifts = (Shift(1, 6, Death(place, done=False) if death else None), Shift(2, 6, None))
        before = [
            ApplicationAction("create", 0, 0, 1, 0),
            ApplicationAction("create", 0, 1, 1, 0),
            ApplicationAction("complete", 1, 0, 1, 0),
        ]
        order = [(0, place), (2, 60), (1, 200)]
        stage.play(Scenario(before, [ApplicationAction(what, 0, 1, 1, 0)], shifts, order))
        ends = place > stage.players[0].sent
        stage.calm_down()
        stage.compare()
        place += 1
    assert place > 15, "the worker sends that many commands"


def test_any_history_of_two_interleaved_workers_ends_in_the_documents_of_the_model(stage: Stage) -> None:
    """No slot lost, none made twice, nothing left of what was deleted, wherever the workers meet or die."""

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(history=st.lists(episodes(), min_size=1, max_size=2))
    def every_history(history: list[Scenario]) -> None:
        stage.clear()
        for episode in history:
            stage.play(episode)
        stage.calm_down()
        note(f"the queue: {[(e['operation'], e['status']) for e in stage.mongo.events.find()]}")
        stage.compare()

    every_history()
