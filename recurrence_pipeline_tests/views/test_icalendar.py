"""The text of a calendar: whole lines, one component for each task that is told, whatever its words are."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from recurrence_pipeline.domain.model import Series, Task
from recurrence_pipeline.domain.recurrence_set import RecurrenceSet, recurrence_set
from recurrence_pipeline.domain.series import SeriesState
from recurrence_pipeline.domain.series_memory import Cursor
from recurrence_pipeline.views.icalendar import HEAD, TAIL, calendar_text, zone_text
from recurrence_pipeline_tests.domain.in_memory import ORIGINAL, an_original, ours, utc

START = utc(2024, 1, 31, 9)


def a_set(*members: Task, zone: str = "UTC", **fields: Any) -> RecurrenceSet:
    """Return a daily series of which three occurrences were made."""
    original = replace(an_original("daily", START), timezone=zone, **fields)
    series = Series(original.id, original, members, recalled=Cursor(3, "daily"))
    return recurrence_set(series, SeriesState(series, original, None))


def text_of(*pages: list[RecurrenceSet]) -> str:
    return "".join(calendar_text(pages))


def todos(text: str) -> list[Any]:
    return list(Calendar.from_ical(text).todos)


def members(**first: Any) -> list[Task]:
    """Return three occurrences, the first with these fields."""
    found = [replace(ours(number), due_date=START.replace(month=2, day=number)) for number in (1, 2, 3)]
    return [replace(found[0], **first), *found[1:]]


def test_no_property_has_more_dates_than_every_program_reads() -> None:
    """Libical reads 500 and drops the others: days that were deleted would be back in Evolution and KOrganizer."""
    original = an_original("daily", START)
    series = Series(original.id, original, recalled=Cursor(620, "daily"))
    text = text_of([recurrence_set(series, SeriesState(series, original, None))])

    lists = re.findall(r"^EXDATE[^:]*:(.+)$", text.replace("\r\n ", "").replace("\r", ""), re.MULTILINE)
    assert [len(each.split(",")) for each in lists] == [100] * 6 + [20]
    [main] = todos(text)
    found = [each.dt for some in main["EXDATE"] for each in some.dts]
    assert found == [START + timedelta(days=n) for n in range(1, 621)]


# Whatever the words are


HOSTILE = [
    "two\r\nlines", "two\nlines", "two\rlines", "END:VTODO\r\nEND:VCALENDAR\r\nBEGIN:VCALENDAR", "a;b,c:d\\n\\",
    '"quoted"', "bell\x07 nul\x00 escape\x1b[2J delete\x7f", "next line\x85 line\u2028 paragraph\u2029", "é" * 400,
    "😀" * 300, "\u202eright to left", " leads and ends ", "half \ud83d of a character", "",
]  # fmt: skip


@pytest.mark.parametrize("title", HOSTILE, ids=ascii)
def test_a_hostile_title_stays_in_its_one_component(title: str) -> None:
    text = text_of([a_set(*members(), title=title, content={"description": title, "category": title})])

    assert text.count("BEGIN:VTODO") == text.count("\r\nEND:VTODO\r\n") == 4, "the occurrences have other titles"
    assert text.count("\nBEGIN:VCALENDAR") == 0
    assert text.endswith(f"\r\n{TAIL}")


def lines_of(text: str) -> Iterator[str]:
    assert text.endswith("\r\n")
    yield from text.removesuffix("\r\n").split("\r\n")


@given(st.text(st.characters()), st.text(st.characters()))
def test_text_comes_back_from_lines_that_rfc_5545_allows(title: str, category: str) -> None:
    """Section 3.1: 75 octets at most, no control characters, and nothing that only looks like the end of a line."""
    text = text_of([a_set(*members(), title=title, content={"category": category})])

    for line in lines_of(text):
        assert len(line.encode()) <= 75
        assert line.splitlines() == [line], "some readers split there"
        assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in line.replace("\t", ""))
    main = todos(text)[0]
    allowed = title.replace("\r\n", "\n").replace("\r", "\n")
    assert len(str(main["SUMMARY"])) == len(allowed)
    kept = [(one, other) for one, other in zip(str(main["SUMMARY"]), allowed, strict=True) if one != other]
    assert all(one == " " for one, _ in kept), "what may not stand there is a space"


# What is said


def test_a_component_says_whose_it_is_when_it_was_written_and_what_it_is_about() -> None:
    [main] = todos(
        text_of(
            [
                a_set(
                    *members(
                        title="Pay rent", content={"priority": "high", "category": "home", "description": "by card"}
                    ),
                    title="Pay rent",
                    content={"priority": "high", "category": "home", "description": "by card"},
                    updated_at=utc(2024, 2, 2, 10),
                )
            ]
        )
    )[:1]

    assert (main.uid, main.summary, main.description) == (f"{ORIGINAL}@recurrence-pipeline", "Pay rent", "by card")
    assert (main.categories, main.priority) == (["home"], 1)
    assert main.DTSTAMP == main.last_modified == utc(2024, 2, 2, 10)
    assert main["RRULE"].to_ical() == b"FREQ=DAILY"
    assert (main.DTSTART, main["DUE"].dt) == (START, START.replace(second=1))


@pytest.mark.parametrize(
    ("word", "number"), [("high", 1), ("HIGH", 1), ("medium", 5), ("low", 9), ("soon", 0), (7, 0), (None, 0)]
)
def test_a_priority_is_that_of_rfc_5545_or_none(word: object, number: int) -> None:
    assert todos(text_of([a_set(content={"priority": word})]))[0].priority == number


def test_a_completed_occurrence_says_when() -> None:
    at = utc(2024, 2, 3, 7)
    for said, fields in ((at, {"completed_at": at, "updated_at": START}), (at, {"updated_at": at})):
        _, done = todos(text_of([a_set(*members(is_completed=True, **fields))]))
        assert done["RECURRENCE-ID"].dt == utc(2024, 2, 1, 9)
        assert (str(done["STATUS"]), done["COMPLETED"].dt) == ("COMPLETED", said)


def test_a_moved_occurrence_is_open_and_stands_where_it_was_moved_to() -> None:
    _, moved = todos(text_of([a_set(*members(due_date=utc(2024, 2, 9, 18)), zone="Europe/Berlin")]))

    assert (str(moved["STATUS"]), moved.DTSTART) == ("NEEDS-ACTION", utc(2024, 2, 9, 18))
    assert moved["RECURRENCE-ID"].to_ical() == b"20240201T100000"
    assert moved["RECURRENCE-ID"].params["TZID"] == moved["DTSTART"].params["TZID"] == "Europe/Berlin"


def test_a_time_that_comes_twice_is_told_in_utc_where_the_second_is_meant() -> None:
    second = utc(2024, 11, 3, 6, 30)
    text = text_of([a_set(*members(due_date=second), zone="America/New_York")])

    assert "DTSTART:20241103T063000Z" in text


# The file


def test_a_zone_is_told_once_before_the_first_series_that_has_it() -> None:
    berlin, tokyo = (a_set(zone=zone) for zone in ("Europe/Berlin", "Asia/Tokyo"))
    text = text_of([berlin, a_set()], [tokyo, berlin])

    assert text.count("BEGIN:VTIMEZONE") == 2
    for name in ("Europe/Berlin", "Asia/Tokyo"):
        assert text.count(f"TZID:{name}\r\n") == 1
        assert text.index(f"TZID:{name}") < text.index(f"TZID={name}")


def test_each_change_of_a_zone_is_a_property_of_its_own() -> None:
    """In a VTIMEZONE ical.js knows the first date of an RDATE alone, and beside one not the DTSTART."""
    text = zone_text(ZoneInfo("America/Nuuk")).replace("\r\n", "\n")
    parts = [part for part in text.split("BEGIN:")[2:] if "\nRDATE" in part]
    dates = [re.findall(r"^RDATE:(\S+)$", part, re.MULTILINE) for part in parts]

    assert [[date] for part in parts for date in re.findall(r"^DTSTART:(\S+)$", part, re.MULTILINE)] == [
        each[:1] for each in dates
    ]
    assert sum(map(len, dates)) > 50
    assert "," not in "".join(date for each in dates for date in each)


def test_no_program_pays_for_it_before_a_calendar_is_asked_for() -> None:
    """It takes longer to import than all of our own modules."""
    code = "import sys, recurrence_pipeline.cli, recurrence_pipeline.api.app; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"icalendar", "recurrence_pipeline.views.icalendar"} & set(ran.stdout.split())


def test_no_series_is_a_calendar_too() -> None:
    assert text_of() == HEAD + TAIL
    assert Calendar.from_ical(text_of()).calendar_name == "Recurring tasks"
