"""The two clients behind one face, so that each test of the one is a test of the other."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from recurrence_pipeline.client import AsyncWorkerTrigger, ClientOptions, WorkerTrigger

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)


class Subject:
    """A client that waits for nothing: `waits` has the seconds that it would have waited."""

    def __init__(self, flavour: str) -> None:
        self.flavour = flavour
        self.waits: list[float] = []
        self.options = ClientOptions(
            clock=lambda: NOON, chance=lambda: 0.0, sleep=self.waits.append, async_sleep=self._async_sleep
        )
        self._client: WorkerTrigger | AsyncWorkerTrigger
        self._run: Callable[[Any], Any] = lambda answer: answer

    async def _async_sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @contextmanager
    def open(self, base_url: str, *, options: dict[str, Any] | None = None, **arguments: Any) -> Iterator["Subject"]:
        """Have a client with these arguments; `options` changes single ones of its options."""
        arguments |= {"options": replace(self.options, **(options or {}))}
        if self.flavour == "sync":
            with WorkerTrigger(base_url, **arguments) as self._client:
                yield self
            return
        self._client = AsyncWorkerTrigger(base_url, **arguments)
        loop = asyncio.new_event_loop()
        self._run = loop.run_until_complete
        try:
            yield self
        finally:
            loop.run_until_complete(self._client.close())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the client and return what it returns."""
        return self._run(getattr(self._client, method)(*arguments, **named))

    def call_safely(self, method: str, *arguments: Any) -> Any:
        """Call it through `safe_trigger`."""
        return self._run(self._client.safe_trigger(getattr(self._client, method), *arguments))
