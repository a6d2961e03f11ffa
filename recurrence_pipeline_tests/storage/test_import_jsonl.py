"""Imports: checked whole, loaded once, and nothing that is there is touched."""

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId, json_util

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import DatabaseUnavailable, InvalidInput
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA, import_folder

ID = '{"$oid": "6b046c55c5f3b9749e06fe%02x"}'
DATE = '{"$date": "2024-01-08T07:00:00.250Z"}'
TASK = f'{{"_id": {ID % 1}, "taskId": 1, "userId": {ID % 9}, "title": "Water the plants", "createdAt": {DATE}}}'
USER = f'{{"_id": {ID % 9}, "userId": 1, "name": "Amara Okafor"}}'
COUNTER = '{"_id": "tasks", "sequence_value": 40}'
TRIGGER = f'{{"operation": "create", "taskId": {ID % 1}, "userId": {ID % 9}, "createdAt": {DATE}}}'
FILES = {"tasks.jsonl": TASK, "users.jsonl": USER, "counters.jsonl": COUNTER, "trigger_log.jsonl": TRIGGER}


@pytest.fixture
def worker(mongodb_url: str) -> Iterator[Worker]:
    with open_worker(Settings.from_environment({"MONGODB_URL": mongodb_url})) as worker:
        worker.init_db()
        yield worker


def export(folder: Path, **contents: str) -> Path:
    """Write `tasks="..."` as tasks.jsonl, and so on."""
    for name, text in contents.items():
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def everything(worker: Worker) -> dict[str, list[dict[str, Any]]]:
    names = worker.mongo.db.list_collection_names()
    return {name: sorted(worker.mongo.db[name].find(), key=lambda d: str(d["_id"])) for name in names}


def figures(worker: Worker, folder: Path) -> dict[str, tuple[int, int, int, int]]:
    return {f.name: (f.read, f.added, f.present, f.refused) for f in worker.import_folder(folder).files}


def test_the_sample_has_933_tasks_12_users_and_808_pending_events(worker: Worker) -> None:
    assert figures(worker, SAMPLE_DATA) == {
        "tasks.jsonl": (933, 933, 0, 0),
        "users.jsonl": (12, 12, 0, 0),
        "counters.jsonl": (2, 2, 0, 0),
        "trigger_log.jsonl": (808, 808, 0, 0),
    }

    assert worker.mongo.tasks.count_documents({}) == 933
    assert worker.mongo.users.count_documents({}) == 12
    events = list(worker.mongo.events.find())
    assert Counter((e["status"], e["source"], e["attempts"]) for e in events) == {("pending", "outbox", 0): 808}
    assert len({(e["operation"], e["taskId"]) for e in events}) == 788, "20 lines repeat another"
    assert all(e["availableAt"] == e["createdAt"] for e in events)
    assert {c["_id"]: c["sequence_value"] for c in worker.mongo.counters.find()} == {
        "tasks": 1000,
        "users": 12,
        "useractivities": 0,
    }


def test_the_sample_is_stored_as_it_was_exported(worker: Worker) -> None:
    """Else an importer that drops a field, or moves a time by a zone, goes unseen until a slot is wrong."""
    worker.import_folder(SAMPLE_DATA)

    for name, collection in (("tasks", worker.mongo.tasks), ("users", worker.mongo.users)):
        options = json_util.JSONOptions(tz_aware=True)
        lines = (SAMPLE_DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        exported = [json_util.loads(line, json_options=options) for line in lines]
        assert {d["_id"]: d for d in collection.find()} == {d["_id"]: d for d in exported}


def test_the_sample_imported_twice_is_the_same_as_once(worker: Worker) -> None:
    worker.import_folder(SAMPLE_DATA)
    once = everything(worker)

    assert figures(worker, SAMPLE_DATA) == {
        "tasks.jsonl": (933, 0, 933, 0),
        "users.jsonl": (12, 0, 12, 0),
        "counters.jsonl": (2, 0, 2, 0),
        "trigger_log.jsonl": (808, 0, 808, 0),
    }
    assert everything(worker) == once


def test_a_file_is_written_in_chunks_of_any_size(worker: Worker) -> None:
    report = import_folder(worker.mongo, SAMPLE_DATA, write_chunk=37)

    assert [(f.read, f.added) for f in report.files] == [(933, 933), (12, 12), (2, 2), (808, 808)]


def test_work_that_was_done_is_not_undone_by_importing_again(worker: Worker, tmp_path: Path) -> None:
    """Else a second import sets events back to pending, and counters back to numbers that are in use."""
    recurring = TASK.replace('"title"', f'"repeatType": "daily", "dueDate": {DATE}, "title"')
    export(tmp_path, tasks=recurring, counters=COUNTER, trigger_log=TRIGGER)
    worker.import_folder(tmp_path)
    assert worker.drain().occurrences_created == 3
    worked_off = everything(worker)

    worker.import_folder(tmp_path)

    assert everything(worker) == worked_off
    assert worker.mongo.counters.find_one({"_id": "tasks"}) == {"_id": "tasks", "sequence_value": 43}


def test_a_document_with_the_same_id_stays_as_it_is(worker: Worker, tmp_path: Path) -> None:
    export(tmp_path, tasks=TASK)
    worker.import_folder(tmp_path)

    export(tmp_path, tasks=TASK.replace("Water", "Drown"))
    assert figures(worker, tmp_path) == {"tasks.jsonl": (1, 0, 1, 0)}
    assert [t["title"] for t in worker.mongo.tasks.find()] == ["Water the plants"]


def test_counters_are_raised_and_never_lowered(worker: Worker, tmp_path: Path) -> None:
    worker.import_folder(export(tmp_path, counters=COUNTER))
    for lower_or_equal in (39, 40):
        export(tmp_path, counters=f'{{"_id": "tasks", "sequence_value": {lower_or_equal}}}')
        assert figures(worker, tmp_path) == {"counters.jsonl": (1, 0, 1, 0)}
    export(tmp_path, counters='{"_id": "tasks", "sequence_value": 41, "note": "ours stays"}')
    assert figures(worker, tmp_path) == {"counters.jsonl": (1, 1, 0, 0)}
    assert worker.mongo.counters.find_one({"_id": "tasks"}) == {"_id": "tasks", "sequence_value": 41}


def test_a_task_whose_number_belongs_to_another_is_reported_and_costs_only_itself(
    worker: Worker, tmp_path: Path
) -> None:
    other = TASK.replace(ID % 1, ID % 2)
    third = TASK.replace(ID % 1, ID % 3).replace('"taskId": 1', '"taskId": 3')

    report = worker.import_folder(export(tmp_path, tasks=f"{TASK}\n{other}\n{third}\n"))

    assert [(f.read, f.added, f.present, f.refused) for f in report.files] == [(3, 2, 0, 1)]
    assert report.refused == 1
    assert report.files[0].reasons == [
        "tasks.jsonl line 2: 6b046c55c5f3b9749e06fe02: taskId 1 belongs to another document of 'tasks'"
    ]
    assert report.as_json()["files"][0]["refused"] == 1
    assert figures(worker, tmp_path) == {"tasks.jsonl": (3, 0, 2, 1)}


def test_a_repeated_line_stays_an_event_of_its_own(worker: Worker, tmp_path: Path) -> None:
    export(tmp_path, trigger_log=f"{TRIGGER}\n{TRIGGER}\n")
    assert figures(worker, tmp_path) == {"trigger_log.jsonl": (2, 2, 0, 0)}
    assert figures(worker, tmp_path) == {"trigger_log.jsonl": (2, 0, 2, 0)}


def test_a_log_that_has_grown_adds_only_what_is_new(worker: Worker, tmp_path: Path) -> None:
    worker.import_folder(export(tmp_path, trigger_log=f"{TRIGGER}\n"))

    export(tmp_path, trigger_log=f"{TRIGGER}\n{TRIGGER.replace('create', 'complete', 1)}\n")
    assert figures(worker, tmp_path) == {"trigger_log.jsonl": (2, 1, 1, 0)}


def test_an_imported_event_is_what_a_producer_would_have_written(worker: Worker, tmp_path: Path) -> None:
    later = TRIGGER.replace('"createdAt"', '"availableAt": {"$date": "2024-02-01T00:00:00Z"}, "createdAt"')
    worker.import_folder(export(tmp_path, trigger_log=later))

    (event,) = worker.mongo.events.find()
    assert event.pop("_id").generation_time == event["createdAt"].replace(microsecond=0)
    assert event["createdAt"].isoformat() == "2024-01-08T07:00:00.250000+00:00"
    assert event["availableAt"].isoformat() == "2024-02-01T00:00:00+00:00"
    assert (event["taskId"], event["userId"]) == tuple(ObjectId(f"6b046c55c5f3b9749e06fe{i:02x}") for i in (1, 9))
    assert event["status"] == "pending"


def test_only_a_delete_must_name_its_user(worker: Worker, tmp_path: Path) -> None:
    export(tmp_path, trigger_log=TRIGGER.replace(f'"userId": {ID % 9}, ', ""))
    assert figures(worker, tmp_path) == {"trigger_log.jsonl": (1, 1, 0, 0)}
    assert "userId" not in (worker.mongo.events.find_one() or {})


def test_each_file_may_be_missing_but_not_all_of_them(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to import")
    with pytest.raises(InvalidInput, match=r"none of tasks\.jsonl, users\.jsonl, .* is in there"):
        worker.import_folder(tmp_path)
    with pytest.raises(InvalidInput, match="no such folder"):
        worker.import_folder(tmp_path / "elsewhere")

    assert figures(worker, export(tmp_path, users=USER)) == {"users.jsonl": (1, 1, 0, 0)}


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_no_content(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_bytes(b"\xef\xbb\xbf" + f"{TASK}\r\n\r\n  \n".encode())
    assert figures(worker, tmp_path) == {"tasks.jsonl": (1, 1, 0, 0)}


def test_an_empty_file_holds_nothing(worker: Worker, tmp_path: Path) -> None:
    assert figures(worker, export(tmp_path, tasks="")) == {"tasks.jsonl": (0, 0, 0, 0)}


def test_a_database_that_was_not_prepared_is_refused_with_a_hint(mongodb_url: str) -> None:
    """Else events lie in a collection without validator or index."""
    with open_worker(Settings.from_environment({"MONGODB_URL": mongodb_url})) as worker:
        with pytest.raises(DatabaseUnavailable, match="run `recurrence init-db` first"):
            worker.import_folder(SAMPLE_DATA)
        assert worker.mongo.db.list_collection_names() == []


def test_progress_rises_to_the_whole(worker: Worker) -> None:
    seen: list[tuple[str, int, int]] = []
    worker.import_folder(SAMPLE_DATA, lambda *sign: seen.append(sign))

    done = [d for _, d, _ in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1][2]
    assert {name for name, _, _ in seen} == set(FILES)


def test_a_large_file_is_never_in_memory_as_a_whole(worker: Worker, tmp_path: Path) -> None:
    line = TASK.replace("Water the plants", "x" * 2000)
    export(tmp_path, tasks=f"{line}\n" * 3000 + "{}\n")  # 6 MB, and the last line stops it
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match="line 3001"):
            worker.import_folder(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


BROKEN = {
    "tasks": (TASK.replace("_id", "id", 1), "_id is missing"),
    "users": ("[1]", "is not a JSON object but a list"),
    "counters": ("{", "is not Extended JSON"),
    "trigger_log": (
        TRIGGER.replace("create", "rename", 1),
        "operation: 'rename' is not one of create, complete, delete, update, reopen, skip",
    ),
}


@pytest.mark.parametrize("file", BROKEN)
def test_a_broken_line_is_named_by_file_and_number_and_nothing_at_all_is_loaded(
    worker: Worker, tmp_path: Path, file: str
) -> None:
    """Else whoever repairs the line has to find out which half of the export is in the database."""
    export(tmp_path, **{name.removesuffix(".jsonl"): text for name, text in FILES.items()})
    line, reason = BROKEN[file]
    (tmp_path / f"{file}.jsonl").write_text(f"\n{FILES[f'{file}.jsonl']}\n{line}\n", encoding="utf-8")
    before = everything(worker)

    with pytest.raises(InvalidInput) as caught:
        worker.import_folder(tmp_path)

    assert str(caught.value).startswith(f"{file}.jsonl line 3: {reason}")
    assert everything(worker) == before


def test_the_first_of_many_broken_lines_is_named_and_the_others_are_counted(worker: Worker, tmp_path: Path) -> None:
    export(tmp_path, tasks=f"{TASK}\nx\n{{}}\n[]\n")
    with pytest.raises(InvalidInput, match=r"^tasks.jsonl line 2: .* \(and 2 more broken lines\)$"):
        worker.import_folder(tmp_path)
