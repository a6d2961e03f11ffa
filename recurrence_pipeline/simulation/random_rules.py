"""Random rules that RFC 5545 and RFC 7529 allow, drawn from a seeded source, to be repeated. Pure.

What a series says besides its rule is random_series.py's.
"""

from random import Random

from recurrence_pipeline.domain.rules import WEEKDAYS

SKIPS = ("OMIT", "BACKWARD", "FORWARD")


def random_rule(chance: Random) -> str:
    """Return a rule of any kind: of each part, as often given as not."""
    frequency = chance.choice(("DAILY", "WEEKLY", "MONTHLY", "YEARLY"))
    yearly = frequency == "YEARLY"
    months = _numbers(chance, 12, negative=False) if _sometimes(chance) else ""
    weeks = _numbers(chance, 53) if yearly and _sometimes(chance) else ""
    most = {"MONTHLY": 5, "YEARLY": 0 if weeks else 5 if months else 53}.get(frequency, 0)
    named = {
        "BYMONTH": months,
        "BYWEEKNO": weeks,
        "BYYEARDAY": _numbers(chance, 366) if yearly and _sometimes(chance) else "",
        "BYMONTHDAY": _numbers(chance, 31) if frequency != "WEEKLY" and _sometimes(chance) else "",
        "BYDAY": _weekdays(chance, most) if chance.random() < 0.5 else "",
    }
    parts = {"FREQ": frequency, "INTERVAL": str(chance.randint(1, 4)), **named}
    if any(named.values()) and _sometimes(chance):
        parts["BYSETPOS"] = _numbers(chance, 3)
    if _sometimes(chance):
        parts["WKST"] = chance.choice(WEEKDAYS)
    if chance.random() < 0.1:
        parts["SKIP"] = chance.choice(SKIPS)
    return ";".join(f"{name}={value}" for name, value in parts.items() if value)


def _sometimes(chance: Random) -> bool:
    return chance.random() < 0.3


def _numbers(chance: Random, most: int, *, negative: bool = True) -> str:
    signs = (1, -1) if negative else (1,)
    return ",".join(sorted({str(chance.randint(1, most) * chance.choice(signs)) for _ in range(chance.randint(1, 4))}))


def _weekdays(chance: Random, most: int) -> str:
    kind = chance.choice(("plain", "numbered", "numbered", "both")) if most else "plain"

    def one() -> str:
        number = "" if kind == "plain" or (kind == "both" and chance.random() < 0.5) else chance.randint(1, most)
        return f"{'-' if number and chance.random() < 0.5 else ''}{number}{chance.choice(WEEKDAYS)}"

    return ",".join(sorted({one() for _ in range(chance.randint(1, 4))}))
