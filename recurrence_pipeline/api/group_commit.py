"""Requests that arrive while others are processed are processed next, all of them together. One alone waits for nobody.

A batch costs the database hardly more than one request does, so that the more requests there are, the less each costs.
Nobody waits for more than the batch before his own: those who come meanwhile are all in the next one. How a batch is
processed, and that a bad request in it costs nobody else, is the worker's business.
"""

from asyncio import Future, Task, create_task, get_running_loop
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

from structlog.contextvars import bound_contextvars, get_contextvars

from recurrence_pipeline.api.threads import Threads

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class _Waiting(NamedTuple, Generic[Asked, Answer]):
    asked: Asked
    answer: "Future[Answer]"
    since: float
    log_context: Mapping[str, Any]


class GroupCommit(Generic[Asked, Answer]):
    """`process` answers all that it is given, in that order; an exception among its answers is raised for its asker."""

    def __init__(self, call: Threads, process: Callable[[Sequence[Asked]], Sequence[Answer | Exception]]) -> None:
        self._call = call
        self._process = process
        self._waiting: list[_Waiting[Asked, Answer]] = []
        self._at_work: Task[None] | None = None

    async def __call__(self, asked: Asked) -> Answer:
        """Return the answer to this request.

        Raises:
            DatabaseUnavailable: its turn did not come in time, or the database did not answer in time.
        """
        answer: Future[Answer] = get_running_loop().create_future()
        self._waiting.append(_Waiting(asked, answer, monotonic(), get_contextvars()))
        if self._at_work is None:  # a task of its own: whoever goes away leaves the others their batch
            self._at_work = create_task(self._work(), context=Context())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._answer(group)
        finally:
            self._at_work = None

    async def _answer(self, group: Sequence[_Waiting[Asked, Answer]]) -> None:
        asked = [each.asked for each in group]
        said = group[0].log_context if len(group) == 1 else {}  # what is logged of a batch is no single request's
        try:
            with bound_contextvars(**said):
                answers = await self._call(lambda: self._process(asked), since=group[0].since)
        except Exception as error:  # noqa: BLE001 (each asker is told)
            answers = [error] * len(group)
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
