"""The settings of the system: frozen, read once from a mapping of environment variables, never at import."""

from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from recurrence_pipeline.config.fields import (
    Addresses,
    AlertUrls,
    ClockTime,
    Duration,
    Flag,
    Keys,
    LogLevel,
    Milliseconds,
    MongodbUrl,
    Networks,
    Origins,
    Owners,
    TaskAddress,
    WebAddress,
    Weekday,
    WholeNumber,
    Zone,
    at_most,
    bounded,
)
from recurrence_pipeline.config.secrets import SUFFIX, read_secret_files
from recurrence_pipeline.domain.errors import ConfigurationError

SECRET = frozenset({"MONGODB_URL", "INTERNAL_API_KEY", "JWT_SECRET", "ALERT_URLS"})
"""Variables whose values are never shown (a URL can hold a password); each may be in a file instead."""


class Settings(BaseModel):
    """What an operator can set. The variable of a field is its name in capitals, where `alias` says no other.

    Its description stands below it, or in it where that is longer than a line: people read it in a table, which
    scripts/reference.py writes. (Pydantic would read this file for that, in each process and at each start.)
    """

    model_config = ConfigDict(
        frozen=True,
        populate_by_name=True,
        extra="ignore",
        validate_default=True,
        alias_generator=str.upper,
    )

    mongodb_url: MongodbUrl = Field("mongodb://localhost:27017/task-app", repr=False)
    """The database; `demo` and `up` start an embedded one where this is not set."""

    mongodb_pool_size: Annotated[WholeNumber, bounded(1, 1000)] = 10
    """Most connections one process opens to the database."""

    worker_retry_attempts: Annotated[WholeNumber, bounded(0, 100)] = 3
    """How often a failed event is tried again before it is a dead letter."""

    worker_retry_delay: Milliseconds = timedelta(milliseconds=500)
    """Wait before the first retry, in ms; doubled each time, at most 5 minutes, with up to 25 % jitter."""

    worker_timeout: Duration = timedelta(seconds=10)
    """Longest wait for one answer of the database, in ms."""

    recurrence_timezone: Zone = "UTC"
    """IANA time zone of tasks that have none of their own."""

    log_level: LogLevel = "info"
    """Least severe log lines written: debug, info, warning, error."""

    log_file: Path | None = None
    """A file that gets the log lines too (rotated at 10 MB, 5 kept)."""

    batch_size: Annotated[WholeNumber, bounded(1, 10_000)] = Field(500, alias="WORKER_BATCH_SIZE")
    """Most events planned and written together."""

    run_max_events: Annotated[WholeNumber, bounded(1, 1_000_000)] = Field(2000, alias="WORKER_RUN_MAX_EVENTS")
    """Most events one Dagster run takes on."""

    max_runs_in_flight: Annotated[WholeNumber, bounded(1, 64)] = Field(1, alias="WORKER_MAX_RUNS")
    """How many Dagster runs may work on events at a time."""

    shards: Annotated[WholeNumber, bounded(1, 64)] | None = Field(
        None,
        alias="WORKER_SHARDS",
        description="Over how many shards they are spread, so that they do not want the same events; at most "
        "WORKER_MAX_RUNS. Not set: each has its own.",
    )

    idle_timeout: Milliseconds = Field(
        timedelta(seconds=60),
        alias="WORKER_IDLE_TIMEOUT",
        description="How long a run waits for more events after the last, in ms: a new one takes seconds to start, and "
        "as much CPU as waiting for a minute.",
    )

    watch: Annotated[Milliseconds, at_most(timedelta(seconds=30))] = Field(
        timedelta(seconds=24),
        alias="SENSOR_WATCH",
        description="How long one tick of a sensor watches an empty queue, or looks for unqueued work every 5 s, in "
        "ms: a second less than a multiple of 5 s, at which Dagster lets it look again. 0: it looks once.",
    )

    change_streams: Flag = True
    """Whether changes are listened to where the server is a replica set (true or false)."""

    look_interval: Annotated[Duration, at_most(timedelta(minutes=10))] = Field(
        timedelta(seconds=30),
        alias="WORKER_LOOK_INTERVAL",
        description="How often `recurrence process --follow` looks by itself while a change stream is alive, in ms; "
        "without one it looks at the queue every 200 ms and for unqueued work every 5 s.",
    )

    lease: Duration = Field(timedelta(seconds=60), alias="WORKER_LEASE")
    """How long a worker holds an event without renewing, in ms: what a killed worker costs."""

    lease_margin: Duration = Field(timedelta(seconds=10), alias="WORKER_LEASE_MARGIN")
    """How long before its end a worker stops trusting a lease, in ms (clock differences, slow writes)."""

    read_chunk: Annotated[WholeNumber, bounded(1, 10_000)] = Field(100, alias="MONGODB_READ_CHUNK")
    """Most ids in one `$in`; the embedded server is fastest at 50 to 100."""

    write_chunk: Annotated[WholeNumber, bounded(1, 10_000)] = Field(500, alias="MONGODB_WRITE_CHUNK")
    """Most documents in one write command; a fifth as many where each is changed or deleted by itself."""

    keep_deleted_days: Annotated[WholeNumber, bounded(1, 36_500)] = 30
    """How long a copy of what was deleted is kept."""

    event_retention_days: Annotated[WholeNumber, bounded(1, 36_500)] = 30
    """How long completed events are kept."""

    activity_retention_days: Annotated[WholeNumber, bounded(1, 36_500)] = 90
    """How long activities stay in useractivities before they move to useractivities_archive."""

    audit_retention_days: Annotated[WholeNumber, bounded(1, 36_500)] = 365
    """How long it is kept who did what from the pages of the API."""

    dagster_run_retention_days: Annotated[WholeNumber, bounded(0, 36_500)] = 14
    """How long Dagster's own runs are kept after their end, with their files; 0 for ever."""

    daily_maintenance_time: ClockTime = time(2)
    """When the daily maintenance runs, such as 02:00."""

    weekly_maintenance_day: Weekday = "sunday"
    """On which day the weekly maintenance runs."""

    weekly_maintenance_time: ClockTime = time(3)
    """When the weekly maintenance runs on that day."""

    maintenance_timezone: Zone = "UTC"
    """IANA time zone of the times of maintenance."""

    orphan_cleanup_limit: Annotated[WholeNumber, bounded(0, 1_000_000_000)] = 1000
    """A cleanup of more orphans than this, and of more than 20 % of all occurrences, must be confirmed."""

    reconcile_step: Annotated[WholeNumber, bounded(1, 10_000)] = 500
    """How many of all tasks one look for unqueued work reads; there is one every 5 s."""

    follow_edits: Flag = False
    """Whether edits of an original's content that nobody told of are followed, as its rule's are (true or false)."""

    degradation_threshold: Annotated[WholeNumber, bounded(1, 1_000_000)] = 50
    """By how many percent a figure must be worse than in the weeks before for the report to say so."""

    alert_urls: AlertUrls | None = Field(
        None,
        description="Where alerts go besides the log: addresses for apprise (mail, Slack, webhooks ...), "
        "separated by blanks or commas.",
    )

    alert_cooldown: Milliseconds = timedelta(hours=1)
    """How long a cause that gets worse, or is back for less than 10 minutes, is not told again, in ms."""

    dagster_owners: Owners = ()
    """Who owns the worker's assets in Dagster: mail addresses or `team:NAME`, separated by commas."""

    dagster_ui_url: WebAddress = "http://localhost:3000"
    """Where people reach Dagster's web UI: for the links in alerts."""

    dagster_source_url: WebAddress | None = Field(
        None,
        description="Where people read this version's code, such as https://git.example.org/tasks/worker/blob/v0.1.0: "
        "assets in Dagster's UI then link to their lines.",
    )

    task_url: TaskAddress | None = None
    """Where people reach a task in the application, such as https://app.example.org/tasks/{taskId}."""

    port: Annotated[WholeNumber, bounded(0, 65_535)] = 3000
    """Where the internal API listens; 0 takes a free port."""

    host: Addresses = ("127.0.0.1", "::1")
    """Addresses the internal API listens on, separated by commas; 0.0.0.0 or :: for all."""

    prometheus_metrics: Flag = False
    """Whether the internal API serves metrics for Prometheus, at /metrics on METRICS_PORT."""

    metrics_port: Annotated[WholeNumber, bounded(0, 65_535)] = 9090
    """Where they are served, on the addresses of HOST and without a key; 0 takes a free port."""

    internal_api_key: Keys | None = Field(
        None,
        description="What the header x-internal-api-key must hold; several keys, separated by commas, allow rotation. "
        "Not set: only loopback may ask.",
    )

    jwt_secret: SecretStr | None = None
    """Secret of the application's tokens (HS256), with which users may read what is theirs."""

    jwt_secret_allow_short: Flag = False
    """Whether that secret may have fewer than 32 bytes, which can be guessed: for old installations."""

    jwt_require_exp: Flag = False
    """Whether a token without `exp`, good for ever, is refused. One that has expired always is."""

    jwt_require_user: Flag = False
    """Whether the token of somebody who is not in the collection `users` is refused; asks the database."""

    allowed_origins: Origins = ()
    """Origins of web pages that may call the internal API (CORS)."""

    request_timeout: Duration = timedelta(seconds=20)
    """How long a client may take to send a request, or to fetch the answer, in ms."""

    rate_limit_per_minute: Annotated[WholeNumber, bounded(0, 1_000_000)] = 1000
    """Most requests in a minute of one key, user or address; 0 for no limit."""

    trusted_proxies: Networks = ()
    """Addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas."""

    def lane_count(self) -> int:
        """Return over how many shards runs are spread."""
        return self.shards or self.max_runs_in_flight

    def api_keys(self) -> tuple[bytes, ...]:
        """Return the keys of the internal API, none where it is open to loopback."""
        text = self.internal_api_key.get_secret_value() if self.internal_api_key else ""
        return tuple(key.strip().encode() for key in text.split(",") if key.strip())

    def alert_addresses(self) -> str:
        """Return the text of ALERT_URLS, empty where it is not set."""
        return self.alert_urls.get_secret_value() if self.alert_urls else ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; a variable that is empty counts as not set, and a secret may be in a file.

        Raises:
            ConfigurationError: naming every variable that holds a wrong value, with the value.
        """
        environment = read_secret_files(environment, SECRET)
        ours = {str(field.alias) for field in cls.model_fields.values()}.intersection(environment)
        try:
            settings = cls.model_validate({name: environment[name] for name in ours if environment[name].strip()})
        except ValidationError as error:
            raise ConfigurationError("\n".join(_sentence(detail) for detail in error.errors())) from None
        if settings.lease_margin * 2 > settings.lease:
            raise ConfigurationError(
                f"WORKER_LEASE_MARGIN: {settings.lease_margin} is more than half of WORKER_LEASE ({settings.lease})"
            )
        if settings.lane_count() > settings.max_runs_in_flight:
            raise ConfigurationError(
                f"WORKER_SHARDS: {settings.shards} is more than WORKER_MAX_RUNS ({settings.max_runs_in_flight}): "
                "what waits in a shard without a run would wait for long"
            )
        return settings


def variables() -> set[str]:
    """Return the names of all variables that are read."""
    return {str(field.alias) for field in Settings.model_fields.values()} | {name + SUFFIX for name in SECRET}


def _sentence(detail: Any) -> str:
    name = str(detail["loc"][0])
    reason = detail.get("ctx", {}).get("error", detail["msg"])
    shown = "the value" if name in SECRET else repr(detail["input"])
    return f"{name}: {shown} {reason}"
