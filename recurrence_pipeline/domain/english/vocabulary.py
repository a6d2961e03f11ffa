"""Vocabulary: the names of days and months, ordinals, lists and spans in English, written and read. Pure.

It knows nothing of rules; which words stand for which part of one is phrases.py's business.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
GROUPS: Mapping[str, tuple[int, ...]] = MappingProxyType({"weekday": (0, 1, 2, 3, 4), "weekendday": (5, 6)})
"""Words for several weekdays. A working day is a weekday here: holidays are no part of a rule."""

NAME = "(?:" + "|".join(name.lower() for name in WEEKDAYS) + ")"
DAY = "(?:" + "|".join([NAME, *GROUPS]) + ")"
MONTH = "(?:" + "|".join(name.lower() for name in MONTHS) + ")"
NTH = r"(?:[1-9]\d{0,2}(?:st|nd|rd|th)(?:-last)?|last)"
"""Patterns of words that are spelled: the name of a weekday, that or a word for several, a month, an ordinal."""


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def nth(number: int) -> str:
    """Return `1st`, `22nd`, and from the end `last`, `2nd-last`."""
    if number < 0:
        return "last" if number == -1 else f"{nth(-number)}-last"
    return f"{number}{'th' if 10 < number % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def nth_word(number: int) -> str:
    """Return `first`, `22nd`, and from the end `last`, `second-last`."""
    if number < -1:
        return f"{nth_word(-number)}-last"
    return ORDINALS[number - 1] if 0 < number <= len(ORDINALS) else nth(number)


def from_front(numbers: Iterable[int]) -> list[int]:
    """Return numbers in the order of their days: those from the front, then those from the end."""
    return sorted(numbers, key=lambda number: (number < 0, number))


def runs(numbers: Iterable[int], name: Callable[[int], str]) -> list[str]:
    """Name numbers one by one, three or more in a row as `a to b`; what counts from the end always one by one."""
    found: list[list[int]] = []
    for number in from_front(numbers):
        if found and found[-1][-1] == number - 1 and number > 0:
            found[-1].append(number)
        else:
            found.append([number])
    return [
        part
        for run in found
        for part in ([f"{name(run[0])} to {name(run[-1])}"] if len(run) > 2 else [name(each) for each in run])
    ]


def spread(text: str, value: Callable[[str], int], around: range | None = None) -> tuple[int, ...] | None:
    """Read `a b to d`; in a range that goes round, such as weekdays, `b` may lie before `a`."""
    found: list[int] = []
    words = text.split()
    for index, word in enumerate(words):
        if word == "to":
            first, last = found[-1], value(words[index + 1])
            if around is not None and last < first:
                found += [*range(first, around.stop), *range(around.start, last)]
            elif 0 <= first < last:
                found += range(first, last)
            else:
                return None
        else:
            found.append(value(word))
    return tuple(sorted(set(found)))


def number_of(word: str) -> int:
    """Read `3`, `3rd`, `last` and `3rd-last`."""
    if word == "last":
        return -1
    number = int(re.sub(r"\D", "", word))
    return -number if word.endswith("-last") else number


def series(item: str, separator: str = " ") -> str:
    """Return a pattern of one or more of an item, and of spans of it."""
    return f"{item}(?: to {item})?(?:{separator}{item}(?: to {item})?)*"
