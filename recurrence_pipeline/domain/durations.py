"""How long something took, as people say it."""

from datetime import timedelta

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def lasting(duration: timedelta) -> str:
    """Return a duration in its two largest units: `250 ms`, `1.4 s`, `12 min 5 s`, `3 h 12 min`, `902 d 4 h`.

    What is left of smaller units is cut off; a negative duration, which clocks can make of a short one, is `0 ms`.
    """
    milliseconds = max(round(duration.total_seconds() * 1000), 0)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 100 / 10:g} s"
    seconds = milliseconds // 1000
    place = next(place for place, (size, _) in enumerate(_UNITS) if seconds >= size)
    (size, unit), (small, small_unit) = _UNITS[place : place + 2]
    whole, rest = divmod(seconds, size)
    return f"{whole} {unit} {rest // small} {small_unit}" if rest >= small else f"{whole} {unit}"
