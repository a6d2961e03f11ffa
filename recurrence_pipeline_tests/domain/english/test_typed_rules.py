"""What people type for a rule: what is understood, what may mean two rules, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.english import parse, read
from recurrence_pipeline.domain.errors import InvalidRecurrence

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
        ("last day of the quarter", "names a day of a quarter"),
        ("quarterly on the 1st", "names a day of a quarter"),
        ("daily for two weeks", "says for how long"),
        ("every day until 31 Dec", "ends on '31 december', which is no date such as 31 December 2026"),
        ("every day until 30 Feb 2027", "which is no date"),
        ("every day until 03/04/2027", "ends on '03/04/2027', which is no date"),
        ("every day until 31 December 2026 at 25:00", "ends on '31 december 2026 at 25:00', which is no date"),
        ("1 January and 15 July", "makes no rule of these words: try"),
        ("the first weekday and the first Monday of the month", "makes no rule of these words: try"),
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
