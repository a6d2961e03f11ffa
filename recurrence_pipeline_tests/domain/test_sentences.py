"""Rules in English, and English as rules: the law that one undoes the other, and what people type."""

from dataclasses import replace
from datetime import timezone
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.rules import REPEAT_TYPES, Rule, parse_rule
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
