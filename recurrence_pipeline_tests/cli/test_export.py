"""`recurrence export`: to the output or to a file, of everybody or of one user; what is left out is counted."""

from pathlib import Path

import pytest
from icalendar import Calendar
from pymongo.database import Database

from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline_tests.commands import OWNER, WEEKLY, Run
from recurrence_pipeline_tests.world import World, utc


def test_the_output_is_a_calendar_and_nothing_else(prepared: Run) -> None:
    assert prepared("process").code == 0
    ran = prepared("export", "--ics")

    assert (ran.code, ran.err) == (0, "recurrence: 1 series\n")
    [todo] = Calendar.from_ical(ran.out).todos
    assert todo.uid == f"{WEEKLY}@recurrence-pipeline"
    assert todo["RRULE"].to_ical() == b"FREQ=WEEKLY"
    assert ran.out.endswith("END:VCALENDAR\r\n")


def test_a_file_gets_it_as_a_whole(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.ics"
    file.write_text("what was there before")
    ran = prepared("export", "--ics", str(file))

    assert (ran.code, ran.out) == (0, "")
    assert file.read_bytes().startswith(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    assert file.read_bytes().endswith(b"\r\nEND:VCALENDAR\r\n")
    assert [path.name for path in tmp_path.glob("*.ics*")] == ["tasks.ics"]


def test_a_file_stays_as_it_was_where_the_database_goes_away_midway(
    prepared: Run, tmp_path: Path, db: Database[Document]
) -> None:
    file = tmp_path / "folder" / "tasks.ics"
    file.parent.mkdir()
    file.write_text("what was there before")
    data = {"failCommands": ["aggregate"], "errorCode": 13}
    db.client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)
    try:
        ran = prepared("export", "--ics", str(file))
    finally:
        db.client.admin.command("configureFailPoint", "failCommand", mode="off")

    assert ran.code == 1
    assert [path.read_text() for path in file.parent.iterdir()] == ["what was there before"]


def test_one_user_has_their_own(prepared: Run) -> None:
    assert "BEGIN:VTODO" in prepared("export", "--ics", "--user-id", OWNER).out
    assert "BEGIN:VTODO" not in prepared("export", "--ics", "--user-id", "f" * 24).out


@pytest.mark.usefixtures("prepared")
def test_series_that_cannot_be_worked_on_are_left_out_and_counted(run: Run, mongodb_url: str) -> None:
    world = World(mongodb_url)
    world.add_task(utc(2024, 1, 2, 9), "hourly", taskId=9001)
    world.add_task(utc(2024, 1, 2, 9), "daily", timezone="Mars/Olympus", taskId=9002)
    world.add_task(utc(2024, 1, 2, 9), "none", taskId=9003)
    world.close()
    ran = run("export", "--ics")

    assert (ran.code, ran.err) == (0, "recurrence: 1 series, 2 left out: recurrence check says why\n")
    assert len(Calendar.from_ical(ran.out).todos) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "export: say as what: --ics is the one format there is"),
        (["--ics", "--user-id", "6b04"], "userId: '6b04' is not an id of 24 hex digits"),
        (["--ics", "/no/such/folder/tasks.ics"], "file: '/no/such/folder/tasks.ics' cannot be written"),
        (["--ics", "/"], "file: '/' cannot be written"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(prepared: Run, arguments: list[str], said: str) -> None:
    ran = prepared("export", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"recurrence: {said}")
    assert ran.err.count("\n") == 1
