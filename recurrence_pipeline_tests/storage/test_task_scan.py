"""The pass over the tasks, what the activity log remembers, and repairing only what is still as it was seen."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId

from recurrence_pipeline.domain.ids import activity_id
from recurrence_pipeline.domain.plan import CastId, DateFromDue
from recurrence_pipeline.domain.vocabulary import Action
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.mongo import Mongo
from recurrence_pipeline.storage.task_scan import A_PAGE, TaskScan

DUE = datetime(2024, 2, 1, 9, tzinfo=timezone.utc)
NOW = DUE + timedelta(days=1)
ORIGINAL = "65b9f00c" + "ab" * 8


@pytest.fixture
def task_scan(mongo: Mongo) -> TaskScan:
    return TaskScan(mongo, read_chunk=3, write_chunk=2)


def add(mongo: Mongo, **fields: Any) -> ObjectId:
    document: Document = {"_id": ObjectId(), "taskId": mongo.tasks.count_documents({}), "repeatType": "daily"}
    mongo.tasks.insert_one(document | {"dueDate": DUE, "originalDueDate": DUE, "parentRecurringId": None} | fields)
    return ObjectId(document["_id"])


def stored(mongo: Mongo, task_id: ObjectId) -> Document:
    found = mongo.tasks.find_one({"_id": task_id})
    assert found is not None
    return found


# The pass


def test_the_pass_comes_by_what_recurs_or_hangs_on_another_once_over_many_pages(
    mongo: Mongo, task_scan: TaskScan
) -> None:
    wanted = {str(add(mongo)), str(add(mongo, repeatType="none", parentRecurringId=ObjectId()))}
    add(mongo, repeatType="none")
    add(mongo, repeatType=None)
    mongo.tasks.insert_many({"taskId": -number, "repeatType": "weekly"} for number in range(1, A_PAGE + 2))

    seen = [task.id for task in task_scan.recurring()]

    assert len(seen) == len(set(seen)) == A_PAGE + 3
    assert wanted <= set(seen)


def test_the_pass_over_nothing_ends(task_scan: TaskScan) -> None:
    assert list(task_scan.recurring()) == []


def test_a_task_with_an_id_of_another_type_is_read_as_one_that_cannot_be_told(
    mongo: Mongo, task_scan: TaskScan
) -> None:
    """Left out, it would never be worked on, and nobody would know."""
    mongo.tasks.insert_one({"_id": "somebody's", "repeatType": "daily"})
    (task,) = task_scan.recurring()
    assert task.misread == '_id: "somebody\'s" is not an ObjectId'


ODD_IDS = [ORIGINAL, ORIGINAL.upper(), {"$oid": ORIGINAL}]


@pytest.mark.parametrize("value", ODD_IDS, ids=["text", "upper case", "plain JSON"])
@pytest.mark.parametrize("field", ["parentRecurringId", "parentTaskId", "userId"])
def test_an_id_is_cast_where_it_still_is_what_was_seen(
    mongo: Mongo, task_scan: TaskScan, field: str, value: Any
) -> None:
    task_id = ObjectId()
    mongo.tasks.insert_one({"_id": task_id, "taskId": 1, "repeatType": "daily", field: value})
    cast = CastId(str(task_id), field, value, ORIGINAL)

    assert task_scan.cast_ids([replace(cast, value="other")], NOW) == 0
    assert task_scan.cast_ids([cast], NOW) == 1
    assert task_scan.cast_ids([cast], NOW) == 0

    stored = mongo.tasks.find_one({"_id": task_id}) or {}
    assert (stored[field], stored["updatedAt"]) == (ObjectId(ORIGINAL), NOW)


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_parent_that_is_nothing_is_no_wrong_type(mongo: Mongo, task_scan: TaskScan, nothing: object) -> None:
    fields = dict.fromkeys(("parentRecurringId", "parentTaskId", "userId"), nothing)
    mongo.tasks.insert_one({"_id": ObjectId(), "repeatType": "daily", **fields})
    (task,) = task_scan.recurring()
    assert (task.misread, task.parent_task_id, task.parent_recurring_id) == (None, None, None)


# The activity log


def test_what_was_made_once_is_known_from_the_log_and_from_its_archive(mongo: Mongo, task_scan: TaskScan) -> None:
    ids = [str(ObjectId()) for _ in range(8)]
    kept = [{"_id": ObjectId(activity_id(Action.CREATED, i)), "activityId": n} for n, i in enumerate(ids)]
    mongo.activities.insert_many(kept[:4])
    mongo.archive.insert_many(kept[4:6])

    assert task_scan.made_once(ids) == set(ids[:6])


# Repairing


def test_a_date_is_filled_in_unless_one_came_or_the_due_date_moved_meanwhile(mongo: Mongo, task_scan: TaskScan) -> None:
    empty, missing = add(mongo, originalDueDate=None), add(mongo, originalDueDate=None)
    mongo.tasks.update_one({"_id": missing}, {"$unset": {"originalDueDate": ""}})
    came, moved = add(mongo, originalDueDate=NOW), add(mongo, originalDueDate=None, dueDate=NOW)
    dates = [DateFromDue(str(task), DUE) for task in (empty, missing, came, moved)]

    assert task_scan.date_from_due(dates, NOW) == 2

    assert [stored(mongo, task)["originalDueDate"] for task in (empty, missing, came, moved)] == [DUE, DUE, NOW, None]
    assert task_scan.date_from_due(dates, NOW) == 0


def test_nothing_to_mend_is_no_command(mongo: Mongo, task_scan: TaskScan) -> None:
    assert (task_scan.date_from_due([], NOW), task_scan.made_once([])) == (0, set())
