"""SIGTERM lets the current batch finish and the rest go. The signals here are real ones, sent to this very process."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pytest

from recurrence_pipeline.bootstrap import Worker, open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.worker.context import WriteStep
from recurrence_pipeline.worker.signals import defer_signals, stop_on_signal
from recurrence_pipeline_tests.marked import recurrence
from recurrence_pipeline_tests.waiting import wait_until
from recurrence_pipeline_tests.world import World, utc


class Stopped(BaseException):
    """What a handler of others raises, as Dagster's and Python's own do."""


@pytest.fixture(autouse=True)
def raising_handlers() -> Iterator[None]:
    """Let SIGTERM and SIGINT raise, as they do in a run of Dagster."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_waits_for_the_end_of_the_block_and_is_then_heard(number: signal.Signals) -> None:
    done: list[str] = []

    with pytest.raises(Stopped, match=number.name), defer_signals():  # noqa: PT012 (what comes after is the point)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        done.append("what came after it")

    assert done == ["what came after it"]


def test_an_error_in_the_block_is_not_lost_where_a_signal_comes_too() -> None:
    with pytest.raises(Stopped) as stopped, defer_signals():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("the work went wrong")

    assert "the work went wrong" in str(stopped.value.__context__)


def test_without_a_signal_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with defer_signals():
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_nothing_is_done_because_nothing_is_interrupted_there() -> None:
    """Only the main thread may set handlers: the API and the sensors work in others."""
    asked: list[bool] = []

    def work() -> None:
        with defer_signals(), stop_on_signal() as stop:
            asked.append(stop.asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert asked == [False]


def test_the_first_signal_is_a_request_and_the_second_acts() -> None:
    with pytest.raises(Stopped), stop_on_signal() as stop:  # noqa: PT012
        assert (stop.asked(), stop.exit_code) == (False, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.asked(), stop.exit_code) == (True, 128 + signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def small_batches(world: World, on_step: Callable[[WriteStep], None]) -> Iterator[Worker]:
    settings = Settings.from_environment({"MONGODB_URL": world.settings.mongodb_url, "WORKER_BATCH_SIZE": "2"})
    with open_worker(settings, clock=lambda: world.now, chance=lambda: 0.0, on_step=on_step) as worker:
        yield worker


@pytest.mark.parametrize("step", [WriteStep.OCCURRENCES, WriteStep.ACTIVITIES, WriteStep.CURSORS, WriteStep.OUTCOMES])
def test_wherever_a_signal_comes_the_batch_is_finished_and_the_rest_given_back(world: World, step: WriteStep) -> None:
    """Else each stop costs half a batch, and the next worker a lease."""
    for _ in range(5):
        world.add_event("create", world.add_task(utc(2024, 1, 15, 9), "daily"))

    def signal_once(taken: WriteStep) -> None:
        if taken is step and not signalled:
            signalled.append(taken)
            os.kill(os.getpid(), signal.SIGTERM)

    signalled: list[WriteStep] = []
    with small_batches(world, signal_once) as worker:
        held = worker.lease(5)
        with pytest.raises(Stopped):
            worker.process(held)

    assert world.worker.queries.event_counts() == {("create", "completed"): 2, ("create", "pending"): 3}
    assert world.worker.queries.queue().due == 3
    assert world.worker.mongo.events.count_documents({"lease.deaths.0": {"$exists": True}}) == 0
    assert world.worker.queries.unfinished() == 3
    assert world.work().count("completed") == 3


def test_process_ends_after_its_batch_with_a_summary_and_the_exit_code_of_the_signal(
    world: World, mongodb_url: str, tmp_path: Path
) -> None:
    """Else whoever stops it cannot tell what was done, or a service manager takes the stop for a success."""
    for _ in range(400):
        world.add_event("create", world.add_task(utc(2024, 1, 15, 9), "daily", createdAt=utc(2024, 1, 15, 9)))
    environment = {"MONGODB_URL": mongodb_url, "WORKER_BATCH_SIZE": "5", "LOG_LEVEL": "error"}

    with recurrence("process", "--until-empty", "--json", folder=tmp_path, environment=environment) as process:
        wait_until(
            lambda: world.worker.queries.unfinished() < 400 or process.process.poll() is not None,
            "the first batch is processed",
            timeout=timedelta(seconds=60),
        )
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(60) == 128 + signal.SIGTERM, process.printed()
        told = json.loads(process.printed())

    assert told["events"] == told["completed"] == 400 - told["unfinished"]
    assert told["events"] % 5 == 0, "whole batches only"
    assert 0 < told["unfinished"] == world.worker.mongo.events.count_documents({"status": "pending"})
