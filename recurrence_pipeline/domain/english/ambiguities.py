"""Ambiguities: what people type for a rule that may mean two rules, or none; and how that is told. Pure.

Nothing is guessed: a wrong guess is a wrong date, for years. The refusal names two sentences to choose from.
"""

import re

from recurrence_pipeline.domain.english.phrases import PHRASES
from recurrence_pipeline.domain.english.spelling import APART, unknown
from recurrence_pipeline.domain.english.vocabulary import DAY, NAME, NTH

_SECOND = r"([2-9]|[12]\d|3[01])(?:st|nd|rd|th)"
_REST = r"(?: (?:until|only|if|\d+ time) .*)?"

AMBIGUOUS: tuple[tuple[str, str, str, str], ...] = (
    (r"bi-?week(?:ly|s?)", "every 2 weeks", "twice a week", "every Monday and Thursday"),
    (r"bi-?month(?:ly|s?)", "every 2 months", "twice a month", "the 1st and 15th of every month"),
    (r"bi-?(?:yearly|annual|annually)", "every 2 years", "", "every 6 months"),
    (r"semi-?weekly", "every 2 weeks", "twice a week", "every Monday and Thursday"),
    (r"semi-?monthly", "every 2 weeks", "twice a month", "the 1st and 15th of every month"),
    (r"weekend(?!s| day)", "every Saturday and Sunday", "", "every Saturday"),
)
"""Words as they are typed, and two sentences that they may mean; what the second is an example of, if it is one."""

AMBIGUOUS_SPELLED: tuple[tuple[str, str, str], ...] = (
    (rf"every {_SECOND} ({DAY})(?: {DAY})*{_REST}", r"every \1 week \2", r"\1th \2 of every month"),
    (rf"every {_SECOND} day{_REST}", r"every \1 day", r"\1th of every month"),
    (rf"(?:every )?(1st|last) day{_REST}", r"\1 day of every month", r"\1 day of every year"),
    (rf"every (\d+ )?(month|year) ({DAY})(?: {DAY})*{_REST}", r"every \1\2 every \3", r"every \1\2 1st \3"),
    (
        rf"(?:every (?:month )?)?((?:{NTH} )+)({NAME}) ({NAME})(?: {DAY})*(?: of every month)?{_REST}",
        r"\1\2 \1\3 of every month",
        r"\1\2 every \3 of every month",
    ),
)
"""The same for words that are spelled; a reading may name what stood there."""

_PER_UNIT = r"(?:(?:a|per|each|every) (?:day|week|month|year)|daily|weekly|monthly|yearly)\b"

IMPOSSIBLE: tuple[tuple[str, str], ...] = (
    (
        r"\b(?:hours?|hourly|minutes?|minutely|seconds|secs?)\b|\bevery second$",
        "is more often than once a day, which no rule is",
    ),
    (
        rf"\b(?:twice|times) {_PER_UNIT}",
        "says how often, and not on which days: name them, as in 'every Monday and Thursday'",
    ),
    (
        r"\bof (?:the|a|each|every) quarter\b|\bquarter(?:ly)?,? (?:on|the|\d+(?:st|nd|rd|th)|first|last)\b",
        "names a day of a quarter, which no rule does: say 'every 3 months on the last day', "
        "or the months, as in 'the last day of March, June, September and December'",
    ),
    (
        r"\bfor (?:\w+ )?(?:days?|weeks?|months?|years?)\b",
        "says for how long, which no rule does: say 'until 31 December 2026', or '10 times'",
    ),
)
"""What is typed and cannot be, and why."""


def readings(text: str, words: str) -> tuple[str, str, str] | None:
    """Return two sentences that a text, and its words as they are spelled, may both mean, and the second's kind."""
    for pattern, one, kind, other in AMBIGUOUS:
        if re.search(rf"\b{pattern}\b", text.lower()):
            return one, other, kind
    for pattern, one, other in AMBIGUOUS_SPELLED:
        if found := re.fullmatch(pattern, words):
            return found.expand(one), found.expand(other), ""
    return None


def impossible(text: str) -> str | None:
    """Say why no rule can say what a text does, as what follows the text in a message."""
    return next((why for pattern, why in IMPOSSIBLE if re.search(pattern, text.lower())), None)


def why_not(text: str, words: str) -> str:
    """Say why a text is no rule, as what follows the text in a message."""
    until = re.search(r"\buntil (.+?)(?: \d+ time.*)?$", words)
    if until and PHRASES["until"].read(until[1]) is None:
        return f"ends on {until[1]!r}, which is no date such as 31 December 2026 or 2026-12-31"
    if not until and re.search(r"\d:\d|\d ?[ap]m\b|\bat\b|\bnoon\b|\bmidnight\b|o'clock", text.lower()):
        return "names a time of day, which a rule does not have: that of the start counts"
    if strange := unknown(text):
        return f"holds what is not understood: {', '.join(strange)}"
    if APART in words.split():
        return "joins what no one rule says: two tasks may have two rules"
    return (
        "makes no rule of these words: try 'every 2 weeks on Monday', 'the last Friday of every month', "
        "'every year on 24 December' or an RRULE such as 'FREQ=DAILY'"
    )
