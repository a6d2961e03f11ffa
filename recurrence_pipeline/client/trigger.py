"""The client of the internal API, once for threads and once for asyncio.

    trigger = WorkerTrigger.from_environment(os.environ)
    match trigger.trigger_task_creation(task_id):
        case Delivered(data): ...      # data["result"] is the list of new tasks
        case Queued(event_id): ...     # the worker is away: the database keeps it until it is back
        case Lost(reason): ...         # and there is no database either

Both clients take the same steps (client/protocol.py). They differ in how they send (client/transport.py),
wait and write down, and in nothing else; what an answer means is said in client/messages.py, with the tree of errors.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, Self, TypeVar, assert_never, cast

from recurrence_pipeline.client.base import Client, log_failure, unless_lost
from recurrence_pipeline.client.messages import (
    CLEANUP,
    HEALTH,
    Delivery,
    Trigger,
    validation_of,
)
from recurrence_pipeline.client.protocol import Enqueue, Send, Step, Steps, Wait
from recurrence_pipeline.domain.vocabulary import Operation

P = ParamSpec("P")
T = TypeVar("T")


class WorkerTrigger(Client):
    """The client for threads. Close it, or use it as a context manager."""

    def _open(self, base_url: str, key: str | None) -> None:
        from recurrence_pipeline.client.transport import Transport

        self._http = Transport(base_url, key, self._options.timeout)

    def trigger_task_creation(self, task_id: str) -> Delivery:
        """Say that a recurring task was created.

        Raises:
            Refused: the worker will never do it; `AccessDenied`, without an outbox: the key or the URL is wrong.
        """
        return self._act(self._protocol.deliver(Trigger(Operation.CREATE, str(task_id))))

    def trigger_task_completion(self, task_id: str) -> Delivery:
        """Say that a task of a series was completed; raises as `trigger_task_creation` does."""
        return self._act(self._protocol.deliver(Trigger(Operation.COMPLETE, str(task_id))))

    def trigger_task_deletion(self, task_id: str, user_id: str) -> Delivery:
        """Say that a user's recurring task was deleted; raises as `trigger_task_creation` does."""
        return self._act(self._protocol.deliver(Trigger(Operation.DELETE, str(task_id), str(user_id))))

    def update(self, task_id: str, from_slot: int | None = None, *, dry_run: bool = False) -> Delivery:
        """Say that the original of a series was edited; `from_slot` is the first slot to change.

        With `dry_run` nothing is written, by nobody: the answer says what would change, slot by slot.

        Raises:
            Refused: the worker will never do it, and says what stands in the way.
            Unavailable: in a dry run, nobody is there to say.
        """
        trigger = Trigger(Operation.UPDATE, str(task_id), slot=from_slot)
        return self._act(self._protocol.change(trigger, dry_run=dry_run))

    def reopen(self, task_id: str, *, dry_run: bool = False) -> Delivery:
        """Say that a completed task is open again; as `update` otherwise."""
        return self._act(self._protocol.change(Trigger(Operation.REOPEN, str(task_id)), dry_run=dry_run))

    def skip(self, task_id: str, slot: int | None = None, *, undo: bool = False, dry_run: bool = False) -> Delivery:
        """Say that a slot is not wanted or, with `undo`, wanted again: the task's, or `slot` of its series."""
        trigger = Trigger(Operation.SKIP, str(task_id), slot=slot, undo=undo)
        return self._act(self._protocol.change(trigger, dry_run=dry_run))

    def trigger_cleanup(self) -> dict[str, Any]:
        """Have orphans removed now, and return `{timestamp, operations, success}`.

        Raises:
            TriggerError: it was not done. It is not queued either: a schedule does it anyway.
        """
        return self._act(self._protocol.ask(CLEANUP))

    def get_worker_health(self) -> dict[str, Any]:
        """Return `{status, timestamp, services, stats, parts}`; a worker that says it is unhealthy has answered.

        Raises:
            TriggerError: there is no such answer.
        """
        return self._act(self._protocol.ask(HEALTH))

    def validate_recurrence(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Ask whether a task may recur, and return `{valid, task}`; dates may be `datetime`s.

        Raises:
            Refused: it may not; `message` says why.
            Unavailable: nobody is there to say.
            InvalidInput: JSON has no way to write a value of the task.
        """
        return self._act(self._protocol.ask(validation_of(task)))

    def is_worker_available(self) -> bool:
        """Ask, once, whether the worker is healthy."""
        return self._act(self._protocol.is_available())

    def safe_trigger(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Call a method and return its answer, or None where it raised or lost something. Never raises; logs."""
        try:
            return unless_lost(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - that is its promise
            log_failure(function, error)
            return None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _act(self, steps: Steps[T]) -> T:
        came_of_it: object = None
        try:
            while True:
                came_of_it = self._do(steps.send(came_of_it))
        except StopIteration as end:
            return cast("T", end.value)

    def _do(self, step: Step) -> object:
        match step:
            case Send(call):
                return self._http.send(call)
            case Wait(duration):
                self._options.sleep(duration.total_seconds())
                return None
            case Enqueue(trigger):
                return self._write_down(trigger)
        assert_never(step)


class AsyncWorkerTrigger(Client):
    """The client for asyncio: as `WorkerTrigger`, whose methods it has, to be awaited."""

    def _open(self, base_url: str, key: str | None) -> None:
        from recurrence_pipeline.client.transport import AsyncTransport

        self._http = AsyncTransport(base_url, key, self._options.timeout)

    async def trigger_task_creation(self, task_id: str) -> Delivery:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.deliver(Trigger(Operation.CREATE, str(task_id))))

    async def trigger_task_completion(self, task_id: str) -> Delivery:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.deliver(Trigger(Operation.COMPLETE, str(task_id))))

    async def trigger_task_deletion(self, task_id: str, user_id: str) -> Delivery:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.deliver(Trigger(Operation.DELETE, str(task_id), str(user_id))))

    async def update(self, task_id: str, from_slot: int | None = None, *, dry_run: bool = False) -> Delivery:
        """See `WorkerTrigger`."""
        trigger = Trigger(Operation.UPDATE, str(task_id), slot=from_slot)
        return await self._act(self._protocol.change(trigger, dry_run=dry_run))

    async def reopen(self, task_id: str, *, dry_run: bool = False) -> Delivery:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.change(Trigger(Operation.REOPEN, str(task_id)), dry_run=dry_run))

    async def skip(
        self, task_id: str, slot: int | None = None, *, undo: bool = False, dry_run: bool = False
    ) -> Delivery:
        """See `WorkerTrigger`."""
        trigger = Trigger(Operation.SKIP, str(task_id), slot=slot, undo=undo)
        return await self._act(self._protocol.change(trigger, dry_run=dry_run))

    async def trigger_cleanup(self) -> dict[str, Any]:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.ask(CLEANUP))

    async def get_worker_health(self) -> dict[str, Any]:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.ask(HEALTH))

    async def validate_recurrence(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.ask(validation_of(task)))

    async def is_worker_available(self) -> bool:
        """See `WorkerTrigger`."""
        return await self._act(self._protocol.is_available())

    async def safe_trigger(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """See `WorkerTrigger`."""
        try:
            return unless_lost(await function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - that is its promise
            log_failure(function, error)
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _act(self, steps: Steps[T]) -> T:
        came_of_it: object = None
        try:
            while True:
                came_of_it = await self._do(steps.send(came_of_it))
        except StopIteration as end:
            return cast("T", end.value)

    async def _do(self, step: Step) -> object:
        match step:
            case Send(call):
                return await self._http.send(call)
            case Wait(duration):
                await self._options.async_sleep(duration.total_seconds())
                return None
            case Enqueue(trigger):
                return await self._http.in_a_thread(self._write_down, trigger)
        assert_never(step)
