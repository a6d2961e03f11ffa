"""The sample data, imported and processed: what the whole worker makes of 808 triggers and a previous worker's tasks.

The dates are checked against dateutil and the files themselves, not against our own calendar.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from bson import ObjectId
from dateutil.relativedelta import relativedelta
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA, SAMPLE_OF_RULES
from recurrence_pipeline.worker.summary import BatchSummary
from recurrence_pipeline_tests.urls import with_database

Tasks = dict[ObjectId, Document]
STEP = {"daily": relativedelta(days=1), "weekly": relativedelta(weeks=1), "monthly": relativedelta(months=1)}


RULES_KEPT = {
    "Choir rehearsal": ["01-08", "01-11", "01-15", "01-18"],
    "Send the invoices": ["02-23", "03-29", "04-26", "05-31"],
    "Close the books": ["02-29", "03-29", "04-30"],
    "Stand-up": ["01-09", "01-10", "01-11"],
    "Leap day party": ["02-28", "02-28", "02-28"],
    "Tax return": ["05-31"],
    "Antibiotics": ["01-11", "01-12"],
    "Band practice": ["01-17", "01-19", "01-24"],
    "Library books": ["02-03", "03-02", "03-30", "04-27", "05-25"],
    "Friday the 13th": ["12-13", "06-13", "02-13"],
    "Change the filter": ["07-18", "10-26", "04-10"],
}
"""What some of the 20 series of other rules should come to, in the calendar of 2024 and after."""


class WorkedOff(NamedTuple):
    """The sample before and after the work."""

    worker: Worker
    summary: BatchSummary
    before: Tasks
    after: Tasks
    made: list[Document]
    events: list[Document]


def tasks(worker: Worker) -> Tasks:
    return {task["_id"]: task for task in worker.mongo.tasks.find()}


def activities(worker: Worker) -> list[Document]:
    return sorted(worker.mongo.activities.find(), key=lambda activity: str(activity["_id"]))


def original_of(event: Document, before: Tasks) -> Document | None:
    """Return the head of the series that an event speaks of."""
    task = before.get(event["taskId"])
    while task and task["parentRecurringId"]:
        task = before.get(task["parentRecurringId"])
    return task


def slot(original: Document, number: int) -> datetime:
    """Return slot `number` of a series in UTC, as dateutil counts it."""
    anchor: datetime = original["originalDueDate"]
    return anchor + STEP[original["repeatType"]] * number


@pytest.fixture(scope="module")
def sample(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[WorkedOff]:
    name = f"test_{uuid4().hex}"
    url = with_database(mongodb_server, name)
    with open_worker(Settings.from_environment({"MONGODB_URL": url, "WORKER_BATCH_SIZE": "200"})) as worker:
        worker.init_db()
        worker.import_folder(SAMPLE_DATA)
        before = tasks(worker)
        summary = worker.drain(until_empty=True)
        after = tasks(worker)
        made = [task for task_id, task in after.items() if task_id not in before]
        yield WorkedOff(worker, summary, before, after, made, list(worker.mongo.events.find()))
    mongodb_janitor.drop_database(name)


def test_every_event_ends_and_says_why_where_it_was_refused(sample: WorkedOff) -> None:
    assert Counter(event["status"] for event in sample.events) == {"completed": 750, "rejected": 58}
    refused = [event["errors"][-1] for event in sample.events if event["status"] == "rejected"]
    assert Counter(error["message"] for error in refused) == {
        "Original task not found": 42,
        "Due date for recurring tasks should not be more than 1 day in the past": 12,
        "Sub-tasks cannot have recurring patterns": 4,
    }


def test_1520_occurrences_come_in_481_series_and_45_of_15_lost_originals_go(sample: WorkedOff) -> None:
    assert len(sample.made) == 1520
    assert len({task["parentRecurringId"] for task in sample.made}) == 481
    gone = [task for task_id, task in sample.before.items() if task_id not in sample.after]
    assert len(gone) == 45
    assert len({task["parentRecurringId"] for task in gone}) == 15
    assert not {task["parentRecurringId"] for task in gone} & sample.before.keys(), "their originals are gone"
    kept = {copy["task"]["_id"]: copy["task"] for copy in sample.worker.mongo.deleted.find()}
    assert kept == {task["_id"]: task for task in gone}, "and can be put back"

    numbers = sample.summary.numbers()
    assert (numbers["occurrences_created"], numbers["occurrences_deleted"]) == (1520, 45)
    assert (numbers["failed"], numbers["leases_lost"]) == (0, 0)


def test_every_valid_series_that_an_event_speaks_of_goes_on_and_no_other(sample: WorkedOff) -> None:
    heads: dict[str, set[ObjectId]] = {"completed": set(), "rejected": set()}
    for event in sample.events:
        if original := original_of(event, sample.before):
            heads[event["status"]].add(original["_id"])
    assert {task["parentRecurringId"] for task in sample.made} == heads["completed"] - heads["rejected"]
    assert not heads["completed"] & heads["rejected"], "the events of one series are judged alike"


def test_a_new_series_has_slots_1_to_3_or_to_4_where_the_original_is_completed(sample: WorkedOff) -> None:
    older = {task["parentRecurringId"] for task in sample.before.values()} - {None}
    slots: dict[ObjectId, list[int]] = defaultdict(list)
    for task in sample.made:
        if task["parentRecurringId"] not in older:
            slots[task["parentRecurringId"]].append(task["occurrenceNumber"])
    shapes = Counter((sample.before[i]["isCompleted"], tuple(sorted(numbers))) for i, numbers in slots.items())
    assert shapes == {(False, (1, 2, 3)): 284, (True, (1, 2, 3, 4)): 137}


def test_every_occurrence_lies_on_the_true_day_and_is_its_original_again(sample: WorkedOff) -> None:
    copied = ("userId", "title", "description", "priority", "category", "repeatType", "links", "additionalNotes")
    for task in sample.made:
        original = sample.before[task["parentRecurringId"]]
        assert task["dueDate"] == task["originalDueDate"] == slot(original, task["occurrenceNumber"])
        assert {name: task[name] for name in copied} == {name: original[name] for name in copied}
        assert (task["isCompleted"], task["parentTaskId"]) == (False, None)


def test_what_was_there_stays_as_it_was_but_for_the_cursor(sample: WorkedOff) -> None:
    changed: Counter[tuple[str, ...]] = Counter()
    for task_id, task in sample.after.items():
        was = sample.before.get(task_id, task)
        changed[tuple(sorted(name for name in {*task, *was} if task.get(name) != was.get(name)))] += 1
    assert changed == {(): 2408}


def test_the_older_workers_series_go_on_behind_its_last_task_on_the_true_days(sample: WorkedOff) -> None:
    """It drifted to the 29th or 30th; what follows is counted from the anchor again, and on no month that has one."""
    older: dict[ObjectId, list[Document]] = defaultdict(list)
    for task in sample.before.values():
        if task["parentRecurringId"] in sample.before:
            older[task["parentRecurringId"]].append(task)
    continued = [task for task in sample.made if task["parentRecurringId"] in older]
    assert len({task["parentRecurringId"] for task in continued}) == 60
    for task in continued:
        last = max(member["dueDate"] for member in older[task["parentRecurringId"]])
        original = sample.before[task["parentRecurringId"]]
        assert task["dueDate"] > last
        if original["repeatType"] == "monthly":
            assert (task["dueDate"].year, task["dueDate"].month) != (last.year, last.month)


def test_no_two_tasks_of_this_worker_are_on_one_slot(sample: WorkedOff) -> None:
    made = Counter((task["parentRecurringId"], task["occurrenceNumber"]) for task in sample.made)
    assert set(made.values()) == {1}
    days = Counter((task["parentRecurringId"], task["dueDate"]) for task in sample.made)
    assert set(days.values()) == {1}


def test_numbers_are_unique_and_the_counters_stand_at_the_highest(sample: WorkedOff) -> None:
    numbers = [task["taskId"] for task in sample.after.values()]
    assert len(set(numbers)) == len(numbers)
    counters = {counter["_id"]: counter["sequence_value"] for counter in sample.worker.mongo.counters.find()}
    assert counters == {"tasks": max(numbers), "useractivities": 1835, "users": 12}


def test_each_fact_is_told_to_the_users_once(sample: WorkedOff) -> None:
    assert Counter(activity["action"] for activity in activities(sample.worker)) == {
        "RECURRING_TASK_CREATED": 1520,
        "RECURRING_TASK_UPDATED": 242,
        "RECURRING_TASKS_DELETED": 15,
        "WORKER_CREATE_FAILED": 55,
        "WORKER_COMPLETE_FAILED": 3,
    }


def test_a_replay_of_all_events_changes_no_task_and_tells_nothing(sample: WorkedOff) -> None:
    """A person who replays everything after an incident must not find twice the work done."""
    told = activities(sample.worker)
    sample.worker.mongo.events.update_many({}, {"$set": {"status": "pending"}})

    again = sample.worker.drain(until_empty=True)

    assert (again.count("completed"), again.count("rejected"), again.occurrences_created) == (750, 58, 0)
    assert tasks(sample.worker) == sample.after
    assert activities(sample.worker) == told


def test_the_same_triggers_under_other_ids_change_no_task_and_tell_nothing(sample: WorkedOff) -> None:
    """An application that sends everything again sends new events."""
    told = activities(sample.worker)
    wanted = ("operation", "taskId", "userId", "createdAt", "availableAt", "source")
    copies: list[dict[str, Any]] = [
        {name: event[name] for name in wanted} | {"status": "pending"} for event in sample.worker.mongo.events.find()
    ]
    sample.worker.mongo.events.insert_many(copies)

    again = sample.worker.drain(until_empty=True)

    assert (again.count("completed"), again.count("rejected"), again.occurrences_created) == (750, 58, 0)
    assert tasks(sample.worker) == sample.after
    assert activities(sample.worker) == told


@pytest.fixture
def worker(mongodb_url: str) -> Iterator[Worker]:
    with open_worker(Settings.from_environment({"MONGODB_URL": mongodb_url})) as worker:
        worker.init_db()
        yield worker


def test_the_series_of_other_rules_go_on_as_far_as_they_say_and_nothing_is_wrong_with_them(worker: Worker) -> None:
    worker.import_folder(SAMPLE_OF_RULES)
    summary = worker.drain(until_empty=True)
    assert (summary.count("completed"), summary.count("rejected")) == (23, 0)
    by_original: dict[ObjectId, list[Document]] = defaultdict(list)
    for task in worker.mongo.tasks.find({"parentRecurringId": {"$ne": None}}).sort("dueDate", 1):
        by_original[task["parentRecurringId"]].append(task)
    made = {
        original["title"]: [f"{task['dueDate']:%m-%d}" for task in by_original[original["_id"]]]
        for original in worker.mongo.tasks.find({"parentRecurringId": None})
    }
    assert len(made) == 20
    assert {title: made[title] for title in RULES_KEPT} == RULES_KEPT
    assert sum(map(len, made.values())) == 61
    assert [finding.name for finding in worker.consistency.run() if finding.count] == []
