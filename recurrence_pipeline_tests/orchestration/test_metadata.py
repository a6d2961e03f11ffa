"""Tables hold what users wrote: it must stay in its cell and stay text."""

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.model import Operation, TaskEvent
from recurrence_pipeline.orchestration.metadata import MAX_ROWS, cell, longest_wait, markdown_table

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def test_what_would_be_markup_is_text() -> None:
    assert cell("a | b\n![x](http://e/) <b>") == r"a \| b \!\[x\](http://e/) \<b\>"


def test_a_time_is_shown_in_utc() -> None:
    assert cell(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-03-01 12:00:00 UTC"


def test_nothing_is_an_empty_cell_and_zero_is_not() -> None:
    assert (cell(None), cell(0)) == ("", "0")


@given(st.text())
def test_any_text_stays_on_its_line_and_in_its_cell(text: str) -> None:
    table = markdown_table(["title"], [[text]])

    assert len(table.splitlines()) == 3
    bare = table.splitlines()[2].replace("\\\\", "").replace("\\|", "")
    assert bare.count("|") == 2


def test_a_long_table_says_how_much_it_leaves_out() -> None:
    table = markdown_table(["n"], [[n] for n in range(MAX_ROWS + 2)])

    assert table.endswith("\n\n2 more.")
    assert len(table.splitlines()) == MAX_ROWS + 4


def test_the_longest_wait_is_that_of_the_oldest_event() -> None:
    events = [
        TaskEvent("1", Operation.CREATE, "t", created_at=NOON - timedelta(seconds=s), started_at=NOON)
        for s in (3, 9, 1)
    ]

    assert longest_wait(events) == timedelta(seconds=9)
    assert longest_wait([]) == timedelta()
