"""Rules in English: how one is said (`read`), and what people type (`parse`), by the same table."""

from recurrence_pipeline.domain.english.sentences import parse, read, typed_rule

__all__ = ["parse", "read", "typed_rule"]
