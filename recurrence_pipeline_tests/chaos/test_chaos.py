"""The short chaos run, and that its checks find what they are there to find. The long run is `make chaos`."""

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from threading import Event
from uuid import uuid4

import pytest
from bson import ObjectId
from pymongo import MongoClient

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.chaos.application import Application, Fate, Series
from recurrence_pipeline_tests.chaos.findings import Data, findings
from recurrence_pipeline_tests.chaos.running import Scale, run_chaos
from recurrence_pipeline_tests.chaos.untold import UntoldScale, run_untold
from recurrence_pipeline_tests.urls import with_database

SHORT = Scale(events=250, workers=2, daemon=False, between_kills=(0.5, 2.5), between_acts=(0, 0.06))
QUIET = UntoldScale(changes=300, kills=4)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_whatever_is_killed_or_frozen_every_event_ends_and_the_data_are_right(tmp_path: Path) -> None:
    said: list[str] = []
    seed = int(os.environ.get("RECURRENCE_CHAOS_SEED") or Random().randrange(10**6))

    report = run_chaos(SHORT, seed=seed, folder=tmp_path, say=said.append)

    assert report.findings == [], f"RECURRENCE_CHAOS_SEED={seed}: {report.numbers}\n" + "\n".join(said)
    assert report.numbers["events"] >= SHORT.events
    struck = {name: number for name, number in report.numbers.items() if name.endswith((" killed", " frozen"))}
    assert sum(struck.values()) >= 3, said
    assert any(struck[f"{kind} killed"] for kind in ("database", "worker")), said


@pytest.mark.long
@pytest.mark.timeout(400)
def test_whatever_streams_and_workers_are_killed_what_nobody_told_of_is_followed(tmp_path: Path) -> None:
    said: list[str] = []
    seed = int(os.environ.get("RECURRENCE_CHAOS_SEED") or Random().randrange(10**6))

    report = run_untold(QUIET, seed=seed, folder=tmp_path, say=said.append)

    assert report.findings == [], f"RECURRENCE_CHAOS_SEED={seed}: {report.numbers}\n" + "\n".join(said)
    assert report.numbers["changes that nobody told of"] >= QUIET.changes
    assert report.numbers["streams killed"] + report.numbers["workers killed"] == QUIET.kills


class Weather:
    """What is in the database, what the application remembers, and ways to harm the former."""

    def __init__(self, data: Data, application: Application) -> None:
        self.data = data
        self.application = application

    def series(self, fate: Fate) -> Series:
        """Return a series that has met its fate."""
        return next(s for s in self.application.series if s.fate is fate and s.gone is (fate is Fate.GONE))

    def last(self) -> Document:
        """Return the last occurrence of a series that nobody deleted anything of."""
        return max(self.data.hanging[self.series(Fate.KEPT).original], key=lambda task: task["occurrenceNumber"])

    def add(self, **changes: object) -> None:
        task = self.last() | {"_id": ObjectId(), "taskId": 10**6} | changes
        self.data.tasks[task["_id"]] = task
        self.data.hanging.setdefault(task["parentRecurringId"], []).append(task)

    def lose_a_slot(self) -> None:
        task = self.last()
        del self.data.tasks[task["_id"]]
        self.data.hanging[task["parentRecurringId"]].remove(task)

    def make_a_slot_twice(self) -> None:
        self.add()

    def make_one_too_many(self) -> None:
        self.add(occurrenceNumber=self.last()["occurrenceNumber"] + 1)

    def use_a_number_twice(self) -> None:
        self.add(taskId=self.last()["taskId"])

    def move_a_date(self) -> None:
        self.last()["dueDate"] = self.series(Fate.KEPT).anchor

    def complete_a_task(self) -> None:
        self.last()["isCompleted"] = True

    def leave_an_orphan(self) -> None:
        self.add(parentRecurringId=self.series(Fate.GONE).original)

    def leave_an_event(self) -> None:
        next(iter(self.data.events.values()))["status"] = "processing"

    def refuse_an_event(self) -> None:
        original = self.series(Fate.KEPT).original
        next(e for e in self.data.events.values() if e["taskId"] == original)["status"] = "rejected"

    def lose_an_event(self) -> None:
        self.data.events.popitem()

    def forget_who_created(self) -> None:
        original = self.series(Fate.KEPT).original
        for event in self.data.events.values():
            if event["taskId"] == original:
                event["result"] = {}

    def create_by_two_events(self) -> None:
        two = [e for e in self.data.events.values() if e["operation"] == "create" and e["status"] == "completed"][:2]
        for event in two:
            event["result"] = {"created": [self.last()["_id"]]}

    def repeat_an_activity(self) -> None:
        self.data.activities.append(self.told("RECURRING_TASK_CREATED") | {"activityId": 10**6})

    def lose_an_activity(self) -> None:
        about = self.last()["_id"]
        self.data.activities[:] = [a for a in self.data.activities if a["taskId"] != about]

    def lose_the_activity_of_a_deletion(self) -> None:
        self.data.activities.remove(self.told("RECURRING_TASKS_DELETED"))

    def lose_the_copies(self) -> None:
        self.data.copies.clear()

    def told(self, action: str) -> Document:
        return next(activity for activity in self.data.activities if activity["action"] == action)


@pytest.fixture(scope="module")
def calm(mongodb_server: str, mongodb_janitor: MongoClient[Document]) -> Iterator[Weather]:
    """Return what 105 events came to without any trouble, or more where chance wants more until all has happened."""
    url = with_database(mongodb_server, f"test_{uuid4().hex}")
    with (
        open_worker(Settings.from_environment({"MONGODB_URL": url})) as worker,
        MongoClient[Document](url, tz_aware=True) as client,
    ):
        worker.init_db()
        application = Application(client, Random(3), Event())
        for events in range(15, 1500, 15):
            application.work(events, lambda: 0.0)
            worker.drain()
            if events >= 105 and everything_happened(application):
                break
        seconds = count()  # what is tried again later need not be waited for
        with open_worker(worker.settings, clock=lambda: utc_now() + timedelta(seconds=next(seconds))) as later:
            later.drain(until_empty=True)
        yield Weather(Data.read(client.get_default_database()), application)
        mongodb_janitor.drop_database(client.get_default_database().name)


def everything_happened(application: Application) -> bool:
    """Return whether each fate was met: which task is chosen depends on when the worker's were made."""
    return (
        any(series.fate is Fate.KEPT and series.completed for series in application.series)
        and any(series.pruned for series in application.series)
        and any(series.gone for series in application.series)
    )


def test_in_calm_weather_the_checks_find_nothing(calm: Weather) -> None:
    assert everything_happened(calm.application)
    assert findings(calm.data, calm.application) == []


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Weather.lose_a_slot, "are lost"),
        (Weather.make_a_slot_twice, "is there 2 times"),
        (Weather.make_one_too_many, "should not be there"),
        (Weather.use_a_number_twice, "taskId"),
        (Weather.move_a_date, "is due"),
        (Weather.complete_a_task, "isCompleted is True"),
        (Weather.leave_an_orphan, "which is gone"),
        (Weather.leave_an_event, "ended processing"),
        (Weather.refuse_an_event, "ended rejected"),
        (Weather.lose_an_event, "1 events are lost"),
        (Weather.forget_who_created, "events say that they created"),
        (Weather.create_by_two_events, "was created by"),
        (Weather.repeat_an_activity, "2 times in the log"),
        (Weather.lose_an_activity, "1 occurrences have no activity"),
        (Weather.lose_the_activity_of_a_deletion, "they differ"),
        (Weather.lose_the_copies, "vanished without a copy"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_checks_find_what_is_wrong(calm: Weather, harm: Callable[[Weather], None], words: str) -> None:
    """Else a chaos run that finds nothing says nothing."""
    harmed = Weather(deepcopy(calm.data), calm.application)
    harm(harmed)

    wrong = findings(harmed.data, harmed.application)

    assert any(words in text for text in wrong), wrong
