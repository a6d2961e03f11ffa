"""Errors are plain values: they can be copied, and sent from one process to another."""

import pickle
from copy import deepcopy

import pytest

from recurrence_pipeline.domain.errors import (
    InvalidRecurrence,
    OriginalNotFound,
    ProcessingFailed,
    RecurrenceError,
    RuleChanged,
    TaskNotVisibleYet,
)
from recurrence_pipeline_tests.domain.in_memory import NOW

ERRORS = (
    OriginalNotFound("Original task not found"),
    InvalidRecurrence("number: 4 is too many", field="number", value=4),
    RuleChanged(counted_as="daily", says="weekly"),
    TaskNotVisibleYet("not yet", until=NOW),
    ProcessingFailed("create", "no", code="TRANSIENT", retryable=True),
)


@pytest.mark.parametrize("error", ERRORS, ids=[type(error).__name__ for error in ERRORS])
def test_an_error_stays_what_it_is_when_it_is_copied_or_sent(error: RecurrenceError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), deepcopy(error)):  # noqa: S301 (our own bytes)
        assert type(other) is type(error)
        assert (str(other), vars(other)) == (str(error), vars(error))
