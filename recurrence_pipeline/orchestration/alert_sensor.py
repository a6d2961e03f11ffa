"""Looks, every half minute, for what people should be told. What is said and when is in monitoring/alert_rules.py.

The cursor of the sensor is the memory: it lies in Dagster's own storage, and so is there when the database, which may
be the cause, is not. What another process did, a run or a check, is read from there too.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import dagster as dg

from recurrence_pipeline.bootstrap import Worker
from recurrence_pipeline.config.clock import utc_now
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import RecurrenceError
from recurrence_pipeline.domain.vocabulary import EventStatus
from recurrence_pipeline.monitoring.alert_rules import Incident, OpenIncident
from recurrence_pipeline.monitoring.alerts import Alerts, State
from recurrence_pipeline.monitoring.channels import open_channels
from recurrence_pipeline.monitoring.heartbeat_rules import stand_still
from recurrence_pipeline.orchestration.asset_checks import evaluation_of
from recurrence_pipeline.orchestration.automation import daemon_id, failing_ticks, still_daemons
from recurrence_pipeline.orchestration.manual_jobs import BY_HAND
from recurrence_pipeline.orchestration.naming import Names
from recurrence_pipeline.orchestration.own import Own, location_of
from recurrence_pipeline.orchestration.resources import one_line, worker_of
from recurrence_pipeline.recovery.replay import EventFilter, Replay
from recurrence_pipeline.storage.heartbeats import SILENT, Part

RUN, CHECK, DEAD_LETTERS, UNHEALTHY = "run:", "check:", "dead_letters", "unhealthy"
FIRST_LOOK_BACK = timedelta(days=1)
"""Runs that failed before the first look, and longer ago than this, are history."""
FAILURES_READ = 500
"""In one look; the next one goes on from there."""
DEAD_LETTERS_COUNTED = 1000
REASONS_SHOWN = 5
FAILED = EventFilter((EventStatus.FAILED,))
RETRIED = ("dagster/will_retry", "true")
"""Dagster starts such a run again by itself: what becomes of that is what counts."""


def build_alert_sensor(
    settings: Settings,
    checks: Sequence[dg.AssetCheckKey],
    names: Names,
    status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """Build the sensor for these settings and checks."""
    alerts = Alerts(open_channels(settings.alert_addresses()), cooldown=settings.alert_cooldown)

    @dg.sensor(
        name=names("alert_sensor"),
        default_status=status,
        minimum_interval_seconds=30,
        description="Tells ALERT_URLS, and the log, of failed runs, failing checks, sensors and schedules that fail, "
        "parts of the daemon and processes of the API that stand still, dead letters and a database that is away: once "
        "for each cause, and once when it is over. Its ticks are Dagster's heartbeats, which the API watches.",
        tags={"reads": "runs, checks, task_events, worker_state", "writes": "worker_state"},
        required_resource_keys={names.worker},
    )
    def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        worker = worker_of(context, names)
        state = State.from_text(context.cursor)
        own = Own(names, location_of(context), worker.alone)
        look = IncidentSearch(context.instance, own, settings.dagster_ui_url, utc_now())
        position = look.for_failed_runs(state.position, state.known)
        look.for_failing_checks(checks)
        look.for_dead_letters(worker.open())
        look.for_silent_apis(worker.open(), state.known)
        for incident in (*failing_ticks(context.instance, own, look.now), *still_daemons(context.instance, look.now)):
            look.incidents.append(replace(incident, link=f"{settings.dagster_ui_url}{incident.link}"))
        state = replace(state, position=position).without(look.forgotten)
        state, said = alerts.look(state, look.incidents, unseen=look.unseen, now=look.now)
        told = "; ".join(message.headline for message in said) or "nothing new to tell"
        pending = sum(map(len, state.pending.values()))
        return dg.SensorResult(
            cursor=state.as_text(), skip_reason=f"{told}; {pending} alerts not taken yet" if pending else told
        )

    return alert_sensor


class IncidentSearch:
    """One look: collects the causes that are there, and the keys of those that could not be looked at."""

    def __init__(self, instance: dg.DagsterInstance, own: Own, ui_url: str, now: datetime) -> None:
        self.now = now
        self.incidents: list[Incident] = []
        self.unseen: set[str] = set()
        self.forgotten: set[str] = set()
        self._instance = instance
        self._own = own
        self._ui_url = ui_url

    def for_failed_runs(self, position: str | None, known: dict[str, OpenIncident]) -> str:
        """Find the jobs with a run that failed since `position`, or before and the last run of the job is no success.

        Returns:
            The position to go on from.
        """
        failures = self._instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(
                dg.DagsterEventType.RUN_FAILURE, after_timestamp=(self.now - FIRST_LOOK_BACK).timestamp()
            ),
            limit=FAILURES_READ,
            cursor=position,
            ascending=True,
        )
        seen: set[str] = set()
        for record in reversed(failures.records):
            job, run_id = str(record.event_log_entry.job_name), record.event_log_entry.run_id
            if RUN + job not in seen and self._counts(run_id):
                seen.add(RUN + job)
                self.incidents.append(self._failed_run(job, run_id, _utc(record.event_log_entry.timestamp)))
        for key, cause in known.items():
            if key.startswith(RUN) and key not in seen and cause.open and not self._works_again(key.removeprefix(RUN)):
                self.unseen.add(key)  # nothing has changed
        return failures.cursor

    def for_failing_checks(self, keys: Sequence[dg.AssetCheckKey]) -> None:
        """Find the checks whose last result is a failure of severity ERROR."""
        for check in keys:
            key = f"{CHECK}{check.to_user_string()}"
            record = self._instance.get_latest_asset_check_evaluation_record(check)
            evaluation = evaluation_of(record)
            if record is None or evaluation is None:
                self.unseen.add(key)  # never run; or only planned, by a run that is under way or died
            elif not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
                title = f"check {check.name} of {check.asset_key.to_user_string()} failed"
                text = evaluation.description or "It says no more."
                link, at = self._link_to_run(record.run_id), _utc(record.create_timestamp)
                self.incidents.append(Incident(key, title, text, link, at))

    def for_dead_letters(self, worker: Worker) -> None:
        """Count the dead letters; a database that cannot be asked is itself what is found."""
        link = f"{self._ui_url}/assets/worker_health"
        try:
            failed = worker.dead_letters.replay(FAILED, limit=DEAD_LETTERS_COUNTED, dry_run=True)
        except RecurrenceError as error:
            self.unseen.add(DEAD_LETTERS)
            self.incidents.append(Incident(UNHEALTHY, "the worker is unhealthy", one_line(error), link, self.now))
            return
        if failed.selected:
            count = f"{failed.selected}{' or more' if failed.more else ''}"
            title = f"{count} dead letter{'' if count == '1' else 's'}"
            self.incidents.append(
                Incident(DEAD_LETTERS, title, _reasons(failed), link, self.now, count=failed.selected)
            )

    def for_silent_apis(self, worker: Worker, known: Collection[str]) -> None:
        """Leave Dagster's heartbeat, and find the processes of the API that leave none.

        Nothing is said of them where the database is away, which is found elsewhere, or Dagster has just started.
        """
        silent = {key for key in known if key.startswith(SILENT)}
        self.unseen |= silent
        if any(incident.key == UNHEALTHY for incident in self.incidents):
            return  # the time of a tick is not spent on waiting for it once more
        dagster = worker.parts.process(Part.DAGSTER, daemon_id(self._instance))
        with suppress(RecurrenceError):
            found = worker.parts.beat(dagster, stream=worker.watcher.state)
            if found.is_watchful(dagster):
                self.unseen -= silent
                self.forgotten = found.forgotten
                self.incidents += stand_still(found, Part.DAGSTER, f"{self._ui_url}/assets/worker_health")

    def _failed_run(self, job: str, run_id: str, at: datetime) -> Incident:
        return Incident(
            f"{RUN}{job}", f"run of {job} failed", _why(self._instance, run_id), self._link_to_run(run_id), at
        )

    def _counts(self, run_id: str) -> bool:
        """Say whether a run that failed is the worker's, and nobody sees to it.

        Dagster does, where it starts the run again, and whoever launched it by hand.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None:
            return self._own.alone
        return self._own.is_run(run) and {RETRIED, *BY_HAND.items()}.isdisjoint(run.tags.items())

    def _works_again(self, job: str) -> bool:
        over = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
        last = self._own.last_run(self._instance, job, over)
        return last is None or last.is_success

    def _link_to_run(self, run_id: str) -> str:
        return f"{self._ui_url}/runs/{run_id}"


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return what the first step that failed says, or where none did, what the run says."""
    for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
        for record in instance.get_records_for_run(run_id, of_type=kind, limit=1).records:
            event = record.event_log_entry.get_dagster_event()
            if kind is dg.DagsterEventType.RUN_FAILURE:
                return event.message or "It says no more."
            data = event.step_failure_data
            own = data.user_failure_data.description if data.user_failure_data else None
            return f"{event.step_key}: {own or (data.error.message.strip() if data.error else event.message)}"
    return "It says no more."


def _reasons(failed: Replay) -> str:
    rows = failed.reasons.most_common(REASONS_SHOWN)
    lines = [f"{count} x {operation}: {reason}" for (operation, _, _, reason), count in rows]
    return "\n".join(["Events that ended failed wait for a person:", *lines, "See: recurrence events --status failed"])


def _utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, timezone.utc)
