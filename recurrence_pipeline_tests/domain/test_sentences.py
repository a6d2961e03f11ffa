"""Rules in English, and English as rules: the law that one undoes the other, and what people type."""

from dataclasses import replace
from datetime import timezone
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES, parse_rule
from recurrence_pipeline.domain.sentences import parse, read, rule_of
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


TYPED = {
    "daily": "FREQ=DAILY",
    "Every  DAY.": "FREQ=DAILY",
    "every other day": "FREQ=DAILY;INTERVAL=2",
    "every three days for 10 times": "FREQ=DAILY;INTERVAL=3;COUNT=10",
    "every day 10 times": "FREQ=DAILY;COUNT=10",
    "every day in July and August": "FREQ=DAILY;BYMONTH=7,8",
    "every other Tuesday": "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
    "alternate Fridays": "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR",
    "Monday every other week": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO",
    "fortnightly on Friday": "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR",
    "once a week": "FREQ=WEEKLY",
    "every third week": "FREQ=WEEKLY;INTERVAL=3",
    "weekdays": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "business days": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "daily, Mon-Fri": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "Friday to Monday": "FREQ=WEEKLY;BYDAY=MO,FR,SA,SU",
    "weekends": "FREQ=WEEKLY;BYDAY=SA,SU",
    "weekdays and Saturday": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA",
    "mon, wed, fri": "FREQ=WEEKLY;BYDAY=MO,WE,FR",
    "Tue/Thu": "FREQ=WEEKLY;BYDAY=TU,TH",
    "every Tuesday and every Thursday": "FREQ=WEEKLY;BYDAY=TU,TH",
    "every Tue & Thurs until Dec 31st, 2026": "FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=20261231",
    "every Monday till 2026-12-31": "FREQ=WEEKLY;BYDAY=MO;UNTIL=20261231",
    "every Monday until 2026-12-31T09:00Z": "FREQ=WEEKLY;BYDAY=MO;UNTIL=20261231T090000Z",
    "every Monday from November to February": "FREQ=WEEKLY;BYMONTH=1,2,11,12;BYDAY=MO",
    "every six months": "FREQ=MONTHLY;INTERVAL=6;SKIP=BACKWARD",
    "quarterly": "FREQ=MONTHLY;INTERVAL=3;SKIP=BACKWARD",
    "every quarter": "FREQ=MONTHLY;INTERVAL=3;SKIP=BACKWARD",
    "half-yearly": "FREQ=MONTHLY;INTERVAL=6;SKIP=BACKWARD",
    "every 15th": "FREQ=MONTHLY;BYMONTHDAY=15",
    "every 1st and 15th": "FREQ=MONTHLY;BYMONTHDAY=1,15",
    "days 1, 10 and 20 of the month": "FREQ=MONTHLY;BYMONTHDAY=1,10,20",
    "monthly on the twenty-first": "FREQ=MONTHLY;BYMONTHDAY=21",
    "last day of the month": "FREQ=MONTHLY;BYMONTHDAY=-1",
    "at the end of each month": "FREQ=MONTHLY;BYMONTHDAY=-1",
    "second to last day of the month": "FREQ=MONTHLY;BYMONTHDAY=-2",
    "on day 31 of every month, or its last day": "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
    "the 31st or last day of the month": "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
    "the 30th of every month, if there is one": "FREQ=MONTHLY;BYMONTHDAY=30",
    "Friday the 13th": "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
    "1st Monday of the month": "FREQ=MONTHLY;BYDAY=1MO",
    "every second Tuesday of the month": "FREQ=MONTHLY;BYDAY=2TU",
    "the first, second and last Monday of the month": "FREQ=MONTHLY;BYDAY=-1MO,1MO,2MO",
    "the first and second last Monday of the month": "FREQ=MONTHLY;BYDAY=-2MO,1MO",
    "every last Friday": "FREQ=MONTHLY;BYDAY=-1FR",
    "last Friday every 2 months": "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR",
    "first weekday of each month": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1",
    "the last Monday or Tuesday of every month": "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1",
    "annually": "FREQ=YEARLY;SKIP=BACKWARD",
    "every January": "FREQ=YEARLY;BYMONTH=1;SKIP=BACKWARD",
    "every Dec 24": "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24",
    "every year on March 1st and September 1st": "FREQ=YEARLY;BYMONTH=3,9;BYMONTHDAY=1",
    "fourth Thursday in November": "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
    "last day of February": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
    "the 100th day of the year": "FREQ=YEARLY;BYYEARDAY=100",
}


@pytest.mark.parametrize(("typed", "rule"), TYPED.items(), ids=list(TYPED))
def test_what_people_type_is_understood(typed: str, rule: str) -> None:
    assert str(parse(typed)) == rule


@pytest.mark.parametrize(
    ("typed", "one", "other"),
    [
        ("biweekly", "every 2 weeks", "every Monday and Thursday"),
        ("Bi-weekly on Monday", "every 2 weeks", "every Monday and Thursday"),
        ("bimonthly", "every 2 months", "the 1st and 15th of every month"),
        ("biannually", "every 2 years", "every 6 months"),
        ("every weekend", "every Saturday and Sunday", "every Saturday"),
        ("every 2nd Tuesday", "every 2 weeks on Tuesday", "the second Tuesday of every month"),
        ("every third day", "every 3 days", "the 3rd of every month"),
        ("every third day until 2027-01-01", "every 3 days", "the 3rd of every month"),
        ("last day", "the last day of every month", "the last day of every year"),
        ("every month on Friday", "every Friday of every month", "the first Friday of every month"),
        (
            "first Monday and Tuesday of the month",
            "the first Monday and the first Tuesday of every month",
            "the first Monday and every Tuesday of every month",
        ),
        (
            "every 30th",
            "the 30th of every month, where there is one",
            "the 30th of every month, or the last day of a shorter one",
        ),
        (
            "29 Feb",
            "every year on 29 February, where there is one",
            "every year on 29 February, or the last day of a shorter one",
        ),
    ],
)
def test_what_may_mean_two_rules_is_refused_with_both(typed: str, one: str, other: str) -> None:
    with pytest.raises(InvalidRecurrence) as refused:
        parse(typed)
    assert (refused.value.field, refused.value.value) == ("rule", typed)
    assert str(refused.value).startswith(f"rule: {typed!r} may mean {one!r} or ")
    assert str(refused.value).endswith(f"{other!r}: say which")
    assert parse(one) != parse(other), "each of them is understood"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("every flurb", "holds what is not understood: 'flurb'"),
        ("every tuseday in mai", "not understood: 'tuseday' (did you mean 'tuesday'?), 'mai'"),
        ("каждый день", "not understood: 'каждый', 'день'"),
        ("every hour", "is more often than once a day"),
        ("every second", "is more often than once a day"),
        ("every Monday at 9am", "names a time of day, which a rule does not have"),
        ("every Monday at 09:00", "names a time of day, which a rule does not have"),
        ("twice a week", "says how often, and not on which days"),
        ("3 times a month", "says how often, and not on which days"),
        ("last day of the quarter", "names a quarter"),
        ("every day until 31 Dec", "ends on '31 december', which is no date such as 31 December 2026"),
        ("every day until 30 Feb 2027", "which is no date"),
        ("every day until 03/04/2027", "ends on '03/04/2027', which is no date"),
        ("every Monday and the 1st", "makes no rule of these words: try"),
        ("the 1st and every Monday", "joins what no one rule says"),
        ("the 1st, weekdays", "joins what no one rule says"),
        ("every day and Monday", "joins what no one rule says"),
        ("the 0th Monday of the month", "makes no rule of these words: try"),
        ("every week on the 15th", "makes no rule of these words: try"),
        ("every week, if it is a Monday", "makes no rule of these words: try"),
        ("every month on Monday of week 3", "makes no rule of these words: try"),
        ("every Friday, or the last day of a shorter one", "makes no rule of these words: try"),
        ("5th to 1st of every month", "makes no rule of these words: try"),
        ("every 0 days", "repeats every 0"),
        ("", "makes no rule of these words: try"),
        ("every day " * 101, "… is no sentence of a rule"),
        ("week 1 " * 140, "makes no rule"),
        ("every day 0 times", "COUNT=0 is not a whole number from 1 to 1000000"),
        ("every 20000 days", "INTERVAL=20000 is not a whole number from 1 to 10000"),
        ("every month on the 45th", "BYMONTHDAY=45 is not a whole number from 1 to 31"),
        ("every day, 3 times, until 2027-01-01", "COUNT=3 and UNTIL cannot both be given"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_rule_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(InvalidRecurrence) as refused:
        parse(typed)
    assert why in str(refused.value).replace("…'", "…")


PIECES = (
    "every", "the", "of", "month", "year", "week", "day", "first", "last", "second", "Monday", "Tuesday", "weekday",
    "working day", "January", "February", "1st", "15th", "31st", "and", "only", "in", "if it is", "until 2026-12-31",
    "10 times", "2", "3", "other", "to", "or", "on", "same", "week 20", "of each", "where there is one",
)  # fmt: skip


@given(words=st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map(" ".join))
def test_what_is_understood_can_be_said(words: str) -> None:
    """Else somebody is given a rule that nobody can read back to them."""
    try:
        rule = parse(words)
    except InvalidRecurrence:
        return
    sentence = read(rule)
    assert sentence is not None
    assert parse(sentence) == rule


def test_a_text_is_a_rule_in_words_or_as_it_is_written() -> None:
    assert rule_of("monthly") == rule_of("FREQ=MONTHLY;SKIP=BACKWARD") == rule_of("every month")
    for nothing in (None, 5, "", " ", "INTERVAL=2"):
        with pytest.raises(InvalidRecurrence, match=r"recurrence\.rule"):
            rule_of(nothing)
