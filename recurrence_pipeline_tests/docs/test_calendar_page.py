"""docs/explanation/calendar.md shows dates that the calendar has."""

import re
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from recurrence_pipeline.domain.calendar import slots
from recurrence_pipeline.domain.english import parse, read
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline_tests.docs.pages import DOCS

PAGE = (DOCS / "explanation" / "calendar.md").read_text(encoding="utf-8")
ANCHOR = datetime(2024, 1, 31, 8, 30, tzinfo=timezone.utc)
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize("repeat_type", ["daily", "weekly", "monthly"])
def test_the_slots_of_the_table_are_those_of_the_calendar(repeat_type: str) -> None:
    row = re.search(rf"^\| `{repeat_type}` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    made = slots(ANCHOR, repeat_type, 1, 3)
    assert row[1] == ", ".join(f"{each:%b} {each.day}" for each in made)


@pytest.mark.parametrize(
    ("began", "shown", "wall"),
    [
        (datetime(2027, 3, 13, 2, 30, tzinfo=NEW_YORK), "02:30 on 2027-03-14", ["03:30", "02:30"]),
        (datetime(2026, 10, 31, 1, 30, tzinfo=NEW_YORK), "01:30 on 2026-11-01", ["01:30", "01:30"]),
        (datetime(2026, 7, 1, 2, 0, tzinfo=NEW_YORK), "02:00 in New York", ["02:00", "02:00"]),
    ],
)  # fmt: skip
def test_where_clocks_change_the_wall_clock_shows_what_the_page_says(
    began: datetime, shown: str, wall: list[str]
) -> None:
    assert shown in PAGE
    made = slots(began, "daily", 1, 2, "America/New_York")
    assert [f"{each.astimezone(NEW_YORK):%H:%M}" for each in made] == wall
    assert [each.astimezone(NEW_YORK).fold for each in made] == [0, 0], "of a time that exists twice, the first"


def test_a_day_that_does_not_exist_takes_no_number_away() -> None:
    apia = ZoneInfo("Pacific/Apia")
    made = slots(datetime(2011, 12, 28, 9, tzinfo=apia), "daily", 1, 4, "Pacific/Apia")
    assert [f"{each.astimezone(apia):%m-%d %H:%M}" for each in made] == [
        "12-29 09:00", "12-31 09:00", "12-31 09:00", "01-01 09:00",
    ]  # fmt: skip
    assert "that of the missing day shares the time of the next" in PAGE


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first row of headings this is."""
    table = re.search(rf"^\| {re.escape(heading)} \|\n\|[- |]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


@pytest.mark.parametrize(("typed", "rule", "shown"), rows("typed | rule | shown"))
def test_words_of_the_page_are_the_rules_of_the_page(typed: str, rule: str, shown: str) -> None:
    assert str(parse(typed)) == str(parse(shown)) == rule
    assert read(parse(typed)) == shown


@pytest.mark.parametrize(("typed", "one", "other"), rows("typed | may mean | or"))
def test_what_the_page_says_is_refused_is_refused_with_both(typed: str, one: str, other: str) -> None:
    with pytest.raises(InvalidRecurrence, match=f"may mean '{one}' or .*'{other}'"):
        parse(typed)
