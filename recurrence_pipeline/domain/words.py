"""Numbers with their nouns, and texts that are cut, as people read them. Pure; times are times.py's."""


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many characters, with an ellipsis where there was more."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 event`, `2 events`; `plural` where it is more than an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
