"""Rules in English, and English as rules: the law that one undoes the other, and each kind of sentence."""

from dataclasses import replace
from datetime import timezone
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.english import parse, read, typed_rule
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES, parse_rule
from recurrence_pipeline_tests.domain.rule_texts import rule_texts

UNTIL = st.one_of(
    st.dates(),
    st.datetimes().map(lambda when: when.replace(microsecond=0)),
    st.datetimes().map(lambda when: when.replace(microsecond=0, tzinfo=timezone.utc)),
)
ENDS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.fixed_dictionaries({"count": st.integers(1, 1_000_000)}), st.fixed_dictionaries({"until": UNTIL})
)


@given(text=rule_texts(), end=ENDS)
def test_a_sentence_is_read_back_as_the_rule_that_it_was_written_for(text: str, end: dict[str, Any]) -> None:
    rule = replace(parse_rule(text), **end)
    sentence = read(rule)
    event("has a sentence" if sentence else "has none")
    assume(sentence is not None)
    assert sentence is not None
    assert parse(sentence) == rule
    assert parse(sentence.upper()) == rule


SENTENCES = {
    "FREQ=DAILY": "every day",
    "FREQ=DAILY;INTERVAL=3;COUNT=10": "every 3 days, 10 times in all",
    "FREQ=DAILY;BYMONTH=1,2,3;BYDAY=MO,FR": "every day, only in January to March, if it is a Monday or Friday",
    "FREQ=DAILY;INTERVAL=10;BYMONTHDAY=-1,1": "every 10 days, if it is the 1st or last day of the month",
    "FREQ=WEEKLY;COUNT=1": "every week, 1 time in all",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": "every weekday",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR": "every 2 weeks on weekdays",
    "FREQ=WEEKLY;BYDAY=SA,SU": "every Saturday and Sunday",
    "FREQ=WEEKLY;BYDAY=MO,WE,FR": "every Monday, Wednesday and Friday",
    "FREQ=WEEKLY;BYMONTH=6;BYDAY=MO": "every Monday, only in June",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;UNTIL=20261231": "every 2 weeks on Monday and Thursday until 31 December 2026",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;UNTIL=20270101T083000Z;WKST=SU": (
        "every 2 weeks on Tuesday and Sunday until 1 January 2027 at 08:30 UTC, weeks starting on Sunday"
    ),
    "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-1": "every week on the last of the Mondays and Tuesdays",
    "FREQ=WEEKLY;UNTIL=20270101T083001": "every week until 1 January 2027 at 08:30:01",
    "FREQ=MONTHLY;SKIP=BACKWARD": "every month",
    "FREQ=MONTHLY": "the same day of every month, where there is one",
    "FREQ=MONTHLY;INTERVAL=2;SKIP=FORWARD": "every 2 months on the same day, or the first day after a shorter one",
    "FREQ=MONTHLY;BYMONTHDAY=1,15": "the 1st and 15th of every month",
    "FREQ=MONTHLY;BYMONTHDAY=31": "the 31st of every month, where there is one",
    "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD": "the 31st of every month, or the last day of a shorter one",
    "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31;SKIP=FORWARD": (
        "the 31st of every month, only in April, or the first day after a shorter one"
    ),
    "FREQ=MONTHLY;BYMONTHDAY=-1": "the last day of every month",
    "FREQ=MONTHLY;BYMONTHDAY=-2,-1,1,15": "the 1st, 15th, 2nd-last and last day of every month",
    "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR": "the 13th of every month, if it is a Friday",
    "FREQ=MONTHLY;BYMONTHDAY=7,8,9;BYDAY=1SA,2SA": (
        "the 7th to 9th of every month, if it is the first or second Saturday of the month"
    ),
    "FREQ=MONTHLY;BYDAY=-1FR": "the last Friday of every month",
    "FREQ=MONTHLY;INTERVAL=3;BYDAY=-1FR": "every 3 months on the last Friday",
    "FREQ=MONTHLY;BYDAY=1TU,3TU": "the first and third Tuesday of every month",
    "FREQ=MONTHLY;BYDAY=1MO,TU": "the first Monday and every Tuesday of every month",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1": "the last working day of every month",
    "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1": "every month on the last of the Fridays",
    "FREQ=MONTHLY;BYMONTHDAY=15,16,17;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1": (
        "the 15th to 17th of every month, if it is a weekday, only the first of each month"
    ),
    "FREQ=YEARLY;SKIP=BACKWARD": "every year",
    "FREQ=YEARLY": "the same day of every year, where there is one",
    "FREQ=YEARLY;BYMONTH=1,7;SKIP=BACKWARD": "every year in January and July",
    "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24": "every year on 24 December",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29": "every year on 29 February, where there is one",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;SKIP=BACKWARD": (
        "every year on 29 February, or the last day of a shorter one"
    ),
    "FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1,15": "every year on the 1st and 15th of January and July",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYMONTHDAY=2,3,4,5,6,7,8;BYDAY=TU": (
        "every 4 years on the 2nd to 8th of November, if it is a Tuesday"
    ),
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH": "every year on the fourth Thursday of November",
    "FREQ=YEARLY;BYDAY=20MO": "the 20th Monday of every year",
    "FREQ=YEARLY;BYYEARDAY=-1,100": "the 100th and last day of every year",
    "FREQ=YEARLY;BYYEARDAY=366": "the 366th day of every year, where there is one",
    "FREQ=YEARLY;BYYEARDAY=59,60;BYMONTHDAY=29": "the 59th and 60th day of every year, if it is the 29th of the month",
    "FREQ=MONTHLY;BYMONTHDAY=-28;SKIP=FORWARD": (
        "the 28th-last day of every month, or the first day after a shorter one"
    ),
    "FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200;COUNT=10": (
        "every 3 years on the 1st, 100th and 200th day, 10 times in all"
    ),
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO": "every year on Monday of week 20",
    "FREQ=YEARLY;BYWEEKNO=-1,20,21;WKST=SU": (
        "every year on the same weekday of weeks 20 and 21 and the last week, weeks starting on Sunday"
    ),
}


@pytest.mark.parametrize(("rule", "sentence"), SENTENCES.items(), ids=list(SENTENCES))
def test_a_rule_is_said_in_plain_english(rule: str, sentence: str) -> None:
    assert read(parse_rule(rule)) == sentence
    assert str(parse(sentence)) == rule


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY;SKIP=BACKWARD",
        "FREQ=MONTHLY;BYDAY=-1FR;SKIP=FORWARD",
        "FREQ=MONTHLY;BYMONTHDAY=-31;SKIP=BACKWARD",
        "FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=-1FR;SKIP=FORWARD",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=1MO,TU",
        "FREQ=DAILY;BYDAY=MO;BYSETPOS=2",
        "FREQ=YEARLY;BYYEARDAY=" + ",".join(map(str, range(1, 366, 2))),
    ],
    ids=lambda rule: rule[:50],
)
def test_a_rule_without_a_sentence_that_says_all_of_it_has_none(rule: str) -> None:
    """Else people read a rule that the series does not have."""
    assert read(parse_rule(rule)) is None


def test_the_words_of_the_application_are_words_here() -> None:
    assert {name: parse(name) for name in REPEAT_TYPES} == dict(REPEAT_TYPES)
    assert [read(rule) for rule in REPEAT_TYPES.values()] == ["every day", "every week", "every month", "every year"]


def test_a_text_is_a_rule_in_words_or_as_it_is_written() -> None:
    assert typed_rule("monthly") == typed_rule("FREQ=MONTHLY;SKIP=BACKWARD") == typed_rule("every month")
    for nothing in (None, 5, "", " ", "INTERVAL=2"):
        with pytest.raises(InvalidRecurrence, match=r"recurrence\.rule"):
            typed_rule(nothing)
