"""The steps from the previous worker to this one: what each needs of the database, writes, and lets follow."""

import signal
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo.database import Database

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.domain.errors import DatabaseUnavailable
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.heartbeats import Part
from recurrence_pipeline.switch.names import THERE, Step
from recurrence_pipeline.worker.polling import PAUSE_UNFINISHED
from recurrence_pipeline_tests.switch.application import Application
from recurrence_pipeline_tests.switch.conftest import MakeSwitch


def everything(db: Database[Document]) -> dict[str, list[Document]]:
    return {name: list(db[name].find().sort("_id", 1)) for name in sorted(db.list_collection_names())}


def prepared(switch: MakeSwitch) -> None:
    assert switch().run(Step.INIT_DB).done


# Each step asks the database for what it needs


@pytest.mark.parametrize("step", [Step.SHADOW, Step.INIT_DB])
def test_a_database_without_recurring_tasks_is_left_as_it_is(
    db: Database[Document], switch: MakeSwitch, step: Step
) -> None:
    """It is another one than the application's: MONGODB_URL is wrong."""
    result = switch().run(step)
    assert not result.done
    assert "MONGODB_URL" in result.advice[0]
    assert db.list_collection_names() == []


@pytest.mark.parametrize("step", [Step.BACKFILL, Step.STOP, Step.GO, Step.BACK])
def test_no_step_goes_before_the_database_is_prepared(application: Application, switch: MakeSwitch, step: Step) -> None:
    before = everything(application.db)
    with pytest.raises(DatabaseUnavailable, match="run `recurrence init-db` first"):
        switch().run(step)
    assert everything(application.db) == before


@pytest.mark.parametrize("step", [Step.SHADOW, Step.BACKFILL, Step.STOP])
def test_a_step_that_looks_writes_nothing(application: Application, switch: MakeSwitch, step: Step) -> None:
    if step is not Step.SHADOW:
        prepared(switch)
    before = everything(application.db)
    switch().run(step)
    assert everything(application.db) == before


@pytest.mark.parametrize("step", THERE)
def test_a_step_that_is_done_twice_writes_nothing_twice(
    application: Application, switch: MakeSwitch, step: Step
) -> None:
    prepared(switch)
    application.write_events()
    application.create("weekly")
    assert switch().run(step).done
    before = everything(application.db)
    assert switch().run(step).done
    assert everything(application.db) == before


# Both at once


def _create(application: Application, series: ObjectId) -> None:
    application.create("weekly")


def _complete(application: Application, series: ObjectId) -> None:
    application.complete(series)


def _delete(application: Application, series: ObjectId) -> None:
    application.delete(series)


def _fail(application: Application, series: ObjectId) -> None:
    application.create("hourly")


def _clean(application: Application, series: ObjectId) -> None:
    application.create("none", parentRecurringId=ObjectId())
    application.cleanup()


@pytest.mark.parametrize("step", [Step.STOP, Step.GO])
@pytest.mark.parametrize("act", [_create, _complete, _delete, _fail, _clean])
def test_whatever_the_previous_worker_does_in_the_watch_is_noticed(
    application: Application,
    switch: MakeSwitch,
    step: Step,
    act: Callable[[Application, ObjectId], None],
) -> None:
    """One process of the application that still calls its own worker is enough, though another writes events."""
    prepared(switch)
    series = application.create("daily")
    application.write_events()
    application.create("weekly")
    application.call_its_own_worker()
    waits = list[float]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            act(application, series)

    result = switch(wait=wait).run(step)
    assert not result.done
    assert result.figures["previousWorker"] == "at work"
    assert "is at work" in result.found[0]
    assert "Every process of the application" in result.advice[0]
    assert len(waits) == 1, "it is told of at once"
    assert application.db["task_events"].count_documents({"status": "pending"}) == 1, "nothing was processed"


def test_a_previous_worker_that_begins_again_while_this_one_processes_is_noticed(
    application: Application, switch: MakeSwitch
) -> None:
    prepared(switch)
    application.write_events()
    application.create("weekly")
    soon = utc_now() + timedelta(seconds=1)
    application.db["task_events"].update_many({}, {"$set": {"availableAt": soon}})
    application.call_its_own_worker()
    begun = list[ObjectId]()

    def wait(seconds: float) -> None:
        if seconds == PAUSE_UNFINISHED and not begun:
            begun.append(application.create("daily"))

    result = switch(wait=wait).run(Step.GO)
    assert begun
    assert (result.done, result.figures["previousWorker"]) == (False, "at work")


def test_what_this_worker_does_in_the_watch_is_not_taken_for_the_previous_ones(
    application: Application, switch: MakeSwitch, worker: Worker
) -> None:
    """It runs already where `/internal` was sent to its API."""
    prepared(switch)
    application.write_events()
    application.create("weekly")

    def wait(_: float) -> None:
        series = application.create("daily")
        refused = application.create("hourly")
        custom = application.create("custom", recurrence={"rule": "FREQ=DAILY", "added": ["2040-01-01T09:00"]})
        worker.process_pending()
        application.complete(series)
        application.complete(custom)
        worker.process_pending()
        application.delete(series)
        worker.process_pending()
        done = {
            line["action"] for line in application.db["useractivities"].find({"taskId": {"$in": [series, refused]}})
        }
        assert done >= {"RECURRING_TASK_UPDATED", "RECURRING_TASKS_DELETED", "WORKER_CREATE_FAILED"}

    result = switch(wait=wait).run(Step.STOP)
    assert (result.done, result.figures["previousWorker"], result.figures["marks"]) == (True, "silent", [])


@pytest.mark.parametrize("it", ["at work", "silent"])
def test_however_much_is_written_in_the_watch_hides_nothing(
    application: Application, switch: MakeSwitch, it: str
) -> None:
    """Neither what the previous worker writes, nor the task that it leaves without an answer."""
    prepared(switch)
    series = application.create("daily")
    application.write_events()
    application.create("weekly")
    if it == "at work":
        application.call_its_own_worker()

    def wait(_: float) -> None:
        if not application.db["tasks"].find_one({"title": "flood"}):
            application.complete(series)
            application.flood(1200)

    assert switch(wait=wait).run(Step.STOP).figures["previousWorker"] == it


def test_a_silence_in_which_nothing_was_to_be_done_proves_nothing(application: Application, switch: MakeSwitch) -> None:
    prepared(switch)
    result = switch().run(Step.STOP)
    assert (result.done, result.figures["previousWorker"]) == (False, "unknown")
    assert "Create a recurring task" in result.advice[0]
    assert not switch().run(Step.GO).done
    assert switch(allow_quiet=True).run(Step.STOP).done
    assert switch(allow_quiet=True).run(Step.GO).done


def test_a_task_that_the_previous_worker_would_refuse_proves_nothing(
    application: Application, switch: MakeSwitch
) -> None:
    prepared(switch)
    application.write_events()
    application.create("daily", due=timedelta(days=-9))
    application.create("yearly")
    application.create("none")
    application.create("daily", recurrence={"horizon": 5})
    assert switch().run(Step.STOP).figures["previousWorker"] == "unknown"


def test_a_task_that_was_created_in_the_watch_proves_nothing_yet(
    application: Application, switch: MakeSwitch, worker: Worker
) -> None:
    """The previous worker may be about to answer; the next watch tells."""
    prepared(switch)
    application.write_events()
    worker.parts.beat(worker.parts.process(Part.API, "1", 8000))
    steps = switch(wait=lambda _: application.create("daily"))
    assert steps.run(Step.STOP).figures["previousWorker"] == "unknown"
    result = steps.run(Step.STOP)
    assert (result.done, result.figures["handed"]) == (True, 3)
    assert "alive: api on" in result.found[-1], "who takes over is said"


def test_a_task_from_before_its_last_sign_proves_nothing(application: Application, switch: MakeSwitch) -> None:
    """It was lost, as happens there: the worker went on after it."""
    prepared(switch)
    series = application.create("daily")
    application.write_events()
    application.create("weekly")
    application.call_its_own_worker()
    application.complete(series)
    assert switch().run(Step.STOP).figures["previousWorker"] == "unknown"


@pytest.mark.parametrize("counter", [None, "12", 10**6])
def test_odd_documents_and_counters_cost_nobody_the_watch(
    application: Application, switch: MakeSwitch, counter: object
) -> None:
    prepared(switch)
    application.write_events()
    application.create("weekly")
    number = 100
    for odd in ("text", 7, None, [1], {"a": 1}, ObjectId()):
        number += 1
        task = {"_id": odd if odd not in (None, [1]) else ObjectId(), "taskId": number, "repeatType": odd}
        application.db["tasks"].insert_one(task | {"parentRecurringId": odd, "createdAt": odd})
        line = {"activityId": number, "action": "RECURRING_TASKS_DELETED", "taskId": odd, "timestamp": odd}
        application.db["useractivities"].insert_one(line | {"_id": task["_id"]})
        application.db["useractivities"].insert_one({"activityId": -number, "action": odd})
    for name in ("tasks", "useractivities"):
        application.db["counters"].update_one({"_id": name}, {"$set": {"sequence_value": counter}})
    result = switch().run(Step.STOP)
    assert result.figures["previousWorker"] in ("silent", "unknown")
    assert switch().overview()


# Going on where it was


def test_a_switch_that_is_cut_off_anywhere_goes_on_there(
    application: Application, switch: MakeSwitch, worker: Worker
) -> None:
    """Each `switch()` stands for a new process, which knows what the database says."""
    assert switch().remaining() == list(THERE)
    switch().run(Step.SHADOW)
    assert switch().remaining() == list(THERE)
    switch().run(Step.INIT_DB)
    assert switch().remaining() == [Step.BACKFILL, Step.STOP, Step.GO]
    switch().run(Step.BACKFILL)
    assert switch().remaining() == [Step.BACKFILL, Step.STOP, Step.GO], "what only looks is looked at again"
    application.write_events()
    application.create("weekly")
    assert switch().run(Step.STOP).done
    assert switch().remaining() == [Step.GO]
    assert switch().run(Step.GO).done
    assert switch().remaining() == [Step.GO], "nothing of this worker runs yet"
    worker.parts.beat(worker.parts.process(Part.DAGSTER, "1"))
    assert switch().remaining() == []


def test_going_on_the_series_of_the_previous_worker_are_kept_ahead_without_a_day_twice(
    application: Application, switch: MakeSwitch
) -> None:
    series = application.create("daily")
    prepared(switch)
    application.complete(series)
    assert application.days(series) == [1, 2, 3, 4]
    application.write_events()
    application.complete(application.occurrences(series)[0]["_id"])
    later = application.create("weekly")

    result = switch().run(Step.GO)
    assert (result.done, result.figures["processed"]) == (True, 2)
    assert application.days(series) == [1, 2, 3, 4, 5]
    assert application.days(later) == [7, 14, 21]
    assert application.db["task_events"].count_documents({"status": "completed"}) == 2


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have an interrupt raise KeyboardInterrupt, also where a shell runs the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_watch_that_is_cut_off_has_written_nothing(application: Application, switch: MakeSwitch) -> None:
    prepared(switch)
    application.write_events()
    application.create("weekly")
    before = everything(application.db)
    with pytest.raises(KeyboardInterrupt):
        switch(wait=lambda _: signal.raise_signal(signal.SIGINT)).run(Step.GO)
    assert everything(application.db) == before


@pytest.mark.usefixtures("interruptible")
def test_a_signal_ends_the_processing_between_two_batches_and_the_next_time_it_goes_on(
    application: Application, switch: MakeSwitch
) -> None:
    prepared(switch)
    application.write_events()
    series = application.create("weekly")
    application.complete(series)
    later = {"$set": {"availableAt": utc_now() + timedelta(hours=1)}}
    application.db["task_events"].update_one({"operation": "complete"}, later)

    def wait(seconds: float) -> None:
        if seconds == PAUSE_UNFINISHED:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        switch(wait=wait).run(Step.GO)
    assert application.days(series) == [7, 14, 21, 28]
    assert [each["status"] for each in application.db["task_events"].find()] == ["completed", "pending"]
    application.db["task_events"].update_one({"status": "pending"}, {"$set": {"availableAt": utc_now()}})
    assert switch().run(Step.GO).figures["processed"] == 1
    assert application.days(series) == [7, 14, 21, 28]


# The way back


@pytest.fixture
def switched(application: Application, switch: MakeSwitch) -> ObjectId:
    """Return a series that this worker made after the switch."""
    prepared(switch)
    application.write_events()
    series = application.create("daily")
    assert switch().run(Step.GO).done
    assert application.days(series) == [1, 2, 3]
    return series


def test_before_going_back_what_was_handed_over_is_processed_and_what_runs_is_named(
    application: Application, switch: MakeSwitch, worker: Worker, switched: ObjectId
) -> None:
    dagster = worker.parts.process(Part.DAGSTER, "1")
    worker.parts.beat(dagster)
    application.complete(switched)
    application.create("yearly")
    application.create("custom", recurrence={"rule": "FREQ=WEEKLY;BYDAY=MO"})
    application.create("daily", timezone="Europe/Berlin")

    result = switch().run(Step.BACK)
    assert not result.done
    assert application.days(switched) == [1, 2, 3, 4], "the completion is not lost on the way"
    assert result.figures["processed"] == 4
    assert "Alive: dagster on" in result.found[1]
    assert "Stop this worker" in result.advice[0]
    assert "1 series of custom" in result.found[2]
    assert result.figures["beyond"] == 3

    worker.parts.leave(dagster)
    assert switch().run(Step.BACK).done


def test_going_back_an_application_that_still_writes_events_is_noticed(
    application: Application, switch: MakeSwitch, switched: ObjectId
) -> None:
    """Else both do the same work: this one at the next step, the previous one at once."""
    came = list[ObjectId]()

    def wait(_: float) -> None:
        came.append(application.create("weekly"))

    result = switch(wait=wait).run(Step.BACK)
    assert (result.done, result.figures["unfinished"], len(came)) == (False, 1, 1)
    assert "write no more events" in result.advice[0]
    assert switch().run(Step.BACK).done
    assert application.days(came[0]) == [7, 14, 21], "what came is not lost"


def test_after_going_back_the_reads_and_writes_of_the_previous_worker_work(
    application: Application, switch: MakeSwitch, switched: ObjectId
) -> None:
    """With all indexes, validators, counters and documents that this worker has added."""
    assert switch().run(Step.BACK).done
    application.call_its_own_worker()

    application.complete(switched)
    assert application.days(switched) == [1, 2, 3, 4], "it goes on behind the tasks of this worker"
    application.complete(application.occurrences(switched)[0]["_id"])
    assert application.days(switched) == [1, 2, 3, 4, 5]
    new = application.create("monthly")
    assert len(application.occurrences(new)) == 3
    counted = application.stats()
    assert (counted["recurringTasks"], counted["recurringInstances"]) == (3, 3 + 5 + 3)

    application.delete(switched)
    assert application.occurrences(switched) == [], "tasks of both went"
    orphan = application.occurrences(new)[0]["_id"]
    application.db["tasks"].update_one({"_id": orphan}, {"$set": {"parentRecurringId": ObjectId()}})
    assert application.cleanup() == 1
    numbers = application.db["tasks"].distinct("taskId")
    assert len(numbers) == application.db["tasks"].count_documents({})


def test_here_again_after_going_back_nothing_is_made_twice(
    application: Application, switch: MakeSwitch, switched: ObjectId
) -> None:
    """Neither for events that were written meanwhile, nor where what the previous worker made is deleted later."""
    application.write_events()
    quiet = application.create("daily")
    assert switch().run(Step.BACK).done
    application.call_its_own_worker()
    for series in (switched, quiet):
        application.complete(series)
        application.complete(application.occurrences(series)[0]["_id"])
        assert application.days(series) == [1, 2, 3, 4, 5]
    application.write_events()
    for told in (switched, application.occurrences(switched)[0]["_id"]):
        application.complete(told)
    application.create("weekly")

    result = switch().run(Step.GO)
    assert (result.done, result.figures["processed"], result.figures["cursorsMoved"]) == (True, 3, 1)
    assert application.days(switched) == [1, 2, 3, 4, 5]
    application.delete(application.occurrences(quiet)[-1]["_id"])
    application.complete(quiet)
    switch().run(Step.GO)
    assert application.days(quiet) == [1, 2, 3, 4], "what a person deleted stays deleted"
