"""What the doctor hears when it asks the programs of the system over HTTP: the API, Dagster's web server, the metrics.

A program that is not there is a warning: not every system has all of them. One that is there and not well is an error.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx

from recurrence_pipeline.api.middleware import REQUEST_ID
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.doctor.rules import HealthCheckResult, fault, ok, warn

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (names them, binds nothing)
"""What listens on all addresses is asked on loopback."""
PATIENCE = 10
"""Seconds for each answer."""
SENSOR = "task_event_sensor"
RUNS_ASKED = 100
NEEDED_DAEMONS = frozenset({"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"})

OVERDUE = timedelta(days=2)
"""How much later than asked for old runs may go: they do once a day, and what a pass has no time for, the next day."""

QUESTION = """query ($before: Float!, $most: Int!) {
  version
  runsOrError(filter: {statuses: [SUCCESS, FAILURE, CANCELED], updatedBefore: $before}, limit: $most) {
    ... on Runs { results { jobName } }
  }
  assetNodes { assetChecksOrError { ... on AssetChecks { checks {
    name executionForLatestMaterialization { status evaluation { severity } }
  } } } }
  instance { info daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
    ... on PythonError { message }
    ... on RepositoryLocation { repositories {
      sensors { name sensorState { status } } schedules { name scheduleState { status } }
    } }
  } } } }
}"""


STORAGES = 3
"""Of runs, events and ticks. After a restart of PostgreSQL the web server finds out about each when it is asked, and
answers with that error, however much later (Dagster 1.13.27)."""
STORAGE_AWAY = "See that the storage of dagster.yaml (PostgreSQL) answers: while it is away, Dagster starts no run."


NOT_WELL: dict[int, tuple[Callable[..., HealthCheckResult], str]] = {
    HTTPStatus.SERVICE_UNAVAILABLE: (fault, "The API cannot reach its database: compare its MONGODB_URL."),
    HTTPStatus.FORBIDDEN: (fault, "It was started with another INTERNAL_API_KEY: restart it."),
    HTTPStatus.TOO_MANY_REQUESTS: (warn, "RATE_LIMIT_PER_MINUTE is reached: see who asks that often."),
}
"""What our API can answer instead of 200, and what to do."""


def look_at_api(settings: Settings) -> HealthCheckResult:
    """Ask the internal API for its health, with a key where one is set.

    It is ours where it returns the id of the request, as ours does with every answer: Dagster's web server answers 200
    to any path, and the original worker answers to this one as we do.
    """
    url = f"{_address(settings, settings.port)}/internal/worker/health"
    keys = settings.api_keys()
    request_id = uuid4().hex
    headers = {REQUEST_ID: request_id} | ({"x-internal-api-key": keys[0].decode()} if keys else {})
    try:
        answer = httpx.get(url, headers=headers, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError as error:
        advice = "Where the application calls it: recurrence api. Where it only writes events, none is needed."
        return warn("api", f"nothing answers at {url}: {_reason(error)}", advice)
    if answer.headers.get(REQUEST_ID) != request_id:
        return _not_ours(answer, url)
    found = f"{answer.status_code} from {url}"
    if answer.status_code == HTTPStatus.OK and _services(answer):
        return ok("api", found)
    tell, advice = NOT_WELL.get(answer.status_code, (fault, "It is of another version, or ill: restart it."))
    return tell("api", found, advice)


def _not_ours(answer: httpx.Response, url: str) -> HealthCheckResult:
    if _services(answer):
        advice = "Switch over to `recurrence api` as docs/how-to/migrate.md says, and stop the other one's worker."
        return fault("api", f"the original worker answers at {url}", advice)
    advice = "Another program has the port: set PORT of one of the two. `recurrence up` says where its API is."
    return fault("api", f"what answers at {url} is not the internal API", advice)


def _services(answer: httpx.Response) -> bool:
    """Say whether an answer has the shape of the worker's health, ours or the original's."""
    try:
        return "tasksWorker" in answer.json()["data"]["services"]
    except (ValueError, TypeError, LookupError):
        return False


def look_at_metrics(settings: Settings) -> Iterator[HealthCheckResult]:
    """Scrape once, as Prometheus does; only where PROMETHEUS_METRICS is set."""
    if not settings.prometheus_metrics:
        return
    url = f"{_address(settings, settings.metrics_port)}/metrics"
    try:
        text = httpx.get(url, timeout=PATIENCE, trust_env=False).text
    except httpx.HTTPError as error:
        advice = "Start `recurrence api`, which serves them, with PROMETHEUS_METRICS=true."
        yield fault("metrics", f"nothing answers at {url}: {_reason(error)}", advice)
        return
    up = [line.split()[-1] for line in text.splitlines() if line.startswith("recurrence_up ")]
    if not up:
        advice = "Another program has the port (Prometheus itself uses 9090 too): set METRICS_PORT."
        yield fault("metrics", f"no metrics of ours at {url}", advice)
    elif float(up[0]) != 1:
        advice = "The API's last look at the database failed: its log says why."
        yield fault("metrics", f"recurrence_up is {up[0]} at {url}", advice)
    else:
        yield ok("metrics", f"served at {url}")


def look_at_dagster(
    settings: Settings, now: datetime, heartbeat: Mapping[str, Any] | None = None
) -> Iterator[HealthCheckResult]:
    """Ask Dagster's web server how its daemon, its asset checks, the code server and its history are.

    `heartbeat` is the one that its alert sensor leaves in our database, as health shows it.
    """
    url, days = settings.dagster_ui_url.rstrip("/"), settings.dagster_run_retention_days
    before = (now - timedelta(days=days) - OVERDUE).timestamp()
    try:
        data = _asked(url, {"query": QUESTION, "variables": {"before": before, "most": RUNS_ASKED}})
        version = data["version"]
    except httpx.ReadTimeout:
        yield fault("dagster ui", f"{url} took the question and gave no answer in {PATIENCE} s", STORAGE_AWAY)
    except httpx.HTTPError as error:
        advice = "Start dagster-webserver, or set DAGSTER_UI_URL. The work goes on without it; its daemon is not seen."
        yield warn("dagster ui", f"nothing answers at {url}: {_reason(error)}", advice)
    except NoAnswer as error:
        yield fault("dagster ui", f"{url} answers with an error: {error}", STORAGE_AWAY)
    except (ValueError, TypeError, KeyError, AttributeError):
        advice = "Set DAGSTER_UI_URL to dagster-webserver's address; it and the API both use port 3000 by default."
        yield warn("dagster ui", f"what answers at {url} is not Dagster", advice)
    else:
        yield ok("dagster ui", f"Dagster {version} at {url}")
        yield judge_daemon(data["instance"]["daemonHealth"]["allDaemonStatuses"], heartbeat)
        yield judge_sensors(data["instance"]["info"] or "", settings.watch)
        yield judge_asset_checks(data["assetNodes"])
        yield from judge_code(data["workspaceOrError"].get("locationEntries", []))
        yield judge_history([run["jobName"] for run in data["runsOrError"].get("results", [])], days)


class NoAnswer(Exception):
    """GraphQL's own answer where a part of the question could not be answered; the first line of its first reason."""


def _asked(url: str, question: Mapping[str, Any]) -> Any:
    """Return Dagster's answer; asked again where it has none, for each storage holds a connection that may be dead.

    Raises:
        NoAnswer: it has none the last time either.
        httpx.HTTPError, ValueError, TypeError, KeyError, AttributeError: what answers is not Dagster, or nothing does.
    """
    for _ in range(STORAGES):
        answer = httpx.post(f"{url}/graphql", json=question, timeout=PATIENCE, trust_env=False).json()
        if not answer.get("errors"):
            return answer["data"]
    raise NoAnswer(str(answer["errors"][0]["message"]).strip().splitlines()[0])


def judge_daemon(statuses: list[dict[str, Any]], heartbeat: Mapping[str, Any] | None = None) -> HealthCheckResult:
    """Say whether dagster-daemon gives signs of life: Dagster waits for half an hour, we for the next heartbeat."""
    if heartbeat is not None and heartbeat["standsStill"]:
        found = f"alert_sensor has not ticked since {heartbeat['seenAt']:%Y-%m-%d %H:%M} UTC"
        advice = (
            "Restart dagster-daemon, and the code server where that stands still. Without them no event is processed."
        )
        return fault("dagster daemon", found, advice)
    wanted = [status for status in statuses if status["required"] or status["daemonType"] in NEEDED_DAEMONS]
    ill = sorted(status["daemonType"] for status in wanted if not status["healthy"])
    if ill or not wanted:
        advice = "Start dagster-daemon, with the DAGSTER_HOME of the web server. Without it no event is processed."
        return fault("dagster daemon", f"no sign of life: {', '.join(ill) or 'all'}", advice)
    return ok("dagster daemon", f"{len(wanted)} parts are alive")


def judge_sensors(instance: str, watch: timedelta) -> HealthCheckResult:
    """Say whether sensors may wait for work: only where the instance, told as YAML, evaluates them in threads."""
    if re.search(r"^sensors:\n(?: .*\n)*? +use_threads: true$", instance, re.MULTILINE):
        return ok("sensors", "evaluated in threads: none holds up another")
    if not watch:
        return ok("sensors", "evaluated one after the other; SENSOR_WATCH is 0, so that none waits")
    advice = "Put sensors: {use_threads: true, num_workers: 8} into dagster.yaml, as the one that is shipped has it."
    return warn("sensors", "evaluated one after the other: an event may wait for 5 s, for none watches", advice)


def judge_asset_checks(nodes: list[dict[str, Any]]) -> HealthCheckResult:
    """Say which of the asset checks failed as an error, the last time that they were made."""
    checks = [check for node in nodes for check in node["assetChecksOrError"].get("checks", [])]
    last = {check["name"]: check["executionForLatestMaterialization"] or {} for check in checks}
    failing = [name for name, made in last.items() if (made.get("evaluation") or {}).get("severity") == "ERROR"]
    failing = sorted(name for name in failing if last[name]["status"] == "FAILED")
    if failing:
        advice = (
            "The Dagster UI says what each found: Assets, the asset, Checks. It is over when the check passes again."
        )
        return fault("asset checks", f"failed: {', '.join(failing)}", advice)
    return ok("asset checks", f"none of {len(checks)} fails as an error")


def judge_code(entries: list[dict[str, Any]]) -> Iterator[HealthCheckResult]:
    """Say whether Dagster can load our code, and whether all that should run by itself is on."""
    loaded = [entry["locationOrLoadError"] or {} for entry in entries]
    sensors = _states(loaded, "sensors", "sensorState")
    if SENSOR not in sensors:
        messages = [str(each["message"]).strip().splitlines()[-1] for each in loaded if each.get("message")]
        advice = "Start the code server and look at its log; `dagster definitions validate` says what is wrong."
        found = "; ".join(messages) or f"{SENSOR} is not there"
        yield fault("dagster code", found, advice)
        return
    yield ok("dagster code", f"loaded: {', '.join(entry['name'] for entry in entries)}")
    states = {**sensors, **_states(loaded, "schedules", "scheduleState")}
    off = sorted(name for name, status in states.items() if status != "RUNNING")
    if off:
        tell = fault if SENSOR in off else warn
        yield tell("automation", f"off: {', '.join(off)}", 'Turn them on in the Dagster UI, "Automation".')
    else:
        yield ok("automation", f"{len(states)} sensors and schedules are on")


def judge_history(jobs: list[str], days: int) -> HealthCheckResult:
    """Say whether Dagster's old runs go; `jobs` has the job of each that should have gone.

    One of each job stays: the last that succeeded or failed.
    """
    if not days:
        return ok("run history", "DAGSTER_RUN_RETENTION_DAYS is 0: all runs are kept, for ever")
    overdue = sum(max(count - 1, 0) for count in Counter(jobs).values())
    if overdue:
        found = f"{overdue}{' or more' if len(jobs) == RUNS_ASKED else ''} runs ended more than {days} days ago"
        advice = "See that daily_maintenance runs, and what its op prune_run_history says: history fills the disk."
        return warn("run history", found, advice)
    return ok("run history", f"runs are kept for {days} days")


def _states(loaded: list[dict[str, Any]], kind: str, state: str) -> dict[str, str]:
    of: Callable[[dict[str, Any]], list[dict[str, Any]]] = lambda location: location.get("repositories", [])  # noqa: E731
    return {each["name"]: each[state]["status"] for location in loaded for code in of(location) for each in code[kind]}


def _address(settings: Settings, port: int) -> str:
    host = ANY_ADDRESS.get(settings.host[0], settings.host[0])
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
