"""`recurrence shadow` on databases that the previous worker wrote: every fault is found, and nothing else."""

import json
import random
import tracemalloc
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.shadow.rules import Judgement, Verdict
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA
from recurrence_pipeline.storage.shadow_reads import ShadowReads
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.shadow.previous_worker import PreviousWorker
from recurrence_pipeline_tests.world import World, utc

BEGIN = utc(2024, 1, 1, 12)
"""The beginning of the time that is compared; the worlds of these tests begin a month before."""


@pytest.fixture
def before(world: World) -> PreviousWorker:
    """Return the previous worker, a month before what is compared."""
    world.now = utc(2023, 12, 1, 12)
    return PreviousWorker(world)


def found(world: World) -> dict[str, Judgement]:
    """Look a day after the last thing that happened, and return what is said of each series."""
    world.pass_time(days=1)
    return {each.series_id: each for each in world.worker.shadow.judgements(BEGIN)}


def faults(judgement: Judgement) -> list[tuple[Verdict, int | None]]:
    return [(fault.verdict, fault.slot) for fault in judgement.faults]


# What it does well, and each of its habits, alone


def test_a_series_that_it_kept_well_is_the_same(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    task = before.task(utc(2024, 1, 15, 9), "weekly")
    before.create(task)
    before.complete(task)
    before.complete(before.members(task)[0])
    before.flush()
    (judgement,) = found(world).values()
    assert (judgement.verdict, judgement.faults) == (Verdict.SAME, ())


def test_a_creation_that_came_twice_is_seen_slot_by_slot(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    task = before.task(utc(2024, 1, 15, 9), "daily")
    before.create(task)
    before.create(task)
    before.flush()
    (judgement,) = found(world).values()
    assert faults(judgement) == [(Verdict.DOUBLED, slot) for slot in (1, 2, 3)]
    assert "2 tasks on slot 1" in judgement.faults[0].text
    assert len(judgement.faults[0].task_ids) == 2


def test_a_completion_that_came_twice_left_one_task_too_many(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    task = before.task(utc(2024, 1, 15, 9), "daily")
    before.create(task)
    before.complete(task, times=2)
    before.flush()
    (judgement,) = found(world).values()
    assert faults(judgement) == [(Verdict.DOUBLED, 5)]
    assert judgement.faults[0].text == "A task on slot 5: the series is kept ahead to slot 4."


def test_month_ends_that_drift_are_told_with_the_date_that_is_right(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    task = before.task(utc(2024, 1, 31, 9), "monthly")
    before.create(task)
    before.flush()
    (judgement,) = found(world).values()
    assert faults(judgement) == [(Verdict.DIFFERS, 2), (Verdict.DIFFERS, 3)]
    assert judgement.faults[0].text == "Slot 2 is Sun 2024-03-31 09:00, and its task at Fri 2024-03-29 09:00."
    assert "Fri 2024-03-29 is not on the rule" in judgement.faults[0].explained


def test_a_series_that_ended_because_all_was_overdue_is_lost(world: World, before: PreviousWorker) -> None:
    task = before.task(utc(2023, 12, 2, 9), "daily")
    before.create(task)
    world.now = utc(2024, 1, 5)
    before.complete(before.members(task)[-1])
    before.flush()
    (judgement,) = found(world).values()
    assert faults(judgement) == [(Verdict.LOST, slot) for slot in (4, 5, 6, 7)]
    assert "due to be made by the next event" in judgement.faults[0].explained


def test_a_creation_that_it_never_heard_of_is_lost(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    before.task(utc(2024, 1, 15, 9), "daily")
    before.task(utc(2024, 1, 15, 9), "none")
    before.flush()
    (judgement,) = found(world).values()
    assert faults(judgement) == [(Verdict.LOST, slot) for slot in (1, 2, 3)]


def test_what_may_not_recur_and_did_is_what_we_would_refuse(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    made = before.task(utc(2023, 6, 1, 9), "daily")
    before.task(utc(2023, 6, 1, 9), "daily")  # both refuse it: the same
    before.create(made)
    before.flush()
    judgements = found(world)
    assert Counter(each.verdict for each in judgements.values()) == {Verdict.REFUSED: 1, Verdict.SAME: 1}
    (fault,) = judgements[str(made["_id"])].faults
    assert fault.explained == "Due date for recurring tasks should not be more than 1 day in the past"


def test_a_series_inside_the_series_is_seen(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    task = before.task(utc(2024, 1, 15, 9), "daily")
    before.create(task)
    before.create(before.members(task)[2])
    before.flush()
    (judgement,) = found(world).values()
    assert faults(judgement) == [(Verdict.DOUBLED, 3)]
    assert "A series of 3 tasks was begun inside the series" in judgement.faults[0].text


# What is no fault of it


def test_what_a_person_deleted_was_not_lost(world: World, before: PreviousWorker) -> None:
    """The log says that it was made; one in the middle leaves a gap, which this worker would leave as well."""
    world.now = BEGIN
    last, middle = before.task(utc(2024, 1, 15, 9), "daily"), before.task(utc(2024, 1, 15, 9), "weekly")
    before.create(last)
    world.pass_time(hours=1)
    before.create(middle)
    middle["createdAt"] = middle["updatedAt"] = world.now
    before.delete(before.members(last)[2])
    before.delete(before.members(middle)[1])
    before.flush()
    assert [each.verdict for each in found(world).values()] == [Verdict.SAME] * 2


def test_each_task_that_was_deleted_excuses_one_slot_and_no_more(world: World, before: PreviousWorker) -> None:
    """A completion within the minute of the creation answers for the same lines of the log: they count once."""
    world.now = BEGIN
    task = before.task(utc(2024, 1, 15, 9), "daily")
    before.create(task)
    before.delete(before.members(task)[2])
    world.pass_time(seconds=20)
    task["isCompleted"], task["updatedAt"] = True, world.now  # of which it never heard
    before.flush()
    (judgement,) = found(world).values()
    assert faults(judgement) == [(Verdict.LOST, 4)]


def test_what_a_person_moved_stands_on_its_slot(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    task = before.task(utc(2024, 1, 15, 9), "daily")
    before.create(task)
    before.members(task)[1]["dueDate"] = utc(2024, 2, 20, 9)
    before.flush()
    assert [each.verdict for each in found(world).values()] == [Verdict.SAME]


def test_faults_from_before_the_time_are_not_told_again(world: World, before: PreviousWorker) -> None:
    task, drifted = before.task(utc(2024, 2, 1, 9), "daily"), before.task(utc(2024, 1, 31, 9), "monthly")
    before.create(task)
    before.create(task)
    before.create(drifted)
    world.now = BEGIN
    before.complete(drifted)
    before.flush()
    judgements = found(world)
    assert faults(judgements[str(drifted["_id"])]) == [(Verdict.DIFFERS, 4)]
    assert str(task["_id"]) not in judgements, "nothing happened in it"
    assert world.worker.shadow.compare(BEGIN).as_json()["notJudged"]["quiet"] == 1


def test_what_this_worker_made_is_not_held_against_the_previous_one(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    before.create(before.task(utc(2024, 1, 15, 9), "daily"))
    before.flush()
    world.create(utc(2024, 1, 31, 9), "monthly")
    assert [each.verdict for each in found(world).values()] == [Verdict.SAME]
    assert world.worker.shadow.compare(BEGIN).as_json()["notJudged"]["ours"] == 1


def test_a_series_that_may_still_be_worked_on_is_left_for_later(world: World, before: PreviousWorker) -> None:
    world.now = BEGIN
    before.task(utc(2024, 1, 15, 9), "daily")
    before.flush()
    world.pass_time(seconds=30)
    assert world.worker.shadow.compare(BEGIN).as_json()["notJudged"]["unsettled"] == 1
    world.pass_time(seconds=60)
    assert world.worker.shadow.compare(BEGIN).verdicts == {Verdict.LOST: 1}


def test_odd_tasks_cost_nobody_the_report(world: World, before: PreviousWorker) -> None:
    """Dates that are none, lie before the first one, or at the end of time; a log that lacks its fields."""
    world.now = BEGIN
    for odd in ("soon", utc(1, 1, 1), utc(2023, 5, 5), utc(9999, 12, 30), None):
        task = before.task(utc(2024, 1, 15, 9), "daily")
        before.create(task)
        before.task(utc(2024, 1, 15, 9), "daily", parentRecurringId=task["_id"], originalDueDate=odd, dueDate=odd)
    before.task(utc(2024, 1, 15, 9), "hourly")
    before.flush()
    world.worker.mongo.activities.insert_one(
        {"activityId": 10**6, "action": "RECURRING_TASK_CREATED", "timestamp": BEGIN, "taskId": "none"}
    )
    verdicts = Counter(each.verdict for each in found(world).values())
    assert verdicts.total() == 6
    assert verdicts[Verdict.SAME] >= 3


# A whole database


Habit = Callable[[World, PreviousWorker, Document], list[tuple[Verdict, int]]]


def _well(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    return []


def _twice(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    worker.create(task)
    return [(Verdict.DOUBLED, slot) for slot in (1, 2, 3)]


def _completed_twice(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    worker.complete(task, times=3)
    return [(Verdict.DOUBLED, 5), (Verdict.DOUBLED, 6)]


def _never(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    return [(Verdict.LOST, slot) for slot in (1, 2, 3)]


def _deleted_last(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    worker.delete(worker.members(task)[-1])
    return []


def _ended(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    begun, world.now = world.now, worker.members(task)[-1]["dueDate"] + timedelta(days=1)
    for member in (task, *worker.members(task)):
        worker.complete(member)
    world.now = begun
    return [(Verdict.LOST, slot) for slot in (4, 5, 6, 7)]


def _twice_at_once(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    for _ in range(4):
        worker.create(task)
    return [(Verdict.DOUBLED, slot) for slot in (1, 2, 3)]


def _inside(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    worker.create(worker.members(task)[1])
    return [(Verdict.DOUBLED, 2)]


def _moved(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    worker.members(task)[0]["dueDate"] += timedelta(days=2)
    return []


def _completed(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    worker.create(task)
    worker.complete(task)
    worker.complete(worker.members(task)[0])
    return []


def _completed_at_once(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    """Two processes read the same last task, and each makes the one behind it."""
    worker.create(task)
    worker.complete(task)
    worker.repeat(worker.members(task)[-1])
    return [(Verdict.DOUBLED, 4)]


def _cut_off(world: World, worker: PreviousWorker, task: Document) -> list[tuple[Verdict, int]]:
    """A creation that failed midway is sent again."""
    worker.create(task, slots=1)
    worker.create(task)
    return [(Verdict.DOUBLED, 1)]


HABITS: list[Habit] = [
    *(_well, _well, _completed, _moved, _deleted_last),
    *(_twice, _twice_at_once, _completed_twice, _completed_at_once, _cut_off, _never, _ended, _inside),
]


@pytest.fixture
def planted(world: World) -> dict[str, list[tuple[Verdict, int]]]:
    """Return what is wrong with each of 550 series, by its id, in a database that the previous worker wrote."""
    chance, expected = random.Random(7), dict[str, list[tuple[Verdict, int]]]()
    world.now = BEGIN
    worker = PreviousWorker(world)
    for _ in range(500):
        world.pass_time(minutes=5)
        rule = chance.choice(["daily", "weekly", "monthly"])
        due = world.now + timedelta(days=chance.randrange(40))
        if rule == "monthly" and due.day > 28:
            due = due.replace(day=28)
        task = worker.task(due, rule)
        expected[str(task["_id"])] = chance.choice(HABITS)(world, worker, task)
    for _ in range(50):
        world.pass_time(minutes=5)
        task = worker.task(utc(2024, 1, 31, 9), "monthly")
        worker.create(task)
        expected[str(task["_id"])] = [(Verdict.DIFFERS, 2), (Verdict.DIFFERS, 3)]
    worker.flush()
    world.now = utc(2025, 1, 1)
    return expected


def test_every_fault_that_was_planted_is_found_and_nothing_else(
    world: World, planted: dict[str, list[tuple[Verdict, int]]]
) -> None:
    said = {each.series_id: faults(each) for each in world.worker.shadow.judgements(BEGIN)}
    assert said == planted
    report = world.worker.shadow.compare(BEGIN)
    assert report.faults == Counter(verdict for each in planted.values() for verdict, _ in each)
    assert len(report.worst) == 20
    assert all(len(each.faults) == 4 for each in report.worst)


def test_whatever_people_do_is_no_fault_of_a_worker_that_did_its_work(world: World) -> None:
    """Completed in order, taken back, moved, renamed, deleted at the end and in the middle, in any mixture."""
    chance = random.Random(11)
    world.now = BEGIN
    worker = PreviousWorker(world)
    histories = dict[str, list[str]]()
    for _ in range(300):
        task = worker.task(world.now + timedelta(days=chance.randrange(1, 20)), chance.choice(["daily", "weekly"]))
        worker.create(task)
        acts = histories[str(task["_id"])] = []
        for _ in range(chance.randrange(6)):
            world.pass_time(minutes=5)
            acts.append(chance.choice(ACTS))
            act(worker, task, acts[-1])
    worker.flush()
    world.now = utc(2025, 1, 1)
    said = {each.series_id: faults(each) for each in world.worker.shadow.judgements(BEGIN)}
    assert {(tuple(histories[i]), tuple(found)) for i, found in said.items() if found} == set()
    assert len(said) == 300


ACTS = ["complete", "complete", "complete", "reopen", "move", "rename", "delete last", "delete one"]


def act(worker: PreviousWorker, task: Document, what: str) -> None:
    """Do that to a series, where it can be done; a task is completed once at most, for it makes one more each time."""
    series = [task, *worker.members(task)]
    last_told = max((n for n, each in enumerate(series) if worker.was_completed(each)), default=-1)
    still_open = series[last_told + 1 :]
    done = [each for each in series if each["isCompleted"]]
    match what:
        case "complete" if len(still_open) > 1:
            worker.complete(still_open[0])
        case "reopen" if done:
            worker.reopen(done[-1])
        case "move" if still_open:
            still_open[-1]["dueDate"] += timedelta(hours=5)
        case "rename" if still_open:
            still_open[0]["title"] += "!"
        case "delete last" if series[-1] is not task:
            worker.delete(series[-1])
        case "delete one" if len(series) > 2:
            worker.delete(series[1])


def drifted(world: World, there: set[ObjectId]) -> set[str]:
    """Return the monthly tasks that are on another day than their original's, or the last one of a shorter month."""
    stored = {task["_id"]: task for task in world.worker.mongo.tasks.find({"_id": {"$in": list(there)}})}
    firsts = {task_id: task["originalDueDate"] for task_id, task in stored.items()}
    monthly = [t for t in stored.values() if t["repeatType"] == "monthly" and t["parentRecurringId"] in stored]
    days = {t["_id"]: (t["originalDueDate"], firsts[t["parentRecurringId"]]) for t in monthly}
    return {str(i) for i, (at, first) in days.items() if at.day != min(first.day, monthrange(at.year, at.month)[1])}


def test_on_the_sample_it_says_lost_what_the_worker_then_makes(world: World) -> None:
    """The sample was written by the previous worker, which was away then: whatever it missed is processed here."""
    world.worker.import_folder(SAMPLE_DATA)
    world.now = utc(2026, 1, 1)
    said = list(world.worker.shadow.judgements(utc(2000, 1, 1)))
    lost = {each.series_id: {f.slot for f in each.faults if f.verdict is Verdict.LOST} for each in said}
    differing = {f.task_ids[0] for each in said for f in each.faults if f.verdict is Verdict.DIFFERS}
    there = set(world.worker.mongo.tasks.distinct("_id"))

    world.worker.backfill.run()
    world.worker.drain(until_empty=True, wait=lambda _: world.pass_time(minutes=10))

    made = defaultdict[str, set[int]](set)
    for task in world.worker.mongo.tasks.find({"_id": {"$nin": list(there)}}):
        made[str(task["parentRecurringId"])].add(task["occurrenceNumber"])
    assert {series_id: slots for series_id, slots in lost.items() if slots} == dict(made)
    assert differing == drifted(world, there) != set()
    assert {f.verdict for each in said for f in each.faults} == {Verdict.LOST, Verdict.DIFFERS}


# Reads only, page by page


def test_of_a_task_that_was_deleted_only_a_number_is_kept_in_memory(world: World) -> None:
    """Else a window in which people deleted 100,000 tasks takes 6 MB, and each series is held against all of them."""
    users = [ObjectId() for _ in range(20)]
    line = {"action": "RECURRING_TASK_CREATED", "timestamp": BEGIN}
    for first in range(0, 10_000, 500):
        world.worker.mongo.activities.insert_many(
            line | {"activityId": n, "userId": users[n % 20], "taskId": ObjectId()} for n in range(first, first + 500)
        )
    reads = ShadowReads(world.worker.mongo, read_chunk=100)
    tracemalloc.start()
    try:
        gone = reads.undone(BEGIN).made
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(moments) for moments in gone.values()] == [500] * 20
    assert kept < 10_000 * 30


class Commands(CommandListener):
    """Notes the commands that are sent."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.stages = set[str]()

    def started(self, event: CommandStartedEvent) -> None:
        self.sent[event.command_name] += 1
        self.stages |= {name for stage in event.command.get("pipeline", []) for name in stage}

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Be silent."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Be silent."""


def test_a_log_that_takes_long_to_look_through_is_waited_for(world: World, before: PreviousWorker) -> None:
    """Its lines are looked up in the tasks one by one, which takes a busy server longer than a command may."""
    world.now = BEGIN
    before.create(before.task(utc(2024, 1, 15, 9), "daily"))
    before.flush()
    hasty = Settings.from_environment({"MONGODB_URL": world.settings.mongodb_url, "WORKER_TIMEOUT": "4000"})
    slow = {"failCommands": ["aggregate"], "blockConnection": True, "blockTimeMS": 4500}
    admin = world.worker.mongo.client.admin
    admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=slow)
    try:
        with open_worker(hasty, clock=lambda: utc(2024, 1, 3)) as worker:
            assert worker.shadow.compare(BEGIN).series == 1
    finally:
        admin.command("configureFailPoint", "failCommand", mode="off")


def test_it_only_reads_and_a_page_costs_a_constant_number_of_commands(
    world: World, planted: dict[str, list[tuple[Verdict, int]]]
) -> None:
    commands = Commands()
    with open_worker(world.settings, clock=lambda: world.now, listeners=[commands]) as worker:
        report = worker.shadow.compare(BEGIN)
    assert report.series == len(planted)
    assert set(commands.sent) <= {"find", "aggregate", "getMore", "count", "ping", "endSessions"}
    assert commands.stages.isdisjoint({"$out", "$merge"})
    assert commands.sent.total() < len(planted) / 4, "far fewer than series"


def test_a_user_that_may_only_read_is_enough(tmp_path: Path, run: Run) -> None:
    """Whoever tries it out hands it such a user, and need not believe us."""
    with EmbeddedServer.start(tmp_path, arguments=["--sync-on-commit"]) as server:
        world = World(server.url("tasks"), now=BEGIN)
        before = PreviousWorker(world)
        before.create(before.task(utc(2024, 1, 31, 9), "monthly"))
        before.flush()
        roles = [{"role": "read", "db": "tasks"}]
        world.worker.mongo.client.admin.command("createUser", "reader", pwd="r", roles=roles)
        world.close()
        server.kill()
    with EmbeddedServer.start(tmp_path, arguments=["--auth"]) as server:
        url = server.url("tasks").replace("mongodb://", "mongodb://reader:r@") + "&authSource=admin"
        with MongoClient[Document](url) as client, pytest.raises(OperationFailure, match="not authorized"):
            client.tasks.tasks.insert_one({})
        settings = Settings.from_environment({"MONGODB_URL": url})
        with open_worker(settings, clock=lambda: utc(2024, 1, 3)) as worker:
            (judgement,) = worker.shadow.judgements(BEGIN)
        asked = ("--since", "2024-01-01T12:00Z", "--json")
        told = run("shadow", *asked, MONGODB_URL=url).json
        step = run("switch", "--step", "shadow", *asked, MONGODB_URL=url).json
        refused = run("switch", "--step", "init-db", MONGODB_URL=url)
        server.kill()
    assert judgement.verdict is Verdict.DIFFERS
    assert (told["series"]["differs"], step["figures"]["faults"]) == (1, 2)
    assert (refused.code, refused.out) == (1, "")
    assert "not authorized" in refused.err


def test_it_is_printed_and_written_with_a_picture(
    run: Run, world: World, before: PreviousWorker, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    world.now = BEGIN
    for number in range(25):
        before.create(before.task(utc(2024, 1, 31, 9), "monthly", title=f"Pay | *rent* {number}"))
    before.create(before.task(utc(2024, 1, 15, 9), "monthly"))
    before.flush()
    asked = ("shadow", "--since", "2024-01-01T12:00Z")

    shown = run(*asked)
    assert shown.code == 0
    assert "26 series in which something happened; 1 came out the same." in shown.out
    told = json.loads(run(*asked, "--json").out)
    assert (told["series"]["differs"], told["faults"]["differs"], len(told["worst"])) == (25, 50, 20)
    assert run(*asked, "--output", str(tmp_path / "made")).code == 0
    text = (tmp_path / "made" / "shadow.md").read_text()
    assert "![Series, by what became of them](shadow.png)" in text
    assert "### Pay \\| \\*rent\\* " in text
    assert (tmp_path / "made" / "shadow.png").read_bytes().startswith(b"\x89PNG")


def test_it_needs_no_init_db(run: Run) -> None:
    told = json.loads(run("shadow", "--json").out)
    assert sum(told["series"].values()) == 0


def test_what_is_no_time_is_refused_by_name(run: Run) -> None:
    ran = run("shadow", "--since", "soon")
    assert ran.code == 2
    assert "since: 'soon'" in ran.err
