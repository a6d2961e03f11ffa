"""Requests that arrive while others are processed are processed next, together. One alone waits for nobody.

A batch costs the database hardly more than one request does, so that the more requests there are, the less each costs.
But it has to be done within the time of a request: so there are as many in it as that allows, going by the last ones;
see pace.py. Whoever's turn does not come in time is told when to come again, before anything of it has begun, and is
then before all who came after it had come first: a crowd is answered in its order, however long that takes.

How a batch is processed, and that a bad request in it costs nobody else, is the worker's business.
"""

from asyncio import Future, Task, create_task, get_running_loop
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from operator import attrgetter
from time import monotonic
from typing import Any, Generic, TypeVar

from structlog.contextvars import bound_contextvars, get_contextvars

from recurrence_pipeline.api.errors import failure
from recurrence_pipeline.api.pace import Pace
from recurrence_pipeline.api.threads import Threads

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

REMEMBERED = 10_000
"""So many that were told to come again are known when they do."""


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Asked, Answer]):
    asked: Asked
    answer: "Future[Answer]"
    since: float
    first: float
    """When it came for the first time."""
    log_context: Mapping[str, Any]


class GroupCommit(Generic[Asked, Answer]):
    """`process` answers all that it is given, in that order; an exception among its answers is raised for its asker."""

    def __init__(self, call: Threads, process: Callable[[Sequence[Asked]], Sequence[Answer | Exception]]) -> None:
        self._call = call
        self._process = process
        self.pace = Pace(call.patience)
        self._waiting: list[_Waiting[Asked, Answer]] = []
        self._sent_away: dict[Asked, float] = {}
        self._at_work: Task[None] | None = None

    async def __call__(self, asked: Asked) -> Answer:
        """Return the answer to this request.

        Raises:
            ApiError: 503; its turn did not come in time.
            DatabaseUnavailable: the database did not answer in time.
        """
        loop, now = get_running_loop(), monotonic()
        answer: Future[Answer] = loop.create_future()
        waiting = _Waiting(asked, answer, now, self._sent_away.pop(asked, now), get_contextvars())
        insort(self._waiting, waiting, key=attrgetter("first"))
        timer = loop.call_later(self.pace.longest_wait, self._send_away, waiting)
        if self._at_work is None:  # a task of its own: whoever goes away leaves the others their batch
            self._at_work = create_task(self._work(), context=Context())
        try:
            return await answer
        finally:
            timer.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting:
                at_once = self.pace.at_once
                group, self._waiting = self._waiting[:at_once], self._waiting[at_once:]
                begun = monotonic()
                answered = await self._answer(group)
                self.pace.took(len(group), monotonic() - begun, answered=answered)
        finally:
            self._at_work = None

    def _send_away(self, waiting: _Waiting[Asked, Answer]) -> None:
        """Tell whoever's turn has not come when to come again."""
        if waiting not in self._waiting or waiting.answer.done():
            return
        before = self._waiting.index(waiting)
        del self._waiting[before]
        if len(self._sent_away) >= REMEMBERED:
            del self._sent_away[next(iter(self._sent_away))]
        self._sent_away[waiting.asked] = waiting.first
        waiting.answer.set_exception(failure("BUSY", retry_after=self.pace.come_again(monotonic(), before)))

    async def _answer(self, group: Sequence[_Waiting[Asked, Answer]]) -> bool:
        """Tell each what became of it, and say whether they were processed."""
        asked = [each.asked for each in group]
        answered = True
        said = group[0].log_context if len(group) == 1 else {}  # what is logged of a batch is no single request's
        try:
            with bound_contextvars(**said):
                answers = await self._call(lambda: self._process(asked), since=min(each.since for each in group))
        except Exception as error:  # noqa: BLE001 (each asker is told)
            answers, answered = [error] * len(group), False
        except BaseException:  # the loop ends
            for each in group:
                each.answer.cancel()
            raise
        for each, answer in zip(group, answers, strict=True):
            if each.answer.done():  # its asker has gone
                continue
            if isinstance(answer, Exception):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)
        return answered
