"""What to say about a cause of trouble, and when: once as it begins, once as it is over. Nothing is sent from here.

A cause is what an operator would look into as one thing: a job that fails, a check that fails, dead letters, a database
that is away. Callers look, pass in what they found and the time, keep the states, and send what is to be said.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline.domain.times import iso, lasting
from recurrence_pipeline.domain.words import cut

TITLE = "recurrence"
LASTS = timedelta(minutes=10)
"""How long a cause that came back within the cool-down must be there to be told before that is over."""
MAX_TEXT = 1000
"""Characters of a message: an error that quotes a whole document is cut."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A cause that is there now.

    `count` is how much of it there is, where that is counted: more than people were notified of is told again.
    """

    key: str
    title: str
    text: str
    link: str
    at: datetime
    severity: Severity = Severity.ERROR
    count: int = 0


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """What is remembered of a cause: since when it is there, and when people were notified of it last, and of how much.

    `notified` is whether they were of the present trouble; of one that came back within the cool-down they are once it
    lasts, and if it goes before that, nothing is said of it at all.
    """

    title: str
    link: str
    severity: Severity
    since: datetime
    notified_at: datetime
    count: int = 0
    open: bool = True
    notified: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """What is said to people."""

    severity: Severity
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
        lines = (self.text, f"Since: {iso(self.since, 'seconds')}", f"Time: {iso(self.at, 'seconds')}", self.link)
        return "\n".join(line for line in lines if line)


def decide(
    known: OpenIncident | None, incident: Incident | None, *, now: datetime, cooldown: timedelta
) -> tuple[OpenIncident | None, Message | None]:
    """Return what to remember of one cause from now on, and what to say of it.

    `known` is None where nothing was remembered, `incident` where the cause is not there now.
    """
    if incident is not None:
        return _there(known, incident, now, cooldown)
    if known is None:
        return None, None
    if known.open:
        closed = replace(known, open=False, notified=False)
        return closed, _over(known, now) if known.notified else None
    just_notified = now - cooldown < known.notified_at <= now + cooldown  # one of a clock ahead is not waited for
    return (known if just_notified else None), None


def decide_all(
    known: Mapping[str, OpenIncident],
    incidents: Iterable[Incident],
    *,
    unseen: Collection[str] = (),
    now: datetime,
    cooldown: timedelta,
) -> tuple[dict[str, OpenIncident], list[Message]]:
    """Decide about every cause that is known or there; those in `unseen` could not be looked at, and stay as they are.

    What is over is said before what is new.
    """
    found = {incident.key: incident for incident in incidents}
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
    return states, sorted(messages, key=lambda message: message.severity is not Severity.OK)


def _there(
    known: OpenIncident | None, incident: Incident, now: datetime, cooldown: timedelta
) -> tuple[OpenIncident | None, Message | None]:
    lasts = known is not None and known.open
    since = known.since if known is not None and lasts else incident.at
    if known is not None:
        notified = lasts and known.notified
        due = known.notified_at + cooldown if notified else min(known.notified_at + cooldown, since + LASTS)
        nothing_new = notified and incident.count <= known.count
        of_a_clock_ahead = known.notified_at > now + cooldown
        if nothing_new or (now < due and not of_a_clock_ahead):
            fewer = min(known.count, incident.count)
            return replace(known, open=True, notified=notified, since=since, count=fewer), None
    state = OpenIncident(incident.title, incident.link, incident.severity, since, notified_at=now, count=incident.count)
    return state, Message(incident.severity, incident.title, cut(incident.text, MAX_TEXT), now, since, incident.link)


def _over(known: OpenIncident, now: datetime) -> Message:
    text = f"Over after {lasting(now - known.since)}."
    return Message(Severity.OK, f"{known.title}: over", text, now, known.since, known.link)
