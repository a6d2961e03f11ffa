"""What a calendar tells of a series that people have worked with: from documents to components."""

from datetime import timedelta
from typing import Any

import pytest
from icalendar import Calendar

from recurrence_pipeline.queries.calendar import CalendarCounts
from recurrence_pipeline.views.icalendar import calendar_text
from recurrence_pipeline_tests.world import World, utc

ANCHOR = utc(2024, 1, 15, 9)


def todos(world: World) -> tuple[Any, dict[str, Any]]:
    """Return the to-do of the one series, and those of its changed instances by their day."""
    text = "".join(calendar_text(world.worker.calendar.pages()))
    [main, *others] = Calendar.from_ical(text).todos
    changed: list[Any] = list(others)
    return main, {f"{each['RECURRENCE-ID'].dt:%m-%d}": each for each in changed}


def test_what_people_did_to_occurrences_is_told(world: World) -> None:
    head = world.create(ANCHOR, "daily", description="at ten", timezone="Europe/Berlin")
    done, moved, gone = (world.occurrences_by_slot(head)[slot] for slot in (1, 2, 3))
    tasks = world.worker.mongo.tasks
    tasks.update_one({"_id": done}, {"$set": {"isCompleted": True, "completedAt": utc(2024, 1, 16, 8)}})
    world.add_event("complete", done)
    world.work()
    tasks.update_one({"_id": moved}, {"$set": {"dueDate": utc(2024, 1, 18, 20)}})
    tasks.delete_one({"_id": gone})
    edited = world.occurrences_by_slot(head)[4]
    tasks.update_one({"_id": edited}, {"$set": {"description": "at noon"}})

    main, changed = todos(world)
    assert main["DTSTART"].to_ical() == b"20240115T100000"
    assert main["EXDATE"].to_ical() == b"20240118T100000"
    assert sorted(changed) == ["01-16", "01-17", "01-19"], "the others are as the rule says"
    assert changed["01-16"]["COMPLETED"].dt == utc(2024, 1, 16, 8)
    assert changed["01-17"]["DTSTART"].dt == utc(2024, 1, 18, 20)
    assert str(changed["01-19"]["DESCRIPTION"]) == "at noon"
    assert str(main["DESCRIPTION"]) == str(changed["01-16"]["DESCRIPTION"]) == "at ten"


def test_the_original_may_be_done_or_moved_like_any_other(world: World) -> None:
    head = world.create(ANCHOR, "weekly")
    world.worker.mongo.tasks.update_one(
        {"_id": head}, {"$set": {"dueDate": ANCHOR + timedelta(days=1), "isCompleted": True}}
    )

    main, changed = todos(world)
    assert (main.DTSTART, "STATUS" in main) == (ANCHOR, False)
    assert (changed["01-15"].DTSTART, str(changed["01-15"]["STATUS"])) == (ANCHOR + timedelta(days=1), "COMPLETED")


def test_a_series_goes_on_from_where_it_began_wherever_its_original_was_moved(world: World) -> None:
    head = world.create(ANCHOR, "weekly")
    later = ANCHOR + timedelta(days=3)
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"dueDate": later, "originalDueDate": later}})

    main, changed = todos(world)
    assert (main["DTSTART"].dt, changed["01-15"]["DTSTART"].dt) == (ANCHOR, later)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"repeatType": "hourly"}, "INVALID_RECURRENCE"),
        ({"timezone": "Mars/Olympus"}, "INVALID_RECURRENCE"),
        ({"repeatType": "custom", "recurrence": {"rule": "FREQ=HOURLY"}}, "INVALID_RECURRENCE"),
        ({"originalDueDate": "soon", "dueDate": "soon"}, "INVALID_RECURRENCE"),
        ({"userId": 7}, "WRONG_TYPE"),
    ],
)
def test_a_series_that_cannot_be_worked_on_costs_no_other(world: World, fields: dict[str, Any], code: str) -> None:
    world.create(ANCHOR, "daily")
    world.add_task(ANCHOR, "daily", **fields)
    counts = CalendarCounts()

    assert [len(page) for page in world.worker.calendar.pages(counts=counts)] == [1]
    assert (counts.told, counts.left_out) == (1, {code: 1})


def test_a_series_whose_rule_was_edited_is_told_by_the_new_one_from_where_that_begins(world: World) -> None:
    head = world.create(ANCHOR, "daily")
    world.worker.mongo.tasks.update_one({"_id": head}, {"$set": {"repeatType": "weekly"}})
    world.worker.change(str(head), "update", dry_run=False)

    [[told]] = [list(page) for page in world.worker.calendar.pages()]
    first = world.occurrences(head)[0]
    assert (told.rule, told.start.replace(tzinfo=None)) == (
        f"FREQ=WEEKLY;BYDAY={first['dueDate']:%a}"[:-1].upper(),
        first["dueDate"].replace(tzinfo=None),
    )
    assert ANCHOR in told.added
