"""Tables hold what users wrote: it must stay in its cell."""

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.model import TaskEvent
from recurrence_pipeline.domain.vocabulary import Operation
from recurrence_pipeline.orchestration.metadata import MAX_CELL, MAX_ROWS, cell, longest_wait, table
from recurrence_pipeline_tests.orchestration.looks import plain

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def test_what_would_be_markup_is_the_text_that_it_is() -> None:
    assert cell("a | b ![x](http://e/) <b>") == "a | b ![x](http://e/) <b>"


def test_a_time_is_shown_in_utc() -> None:
    assert cell(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-03-01 12:00:00 UTC"


def test_nothing_is_an_empty_cell_and_zero_is_not() -> None:
    assert (cell(None), cell(0)) == ("", "0")


@given(st.text())
def test_any_text_is_one_short_line(text: str) -> None:
    assert len(cell(text)) <= MAX_CELL
    assert len(cell(text).splitlines()) <= 1


def test_a_table_has_a_column_for_each_name_and_none_is_a_word() -> None:
    assert plain(table(["title", "n"], [["a | b", 1], [None, 2]])) == [["a | b", "1"], ["", "2"]]
    assert plain(table(["title", "n"], [])) == "none"


def test_a_long_table_says_how_much_it_leaves_out() -> None:
    shown = plain(table(["n", "square"], [[n, n * n] for n in range(MAX_ROWS + 2)]))

    assert len(shown) == MAX_ROWS + 1
    assert shown[-1] == ["2 more", ""]


def test_the_longest_wait_is_that_of_the_oldest_event() -> None:
    events = [
        TaskEvent("1", Operation.CREATE, "t", created_at=NOON - timedelta(seconds=s), started_at=NOON)
        for s in (3, 9, 1)
    ]

    assert longest_wait(events) == timedelta(seconds=9)
    assert longest_wait([]) == timedelta()
