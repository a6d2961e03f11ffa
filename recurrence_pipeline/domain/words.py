"""Numbers with their nouns, as people read them. Pure; figures with units are times.py's and the report's."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 event`, `2 events`; `plural` where it is more than an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
