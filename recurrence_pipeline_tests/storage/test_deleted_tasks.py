"""What is kept of deletions, as a restoration reads and marks it. What comes of that is recovery/test_restore.py's."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from bson import ObjectId
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.plan import Removal
from recurrence_pipeline.domain.restore import Restoration
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.storage.deleted_tasks import DeletedTasks
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline_tests.storage.conftest import FailPoint
from recurrence_pipeline_tests.storage.samples import a_task, an_event, at
from recurrence_pipeline_tests.storage.values import USER

GONE, NEWER, OTHER = (str(ObjectId()) for _ in range(3))

Delete = Callable[..., tuple[str, list[str]]]


class Sent(CommandListener):
    """Keeps the names of the commands that reach `tasks` and `deleted_tasks`."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get(event.command_name) in {"tasks", "deleted_tasks"}:
            self.names.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.fixture
def deleted(mongo: Mongo) -> DeletedTasks:
    return DeletedTasks(mongo, read_chunk=3, write_chunk=6)


@pytest.fixture
def watched(settings: Settings) -> Iterator[tuple[DeletedTasks, Sent]]:
    sent = Sent()
    mongo = Mongo(settings, listeners=[sent])
    yield DeletedTasks(mongo, read_chunk=3, write_chunk=6), sent
    mongo.close()


@pytest.fixture
def delete(mongo: Mongo, deleted: DeletedTasks) -> Delete:
    """Return a function that deletes new tasks under an original, and returns the deletion and the tasks."""
    tasks = Tasks(mongo, read_chunk=3, write_chunk=6)

    def delete(count: int = 1, *, parent: str = GONE, user: str | None = USER) -> tuple[str, list[str]]:
        taken = mongo.deleted.count_documents({})
        documents = [a_task(taken + n, parentRecurringId=ObjectId(parent)) for n in range(count)]
        mongo.tasks.insert_many(documents)
        ids = [str(document["_id"]) for document in documents]
        event = replace(an_event(Operation.DELETE), user_id=user)
        deleted.keep([Removal(event, tuple(ids), "cascade")], at(0))
        tasks.delete(ids)
        return event.id, ids

    return delete


def add(mongo: Mongo, **fields: object) -> str:
    return str(mongo.tasks.insert_one(a_task(1, **fields)).inserted_id)


def removal(*task_ids: str, event: TaskEvent | None = None) -> Removal:
    return Removal(event or an_event(Operation.DELETE), task_ids, "its original was deleted")


def test_what_is_deleted_is_kept_whole_with_who_when_and_why(deleted: DeletedTasks, mongo: Mongo) -> None:
    task = add(mongo, ofAnotherVersion={"of": ["the", "application"]})
    cause = removal(task)
    deleted.keep([cause], at(1))
    before = list(mongo.deleted.find())
    deleted.keep([cause], at(2))

    assert list(mongo.deleted.find()) == before, "the first time is the true one"
    [copy] = before
    assert copy["task"] == mongo.tasks.find_one({"_id": ObjectId(task)})
    assert (copy["deletion"], copy["deletedBy"]) == (ObjectId(cause.event.id), ObjectId(USER))
    assert (copy["deletedAt"], copy["reason"]) == (at(1), "its original was deleted")


def test_two_deletions_of_one_task_are_two_entries(deleted: DeletedTasks, mongo: Mongo) -> None:
    """A task that was put back and deleted again can be put back again."""
    task = add(mongo)
    deleted.keep([removal(task)], at(1))
    deleted.keep([removal(task, event=replace(an_event(Operation.DELETE), user_id=None))], at(2))
    assert sorted(copy["deletedAt"] for copy in mongo.deleted.find()) == [at(1), at(2)]


def test_a_copy_that_cannot_be_kept_is_an_error(deleted: DeletedTasks, mongo: Mongo, fail_point: FailPoint) -> None:
    """Else the task would be deleted with no way back."""
    task = add(mongo)
    fail_point("insert", closeConnection=True)
    with pytest.raises(DatabaseUnavailable):
        deleted.keep([removal(task)], at(1))


def test_copies_say_what_was_deleted_by_whom_when_and_why(deleted: DeletedTasks, delete: Delete) -> None:
    deletion, ids = delete(2)
    delete(1)

    copies = deleted.copies(deletion)

    assert {copy.task.id for copy in copies} == set(ids)
    assert {(copy.task.parent_recurring_id, copy.task.repeat_type) for copy in copies} == {(GONE, "daily")}
    assert {(copy.deleted_by, copy.deleted_at, copy.reason) for copy in copies} == {(USER, at(0), "cascade")}
    assert {(copy.original, copy.is_restored) for copy in copies} == {(None, False)}
    assert deleted.copies(OTHER) == []


def test_a_deletion_by_nobody_has_no_user(deleted: DeletedTasks, delete: Delete) -> None:
    deletion, _ = delete(user=None)

    assert deleted.copies(deletion)[0].deleted_by is None
    assert deleted.recent(1)[0]["deletedBy"] is None


def test_copies_say_what_a_restoration_has_begun_and_done(deleted: DeletedTasks, delete: Delete) -> None:
    deletion, [first, second] = delete(2)
    deleted.begin(deletion, {first: second, second: second}, at(1))
    deleted.finish(deletion, [second], at(2))

    found = {copy.task.id: (copy.original, copy.is_restored) for copy in deleted.copies(deletion)}
    assert found == {first: (second, False), second: (second, True)}
    assert deleted.recent(1)[0]["restored"] == 1


def test_what_took_the_place_of_an_original_is_found_by_its_user_the_latest_of_several(
    deleted: DeletedTasks, delete: Delete
) -> None:
    for minute, head in ((1, OTHER), (3, NEWER), (2, OTHER)):
        deletion, [task] = delete()
        deleted.begin(deletion, {task: head}, at(minute))
    under_itself, [task] = delete()
    deleted.begin(under_itself, {task: GONE}, at(4))
    delete(parent=OTHER)

    assert deleted.replacements([GONE, OTHER, NEWER, str(ObjectId())]) == {(GONE, USER): NEWER}


def test_a_task_that_is_there_differs_unless_it_is_the_same_or_was_being_put_back(
    deleted: DeletedTasks, delete: Delete, mongo: Mongo
) -> None:
    deletion, ids = delete(5)
    same, changed, begun, _, _ = ids
    for task_id in (same, changed, begun):
        copy = mongo.deleted.find_one({"task._id": ObjectId(task_id)})
        assert copy is not None
        mongo.tasks.insert_one(copy["task"] | ({} if task_id == same else {"title": "changed"}))
    deleted.begin(deletion, {begun: GONE}, at(1))

    assert deleted.differing(deletion, ids) == {changed}


def test_the_number_of_commands_depends_on_the_number_of_chunks_only(
    watched: tuple[DeletedTasks, Sent], delete: Delete, mongo: Mongo
) -> None:
    deleted, sent = watched
    deletion, ids = delete(12)

    done = deleted.put_back(deletion, ids, Restoration(), at(1))

    assert done.written == set(ids)
    assert sent.names == ["find", "find", "insert"] * 2
    assert mongo.tasks.count_documents({}) == 12
    sent.names.clear()
    deleted.finish(deletion, ids, at(1))
    assert sent.names == ["update"] * 12, "chunks of 6 documents, or of one statement"
