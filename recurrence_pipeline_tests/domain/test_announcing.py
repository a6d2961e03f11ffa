"""What a deletion event says it has announced is believed only as far as it can be true."""

from dataclasses import replace

from recurrence_pipeline.domain.announcing import believed
from recurrence_pipeline.domain.model import Series
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline_tests.domain.in_memory import BOB, ORIGINAL, an_id, an_original, delete, ours


def test_what_was_kept_and_what_hangs_on_the_task_is_believed_and_nothing_else() -> None:
    """Else anybody who writes an event has the tasks of others deleted."""
    copied, hanging, of_bob, elsewhere = an_id(70), ours(1), ours(2, user=BOB), an_id(71)
    snapshot = Snapshot({}, {ORIGINAL: Series(ORIGINAL, None, (hanging, of_bob))})
    event = replace(delete(), deleting=(copied, hanging.id, of_bob.id, elsewhere))

    assert believed(event, snapshot, {copied}).deleting == (copied, hanging.id)


def test_the_siblings_of_a_named_occurrence_are_believed_and_the_task_itself_is_not() -> None:
    named = ours(1)
    snapshot = Snapshot({named.id: named}, {ORIGINAL: Series(ORIGINAL, an_original(), (named, ours(2)))})
    event = replace(delete(named.id), deleting=(ours(2).id, ORIGINAL))
    assert believed(event, snapshot, ()).deleting == (ours(2).id,)


def test_without_a_user_nothing_that_is_there_is_believed() -> None:
    nobodys = replace(ours(1), user_id=None)
    snapshot = Snapshot({}, {ORIGINAL: Series(ORIGINAL, None, (nobodys,))})
    assert believed(replace(delete(user_id=None), deleting=(nobodys.id,)), snapshot, ()).deleting == ()
