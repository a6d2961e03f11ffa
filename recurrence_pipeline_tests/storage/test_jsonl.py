"""Lines of an export: what is right is read as it is, and what is wrong is said in words."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from bson import DatetimeMS, Int64

from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.storage import jsonl
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.jsonl import BadLine, Line, counter_line, lines_of, task_line, trigger_line, user_line

ID = '{"$oid": "6b046c55c5f3b9749e06fe%02x"}'
DATE = '{"$date": "2024-01-08T07:00:00.250Z"}'
TASK = f'{{"_id": {ID % 1}, "taskId": 1, "userId": {ID % 9}, "title": "Water the plants", "createdAt": {DATE}}}'
USER = f'{{"_id": {ID % 9}, "userId": 1, "name": "Amara Okafor"}}'
COUNTER = '{"_id": "tasks", "sequence_value": 40}'
TRIGGER = f'{{"operation": "create", "taskId": {ID % 1}, "userId": {ID % 9}, "createdAt": {DATE}}}'
READERS: dict[str, Callable[[Line], Document]] = {
    "tasks": task_line,
    "users": user_line,
    "counters": counter_line,
    "trigger_log": trigger_line,
}


def line(text: str | bytes, number: int = 3) -> Line:
    return Line(number, text if isinstance(text, bytes) else text.encode(), 0)


def test_numbers_keep_the_type_they_were_exported_with() -> None:
    """Else the application's int32 numbers come back as int64, and its strict comparisons fail."""
    text = TASK.replace('"taskId": 1', '"taskId": {"$numberInt": "1"}, "size": {"$numberLong": "5"}')
    document = task_line(line(text))
    assert (type(document["taskId"]), type(document["size"])) == (int, Int64)


def test_a_date_beyond_pythons_is_kept_as_it_is_where_no_event_depends_on_it() -> None:
    """The application's JavaScript can store the year 20000, and such a task is the worker's to judge."""
    far = DatetimeMS(568_971_820_800_000)
    date = '{"$date": {"$numberLong": "568971820800000"}}'
    document = task_line(line(TASK.replace(DATE, date).replace('"title"', f'"dueDate": {date}, "title"')))
    assert document["dueDate"] == document["createdAt"] == far
    with pytest.raises(BadLine, match=r"createdAt: DatetimeMS\(568971820800000\) is not a date"):
        trigger_line(line(TRIGGER.replace(DATE, date)))


def test_an_event_id_follows_from_number_and_content_alone() -> None:
    spaced = TRIGGER.replace(", ", " ,  ")
    assert trigger_line(line(TRIGGER)) == trigger_line(line(spaced))
    ids = {
        str(trigger_line(line(text, number))["_id"])
        for number in (3, 4)
        for text in (TRIGGER, TRIGGER.replace("create", "complete", 1), TRIGGER.replace(".250Z", ".251Z"))
    }
    assert len(ids) == 6


def test_a_trigger_from_before_1970_has_an_id_too() -> None:
    assert trigger_line(line(TRIGGER.replace("2024", "1969")))["createdAt"].year == 1969


BROKEN = [
    ("tasks", "{", "is not Extended JSON"),
    ("tasks", '{"_id": {"$oid": "xyz"}}', "is not Extended JSON"),
    ("tasks", "[" * 100_000, "is nested too deeply"),
    ("tasks", "[1]", "is not a JSON object but a list"),
    ("tasks", "null", "is not a JSON object but null"),
    ("tasks", "7", "is not a JSON object but the value 7"),
    ("tasks", TASK.replace("_id", "id", 1), "_id is missing"),
    ("tasks", TASK.replace(ID % 1, '"6b046c55c5f3b9749e06fe01"'), "_id: '6b046c55c5f3b9749e06fe01' is not an ObjectId"),
    ("tasks", TASK.replace('"taskId": 1, ', ""), "taskId is missing"),
    ("tasks", TASK.replace('"taskId": 1', '"taskId": "1"'), "taskId: '1' is not a whole number"),
    ("tasks", TASK.replace('"taskId": 1', '"taskId": 1.5'), "taskId: 1.5 is not a whole number"),
    ("tasks", TASK.replace('"taskId": 1', '"taskId": NaN'), "taskId: nan is not a whole number"),
    ("tasks", TASK.replace('"taskId": 1', '"taskId": true'), "taskId: True is not a whole number"),
    ("tasks", TASK.replace('"taskId": 1', f'"taskId": {2**63}'), "is not a whole number"),
    ("tasks", TASK.replace(ID % 9, "null"), "userId: None is not an ObjectId"),
    ("tasks", TASK.replace(DATE, '"2024-01-08"'), "createdAt: '2024-01-08' is not a date"),
    ("tasks", TASK.replace('"title"', '"parentRecurringId": 1, "title"'), "parentRecurringId: 1 is not an ObjectId"),
    ("tasks", TASK.replace('"title"', '"parentTaskId": "x", "title"'), "parentTaskId: 'x' is not an ObjectId"),
    ("tasks", TASK.replace('"title"', '"isCompleted": "no", "title"'), "isCompleted: 'no' is not true or false"),
    ("tasks", TASK.replace('"title"', f'"size": {2**64}, "title"'), "cannot be stored"),
    ("tasks", TASK.replace("Water", r"\ud800"), "cannot be stored"),
    ("tasks", TASK.replace("Water", "W" * (17 << 20)), "is a document of 17 MB; MongoDB takes 16 MB"),
    ("tasks", TASK.replace("Water", "W\u00e4ter").encode("latin-1"), "is not UTF-8"),
    ("users", USER.replace("_id", "id", 1), "_id is missing"),
    ("users", USER.replace('"userId": 1', '"userId": []'), "userId: [] is not a whole number"),
    ("counters", '{"sequence_value": 1}', "_id is missing"),
    ("counters", '{"_id": 7, "sequence_value": 1}', "_id: 7 is not a string"),
    ("counters", '{"_id": "tasks"}', "sequence_value is missing"),
    ("counters", '{"_id": "tasks", "sequence_value": -1}', "sequence_value: -1 is not a whole number from 0"),
    (
        "trigger_log",
        TRIGGER.replace("create", "rename", 1),
        "operation: 'rename' is not one of create, complete, delete, update, reopen, skip",
    ),
    ("trigger_log", TRIGGER.replace('"create"', "[]"), "operation: [] is not one of"),
    ("trigger_log", TRIGGER.replace('"operation"', '"op"'), "operation: None is not one of"),
    ("trigger_log", TRIGGER.replace(ID % 1, "null"), "taskId: None is not an ObjectId"),
    ("trigger_log", TRIGGER.replace(ID % 1, '"1"'), "taskId: '1' is not an ObjectId"),
    ("trigger_log", TRIGGER.replace(ID % 9, '"1"'), "userId: '1' is not an ObjectId"),
    ("trigger_log", TRIGGER.replace(DATE, '"today"'), "createdAt: 'today' is not a date"),
    ("trigger_log", TRIGGER.replace(DATE, '{"$date": "someday"}'), "is not Extended JSON"),
    ("trigger_log", TRIGGER.replace(f', "createdAt": {DATE}', ""), "createdAt is missing"),
    ("trigger_log", TRIGGER.replace('"createdAt"', '"availableAt": 5, "createdAt"'), "availableAt: 5 is not a date"),
    ("trigger_log", TRIGGER.replace("create", "delete", 1).replace(f'"userId": {ID % 9}, ', ""), "userId is missing"),
]


@pytest.mark.parametrize(("file", "text", "reason"), BROKEN)
def test_what_is_wrong_with_a_line_is_said(file: str, text: str | bytes, reason: str) -> None:
    with pytest.raises(BadLine, match=re.escape(reason)) as caught:
        READERS[file](line(text))
    assert len(str(caught.value)) < 300


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b"\n{}\r\n\r\n  \n[]")
    assert [(found.number, found.text, found.end) for found in lines_of(path)] == [(2, b"{}\r\n", 5), (5, b"[]", 12)]


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 1 << 20)
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b"{}\n" + b"x" * (2 << 20))
    with pytest.raises(InvalidInput, match=r"^tasks.jsonl line 2: is longer than 1 MB$"):
        list(lines_of(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^tasks.jsonl: cannot be read: No such file or directory$"):
        list(lines_of(tmp_path / "tasks.jsonl"))
