"""How the text of an environment variable becomes a value: the types of the fields of Settings.

Each raises ValueError with the end of a sentence that begins with the variable's name and value.
"""

import re
from datetime import time, timedelta
from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.zones import time_zone

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
"""In the order in which cron numbers them, from 0."""

LOG_LEVELS = ("debug", "info", "warning", "error")


def _whole_number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ValueError("is not a whole number") from None


def _flag(value: object) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    text = str(value).strip().lower()
    if text not in known:
        raise ValueError("is neither true nor false")
    return known[text]


def _milliseconds(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    text = str(value)
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise ValueError("is not a number of milliseconds")
    return timedelta(milliseconds=int(text))


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be more than 0 milliseconds")
    return value


def _zone(value: str) -> str:
    try:
        time_zone(value)
    except InvalidRecurrence:
        raise ValueError("is not an IANA time zone") from None
    return value


def _clock_time(value: object) -> time:
    if isinstance(value, time):
        return value
    match = re.fullmatch(r"(\d\d?):(\d\d)", str(value).strip(), re.ASCII)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError("is not a time of day such as 02:00")
    return time(int(match[1]), int(match[2]))


def _weekday(value: object) -> str:
    day = str(value).strip().lower()
    if day not in WEEKDAYS:
        raise ValueError(f"is not one of {', '.join(WEEKDAYS)}")
    return day


def _log_level(value: object) -> str:
    level = {"warn": "warning"}.get(str(value).lower(), str(value).lower())
    if level not in LOG_LEVELS:
        raise ValueError(f"is not one of {', '.join(LOG_LEVELS)}")
    return level


def _mongodb_url(value: str) -> str:
    if not value.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("does not begin with mongodb:// or mongodb+srv://")
    return value


def _list(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        try:
            ip_network(network)
        except ValueError:
            raise ValueError(f"holds {network!r}, which is neither an IP address nor a network") from None
    return value


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ValueError(f"holds {origin!r}, which is not an origin such as https://app.example.org")
    return value


def _owners(value: tuple[str, ...]) -> tuple[str, ...]:
    for owner in value:
        if not re.fullmatch(r"team:\w+|[^@\s]+@[^@\s]+\.[^@\s]+", owner, re.ASCII):
            raise ValueError(f"holds {owner!r}, which is neither a mail address nor a team such as team:recurrence")
    return value


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("holds no address")
    return value


def _keys(value: SecretStr) -> SecretStr:
    if not _list(value.get_secret_value()):
        raise ValueError("holds no key")
    return value


def _alert_urls(value: SecretStr) -> SecretStr:
    from recurrence_pipeline.config.alert_urls import parse_alert_urls  # noqa: PLC0415 (half a second: only where set)

    if not parse_alert_urls(value.get_secret_value()):
        raise ValueError("holds no address")
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("is not an address such as https://dagster.example.org")
    return value.rstrip("/")


def _task_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "{taskId}" not in value.partition(parts.netloc)[2]:
        raise ValueError("is not an address such as https://app.example.org/tasks/{taskId}")
    return value


def bounded(low: int, high: int) -> Any:
    """Return the check that a whole number is within both bounds."""

    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"is not between {low} and {high}")
        return value

    return AfterValidator(check)


def at_most(longest: timedelta) -> Any:
    """Return the check that a duration is no longer."""

    def check(value: timedelta) -> timedelta:
        if value > longest:
            raise ValueError(f"is more than {int(longest.total_seconds() * 1000)} milliseconds")
        return value

    return AfterValidator(check)


WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Milliseconds = Annotated[timedelta, BeforeValidator(_milliseconds)]
Duration = Annotated[Milliseconds, AfterValidator(_positive)]
Names = Annotated[tuple[str, ...], BeforeValidator(_list)]
"""Separated by commas."""

Addresses = Annotated[Names, AfterValidator(_some)]
Networks = Annotated[Names, AfterValidator(_networks)]
Origins = Annotated[Names, AfterValidator(_origins)]
Owners = Annotated[Names, AfterValidator(_owners)]
Keys = Annotated[SecretStr, AfterValidator(_keys)]
AlertUrls = Annotated[SecretStr, AfterValidator(_alert_urls)]
TaskAddress = Annotated[str, AfterValidator(_task_address)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
MongodbUrl = Annotated[str, AfterValidator(_mongodb_url)]
Zone = Annotated[str, AfterValidator(_zone)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
Weekday = Annotated[str, BeforeValidator(_weekday)]
LogLevel = Annotated[str, BeforeValidator(_log_level)]
