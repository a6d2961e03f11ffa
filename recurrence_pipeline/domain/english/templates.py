"""Templates: words with phrases in braces, written for a rule and read back into its fields. Pure.

Which templates there are, and what they say of a rule, is sentences.py's business.
"""

import re
from collections.abc import Iterator

from recurrence_pipeline.domain.english.phrases import PHRASES
from recurrence_pipeline.domain.english.spelling import spelled
from recurrence_pipeline.domain.english.weekdays import Fields
from recurrence_pipeline.domain.rules import Rule


class Template:
    """Words with phrases in braces: written for a rule, and matched against words that are spelled."""

    def __init__(self, text: str) -> None:
        pieces = re.split(r"\{([\w ]+)\}", text)
        self._texts, self._phrases = pieces[::2], [PHRASES[name] for name in pieces[1::2]]
        self.fields = frozenset(name for phrase in self._phrases for name in phrase.fields) - {"frequency"}
        patterns = [f"({phrase.pattern})" for phrase in self._phrases] + [""]
        words = [re.escape(spelled(each)).replace(r"\ ", " ") for each in self._texts]
        self.pattern = " ".join(part for pair in zip(words, patterns, strict=True) for part in pair if part)

    def write(self, rule: Rule) -> str | None:
        """Return the words for a rule; None where one of the phrases has none."""
        written = [phrase.write(rule) for phrase in self._phrases]
        if None in written:
            return None
        return "".join(part or "" for pair in zip(self._texts, [*written, ""], strict=True) for part in pair)

    def read(self, words: str) -> Fields | None:
        """Return the fields that words of exactly this form stand for."""
        found = re.fullmatch(self.pattern, words)
        if found is None:
            return None
        read = [phrase.read(text) for phrase, text in zip(self._phrases, found.groups(), strict=True)]
        return None if None in read else {name: value for each in read if each for name, value in each.items()}

    def cut(self, words: str) -> Iterator[tuple[str, Fields]]:
        """Yield what stands before words of this form at the end of others, and the fields that they stand for."""
        for found in re.finditer(f" (?={self.pattern}$)", words):
            read = self.read(words[found.end() :])
            if read is not None:
                yield words[: found.start()], read
