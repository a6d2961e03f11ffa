"""Rules as values: what is read, how it is printed, and what is refused, by part and value."""

import pytest

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES, parse_rule


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("freq=weekly;byday=th,mo,th;interval=1", "FREQ=WEEKLY;BYDAY=MO,TH"),
        ("RRULE:FREQ=MONTHLY;BYDAY=+2TU,-1FR", "FREQ=MONTHLY;BYDAY=2TU,-1FR"),
        ("FREQ=MONTHLY;BYMONTHDAY=31,-1;SKIP=omit", "FREQ=MONTHLY;BYMONTHDAY=-1,31"),
        ("WKST=MO;FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"),
        ("FREQ=DAILY;UNTIL=20271231", "FREQ=DAILY;UNTIL=20271231"),
        ("FREQ=DAILY;UNTIL=20271231T235959Z", "FREQ=DAILY;UNTIL=20271231T235959Z"),
        ("FREQ=DAILY;UNTIL=20271231T235959", "FREQ=DAILY;UNTIL=20271231T235959"),
        ("FREQ=DAILY;UNTIL=09991231T000000Z", "FREQ=DAILY;UNTIL=09991231T000000Z"),
        ("RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD;COUNT=5", "FREQ=YEARLY;COUNT=5;SKIP=FORWARD"),
        (" FREQ=DAILY ", "FREQ=DAILY"),
    ],
)
def test_a_rule_is_printed_in_one_way(text: str, canonical: str) -> None:
    assert str(parse_rule(text)) == canonical
    assert parse_rule(canonical) == parse_rule(text)


def test_rules_that_say_the_same_are_equal_and_found_in_sets() -> None:
    same = {parse_rule("FREQ=WEEKLY;BYDAY=MO,TH"), parse_rule("BYDAY=TH,MO;FREQ=WEEKLY;INTERVAL=1")}
    assert len(same) == 1


def test_the_words_of_the_application_are_rules() -> None:
    assert {name: str(rule) for name, rule in REPEAT_TYPES.items()} == {
        "daily": "FREQ=DAILY",
        "weekly": "FREQ=WEEKLY",
        "monthly": "FREQ=MONTHLY;SKIP=BACKWARD",
        "yearly": "FREQ=YEARLY;SKIP=BACKWARD",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "rule '' is not written NAME=VALUE"),
        ("INTERVAL=2", "FREQ is missing"),
        ("FREQ=DAILY;", "rule '' is not written NAME=VALUE"),
        ("FREQ=DAILY;BYHOUR=9", "rule 'BYHOUR=9' is no part of a rule"),
        ("FREQ=HOURLY", "FREQ=HOURLY is not one of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ=WEEKLY is given a second time"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is not a whole number from 1 to 10000"),
        ("FREQ=DAILY;INTERVAL=1.5", "INTERVAL=1.5 is not a whole number"),
        ("FREQ=DAILY;INTERVAL=\u0661", "INTERVAL=\u0661 is not a whole number"),
        ("FREQ=DAILY;COUNT=-1", "COUNT=-1 is not a whole number from 1 to 1000000"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "COUNT=3 and UNTIL cannot both be given"),
        ("FREQ=DAILY;UNTIL=20270230", "UNTIL=20270230 is not a time such as"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL=TOMORROW is not a time such as"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13 is not a whole number from 1 to 12"),
        ("FREQ=DAILY;BYMONTH=-1", "BYMONTH=-1 is not a whole number from 1 to 12"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0 is not a whole number from 1 to 31 or -31 to -1"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,,2", "BYMONTHDAY= is not a whole number"),
        ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY=367 is not a whole number from 1 to 366"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY=1 is not allowed with FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO=1 is not allowed with FREQ=MONTHLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY=1 is not allowed with FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY=1MO with a number is not allowed with FREQ=WEEKLY"),
        ("FREQ=YEARLY;BYWEEKNO=3;BYDAY=2MO", "BYDAY=2MO with a number is not allowed beside BYWEEKNO"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY=6MO has a number that no month reaches"),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=-6MO", "BYDAY=-6MO has a number that no month reaches"),
        ("FREQ=YEARLY;BYDAY=54MO", "BYDAY=54MO is not a weekday such as MO, 2MO or -1FR"),
        ("FREQ=MONTHLY;BYDAY=MONDAY", "BYDAY=MONDAY is not a weekday"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS=1 chooses among days that another BY part must name"),
        ("FREQ=WEEKLY;WKST=1MO", "WKST=1MO is not one of MO, TU"),
        ("FREQ=MONTHLY;SKIP=NEVER", "SKIP=NEVER is not one of OMIT, BACKWARD, FORWARD"),
        ("RSCALE=CHINESE;FREQ=YEARLY", "RSCALE=CHINESE is not GREGORIAN"),
        ("FREQ=DAILY;BYMONTH=" + ",".join(["1"] * 600), "is no RRULE value"),
    ],
)
def test_what_cannot_be_is_refused_with_the_part_and_its_value(text: str, words: str) -> None:
    with pytest.raises(InvalidRecurrence) as raised:
        parse_rule(text)
    assert str(raised.value).startswith("recurrence.rule: ")
    assert words in str(raised.value)
    assert raised.value.field == "recurrence.rule"


@pytest.mark.parametrize("value", [None, 5, ["FREQ=DAILY"], {"freq": "daily"}])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(InvalidRecurrence, match="is no RRULE value"):
        parse_rule(value)  # type: ignore[arg-type] # documents hold what they hold
