"""The command `rule`: any rule tried out, one by one or as lines of JSON."""

import io
import json
import re
from typing import Any

import pytest

from recurrence_pipeline.cli.rules import answers
from recurrence_pipeline_tests.commands import Run


def test_a_rule_is_shown_with_its_slots(run: Run) -> None:
    done = run(
        "rule", "freq=monthly;byday=-1FR", "--start", "2027-01-29T09:00", "-n", "3", "--timezone", "Europe/Berlin"
    )
    assert done.code == 0
    assert "FREQ=MONTHLY;BYDAY=-1FR" in done.out
    assert re.findall(r"(\d) .* Friday .* (\S+ 09:00)", done.out) == [
        ("0", "2027-01-29 09:00"),
        ("1", "2027-02-26 09:00"),
        ("2", "2027-03-26 09:00"),
    ]


def test_words_need_no_quotes_and_are_shown_as_a_sentence_and_as_a_rule(run: Run) -> None:
    done = run("rule", "every", "other", "Tuesday", "--start", "2027-01-05T09:00", "-n", "2")
    assert done.out.splitlines()[:2] == ["every 2 weeks on Tuesday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"]
    assert re.findall(r"(\d) .* Tuesday .* (\S+ 09:00)", done.out) == [
        ("0", "2027-01-05 09:00"),
        ("1", "2027-01-19 09:00"),
    ]


def test_ten_slots_are_shown(run: Run) -> None:
    assert len(run("rule", "every weekday", "--json").json["slots"]) == 10


def test_a_rule_without_a_sentence_is_shown_as_it_is_written(run: Run) -> None:
    text = "FREQ=WEEKLY;SKIP=BACKWARD"
    assert run("rule", text).out.splitlines()[0] == text
    assert run("rule", text, "--json").json["words"] is None


def test_a_word_of_the_application_is_a_rule_and_json_has_it_all(run: Run) -> None:
    assert run("rule", "monthly", "--start", "2027-01-31T09:00", "-n", "3", "--json").json == {
        "rule": "FREQ=MONTHLY;SKIP=BACKWARD",
        "words": "every month",
        "start": "2027-01-31T09:00:00",
        "timezone": "UTC",
        "slots": ["2027-01-31T09:00:00", "2027-02-28T09:00:00", "2027-03-31T09:00:00"],
    }


def test_a_series_that_ends_has_fewer_slots(run: Run) -> None:
    assert len(run("rule", "FREQ=DAILY;COUNT=4", "--json").json["slots"]) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FREQ=HOURLY"], "FREQ=HOURLY is not one of"),
        (["every", "flurb"], "rule: 'every flurb' holds what is not understood: 'flurb'"),
        (["every 30th"], "may mean 'the 30th of every month, where there is one' or 'the 30th of every month, or"),
        (["every 30 February, where there is one"], "has no day in 400 years"),
        (["FREQ=DAILY", "--start", "tomorrow"], "start: 'tomorrow' is not a time on the wall clock"),
        (["FREQ=DAILY", "--start", "2027-01-29T09:00Z"], "is not a time on the wall clock"),
        (["FREQ=DAILY", "--timezone", "Mars/Olympus"], "timezone: 'Mars/Olympus' is not an IANA time zone"),
        (["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"], "has no day in 400 years"),
    ],
)
def test_what_cannot_be_is_said(run: Run, arguments: list[str], words: str) -> None:
    done = run("rule", *arguments)
    assert done.code != 0
    assert words in done.err


def test_lines_of_json_are_answered_one_by_one() -> None:
    lines: list[Any] = [
        {"id": 1, "rule": "FREQ=DAILY;COUNT=2", "start": "2027-01-29T09:00"},
        {"id": "b", "rule": "FREQ=NEVER", "start": "2027-01-29T09:00"},
        {"id": 3, "rule": "weekly", "start": "2027-01-29T09:00", "timezone": "Asia/Tokyo", "count": 2},
        {"id": 4, "rule": "weekly", "start": "2027-01-29T09:00", "count": 0},
        [1],
        {"id": 7, "rule": "last working day of the month", "start": "2027-01-29T09:00", "count": 2},
        {"id": 8, "rule": "biweekly"},
        {"id": 9},
    ]
    text = "\n".join([*map(json.dumps, lines), "", "no json"])
    first, second, third, fourth, fifth, words, unclear, nothing, sixth = answers(io.StringIO(text))
    assert first == {"id": 1, "slots": ["2027-01-29T09:00:00", "2027-01-30T09:00:00"]}
    assert (second["id"], "FREQ=NEVER is not one of" in second["error"]) == ("b", True)
    assert third == {"id": 3, "slots": ["2027-01-29T09:00:00", "2027-02-05T09:00:00"]}
    assert fourth == {"id": 4, "error": "count: 0 is not a whole number from 1 to 10000"}
    assert fifth == {"id": None, "error": "the line is no object"}
    assert words == {"id": 7, "slots": ["2027-01-29T09:00:00", "2027-02-26T09:00:00"]}
    assert (unclear["id"], "'biweekly' may mean" in unclear["error"]) == (8, True)
    assert nothing == {"id": 9, "error": "recurrence.rule: rule is no RRULE value"}
    assert sixth["id"] is None


def test_the_command_reads_its_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.StringIO('{"id": 7, "rule": "daily", "start": "2027-01-29T09:00", "count": 1}\n')
    )
    assert json.loads(run("rule", "-").out) == {"id": 7, "slots": ["2027-01-29T09:00:00"]}
