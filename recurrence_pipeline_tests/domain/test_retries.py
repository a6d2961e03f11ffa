"""What follows from a failed try: again, when; or never again, and why."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import (
    InternalError,
    InvalidInput,
    InvalidRecurrence,
    OriginalNotFound,
    PartialWrite,
    PoisonEvent,
    RecurrenceError,
    RuleChanged,
    TaskNotVisibleYet,
    Transient,
    WriteRejected,
)
from recurrence_pipeline.domain.retries import (
    FURTHEST_RETRY,
    JITTER,
    DeadLetter,
    Reject,
    RetryAt,
    RetryPolicy,
    after_failure,
    group_after_death,
)

NOW = datetime(2024, 1, 10, 12, tzinfo=timezone.utc)
POLICY = RetryPolicy(max_retries=3, base_delay=timedelta(milliseconds=500))
MILLISECOND = timedelta(milliseconds=1)

policies = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 50),
    base_delay=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=1)),
    cap=st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=1)),
)
jitters = st.floats(min_value=0, max_value=1, exclude_max=True)


def decide(error: RecurrenceError, attempt: int = 1, jitter: float = 0.0) -> RetryAt | DeadLetter | Reject:
    return after_failure(error, attempt=attempt, now=NOW, policy=POLICY, jitter=jitter)


def test_the_delay_starts_at_the_base_and_doubles() -> None:
    delays = [decide(Transient("no primary"), attempt) for attempt in (1, 2, 3)]
    assert delays == [RetryAt(NOW + timedelta(milliseconds=ms)) for ms in (500, 1000, 2000)]


def test_after_the_last_retry_the_event_waits_for_a_person() -> None:
    assert decide(Transient("no primary"), attempt=4) == DeadLetter("no primary")


def test_no_retries_means_one_try() -> None:
    policy = RetryPolicy(max_retries=0, base_delay=timedelta(seconds=1))
    assert after_failure(Transient("x"), attempt=1, now=NOW, policy=policy, jitter=0) == DeadLetter("x")


@pytest.mark.parametrize("kind", [PartialWrite, InternalError])
def test_what_may_go_better_is_tried_again(kind: type[Transient]) -> None:
    assert isinstance(decide(kind("half done")), RetryAt)
    assert decide(kind("half done"), attempt=4) == DeadLetter("half done")


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("no id"),
        InvalidRecurrence("no such rule", field="repeatType"),
        OriginalNotFound("gone"),
        RuleChanged(counted_as="daily", says="weekly"),
        WriteRejected("too large"),
    ],
)
def test_a_permanent_error_is_rejected_at_the_first_try(error: RecurrenceError) -> None:
    assert decide(error) == Reject(str(error))


def test_an_event_that_its_holders_died_of_is_not_handed_to_another() -> None:
    assert decide(PoisonEvent("5 workers died holding it")) == DeadLetter("5 workers died holding it")


def test_a_task_that_is_not_visible_yet_is_waited_for_after_the_retries_are_used_up() -> None:
    until = NOW + timedelta(seconds=20)
    assert decide(TaskNotVisibleYet("not yet", until=until), attempt=4) == RetryAt(until)
    assert decide(TaskNotVisibleYet("not yet", until=until), attempt=1) == RetryAt(NOW + timedelta(milliseconds=500))


def test_no_task_is_waited_for_longer_than_the_longest_retry() -> None:
    """What is due later is taken for the work of a clock ahead, and tried at once."""
    never = TaskNotVisibleYet("not yet", until=NOW + timedelta(days=3650))
    assert decide(never, attempt=4) == RetryAt(NOW + FURTHEST_RETRY)


@given(st.integers(1, 10**6))
def test_groups_shrink_to_one_within_three_deaths(size: int) -> None:
    """Each step waits for a lease to run out."""
    sizes = [size]
    while sizes[-1] > 1:
        sizes.append(group_after_death(sizes[-1]))
    assert sizes == sorted(set(sizes), reverse=True)
    assert len(sizes) <= 4
    assert group_after_death("many") == group_after_death(None) == 1


def test_a_task_that_was_looked_for_in_time_is_looked_for_once_more_where_the_time_is_over_by_now() -> None:
    """A slow batch may take longer than is left; the next look is then the last, for it comes too late to wait."""
    assert decide(TaskNotVisibleYet("not yet", until=NOW - timedelta(seconds=5)), attempt=4) == RetryAt(NOW)


def test_a_retry_is_due_at_a_whole_millisecond() -> None:
    """BSON keeps no more; a time that is read back must equal the one that was written."""
    decision = decide(Transient("x"), jitter=0.123456)
    assert decision == RetryAt(NOW + timedelta(milliseconds=515))


@given(policy=policies, attempt=st.integers(1, 10_000))
def test_the_delay_doubles_until_the_cap_and_stays_there(policy: RetryPolicy, attempt: int) -> None:
    assert policy.delay(1) == min(policy.base_delay, policy.cap)
    assert policy.delay(attempt + 1) == min(policy.delay(attempt) * 2, policy.cap)


@given(policy=policies, attempt=st.integers(1, 50), jitter=jitters)
def test_jitter_only_adds_and_adds_no_more_than_its_share(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    decision = after_failure(Transient("x"), attempt=attempt, now=NOW, policy=policy, jitter=jitter)
    if attempt > policy.max_retries:
        assert decision == DeadLetter("x")
        return
    assert isinstance(decision, RetryAt)
    wait = decision.at - NOW
    assert policy.delay(attempt) - MILLISECOND < wait <= policy.delay(attempt) * (1 + JITTER)


@given(attempt=st.integers(1, 10), early=jitters, late=jitters)
def test_more_jitter_is_never_an_earlier_retry(attempt: int, early: float, late: float) -> None:
    policy = RetryPolicy(max_retries=10, base_delay=timedelta(seconds=1))
    low, high = (
        after_failure(Transient("x"), attempt=attempt, now=NOW, policy=policy, jitter=jitter)
        for jitter in sorted((early, late))
    )
    assert isinstance(low, RetryAt)
    assert isinstance(high, RetryAt)
    assert low.at <= high.at
