"""Rules of all kinds against other libraries: the next 3 slots behind a known one, in one run, each in its best round.

Each figure is the mean over series that begin throughout a year. Peers have read the rule before the clock starts, and
so have we. `us` is a worker at work, which remembers what it found for other series of the same dates; `us at first` is
the same with all of that forgotten before each call. Peers are installed for the run, into folders of their own
(conformance/peers.py). Where one has no way to say something, all of them are asked for the same in other words.
"""

import sys
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count, takewhile
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from benchmarks.report import Row
from benchmarks.size import Size
from conformance import peer as program
from conformance.peers import PEERS, Answer, NotInstalled, Question, ask, install
from recurrence_pipeline.domain import counting, families
from recurrence_pipeline.domain.calendar import slots
from recurrence_pipeline.domain.counting import Known
from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.named_days import days_of_month
from recurrence_pipeline.domain.rules import Rule, parse_rule
from recurrence_pipeline.domain.zones import UTC

COUNT = 3
AGES = (0, 1, 10)
"""Years between the start of a series and the slot that is known."""

YEAR = timedelta(days=365.25)
STARTS = ("2024-01-03T09:30", "2024-04-18T09:30", "2024-07-25T09:30", "2024-10-09T09:30")
MEASURED = ("python-dateutil", "python-dateutil-rs", "rrule", "rrule-temporal", "rrule-rust")
HERE = Path(program.__file__)

COMMON = {
    "every 3 days": "FREQ=DAILY;INTERVAL=3",
    "every 2 weeks": "FREQ=WEEKLY;INTERVAL=2",
    "every month": "FREQ=MONTHLY",
    "every year": "FREQ=YEARLY",
    "Mondays, Wednesdays, Fridays": "FREQ=WEEKLY;BYDAY=MO,WE,FR",
    "the 31st, or the last day": "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
    "the second Tuesday": "FREQ=MONTHLY;BYDAY=2TU",
    "the last Friday": "FREQ=MONTHLY;BYDAY=-1FR",
}
"""What nearly everybody uses."""

GENERAL = {
    "the last working day (BYSETPOS)": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "Monday of week 20 (BYWEEKNO)": "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
    "days 100 and 200 (BYYEARDAY)": "FREQ=YEARLY;BYYEARDAY=100,200",
    "working days of two months (filters)": "FREQ=DAILY;BYMONTH=1,7;BYDAY=MO,TU,WE,TH,FR",
    "Friday the 13th (filters)": "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
}

FIRST = "us at first"
BEST_OF = 20
KINDS = (("common rule", COMMON), ("general rule", GENERAL))
IN_OTHER_WORDS = {"FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD": "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"}


class Asked(NamedTuple):
    """A rule at an age: the start of a series, and its slot that is known."""

    name: str
    text: str
    rule: Rule
    age: int
    anchor: datetime
    known: Known


def ours(asked: "Asked") -> list[datetime]:
    """Return the next slots behind a known one, as the worker asks for them."""
    return slots(asked.anchor, asked.text, asked.known.number + 1, COUNT, known=asked.known)


def all_asked() -> list[Asked]:
    """Return every rule at every age, for series that begin on days of the rule throughout a year."""
    return [
        Asked(name, text, rule, age, anchor, last_known(rule, anchor, age))
        for name, text in (COMMON | GENERAL).items()
        for rule in [parse_rule(text)]
        for start in STARTS
        for anchor in [next(instances(rule, datetime.fromisoformat(start).replace(tzinfo=UTC)))]
        for age in AGES
    ]


def last_known(rule: Rule, anchor: datetime, age: int) -> Known:
    """Return the last slot of a series when it is so many years old."""
    then = takewhile(lambda known: known.wall <= anchor + age * YEAR, map(Known, count(1), instances(rule, anchor)))
    return next(iter(deque(then if age else (), maxlen=1)), Known(0, anchor))


def question(asked: Asked, seconds: float) -> Question:
    """Return it as a peer is asked it."""
    text = IN_OTHER_WORDS.get(asked.text, asked.text)
    start, known = f"{asked.anchor:%Y-%m-%dT%H:%M}", f"{asked.known.wall:%Y-%m-%dT%H:%M}"
    last = ours(asked)[-1] + timedelta(days=1)
    return Question(text, start, COUNT, after=known, seconds=seconds, before=f"{last:%Y-%m-%dT%H:%M}")


def compared(size: Size) -> list[Row]:
    """Measure us before each peer, and again after the last; our figure is the best of these rounds."""
    asked = all_asked()
    rounds = [measured(asked, size.seconds)]
    answers: dict[str, list[Answer]] = {}
    missing: list[Row] = []
    with TemporaryDirectory() as folder:
        for peer in [each for each in PEERS if each.package in MEASURED][: None if size.peers else 1]:
            where, called = Path(folder) / f"{peer.package}-{peer.version}", str(peer).removeprefix("python-")
            try:
                command = install(peer, where) if size.peers else [sys.executable, str(HERE), peer.package]
            except NotInstalled as reason:
                missing.append({"not measured": called, "why": str(reason)})
                continue
            questions = [question(each, size.seconds) for each in asked]
            answers[called] = ask(command, where if size.peers else Path(folder), questions)
            rounds.append(measured(asked, size.seconds))
    best = [min(each, key=lambda answer: answer.us) for each in zip(*rounds, strict=True)]
    return [*_rows(asked, best, [at_first(each) for each in asked], answers), *missing]


def at_first(asked: Asked) -> Answer:
    """Return what we find, and how fast with nothing remembered but the rule."""
    times = []
    for _ in range(BEST_OF):
        for remembered in (counting._days_of, families._month_spans, days_of_month):
            remembered.cache_clear()
        begin = perf_counter()
        found = ours(asked)
        times.append(perf_counter() - begin)
    return Answer(tuple(f"{slot:%Y-%m-%dT%H:%M}" for slot in found), min(times) * 1e6)


def measured(asked: Sequence[Asked], seconds: float) -> list[Answer]:
    """Return what we find, and how fast."""
    return [_measured(each, seconds) for each in asked]


def _measured(asked: Asked, seconds: float) -> Answer:
    def call() -> list[datetime]:
        return ours(asked)

    return Answer(tuple(f"{slot:%Y-%m-%dT%H:%M}" for slot in call()), program.best(call, seconds))


def _rows(
    asked: Sequence[Asked], best: Sequence[Answer], first: Sequence[Answer], answers: Mapping[str, Sequence[Answer]]
) -> list[Row]:
    everybody = {"us": best, FIRST: first, **answers}
    times = {who: _by_age(asked, found) for who, found in everybody.items()}
    against = [_compared(kind, name, asked, best, answers, times) for kind, names in KINDS for name in names]
    return against + [_aged(name, times) for name in GENERAL]


def _aged(name: str, times: Mapping[str, Mapping[tuple[str, int], float]]) -> Row:
    """Return how many times as long a series takes each of them that is 10 years old."""
    row: dict[str, object] = {"10 years old against new": name}
    for who, found in times.items():
        row["ours" if who == "us" else who] = _over(found[name, AGES[-1]], found[name, AGES[0]])
    return row


def _compared(
    kind: str,
    name: str,
    asked: Sequence[Asked],
    best: Sequence[Answer],
    answers: Mapping[str, Sequence[Answer]],
    times: Mapping[str, Mapping[tuple[str, int], float]],
) -> Row:
    """Return our microseconds, and how many times as long each peer takes, both as the mean over the ages."""
    mine = times["us"]
    row: dict[str, object] = {kind: name, "us": fmean(mine[name, age] for age in AGES)}
    row[FIRST] = fmean(times[FIRST][name, age] for age in AGES)
    for who in answers:
        row[who] = _mean([_over(times[who][name, age], mine[name, age]) for age in AGES])
    differing = [who for who, found in answers.items() if _differs(name, asked, best, found)]
    return row | {"same answers": f"not {', '.join(differing)}" if differing else "yes"}


def _differs(name: str, asked: Sequence[Asked], best: Sequence[Answer], found: Sequence[Answer]) -> bool:
    return any(a.name == name and b.found != f.found for a, b, f in zip(asked, best, found, strict=True))


def _by_age(asked: Sequence[Asked], found: Sequence[Answer]) -> dict[tuple[str, int], float]:
    """Return the mean microseconds of each rule at each age; 0 where one was not answered."""
    times: dict[tuple[str, int], list[float]] = defaultdict(list)
    for each, answer in zip(asked, found, strict=True):
        times[each.name, each.age].append(answer.us)
    return {key: fmean(many) if all(many) else 0 for key, many in times.items()}


def _over(one: float, other: float) -> float:
    return one / other if other else 0


def _mean(ratios: Sequence[float]) -> float:
    return fmean(ratios) if all(ratios) else 0
