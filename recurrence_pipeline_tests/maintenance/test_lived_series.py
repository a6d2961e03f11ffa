"""Series of several rules, with slots skipped, missed, excluded, moved and deleted: sound, harmed, and put right."""

import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.doctor.database import Diagnostics
from recurrence_pipeline.domain.recurrence import NONE
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.domain.vocabulary import REFUSED, Operation
from recurrence_pipeline.recovery.replay import EventFilter
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.simulation.living import Life
from recurrence_pipeline_tests.world import World, utc

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


class Lived:
    """A series of two rules: slots skipped, missed, excluded, touched and done, and its first date moved."""

    def __init__(self, world: World) -> None:
        self.world, self.mongo = world, world.worker.mongo
        world.now = utc(2024, 1, 1, 8)
        options = {"horizon": 5, "excluded": ["2024-01-04"], "subtasks": True}
        self.head = world.add_task(utc(2024, 1, 1, 9), "daily", recurrence=options)
        world.add_task(utc(2024, 1, 1, 9), "none", title="Pack", parentTaskId=self.head)
        self.tell("create", self.head)
        self.tell("skip", world.occurrences_by_slot(self.head)[2])
        self.edit(self.head, isCompleted=True)
        self.tell("complete", self.head)
        world.now = utc(2024, 1, 2, 12)
        rule = {"rule": "FREQ=WEEKLY;BYDAY=TU,FR", "missed": "next", "excluded": ["2024-01-12"]}
        self.edit(self.head, repeatType="custom", recurrence=options | rule, originalDueDate=utc(2024, 1, 2, 10))
        self.tell("update", self.head)
        self.edit(self.numbers[-2], title="mine")
        world.now = utc(2024, 1, 10, 12)
        self.tell("create", self.head)
        assert len(self.memory["revisions"]) == 2
        assert {copy["reason"] for copy in self.mongo.deleted.find()} >= {"skipped", "missed"}
        assert red(world) == {}

    @property
    def numbers(self) -> list[ObjectId]:
        """The open occurrences in the order of their dates."""
        return [task["_id"] for task in self.world.occurrences(self.head) if not task["isCompleted"]]

    @property
    def memory(self) -> Document:
        found = self.mongo.series.find_one({"_id": self.head})
        assert found is not None
        return found

    def tell(self, operation: str, task_id: ObjectId, **more: Any) -> ObjectId:
        self.world.pass_time(minutes=1)
        event = self.world.add_event(operation, task_id, **more)
        self.world.work()
        return event

    def edit(self, task_id: ObjectId, **fields: Any) -> None:
        self.mongo.tasks.update_one({"_id": task_id}, {"$set": {**fields, "updatedAt": self.world.now}})

    def remember(self, **fields: Any) -> None:
        self.mongo.series.update_one({"_id": self.head}, {"$set": fields})

    def seen(self) -> list[tuple[Any, ...]]:
        """Return what people see of the series, and which task it is."""
        tasks = self.mongo.tasks.find()
        rows = [(t["title"], t["dueDate"], t["isCompleted"], str(t["parentRecurringId"]), t["_id"]) for t in tasks]
        return sorted(rows, key=str)

    def update(self) -> None:
        self.tell("update", self.head)

    def repair(self) -> None:
        self.world.worker.consistency.repair(dry_run=False)
        self.world.work()


def last_lost(lived: Lived) -> None:
    """The last slots were never made: a worker's memory and tasks come from a backup."""
    lost = lived.numbers[-3:]
    number = lived.world.task(lost[0])["occurrenceNumber"]
    lived.mongo.tasks.delete_many({"$or": [{"_id": {"$in": lost}}, {"parentTaskId": {"$in": lost}}]})
    lived.remember(cursor={"number": number - 1, "at": None, "revision": 1})


def twin(lived: Lived) -> None:
    task = lived.world.task(lived.numbers[1])
    same = {name: value for name, value in task.items() if name not in {"_id", "taskId", "dueDate", "repeatType"}}
    lived.world.add_task(task["dueDate"], task["repeatType"], **same)


def wrong_parent(lived: Lived) -> None:
    lived.edit(lived.numbers[1], parentRecurringId=lived.numbers[0])


def text_parent(lived: Lived) -> None:
    lived.edit(lived.numbers[1], parentRecurringId=str(lived.head))


def undated(lived: Lived) -> None:
    lived.mongo.tasks.update_one({"_id": lived.numbers[0]}, {"$unset": {"originalDueDate": ""}})


def cursor_behind(lived: Lived) -> None:
    lived.remember(cursor={"number": lived.memory["cursor"]["number"] - 1, "at": None, "revision": 1})


def cursor_ahead(lived: Lived) -> None:
    lived.remember(cursor=lived.memory["cursor"] | {"number": lived.memory["cursor"]["number"] + 5, "at": None})


def forgotten(lived: Lived) -> None:
    lived.mongo.series.delete_one({"_id": lived.head})


def unfollowed(lived: Lived) -> None:
    lived.edit(lived.head, repeatType="weekly", recurrence={"subtasks": True})
    lived.world.pass_time(hours=2)


def date_moved(lived: Lived) -> None:
    lived.edit(lived.head, originalDueDate=utc(2024, 1, 3, 10))


def orphaned(lived: Lived) -> None:
    lived.edit(lived.numbers[-1], parentRecurringId=ObjectId())


def subtask_orphaned(lived: Lived) -> None:
    lived.world.add_task(utc(2024, 1, 5), "none", parentTaskId=ObjectId(), createdByEvent=ObjectId())


def of_another(lived: Lived) -> None:
    lived.edit(lived.numbers[0], userId=ObjectId())


def counter_behind(lived: Lived) -> None:
    lived.mongo.counters.update_one({"_id": "tasks"}, {"$set": {"sequence_value": 1}})


def occurrences(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the occurrences alone; one that is made again may have another id."""
    return [row[:-1] for row in rows if row[3] != "None"]


SAME, SOUND, FOUND = "all is as before", "nothing is found any more", "it is for a person to decide"


@pytest.mark.parametrize(
    ("harm", "name", "mend", "then"),
    [
        (last_lost, "series_behind", Lived.repair, SAME),
        (twin, "slot_clashes", Lived.update, SAME),
        (wrong_parent, "nested_occurrences", Lived.repair, SAME),
        (text_parent, "wrong_id_types", Lived.repair, SAME),
        (undated, "missing_original_due_date", Lived.repair, SAME),
        (cursor_behind, "cursor_behind", Lived.repair, SAME),
        (cursor_ahead, "cursor_ahead", None, FOUND),
        (forgotten, "series_memory_missing", Lived.repair, SOUND),
        (unfollowed, "repeat_type_differs", Lived.update, SOUND),
        (date_moved, "first_date_moved", Lived.update, SOUND),
        (orphaned, "orphans", Lived.repair, SOUND),
        (subtask_orphaned, "subtasks_left_behind", None, FOUND),
        (of_another, "owner_differs", None, FOUND),
        (counter_behind, "counters_behind", Lived.repair, SAME),
    ],
)
def test_a_fault_in_a_series_of_two_rules_is_found_and_put_right(
    world: World, harm: Callable[[Lived], None], name: str, mend: Callable[[Lived], None] | None, then: str
) -> None:
    lived = Lived(world)
    before = lived.seen()
    harm(lived)
    assert name in red(world)
    if mend is None:
        return
    mend(lived)
    assert red(world) == {}
    if then == SAME:
        assert occurrences(lived.seen()) == occurrences(before)


@pytest.mark.parametrize("what", ["delete", "shorten", "skip"])
def test_a_restoration_of_a_series_of_two_rules_puts_back_what_was_taken_and_nothing_else(
    world: World, what: str
) -> None:
    lived = Lived(world)
    if what == "shorten":
        options = world.task(lived.head)["recurrence"] | {"horizon": 2}
        lived.edit(lived.head, recurrence=options)
    before = lived.seen()
    named = lived.numbers[0] if what == "skip" else lived.head
    event = lived.tell("update" if what == "shorten" else what, named)
    assert len(lived.seen()) < len(before) or what == "skip"
    made = {row[-1] for row in lived.seen()} - {row[-1] for row in before}
    world.worker.deletions.restore(str(event), dry_run=False)
    assert [row for row in lived.seen() if row[-1] not in made] == before
    world.pass_time(hours=1)
    world.work()
    assert [row for row in lived.seen() if row[-1] not in made] == before
    assert red(world) == {}


@pytest.mark.parametrize("operation", [each.value for each in Operation])
def test_a_dead_letter_of_a_series_of_two_rules_is_replayed_and_the_series_is_as_if_it_had_not_died(
    world: World, operation: str
) -> None:
    lived = Lived(world)
    named = lived.head if operation in {"create", "update", "delete"} else lived.numbers[0]
    if operation == "update":
        lived.edit(lived.head, title="Weekly standup")
    if operation in {"complete", "reopen"}:
        lived.edit(named, isCompleted=True)
        lived.tell("complete", named)
    if operation == "reopen":
        lived.edit(named, isCompleted=False)
    if operation == "delete":
        lived.mongo.tasks.delete_many({"$or": [{"_id": lived.head}, {"parentTaskId": lived.head}]})
    before = lived.seen()
    event = lived.world.add_event(operation, named, status="failed", attempts=5)
    replay = world.worker.dead_letters.replay(EventFilter(statuses=REFUSED), [str(event)], dry_run=False)
    assert replay.replayed == 1
    lived.world.work()

    assert (lived.mongo.events.find_one({"_id": event}) or {})["status"] == "completed"
    assert (lived.seen() == before) == (operation in {"create", "complete"}), "which had nothing left to do"
    assert red(world) == {}


def test_a_series_of_two_rules_that_stopped_goes_on_by_the_second_when_a_person_asks(world: World) -> None:
    lived = Lived(world)
    gone = lived.numbers
    lived.mongo.tasks.delete_many({"$or": [{"_id": {"$in": gone}}, {"parentTaskId": {"$in": gone}}]})
    reached = lived.memory["cursor"]["number"]
    assert "series_stopped" in red(world)

    done = world.worker.resumption.resume(str(lived.head), dry_run=False)

    assert min(new.slot or 0 for new in done.occurrences) > reached
    assert {new.due.strftime("%a") for new in done.occurrences} <= {"Tue", "Fri"}
    assert len(lived.numbers) == len(done.occurrences) == 5
    assert red(world) == {}


def test_the_doctor_has_nothing_to_say_of_a_series_of_two_rules(replica_set_url: str) -> None:
    """Of a standalone server it warns, and the world's clock is not the server's."""
    with closing(World(replica_set_url)) as world:
        Lived(world)
        worker = world.worker
        found = Diagnostics(worker.context, worker.consistency, worker.parts).look()
        assert [each for each in found if each.name != "clock" and each.severity is not Severity.OK] == []
