"""Spelling: what people type, brought to one way of writing: `Mon, Wed & Fri` becomes `monday wednesday friday`. Pure.

Here stand the other words for the same thing. What a sentence means is sentences.py's business, and what may mean two
things ambiguities.py's.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from recurrence_pipeline.domain.english.vocabulary import DAY, MONTHS, NAME, NTH, ORDINALS, WEEKDAYS, nth

_TENS = {"twenty": 20, "thirty": 30}
_TEENS = ("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", *_TEENS)
_FIRSTS = (*ORDINALS, "eleventh", "twelfth", *(f"{teen}th" for teen in _TEENS[2:]))


def _aliases() -> dict[str, str]:
    found = {word: word for word in (
        "every", "day", "week", "month", "year", "weekday", "weekendday", "weekend", "last", "only", "of", "or", "to",
        "until", "at", "if", "it", "is", "same", "where", "there", "its", "shorter", "after", "starting", "other",
        "time", "once", "all", "utc", "quarter", "working", "business", "half", "next", "end",
    )}  # fmt: skip
    found |= {f"{noun}s": noun for noun in ("day", "week", "month", "year", "time", "weekday", "quarter")}
    found |= dict.fromkeys(("on", "a", "an", "for", "from"), "") | {word: word for word in ("the", "and", ",")}
    for name in (*WEEKDAYS, *MONTHS):
        found |= dict.fromkeys((name.lower(), f"{name.lower()}s", name[:3].lower()), name.lower())
    found |= {name[:2].lower(): name.lower() for name in WEEKDAYS}
    found |= {"tues": "tuesday", "weds": "wednesday", "thur": "thursday", "thurs": "thursday", "sept": "september"}
    found |= {word: str(number) for number, word in enumerate(_NUMBERS, 1)}
    found |= {word: f"{number}th" for number, word in enumerate(_FIRSTS, 1)}
    found |= {"first": "1st", "second": "2nd", "third": "3rd", "twentieth": "20th", "thirtieth": "30th"}
    for ten, number in _TENS.items():
        found |= {ten: str(number)}
        found |= {f"{ten}-{word}": f"{number + one}th" for one, word in enumerate(ORDINALS[:9], 1)}
    return found | {
        "each": "every", "alternate": "every other", "in": "of", "till": "until", "til": "until", "ending": "until",
        "through": "to", "thru": "to", "-": "to", "when": "if", "total": "all", "z": "utc", "beginning": "starting",
        "final": "last", "penultimate": "2nd-last", "wk": "week", "yr": "year", "workday": "weekday",
        "workdays": "weekday", "weekends": "weekendday", "fortnight": "2 week", "daily": "every day",
        "weekly": "every week", "fortnightly": "every 2 week", "monthly": "every month", "quarterly": "every 3 month",
        "semiannually": "every 6 month", "halfyearly": "every 6 month", "yearly": "every year", "annual": "every year",
        "annually": "every year", "biennially": "every 2 year",
    }  # fmt: skip


ALIASES: Mapping[str, str] = MappingProxyType(_aliases())
"""Each word that is known, and how it is written here; what says nothing is left out."""

_COUNT = r"\d+(?![\w-])(?! time)"

APART = "+"
"""What stands between two rules in one text, which no sentence does."""

JOINED: tuple[tuple[str, str], ...] = (
    (rf"({NTH}) (?:to )?last\b", r"\1-last"),
    (r"\bnext to last\b", "2nd-last"),
    (
        rf"^ (?:every )?({NAME}) (?:the (?=\d)|(?=\d\d))(\d\d?(?:st|nd|rd|th))(?= until| $)",
        r" \2 of every month if it is \1",
    ),
    (rf"({NTH}) (?:(?:,|and) )+(?=(?:the |every )*{DAY}\b)", rf"\1 {APART} "),
    (r"(every (?:\d+ )?(?:day|week|month|year)) and ", rf"\1 {APART} "),
    (r"(?<= )(?:(?:,|and|the) )+", ""),
)
"""While these words are there: "second, last" are two, "second last" is one; "the 1st, Monday" is no first Monday."""

REWRITTEN: tuple[tuple[str, str], ...] = (
    (r"\b(?:working|business) day\b", "weekday"),
    (r"\bweekend day\b", "weekendday"),
    (r"\b(?:at )?(?:end of (?:every )?month|month end)\b", "last day of every month"),
    (r"\b(?:every )+", "every "),
    (r"\bonce every\b", "every"),
    (r"\bevery half year\b", "every 6 month"),
    (r"(?<!of )\bevery quarter\b", "every 3 month"),
    (r"\bevery other (day|week|month|year)\b", r"every 2 \1"),
    (rf"\bevery other ({NAME})\b", r"every 2 week \1"),
    (rf"\bevery (\d+) ({NAME})\b", r"every \1 week \2"),
    (r"\bevery (\d+)(?:st|nd|rd|th) (week|month|year)\b", r"every \1 \2"),
    (rf"\bevery day (?={DAY})", "every "),
    (r"\bof (?=(?:month|year|week(?! \d))\b)", "of every "),
    (r"\b(\d+) time(?: of all)?\b", r"\1 time of all"),
    (r"^((?:(?! if ).)*) or last day of every month(?= $)", r"\1 of every month or last day of shorter 1"),
    (r"\bor (?:its last day\b|last day(?= $))", "or last day of shorter 1"),
    (r"\bif there is 1\b", "where there is 1"),
)
"""Turns of phrase that are other words for one that sentences have, in the order in which they are looked for."""


def spelled(text: str) -> str:
    """Return words as they are read here: small letters, numbers as digits, one space between; unknown ones stay."""
    text = re.sub(r"[\u2013\u2014]", "-", text.lower())
    text = re.sub(r"\b(?:a|per) (?=(?:day|week|fortnight|month|quarter|year)\b)", "every ", text)
    text = re.sub(r"[,;]|(?<=[a-z])/(?=[a-z])", " , ", text.replace("&", " and "))
    text = " ".join(filter(None, (_spelled(word) for word in re.sub(r"[()]", " ", text).split())))
    for pattern, instead in (*JOINED, *REWRITTEN):
        text = re.sub(pattern, instead, f" {text} ")
        text = re.sub(" +", " ", text).strip(" ,")
    return re.sub(rf"\bday ({_COUNT}(?: (?:to )?{_COUNT})*)", lambda found: _days(found[1]), text)


def unknown(text: str) -> list[str]:
    """Return the words that nobody here knows, each with the known one that it resembles, if any."""
    words = [word.strip(".!") for word in re.sub(r"[(),;&]", " ", re.sub(r"[\u2013\u2014]", "-", text.lower())).split()]
    strange = [word for word in words if not all(map(_is_known, _spelled(word).split()))]
    close = {word: get_close_matches(word, [known for known in ALIASES if len(known) > 2], 1, 0.75) for word in strange}
    return [repr(word) + (f" (did you mean {close[word][0]!r}?)" if close[word] else "") for word in strange]


def _is_known(word: str) -> bool:
    return word in _KNOWN or bool(re.fullmatch(r"\d+|\d+(?:st|nd|rd|th)(?:-last)?|\d{4}-\d\d-\d\d", word))


_KNOWN = {part for phrase in ALIASES.values() for part in phrase.split()}


def _spelled(word: str) -> str:
    word = word.strip(".!")
    for known in (word, word.replace("-", "")):
        if known in ALIASES:
            return ALIASES[known]
    first, dash, last = word.partition("-")
    if dash and last in ("last", "to-last") and _spelled(first)[:1].isdigit():
        return f"{_spelled(first)}-last"
    if dash and all(half in ALIASES or re.fullmatch(r"\d+(?:st|nd|rd|th)?", half) for half in (first, last)):
        return f"{_spelled(first)} to {_spelled(last)}"
    return word


def _days(numbers: str) -> str:
    """Return `31st day` for `31`: day 31 is the 31st."""
    return re.sub(r"\d+", lambda found: f"{nth(int(found[0]))} day", numbers)
