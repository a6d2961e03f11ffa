"""What is read of tasks, in how many commands, and writes that may be repeated."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.domain.ids import activity_id, occurrence_id
from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.plan import NewOccurrence, Reparent
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.domain.snapshot import Snapshot
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage import joined_tasks
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.tasks import Tasks
from recurrence_pipeline_tests.storage.conftest import FailPoint
from recurrence_pipeline_tests.storage.samples import a_task, at
from recurrence_pipeline_tests.storage.values import DUE, EVENT, NOW, USER

Add = Callable[..., str]


class Commands(CommandListener):
    """Counts the commands that go to the collections of tasks."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get(event.command_name) in ("tasks", "deleted_tasks"):
            self.sent.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Be silent."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Be silent."""


@pytest.fixture
def tasks(mongo: Mongo) -> Tasks:
    return Tasks(mongo, read_chunk=100, write_chunk=500)


@pytest.fixture
def add(mongo: Mongo) -> Add:
    """Return a function that stores a task as the application does and returns its id."""

    def store(parent: str | None = None, **fields: Any) -> str:
        number = mongo.tasks.count_documents({}) + 1
        document = a_task(number, parentRecurringId=ObjectId(parent) if parent else None, **fields)
        return str(mongo.tasks.insert_one(document).inserted_id)

    return store


@pytest.fixture
def counted(mongo: Mongo, settings: Settings) -> Iterator[tuple[Tasks, Commands]]:
    """Return a store, and the commands it sends."""
    commands = Commands()
    client = Mongo(settings, listeners=[commands])
    yield Tasks(client, read_chunk=20, write_chunk=20), commands
    client.close()


def members(series: Series) -> set[str]:
    return {task.id for task in series.occurrences}


def occurrences(snapshot: Snapshot, original: str, *slots: int) -> list[NewOccurrence]:
    head = snapshot.tasks[original]
    return [NewOccurrence(occurrence_id(original, slot), head, slot, DUE, EVENT, DUE) for slot in slots]


def stored(mongo: Mongo, task_id: str) -> Document:
    document = mongo.tasks.find_one({"_id": ObjectId(task_id)})
    assert document is not None
    return document


def test_loading_an_occurrence_brings_its_original_and_all_its_siblings(tasks: Tasks, add: Add) -> None:
    original, other = add(), add()
    first, second = add(original), add(original)
    add(other)
    snapshot = tasks.load([first])

    series = snapshot.series_of(first)
    assert series.original is not None
    assert (series.id, series.original.id, members(series)) == (original, original, {first, second})
    assert series.original.content["priority"] == "high", "occurrences are made from it"
    assert set(snapshot.tasks) == {original, first}


def test_occurrences_that_hang_on_occurrences_belong_to_the_outermost_original(tasks: Tasks, add: Add) -> None:
    original = add()
    first = add(original)
    nested = add(first)
    deepest, beside = add(nested), add(nested)
    series = tasks.load([deepest]).series_of(deepest)
    assert series.id == original
    assert members(series) == {first, nested, deepest, beside}


def test_the_series_of_an_original_that_is_gone_has_its_occurrences_and_no_original(tasks: Tasks, add: Add) -> None:
    gone = str(ObjectId())
    left = add(gone)
    assert tasks.load([gone]).series_of(gone) == tasks.load([left]).series_of(left)
    series = tasks.load([gone]).series_of(gone)
    assert (series.original, members(series)) == (None, {left})


def test_tasks_that_hang_on_each_other_in_a_circle_are_loaded_all_the_same(
    tasks: Tasks, add: Add, mongo: Mongo
) -> None:
    first = add()
    second = add(first)
    mongo.tasks.update_one({"_id": ObjectId(first)}, {"$set": {"parentRecurringId": ObjectId(second)}})
    assert tasks.load([first]).series_of(first).original is None


def test_a_task_that_nobody_knows_has_an_empty_series(tasks: Tasks) -> None:
    unknown = str(ObjectId())
    assert tasks.load([unknown]).series_of(unknown) == Series(unknown, None)
    assert tasks.load([]).tasks == {}


def test_foreign_documents_under_an_original_are_not_its_members(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    original = add()
    mongo.tasks.insert_one({"_id": "of another program", "taskId": 99, "parentRecurringId": ObjectId(original)})
    assert members(tasks.load([original]).series_of(original)) == set()


def test_a_deletion_sees_what_hangs_on_the_task_and_beside_it(tasks: Tasks, add: Add) -> None:
    original = add()
    first, second = add(original), add(original)
    nested = add(first)
    snapshot = tasks.load_for_deletion([first])
    assert members(snapshot.series[original]) == {first, second}
    assert members(snapshot.series[first]) == {nested}
    assert snapshot.series[original].original is not None


@pytest.mark.parametrize("named", [20, 40])
def test_how_many_commands_a_load_takes_depends_on_the_size_of_the_batch_only(
    counted: tuple[Tasks, Commands], add: Add, named: int
) -> None:
    store, commands = counted
    originals = [add() for _ in range(named)]
    store.load(originals)
    without_occurrences = list(commands.sent)
    for original in originals[:5]:
        for _ in range(6):
            add(original)
    commands.sent.clear()

    store.load(originals)

    assert commands.sent == without_occurrences
    assert len(commands.sent) == 2 * named / 20, "the tasks with what hangs on them, what did, per chunk of 20"


def test_more_than_may_come_with_a_task_is_read_by_itself(
    tasks: Tasks, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = add(), add()
    hanging = {few: {add(few)}, many: {add(many) for _ in range(4)}}
    monkeypatch.setattr(joined_tasks, "FEW", 3)

    for snapshot in (tasks.load([few, many]), tasks.load_for_deletion([few, many])):
        assert {head: members(snapshot.series[head]) for head in (few, many)} == hanging


def test_inserting_twice_is_inserting_once(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    original = add(timezone="Europe/Berlin")
    new = occurrences(tasks.load([original]), original, 1, 2, 3)
    assert tasks.insert(new, NOW).written == {occurrence.id for occurrence in new}
    before = list(mongo.tasks.find().sort("occurrenceNumber"))
    assert tasks.insert(new, at(9)).written == set()
    assert list(mongo.tasks.find().sort("occurrenceNumber")) == before
    assert [t.get("occurrenceNumber") for t in before] == [None, 1, 2, 3]
    assert {t["timezone"] for t in before} == {"Europe/Berlin"}
    assert tasks.existing([*(o.id for o in new), str(ObjectId())]) == {o.id for o in new}


def test_an_occurrence_that_a_validator_refuses_comes_back_and_the_others_are_written(
    tasks: Tasks, add: Add, mongo: Mongo
) -> None:
    original = add()
    schema = {"properties": {"occurrenceNumber": {"enum": [1, 3]}}}
    mongo.db.command("collMod", "tasks", validator={"$jsonSchema": schema})
    one, two, three = occurrences(tasks.load([original]), original, 1, 2, 3)
    inserted = tasks.insert([one, two, three], NOW)
    assert inserted.written == {one.id, three.id}
    assert set(inserted.refused) == {two.id}


def test_an_outage_while_inserting_is_said_to_be_one(tasks: Tasks, add: Add, fail_point: FailPoint) -> None:
    original = add()
    new = occurrences(tasks.load([original]), original, 1, 2)
    fail_point("insert", closeConnection=True)
    with pytest.raises(DatabaseUnavailable):
        tasks.insert(new, NOW)
    assert len(tasks.insert(new, NOW).written) == 2


def test_a_link_hangs_a_task_on_its_original(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    original, middle = add(), add()
    stray, linked = add(middle), 0
    for _ in range(2):
        linked += tasks.link([Reparent(stray, middle, original), Reparent(str(ObjectId()), middle, original)], at(1))
        document = stored(mongo, stray)
        assert (document["parentRecurringId"], document["updatedAt"]) == (ObjectId(original), at(1))
    assert (linked, mongo.tasks.count_documents({})) == (1, 3)


def test_a_link_that_comes_late_changes_nothing(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    original, middle, other = add(), add(), add()
    linked, moved = add(original), add(other)
    before = [stored(mongo, linked), stored(mongo, moved)]
    assert tasks.link([Reparent(linked, middle, original), Reparent(moved, middle, original)], at(1)) == 0
    assert [stored(mongo, linked), stored(mongo, moved)] == before


def test_deleting_counts_what_this_call_removed_in_commands_of_a_bounded_length(
    counted: tuple[Tasks, Commands], add: Add, mongo: Mongo
) -> None:
    """A series of 10,000 tasks went in one command, which took longer than a command may."""
    store, commands = counted
    ids = [add() for _ in range(50)]
    assert store.delete([*ids[:45], str(ObjectId())]) == 45
    assert commands.sent == ["delete"] * 3, "20 at a time"
    assert store.delete(ids) == 5
    assert store.delete([]) == 0
    assert mongo.tasks.count_documents({}) == 0


def test_tasks_are_counted_by_kind_and_those_without_the_fields_are_neither(
    tasks: Tasks, add: Add, mongo: Mongo
) -> None:
    original = add()
    add(original), add(original), add(repeatType="none")
    mongo.tasks.insert_one({"taskId": 50, "userId": ObjectId(USER)})
    mongo.tasks.insert_one({"taskId": 51, "userId": ObjectId(), "repeatType": "weekly"})
    mongo.tasks.insert_many({"taskId": 52 + n, "userId": text} for n, text in enumerate((USER.lower(), USER.upper())))

    def kinds(user_id: str | None = None) -> dict[tuple[str | None, bool], int]:
        return {(r.get("repeatType"), r["isOccurrence"]): r["count"] for r in tasks.count_by_kind(user_id)}

    mine = {("daily", False): 1, ("daily", True): 2, ("none", False): 1, (None, False): 3}
    assert kinds() == mine | {("weekly", False): 1}
    assert kinds(USER) == mine


def test_whole_documents_are_given_by_id(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    ids = [add(), add()]
    assert tasks.documents([*ids, str(ObjectId())]) == {i: stored(mongo, i) for i in ids}
    assert isinstance(tasks.load(ids).tasks[ids[0]], Task)


# Whose tasks are members, and what is left of a series that nothing is remembered of


def test_what_hangs_on_an_original_of_another_user_is_no_member(tasks: Tasks, add: Add) -> None:
    original = add(userId=ObjectId(USER))
    own, theirs, nobodys = (add(original, userId=user) for user in (ObjectId(USER), ObjectId(), None))

    series = tasks.load([original]).series[original]

    assert [t.id for t in series.occurrences] == [own]
    assert {t.id for t in series.strangers} == {theirs, nobodys}


def recalled(tasks: Tasks, original: str) -> Cursor | None:
    return tasks.load([original]).series[original].recalled


def event(mongo: Mongo, task_id: str, status: str) -> ObjectId:
    document = {"operation": "create", "taskId": ObjectId(task_id), "createdAt": NOW, "availableAt": NOW}
    mongo.db.command("collMod", "task_events", validator={})
    return ObjectId(mongo.events.insert_one(document | {"status": status}).inserted_id)


def test_a_new_series_costs_one_look_at_what_was_deleted(counted: tuple[Tasks, Commands], add: Add) -> None:
    store, commands = counted
    originals = [add() for _ in range(5)]
    commands.sent.clear()

    assert [s.recalled for s in store.load(originals).series.values()] == [None] * 5
    assert commands.sent == ["aggregate", "find"], "the tasks with what hangs on them, what did"


def test_a_series_of_which_all_was_deleted_is_as_far_as_the_copies_show(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    original = add()
    copies = [{"_id": ObjectId(), "parentRecurringId": ObjectId(original), "occurrenceNumber": n} for n in (1, 2, 3)]
    user = (mongo.tasks.find_one({"_id": ObjectId(original)}) or {})["userId"]
    mongo.deleted.insert_many([{"_id": ObjectId(), "task": copy | {"userId": user}} for copy in copies])

    assert recalled(tasks, original) == Cursor(3, "daily")


def test_an_id_inside_a_list_costs_nobody_else_anything(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    """A query for an id finds lists that hold it, too."""
    original = add()
    add(original, occurrenceNumber=3)
    listed = {"parentRecurringId": [ObjectId(original)], "occurrenceNumber": 9}
    mongo.deleted.insert_one({"_id": ObjectId(), "task": {"_id": ObjectId()} | listed})
    mongo.db.command("collMod", "task_events", validator={})
    mongo.events.insert_one({"taskId": [ObjectId(original)], "status": "pending"})

    assert recalled(tasks, original) == Cursor(3, "daily")


@pytest.mark.parametrize(("status", "reached"), [("completed", 3), (None, 3), ("failed", None), ("processing", None)])
def test_members_count_once_the_event_that_made_them_is_over(
    tasks: Tasks, add: Add, mongo: Mongo, status: str | None, reached: int | None
) -> None:
    """Cut off between two inserts, it still owes the slot between them."""
    original = add()
    made_by = event(mongo, original, status) if status else ObjectId()
    for number in (1, 3):
        add(original, occurrenceNumber=number, createdByEvent=made_by)

    assert recalled(tasks, original) == (reached and Cursor(reached, "daily"))


@pytest.mark.parametrize(("status", "reached"), [("completed", 3), ("pending", None)])
def test_members_that_the_first_version_made_count_once_no_event_of_the_series_is_open(
    tasks: Tasks, add: Add, mongo: Mongo, status: str, reached: int | None
) -> None:
    original = add()
    add(original, occurrenceNumber=3)
    event(mongo, original, status)

    assert recalled(tasks, original) == (reached and Cursor(reached, "daily"))


def test_copies_of_deleted_members_count_and_those_of_others_do_not(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    original = add(userId=ObjectId(USER))
    add(original, userId=ObjectId(USER), occurrenceNumber=1, createdByEvent=ObjectId())
    for user, number in ((USER, 5), (str(ObjectId()), 9)):
        copy = {"_id": ObjectId(), "userId": ObjectId(user), "parentRecurringId": ObjectId(original)}
        mongo.deleted.insert_one({"_id": ObjectId(), "task": copy | {"occurrenceNumber": number}})

    assert recalled(tasks, original) == Cursor(5, "daily")


CURSOR = {"number": 43, "repeatType": "daily"}


def test_the_cursor_of_an_earlier_version_counts_where_anything_shows_that_it_is_the_series_own(
    tasks: Tasks, add: Add, mongo: Mongo
) -> None:
    with_members, told, archived = (add(recurrenceCursor=CURSOR) for _ in range(3))
    add(with_members)
    for log, series in ((mongo.activities, told), (mongo.archive, archived)):
        made = activity_id(Action.CREATED, occurrence_id(series, 42))
        log.insert_one({"_id": ObjectId(made), "activityId": 1})

    for series in (with_members, told, archived):
        assert recalled(tasks, series) == Cursor(43, "daily"), series


def test_the_cursor_that_came_along_with_a_copy_of_an_original_does_not_count(tasks: Tasks, add: Add) -> None:
    """The copy would begin where the other one stands, or never."""
    copy = add(recurrenceCursor=CURSOR, originalSlot=5)

    snapshot = tasks.load([copy])

    assert snapshot.series[copy].recalled is None
    assert (snapshot.tasks[copy].cursor, snapshot.tasks[copy].original_slot) == (None, 0)


# Sub-tasks


def test_sub_tasks_are_found_with_theirs_and_by_the_task_that_they_belong_to(tasks: Tasks, add: Add) -> None:
    first, second = add(), add()
    child = add(parentTaskId=ObjectId(first), repeatType="none")
    grandchild = add(parentTaskId=ObjectId(child), repeatType="none")
    add(second, parentTaskId=ObjectId(first))  # an occurrence of a series is that series' own

    below = tasks.subtasks.below([first, second])

    assert {i: {t.id for t in found} for i, found in below.items()} == {first: {child, grandchild}}


def test_sub_tasks_in_a_circle_are_found_once(tasks: Tasks, add: Add, mongo: Mongo) -> None:
    head = add()
    child = add(parentTaskId=ObjectId(head))
    other = add(parentTaskId=ObjectId(child))
    mongo.tasks.update_one({"_id": ObjectId(child)}, {"$set": {"parentTaskId": ObjectId(other)}})
    mongo.tasks.update_one({"_id": ObjectId(head)}, {"$set": {"parentTaskId": ObjectId(other)}})

    assert {t.id for t in tasks.subtasks.below([other])[other]} == {child, head}
