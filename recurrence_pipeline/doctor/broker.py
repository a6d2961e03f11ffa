"""What the doctor finds in Redis, which holds the runs that wait where there are several machines (dagster-celery).

Asked only where its variable is set; elsewhere there is none.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from recurrence_pipeline.doctor.rules import HealthCheckResult, fault, ok, warn

BROKER = "RECURRENCE_BROKER_URL"
"""As in orchestration/celery_app.py, which cannot be imported without Celery, and deploy/dagster.distributed.yaml."""
PATIENCE = 10
"""Seconds for an answer."""
KEPT = "noeviction"


def look_at_broker(environment: Mapping[str, str]) -> Iterator[HealthCheckResult]:
    """Ask Redis how much room it has, and what it does when there is none."""
    url = environment.get(BROKER, "").strip()
    if not url:
        return
    try:
        import redis  # noqa: PLC0415  (the extra `distributed`)
    except ImportError:
        yield fault("redis", f"{BROKER} is set, and the extra `distributed` is not installed", "Install it.")
        return
    try:
        with redis.Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE) as client:
            yield judge_broker(client.info())
    except (redis.RedisError, ValueError, OSError) as error:
        found = f"{BROKER}: Redis cannot be asked: {type(error).__name__}"
        yield fault("redis", found, "Start it, or compare the URL. Without it Dagster starts no run; events wait.")


def judge_broker(info: Mapping[str, Any]) -> HealthCheckResult:
    """Say whether it takes new runs and keeps those that wait, by what Redis says of itself (its command INFO)."""
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    policy = info.get("maxmemory_policy", KEPT)
    room = f"{used / 2**20:.1f} MiB used of {f'{most / 2**20:.1f}' if most else 'any number'}, {policy}"
    if most and policy != KEPT:
        advice = f"Set maxmemory-policy {KEPT}: when it is full, it throws away runs that wait."
        return warn("redis", room, advice)
    if most and used >= most:
        advice = "Raise maxmemory: no run starts, and Celery's workers end. Then see that those run again."
        return fault("redis", f"full: {room}", advice)
    return ok("redis", room)
