"""What to say about a cause of trouble, and when: once as it begins, once as it is over. Nothing is sent from here.

A cause is what an operator would look into as one thing: a job that fails, a check that fails, dead letters, a database
that is away. Callers look, pass in what they found and the time, keep the states, and send what is to be said.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from recurrence_pipeline.domain.times import lasting

TITLE = "recurrence"
LASTS = timedelta(minutes=10)
"""How long a cause that came back within the cool-down must be there to be told before that is over."""
MAX_TEXT = 1000
"""Characters of a message: an error that quotes a whole document is cut."""


class AlertLevel(str, Enum):
    """How bad it is; `OK` says that it is over."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Incident:
    """A cause that is there now.

    `weight` is how much of it there is, where that is counted: more of it than was said is worth saying again.
    """

    key: str
    title: str
    text: str
    link: str
    at: datetime
    severity: AlertLevel = AlertLevel.ERROR
    weight: int = 0


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """What is remembered of a cause: since when it is there, what of it was said, and when.

    `told` is whether the present trouble was said; one that came back within the cool-down is not until it lasts, and
    if it goes before that, nothing is said of it at all.
    """

    title: str
    link: str
    severity: AlertLevel
    since: datetime
    said: datetime
    weight: int = 0
    open: bool = True
    told: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """What is said to people."""

    severity: AlertLevel
    title: str
    text: str
    at: datetime
    since: datetime
    link: str

    @property
    def headline(self) -> str:
        """One line: `[ERROR] recurrence: run of daily_maintenance failed`."""
        return f"[{self.severity.name}] {TITLE}: {self.title}"

    @property
    def body(self) -> str:
        """The cause, since when, the time, and where to look."""
        lines = (self.text, f"Since: {_iso(self.since)}", f"Time: {_iso(self.at)}", self.link)
        return "\n".join(line for line in lines if line)


def decide(
    known: OpenIncident | None, finding: Incident | None, *, now: datetime, cooldown: timedelta
) -> tuple[OpenIncident | None, Message | None]:
    """Return what to remember of one cause from now on, and what to say of it.

    `known` is None where nothing was remembered, `finding` where the cause is not there now.
    """
    if finding is not None:
        return _there(known, finding, now, cooldown)
    if known is None:
        return None, None
    if known.open:
        closed = replace(known, open=False, told=False)
        return closed, _over(known, now) if known.told else None
    just_said = now - cooldown < known.said <= now + cooldown  # one that a clock ahead said is not waited for
    return (known if just_said else None), None


def decide_all(
    known: Mapping[str, OpenIncident],
    findings: Iterable[Incident],
    *,
    unseen: Collection[str] = (),
    now: datetime,
    cooldown: timedelta,
) -> tuple[dict[str, OpenIncident], list[Message]]:
    """Decide about every cause that is known or found; those in `unseen` could not be looked at, and stay as they are.

    What is over is said before what is new.
    """
    found = {finding.key: finding for finding in findings}
    states: dict[str, OpenIncident] = {}
    messages: list[Message] = []
    for key in [*known, *(key for key in found if key not in known)]:
        state, message = known.get(key), None
        if key in found or key not in unseen:
            state, message = decide(state, found.get(key), now=now, cooldown=cooldown)
        if state is not None:
            states[key] = state
        if message is not None:
            messages.append(message)
    return states, sorted(messages, key=lambda message: message.severity is not AlertLevel.OK)


def _there(
    known: OpenIncident | None, finding: Incident, now: datetime, cooldown: timedelta
) -> tuple[OpenIncident | None, Message | None]:
    lasts = known is not None and known.open
    since = known.since if known is not None and lasts else finding.at
    if known is not None:
        told = lasts and known.told
        due = known.said + cooldown if told else min(known.said + cooldown, since + LASTS)
        nothing_new = told and finding.weight <= known.weight
        of_a_clock_ahead = known.said > now + cooldown
        if nothing_new or (now < due and not of_a_clock_ahead):
            return replace(known, open=True, told=told, since=since, weight=min(known.weight, finding.weight)), None
    state = OpenIncident(finding.title, finding.link, finding.severity, since, said=now, weight=finding.weight)
    return state, Message(finding.severity, finding.title, _cut(finding.text), now, since, finding.link)


def _over(known: OpenIncident, now: datetime) -> Message:
    text = f"Over after {lasting(now - known.since)}."
    return Message(AlertLevel.OK, f"{known.title}: over", text, now, known.since, known.link)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}Z"
