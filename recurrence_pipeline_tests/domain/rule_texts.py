"""Random rules, as texts that are valid."""

from hypothesis import strategies as st

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def _numbers(most: int, *, negative: bool = True) -> st.SearchStrategy[str]:
    number = st.integers(1, most)
    signed = st.builds(lambda n, sign: n * sign, number, st.sampled_from([1, -1] if negative else [1]))
    return st.lists(signed, min_size=1, max_size=4, unique=True).map(lambda found: ",".join(map(str, found)))


def _weekdays(most: int, *, mixed: bool) -> st.SearchStrategy[str]:
    plain = st.sampled_from(WEEKDAYS)
    numbered = st.builds(lambda n, sign, day: f"{n * sign}{day}", st.integers(1, most), st.sampled_from([1, -1]), plain)
    kinds = [plain] if not most else [st.one_of(plain, numbered)] if mixed else [plain, numbered]
    return (
        st.sampled_from(kinds).flatmap(lambda each: st.lists(each, min_size=1, max_size=4, unique=True)).map(",".join)
    )


@st.composite
def rule_texts(draw: st.DrawFn, *, rich: bool = True) -> str:
    """Draw a rule that RFC 5545 allows, without COUNT and UNTIL; with `rich`, also what dateutil reads otherwise."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = {"FREQ": frequency, "INTERVAL": str(draw(st.integers(1, 4)))}
    months = draw(st.none() | _numbers(12, negative=False))
    yearly = frequency == "YEARLY"
    by_week = yearly and rich and draw(st.booleans())
    ordinals = {"MONTHLY": 5, "YEARLY": 0 if by_week else 5 if months else 53}.get(frequency, 0)
    optional = {
        "BYMONTH": st.just(months) if months else st.none(),
        "BYWEEKNO": _numbers(53) if by_week else st.none(),
        "BYYEARDAY": st.none() | _numbers(366) if yearly and not by_week else st.none(),
        "BYMONTHDAY": st.none() | _numbers(31) if frequency != "WEEKLY" else st.none(),
        "BYDAY": st.none() | _weekdays(ordinals, mixed=rich),
    }
    given = {name: value for name, strategy in optional.items() if (value := draw(strategy)) is not None}
    parts |= given
    if given and (rich or frequency != "WEEKLY") and draw(st.booleans()):
        parts["BYSETPOS"] = draw(_numbers(3))
    if draw(st.booleans()):
        parts["WKST"] = draw(st.sampled_from(WEEKDAYS))
    if rich and draw(st.booleans()):
        parts["SKIP"] = draw(st.sampled_from(["OMIT", "BACKWARD", "FORWARD"]))
    return ";".join(f"{name}={value}" for name, value in parts.items())
