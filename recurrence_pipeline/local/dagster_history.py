"""Dagster's own files on this machine: opening them, whatever was left there, and leaving no run in them unfinished."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from recurrence_pipeline.config.importing import importing
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.local.processes import poll

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun  # takes a second to import: only when it is started

CANCEL_PATIENCE = timedelta(seconds=15)
"""How long an interrupted run may take to give its leases back; then it is ended, and they have to run out."""


@contextmanager
def opened(home: Path, *, nothing_runs: bool = True) -> Iterator["DagsterInstance"]:
    """Open the instance that has its files in `home`.

    Where `nothing_runs`, the system that left them does not any more, and neither does what they show as begun.

    Raises:
        ConfigurationError: the files are damaged; the text says which folder, and how to go on.
    """
    with importing():
        from dagster import DagsterInstance  # noqa: PLC0415 (takes a second)

    try:
        instance = DagsterInstance.from_config(str(home))
        _read_everything(instance)
        if nothing_runs:
            _end_dead_runs(instance)
    except Exception as error:  # whatever is wrong with a file, and in whichever library it is noticed
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ConfigurationError(
            f"Dagster cannot use its files in {home}: {reason}. They hold the history of its runs and no task: "
            f"move that folder away, and start again."
        ) from error
    with instance:
        yield instance


def cancel_runs(instance: "DagsterInstance") -> None:
    """Have every run that has begun ended, as who presses "Terminate" does; each gives its leases back first.

    Interrupted without a word to Dagster, it would stand in the history as failed, and be told as an alert.
    """
    told = set()
    for run in _begun(instance):
        try:
            if instance.run_launcher.terminate(run.run_id) and _is_at_work(instance, run):
                told.add(run.run_id)
            else:  # its process, if it has one, comes to begin and may not; Dagster would call that a failure
                instance.report_run_canceled(run, "The system was stopped before the run began.")
        except Exception:  # noqa: BLE001, S112 - its code server is gone, in whatever way: it is interrupted with all
            continue
    poll(lambda: told.isdisjoint(run.run_id for run in _begun(instance)), CANCEL_PATIENCE)


def all_ended(instance: "DagsterInstance") -> bool:
    """Say whether no run has begun and not ended."""
    return not _begun(instance)


def close_runs(instance: "DagsterInstance") -> None:
    """Record that nothing runs: the processes are gone, and somebody wanted that."""
    for run in _begun(instance):
        instance.report_run_canceled(run, "The system was stopped, and the run did not end by itself.")


def _read_everything(instance: "DagsterInstance") -> None:
    """Read a line of each file: they are opened when they are first asked for something."""
    from dagster import DagsterEventType  # noqa: PLC0415 (takes a second)

    instance.get_runs(limit=1)
    instance.all_instigator_state()
    instance.fetch_run_status_changes(DagsterEventType.RUN_FAILURE, limit=1)


def _begun(instance: "DagsterInstance") -> list["DagsterRun"]:
    from dagster import DagsterRunStatus, RunsFilter  # noqa: PLC0415 (takes a second)

    begun = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    return list(instance.get_runs(RunsFilter(statuses=begun)))


def _is_at_work(instance: "DagsterInstance", run: "DagsterRun") -> bool:
    """Say whether the process of a run has begun; its record says so a moment later."""
    from dagster import DagsterEventType  # noqa: PLC0415 (takes a second)

    return bool(instance.get_records_for_run(run.run_id, of_type=DagsterEventType.RUN_START, limit=1).records)


def _end_dead_runs(instance: "DagsterInstance") -> None:
    """Record that no run works: each died with the system that ran it, and would hold up the next for a minute.

    As after any crash, Dagster starts it again: a maintenance that a power cut ended is not left to the next day.
    """
    for run in _begun(instance):
        instance.report_run_failed(run, "The run died with the system that ran it.")
