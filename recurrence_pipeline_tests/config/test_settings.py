"""Settings: every variable has a default, is read, and is named where its value is wrong; a password is never shown."""

import logging.config
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from recurrence_pipeline.bootstrap import open_worker
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError
from scripts.described import descriptions


def ms(number: int) -> timedelta:
    return timedelta(milliseconds=number)


VARIABLES: list[tuple[str, Any, str, Any, str, str]] = [
    (
        "MONGODB_URL",
        "mongodb://localhost:27017/task-app",
        "mongodb+srv://db.example.org/app",
        "mongodb+srv://db.example.org/app",
        "postgresql://db.example.org/app",
        "the value does not begin with mongodb:// or mongodb+srv://",
    ),
    ("MONGODB_POOL_SIZE", 10, "25", 25, "0", "'0' is not between 1 and 1000"),
    ("WORKER_RETRY_ATTEMPTS", 3, "0", 0, "three", "'three' is not a whole number"),
    ("WORKER_RETRY_DELAY", ms(500), "0", ms(0), "-1", "'-1' is not a number of milliseconds"),
    ("WORKER_TIMEOUT", ms(10_000), "2500", ms(2500), "10s", "'10s' is not a number of milliseconds"),
    ("RECURRENCE_TIMEZONE", "UTC", "Asia/Kolkata", "Asia/Kolkata", "Mars/Olympus", "is not an IANA time zone"),
    ("LOG_LEVEL", "info", "WARN", "warning", "loud", "'loud' is not one of debug, info, warning, error"),
    ("LOG_FILE", None, "/var/log/worker.log", Path("/var/log/worker.log"), "", ""),
    ("WORKER_BATCH_SIZE", 500, "1", 1, "10001", "'10001' is not between 1 and 10000"),
    ("WORKER_RUN_MAX_EVENTS", 2000, "1000000", 1_000_000, "0", "'0' is not between 1 and 1000000"),
    ("WORKER_MAX_RUNS", 1, "64", 64, "65", "'65' is not between 1 and 64"),
    ("WORKER_SHARDS", None, "1", 1, "65", "'65' is not between 1 and 64"),
    ("WORKER_IDLE_TIMEOUT", ms(60_000), "0", ms(0), "-1", "'-1' is not a number of milliseconds"),
    ("SENSOR_WATCH", ms(24_000), "0", ms(0), "60000", "'60000' is more than 30000 milliseconds"),
    ("CHANGE_STREAMS", True, "no", False, "maybe", "true"),
    ("WORKER_LOOK_INTERVAL", timedelta(seconds=30), "5000", timedelta(seconds=5), "600001", "600"),
    ("WORKER_LEASE", ms(60_000), "30000", ms(30_000), "0", "'0' must be more than 0 milliseconds"),
    ("WORKER_LEASE_MARGIN", ms(10_000), "500", ms(500), "0", "'0' must be more than 0 milliseconds"),
    ("MONGODB_READ_CHUNK", 100, "50", 50, "0", "'0' is not between 1 and 10000"),
    ("MONGODB_WRITE_CHUNK", 500, "50", 50, "1.5", "'1.5' is not a whole number"),
    ("KEEP_DELETED_DAYS", 30, "7", 7, "40000", "'40000' is not between 1 and 36500"),
    ("EVENT_RETENTION_DAYS", 30, "7", 7, "0", "'0' is not between 1 and 36500"),
    ("ACTIVITY_RETENTION_DAYS", 90, "365", 365, "0", "'0' is not between 1 and 36500"),
    ("AUDIT_RETENTION_DAYS", 365, "30", 30, "0", "'0' is not between 1 and 36500"),
    ("DAGSTER_RUN_RETENTION_DAYS", 14, "0", 0, "-1", "'-1' is not between 0 and 36500"),
    ("DAILY_MAINTENANCE_TIME", time(2), "4:30", time(4, 30), "24:00", "'24:00' is not a time of day such as 02:00"),
    ("WEEKLY_MAINTENANCE_DAY", "sunday", "Monday", "monday", "Sonntag", "'Sonntag' is not one of sunday, monday, "),
    ("WEEKLY_MAINTENANCE_TIME", time(3), "23:59", time(23, 59), "3 am", "'3 am' is not a time of day such as 02:00"),
    ("MAINTENANCE_TIMEZONE", "UTC", "Europe/Berlin", "Europe/Berlin", "CEST+1", "is not an IANA time zone"),
    ("ORPHAN_CLEANUP_LIMIT", 1000, "0", 0, "-1", "'-1' is not between 0 and 1000000000"),
    ("RECONCILE_STEP", 500, "10000", 10_000, "0", "'0' is not between 1 and 10000"),
    ("FOLLOW_EDITS", False, "true", True, "perhaps", "'perhaps' is neither true nor false"),
    ("DEGRADATION_THRESHOLD", 50, "100", 100, "0", "'0' is not between 1 and 1000000"),
    (
        "ALERT_URLS",
        None,
        "json://a, json://b",
        SecretStr("json://a, json://b"),
        "nonsense",
        "the value holds an address",
    ),
    ("ALERT_COOLDOWN", ms(3_600_000), "0", ms(0), "1h", "'1h' is not a number of milliseconds"),
    (
        "DAGSTER_OWNERS",
        (),
        "team:recurrence, ops@example.org",
        ("team:recurrence", "ops@example.org"),
        "me",
        "'me' holds 'me', which is neither a mail address nor a team such as team:recurrence",
    ),
    (
        "DAGSTER_UI_URL",
        "http://localhost:3000",
        "https://ops.example.org/dagster/",
        "https://ops.example.org/dagster",
        "ops.example.org",
        "'ops.example.org' is not an address such as https://dagster.example.org",
    ),
    (
        "DAGSTER_SOURCE_URL",
        None,
        "https://git.example.org/worker/blob/main/",
        "https://git.example.org/worker/blob/main",
        "git@example.org:worker",
        "is not an address such as https://dagster.example.org",
    ),
    (
        "TASK_URL",
        None,
        "https://app.example.org/#/tasks/{taskId}?from=worker",
        "https://app.example.org/#/tasks/{taskId}?from=worker",
        "javascript:alert({taskId})",
        "is not an address such as https://app.example.org/tasks/{taskId}",
    ),
    ("PORT", 3000, "0", 0, "65536", "'65536' is not between 0 and 65535"),
    ("HOST", ("127.0.0.1", "::1"), "10.0.0.5, ::", ("10.0.0.5", "::"), " , ", "holds no address"),
    ("PROMETHEUS_METRICS", False, "True", True, "maybe", "'maybe' is neither true nor false"),
    ("METRICS_PORT", 9090, "0", 0, "65536", "'65536' is not between 0 and 65535"),
    ("INTERNAL_API_KEY", None, "new,old", SecretStr("new,old"), " , ", "the value holds no key"),
    ("JWT_SECRET", None, "s3cret", SecretStr("s3cret"), "", ""),
    ("JWT_SECRET_ALLOW_SHORT", False, "true", True, "maybe", "'maybe' is neither true nor false"),
    ("JWT_REQUIRE_EXP", False, "true", True, "maybe", "'maybe' is neither true nor false"),
    ("JWT_REQUIRE_USER", False, "true", True, "maybe", "'maybe' is neither true nor false"),
    (
        "ALLOWED_ORIGINS",
        (),
        "https://app.example.org,http://localhost:5173",
        ("https://app.example.org", "http://localhost:5173"),
        "https://app.example.org/",
        "which is not an origin such as https://app.example.org",
    ),
    ("REQUEST_TIMEOUT", ms(20_000), "500", ms(500), "0", "'0' must be more than 0 milliseconds"),
    ("RATE_LIMIT_PER_MINUTE", 1000, "0", 0, "1000001", "'1000001' is not between 0 and 1000000"),
    ("TRUSTED_PROXIES", (), "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1"), "proxy", "neither an IP address nor a network"),
]
NAMES = [variable[0] for variable in VARIABLES]
FIELDS = {field.alias: name for name, field in Settings.model_fields.items()}

WITH_PASSWORD = "mongodb://worker:t0p-secret@localhost:1/task-app"


@pytest.mark.parametrize("variable", VARIABLES, ids=NAMES)
def test_a_variable_has_a_default_is_read_and_is_named_where_it_is_wrong(
    variable: tuple[str, Any, str, Any, str, str],
) -> None:
    name, default, good, value, wrong, reason = variable
    assert getattr(Settings.from_environment({}), FIELDS[name]) == default
    assert getattr(Settings.from_environment({name: good}), FIELDS[name]) == value
    if wrong:
        with pytest.raises(ConfigurationError) as caught:
            Settings.from_environment({name: wrong})
        assert str(caught.value).startswith(f"{name}: ")
        assert reason in str(caught.value)


@pytest.mark.parametrize("pair", [("true", "false"), ("YES", "No"), ("on", "OFF"), ("1", "0")])
def test_yes_and_no_may_be_said_in_the_usual_ways(pair: tuple[str, str]) -> None:
    settings = [Settings.from_environment({"PROMETHEUS_METRICS": text}) for text in pair]
    assert [each.prometheus_metrics for each in settings] == [True, False]


def test_no_variable_is_without_a_test_or_a_description() -> None:
    assert [field.alias for field in Settings.model_fields.values()] == NAMES
    assert descriptions().keys() == set(NAMES)
    assert all(descriptions().values())


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_that_is_empty_counts_as_not_set(name: str) -> None:
    """Compose files and CI systems set variables to nothing where they mean to leave them alone."""
    assert Settings.from_environment({name: " "}) == Settings.from_environment({})


def test_all_wrong_variables_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)WORKER_TIMEOUT: .*LOG_LEVEL: "):
        Settings.from_environment({"LOG_LEVEL": "loud", "WORKER_TIMEOUT": "soon"})


def test_a_margin_of_more_than_half_the_lease_is_refused() -> None:
    """Else a worker would renew its lease without end, and work for no time at all."""
    with pytest.raises(ConfigurationError, match=r"WORKER_LEASE_MARGIN: .* is more than half of WORKER_LEASE"):
        Settings.from_environment({"WORKER_LEASE": "10000", "WORKER_LEASE_MARGIN": "5001"})


def test_each_run_has_a_lane_of_its_own_unless_there_are_to_be_fewer() -> None:
    assert Settings.from_environment({"WORKER_MAX_RUNS": "3"}).lane_count() == 3
    assert Settings.from_environment({"WORKER_MAX_RUNS": "3", "WORKER_SHARDS": "2"}).lane_count() == 2


def test_a_lane_that_could_have_no_run_is_refused() -> None:
    """What waits in it would be taken only once the others are empty."""
    with pytest.raises(ConfigurationError, match=r"WORKER_SHARDS: 3 is more than WORKER_MAX_RUNS \(2\)"):
        Settings.from_environment({"WORKER_MAX_RUNS": "2", "WORKER_SHARDS": "3"})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.from_environment({}).batch_size = 7


def test_other_variables_are_none_of_our_business() -> None:
    assert Settings.from_environment(
        {"PATH": "/bin", "batch_size": "7", "mongodb_url": "x"}
    ) == Settings.from_environment({})


def test_a_password_is_not_shown_by_the_settings() -> None:
    settings = Settings.from_environment({"MONGODB_URL": WITH_PASSWORD})
    assert settings.mongodb_url == WITH_PASSWORD
    assert "t0p-secret" not in f"{settings!r} {settings}"


def test_keys_and_secrets_are_not_shown_by_the_settings() -> None:
    settings = Settings.from_environment({"INTERNAL_API_KEY": "canary-1, canary-2", "JWT_SECRET": "canary-3"})
    assert settings.api_keys() == (b"canary-1", b"canary-2")
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "addresses",
    ["slack://canary", "json://ok canary-2", "json://ok, canary://x", "mailto://canary:canary@", "canary"],
)
def test_the_address_of_a_channel_is_not_shown_by_an_error(
    addresses: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It holds a password or a token."""
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # as Dagster and uvicorn do
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"ALERT_URLS": addresses})
    assert str(caught.value).startswith("ALERT_URLS: the value holds an address, number ")
    assert "canary" not in f"{caught.value} {capfd.readouterr()} {caplog.text}"


def test_the_addresses_of_channels_are_not_shown_by_the_settings() -> None:
    settings = Settings.from_environment({"ALERT_URLS": "json://user:canary@localhost/"})
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "url",
    [
        WITH_PASSWORD.replace("mongodb://", "mongo://"),
        WITH_PASSWORD.replace("mongodb://", " mongodb://"),
        WITH_PASSWORD.replace("t0p-secret", "t0p-secret/"),
        WITH_PASSWORD.replace("t0p-secret", "t0p-secret%"),
        WITH_PASSWORD.replace("localhost:1", "localhost:port"),
        WITH_PASSWORD.replace("localhost:1", ""),
        WITH_PASSWORD + "?authMechanism=t0p-secret",
        WITH_PASSWORD + "?tlsCAFile=/t0p-secret",
    ],
)
def test_a_password_is_not_shown_by_an_error(url: str) -> None:
    """Error texts end up in logs, in run histories and on screens that are shared."""
    with pytest.raises(ConfigurationError) as caught:
        open_worker(Settings.from_environment({"MONGODB_URL": url})).close()
    assert str(caught.value).startswith("MONGODB_URL: ")
    assert "worker" not in str(caught.value)
    if "?" not in url:
        assert "t0p-secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
