"""Laws of the client's pure decisions: they hold for any header and any body."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.client.messages import (
    HEALTH,
    LONGEST_ASKED_WAIT,
    RETRIES,
    Refused,
    Reply,
    Trigger,
    TriggerError,
    Unavailable,
    asked_wait,
    call_for,
    is_undelivered,
    read,
    wait_before_next,
)
from recurrence_pipeline.domain.vocabulary import Operation

NOW = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
CREATE = call_for(Trigger(Operation.CREATE, "6b046c55c5f3b9749e06fec5"))

headers = st.one_of(st.none(), st.text(), st.integers().map(str), st.datetimes().map(format_datetime))


@given(headers)
def test_any_retry_after_can_be_read_and_never_asks_to_go_back_in_time(header: str | None) -> None:
    assert asked_wait(header, NOW) >= timedelta()


@given(st.integers(0, 10**6))
def test_seconds_and_the_date_that_is_so_far_away_ask_for_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert asked_wait(str(seconds), NOW) == asked_wait(date, NOW) == timedelta(seconds=seconds)


@given(headers, st.floats(0, 1), st.integers(1, 5))
def test_a_wait_is_never_shorter_than_the_backoff_and_never_without_bounds(
    header: str | None, jitter: float, attempt: int
) -> None:
    failure = Unavailable("away", worth_repeating=True, retry_after=header)
    wait = wait_before_next(failure, attempt=attempt, policy=RETRIES, now=NOW, jitter=jitter)
    if attempt > RETRIES.max_retries:
        assert wait is None, "the number of tries is bounded"
        return
    assert wait is not None
    assert RETRIES.delay(attempt) <= wait <= max(LONGEST_ASKED_WAIT, RETRIES.delay(attempt) * 1.25)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["success", "data", "result", "error"]), inner),
)


@given(st.integers(100, 599), st.binary() | json_values.map(lambda value: repr(value).encode()))
def test_any_answer_can_be_read_and_no_answer_is_both_refused_and_repeated(status: int, body: bytes) -> None:
    for call in (CREATE, HEALTH):
        answer = read(call, Reply(status, body))
        if isinstance(answer, TriggerError):
            assert isinstance(answer, Refused) == (400 <= status < 500 and status not in {408, 429})
            assert is_undelivered(answer), "nothing here is in the worker's own words"
            assert isinstance(answer, Unavailable) or wait_before_next(
                answer, attempt=1, policy=RETRIES, now=NOW, jitter=0
            ) is None  # fmt: skip
        else:
            assert call.holds in answer
