"""What is said of a cause: once as it begins, once as it is over, and not again within the cool-down."""

import itertools
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.monitoring.alert_rules import (
    LASTS,
    MAX_TEXT,
    Incident,
    Message,
    OpenIncident,
    decide,
    decide_all,
)

BEGIN = datetime(2026, 11, 24, 2, 0, tzinfo=timezone.utc)
COOLDOWN = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def incident(minute: float = 0, **fields: object) -> Incident:
    wanted = {"text": "no space left", "link": "http://ui/runs/1"} | fields
    return Incident("run:daily", "run of daily failed", at=BEGIN + minute * MINUTE, **wanted)  # type: ignore[arg-type]


class Story:
    """One cause, looked at again and again."""

    def __init__(self) -> None:
        self.known: OpenIncident | None = None

    def look(self, minute: float, found: Incident | None) -> str | None:
        now = BEGIN + minute * MINUTE
        self.known, message = decide(self.known, found, now=now, cooldown=COOLDOWN)
        return message.headline if message else None


FAILED = "[ERROR] recurrence: run of daily failed"
OVER = "[OK] recurrence: run of daily failed: over"


def test_a_cause_is_said_once_and_once_more_when_it_is_over() -> None:
    story = Story()

    assert story.look(0, incident()) == FAILED
    assert [story.look(minute, incident(minute)) for minute in (1, 59, 61, 5000)] == [None] * 4
    assert story.look(5001, None) == OVER
    assert story.look(5002, None) is None


def test_a_cause_that_comes_back_within_the_cool_down_is_said_once_it_lasts() -> None:
    """A service that goes up and down must not tell so each time; one that stays down is not kept quiet for an hour."""
    story = Story()
    assert [story.look(0, incident()), story.look(10, None)] == [FAILED, OVER]

    assert story.look(20, incident(20)) is None
    assert story.look(29, incident(20)) is None
    assert story.look(30, incident(20)) == FAILED
    assert story.known is not None
    assert story.known.since == BEGIN + 20 * MINUTE, "the trouble that is said began then"


def test_of_trouble_that_was_not_said_the_end_is_not_said_either() -> None:
    story = Story()
    assert [story.look(0, incident()), story.look(10, None)] == [FAILED, OVER]

    assert [story.look(20, incident(20)), story.look(30, None), story.look(31, None)] == [None] * 3
    assert story.look(90, incident(90)) == FAILED


def test_more_of_it_is_said_again_after_the_cool_down_and_less_of_it_is_not() -> None:
    story = Story()
    assert story.look(0, incident(count=3)) == FAILED

    assert story.look(30, incident(count=5)) is None
    assert story.look(60, incident(count=5)) == FAILED
    assert story.look(200, incident(count=2)) is None
    assert story.look(201, incident(count=3)) == FAILED, "one more than there were"


def test_a_cause_that_is_long_over_is_forgotten() -> None:
    story = Story()
    story.look(0, incident())
    story.look(1, None)
    assert story.known is not None

    story.look(61, None)

    assert story.known is None


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=40))
def test_whatever_comes_and_goes_beginnings_and_ends_take_turns_and_beginnings_keep_their_distance(
    looks: list[tuple[int, bool]],
) -> None:
    story, minute, said = Story(), 0, []
    for step, there in looks:
        minute += step
        headline = story.look(minute, incident(minute) if there else None)
        said += [(minute, headline)] if headline else []

    assert [headline for _, headline in said] == [FAILED, OVER] * (len(said) // 2) + [FAILED] * (len(said) % 2)
    begun = [minute for minute, headline in said if headline == FAILED]
    assert all(later - earlier >= LASTS / MINUTE for earlier, later in itertools.pairwise(begun))


def test_what_could_not_be_looked_at_stays_as_it_is_and_the_rest_is_decided() -> None:
    states, _ = decide_all({}, [incident()], now=BEGIN, cooldown=COOLDOWN)
    other = Incident("unhealthy", "the worker is unhealthy", "away", "", BEGIN)

    kept, messages = decide_all(states, [other], unseen={"run:daily"}, now=BEGIN + MINUTE, cooldown=COOLDOWN)
    assert [message.title for message in messages] == ["the worker is unhealthy"]
    assert kept["run:daily"] == states["run:daily"]

    _, messages = decide_all(kept, [], now=BEGIN + 2 * MINUTE, cooldown=COOLDOWN)
    assert {message.title for message in messages} == {"run of daily failed: over", "the worker is unhealthy: over"}


def test_what_is_over_is_said_before_what_is_new() -> None:
    states, _ = decide_all({}, [incident()], now=BEGIN, cooldown=COOLDOWN)
    other = Incident("unhealthy", "the worker is unhealthy", "away", "", BEGIN)

    _, messages = decide_all(states, [other], now=BEGIN + MINUTE, cooldown=COOLDOWN)

    assert [message.severity for message in messages] == [Severity.OK, Severity.ERROR]


def test_a_message_says_what_since_when_and_where_to_look() -> None:
    _, message = decide(None, incident(), now=BEGIN + MINUTE, cooldown=COOLDOWN)

    assert message is not None
    assert message.headline == "[ERROR] recurrence: run of daily failed"
    assert message.body.splitlines() == [
        "no space left",
        "Since: 2026-11-24T02:00:00Z",
        "Time: 2026-11-24T02:01:00Z",
        "http://ui/runs/1",
    ]


def test_the_end_says_how_long_it_took() -> None:
    known, _ = decide(None, incident(), now=BEGIN, cooldown=COOLDOWN)
    _, message = decide(known, None, now=BEGIN + 12 * MINUTE, cooldown=COOLDOWN)

    assert message is not None
    assert message.text == "Over after 12 min."


def test_a_text_without_end_is_cut() -> None:
    _, message = decide(None, incident(text="x" * 5000), now=BEGIN, cooldown=COOLDOWN)

    assert isinstance(message, Message)
    assert len(message.text) == MAX_TEXT


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=1), timedelta(days=3650)])
def test_what_a_clock_ahead_said_keeps_nothing_from_being_said_now(ahead: timedelta) -> None:
    """Else new trouble of the same kind is passed over in silence for years."""
    story = Story()
    assert [story.look(ahead / MINUTE, incident()), story.look(ahead / MINUTE + 1, None)] == [FAILED, OVER]

    assert story.look(0, incident()) == FAILED
