"""The connection: client, collections, and the one table that sorts the driver's errors. No document is known here."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo import MongoClient, ReadPreference, errors
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.monitoring import CommandListener
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    RecurrenceError,
    Transient,
    WriteRejected,
)
from recurrence_pipeline.storage.documents import Document
from recurrence_pipeline.storage.validation_errors import validation_reason

DEFAULT_DATABASE = "task-app"

BAD_TEXT = "replace"
"""What is not valid UTF-8 is read as U+FFFD: one such text, in whatever field, would cost all that is read with it."""

BARE_DATES: CodecOptions[Document] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler=BAD_TEXT
)
"""Reads dates as UTC that does not say so: having the driver add the zone takes longer than the rest of a document."""

Listener = CommandListener
"""What is told of every command that is sent (PyMongo, "monitoring")."""

P = ParamSpec("P")
R = TypeVar("R")


class Mongo:
    """One client, and the collections by the names the application gave them."""

    def __init__(self, settings: Settings, *, listeners: Sequence[Listener] = ()) -> None:
        timeout = int(settings.worker_timeout.total_seconds() * 1000)
        defaults = {
            "appname": "recurrence-pipeline",
            "maxPoolSize": settings.mongodb_pool_size,
            "timeoutMS": timeout,
            "serverSelectionTimeoutMS": timeout,
            "connectTimeoutMS": timeout,
        }
        try:
            parsed = parse_uri(settings.mongodb_url)
            chosen = {name.lower() for name in parsed["options"]}
            options: dict[str, Any] = {name: value for name, value in defaults.items() if name.lower() not in chosen}
            self.client: MongoClient[Document] = MongoClient(
                settings.mongodb_url,
                tz_aware=True,
                datetime_conversion="DATETIME_AUTO",
                unicode_decode_error_handler=BAD_TEXT,
                event_listeners=listeners,
                **options,
            )
        except (errors.PyMongoError, ValueError, OSError) as error:  # OSError: a certificate that is not there
            # Never the URL itself: it can hold a password.
            raise ConfigurationError(f"MONGODB_URL: {_without_password(settings.mongodb_url, error)}") from None
        # What was written is read back, to see what was won: a secondary, even if the URL asks for one, may lag behind.
        name = parsed["database"] or DEFAULT_DATABASE
        self._use(self.client.get_database(name, read_preference=ReadPreference.PRIMARY))

    def _use(self, db: Database[Document]) -> None:
        self.db = db
        self.tasks = self.db["tasks"]
        self.users = self.db["users"]
        self.activities = self.db["useractivities"]
        self.counters = self.db["counters"]
        self.events = self.db["task_events"]
        self.deleted = self.db["deleted_tasks"]
        self.series = self.db["task_series"]
        self.archive = self.db["useractivities_archive"]
        self.state = self.db["worker_state"]
        self.audit = self.db["audit_log"]

    def numbered(self, counter: str) -> Collection[Document]:
        """Return the collection whose numbers come from the counter of that name."""
        return self.db[counter]

    def before_the_journal(self) -> "Mongo":
        """Return the same for writes that do not wait for the server's journal, where MONGODB_URL has all others wait.

        For what is no loss where the server dies: a server that is back at once goes on with a batch whose first writes
        it has lost. What else the URL asks of writes is asked of these.
        """
        early, asked = copy(self), self.db.write_concern.document
        if asked.get("j"):
            early._use(self.db.with_options(write_concern=WriteConcern(**{**asked, "j": False})))
        return early

    def ping(self) -> None:
        """Ask the server for a sign of life.

        Raises:
            DatabaseUnavailable: where none comes.
        """
        with translating():
            self.client.admin.command("ping")

    def drop(self) -> None:
        """Drop the whole database: for throwaway ones."""
        with translating():
            self.client.drop_database(self.db)

    def close(self) -> None:
        """Close every connection."""
        self.client.close()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused write of a bulk: its position, the unique key that was taken (or None), and the reason."""

    index: int
    key_value: dict[str, Any] | None
    message: str


def refusals(error: errors.BulkWriteError) -> list[Refusal]:
    """Return the writes of a bulk that the database refused one by one.

    Raises:
        DatabaseUnavailable: where something else went wrong with the bulk (write concern, a write that met an outage).
        Transient: where a write may work a moment later.
    """
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise translation(error) from error
    refused = []
    for write in details.get("writeErrors", []):
        if sort_code(write.get("code"), ()) is not WriteRejected:
            raise translation(error) from error
        refused.append(Refusal(int(write["index"]), write.get("keyValue"), _write_message(write)))
    return refused


def insert_new(collection: Collection[Document], documents: Sequence[Document]) -> list[Document]:
    """Insert documents, and return those of which the `_id` is there already: they are left as they are.

    Raises:
        RecurrenceError, BulkWriteError: anything else that keeps one out.
    """
    try:
        collection.insert_many(documents, ordered=False)
    except errors.BulkWriteError as error:
        refused = refusals(error)
        if any("_id" not in (refusal.key_value or {}) for refusal in refused):
            raise
        return [documents[refusal.index] for refusal in refused]
    return []


_BY_CODE: MappingProxyType[int, type[RecurrenceError]] = MappingProxyType(
    dict.fromkeys((11000, 11001, 12582), WriteRejected)  # a unique key is taken
    | dict.fromkeys((121,), WriteRejected)  # DocumentValidationFailure
    | dict.fromkeys((2, 22, 52, 10334, 17280, 17419, 17420), WriteRejected)  # a bad, or too large, document
    | dict.fromkeys((24, 46, 50, 112, 202, 262, 290), Transient)  # locks, time limits, write conflicts
    | dict.fromkeys((13, 18, 8000, 31), DatabaseUnavailable)  # not authorised, authentication failed
    | dict.fromkeys(
        (6, 7, 89, 91, 189, 9001, 10107, 11600, 11602, 13435, 13436), DatabaseUnavailable
    )  # network, no primary
    | dict.fromkeys((64, 79, 100), DatabaseUnavailable)  # write concern not met: done, but not as safely as asked
    | dict.fromkeys((14031, 16500, 462), DatabaseUnavailable)  # out of disk, overload
    | dict.fromkeys((26, 73), DatabaseUnavailable)  # the database or collection is not there
)
"""MongoDB's error codes (manual, "Error Codes") by what to do next; any other may be worth another try."""

UNSTORABLE = (BSONError, OverflowError, UnicodeEncodeError)
"""What the driver raises for a value that BSON cannot hold: no type for it, over 64 bits, half a character."""

_OUTAGE_LABELS = frozenset({"SystemOverloadedError", "RetryableWriteError"})

_BY_CLASS: tuple[tuple[type[BaseException], type[RecurrenceError]], ...] = (
    (errors.DuplicateKeyError, WriteRejected),
    (errors.DocumentTooLarge, WriteRejected),
    (errors.WTimeoutError, DatabaseUnavailable),
    (errors.WriteConcernError, DatabaseUnavailable),
    (errors.ExecutionTimeout, Transient),
    (errors.ConfigurationError, DatabaseUnavailable),
    (errors.ConnectionFailure, DatabaseUnavailable),  # with AutoReconnect, NotPrimaryError, ServerSelectionTimeoutError
)


def sort_code(code: int | None, labels: tuple[str, ...]) -> type[RecurrenceError]:
    """Return what an error code of the server means for whoever asked."""
    if _OUTAGE_LABELS.intersection(labels):
        return DatabaseUnavailable
    return _BY_CODE.get(code or 0, Transient)


def translation(error: Exception) -> RecurrenceError:
    """Return our error for one of the driver's; the text says what the server said, and never a URL."""
    if isinstance(error, errors.BulkWriteError):
        return _bulk_translation(error)
    for kind, ours in _BY_CLASS:
        if isinstance(error, kind):
            return ours(_text(error))
    if isinstance(error, errors.OperationFailure):
        labels = tuple((error.details or {}).get("errorLabels", ()))
        return sort_code(error.code, labels)(_text(error))
    if isinstance(error, (errors.InvalidOperation, errors.InvalidURI)):
        return DatabaseUnavailable(_text(error))
    if isinstance(error, UNSTORABLE):
        return WriteRejected(f"a value cannot be stored: {error}")
    return Transient(_text(error))


@contextmanager
def translating() -> Iterator[None]:
    """Raise our errors instead of the driver's."""
    try:
        yield
    except (errors.PyMongoError, *UNSTORABLE) as error:
        raise translation(error) from error


def translated() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function raise our errors instead of the driver's."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def translated_function(*args: P.args, **kwargs: P.kwargs) -> R:
            with translating():
                return function(*args, **kwargs)

        return translated_function

    return decorate


def _bulk_translation(error: errors.BulkWriteError) -> RecurrenceError:
    details = error.details or {}
    if details.get("writeConcernErrors"):
        return DatabaseUnavailable(f"write concern not met: {details['writeConcernErrors'][0].get('errmsg')}")
    writes = details.get("writeErrors", [])
    by_kind = {sort_code(write.get("code"), ()): write for write in reversed(writes)}
    for worst in (DatabaseUnavailable, Transient, WriteRejected):
        if worst in by_kind:
            return worst(_write_message(by_kind[worst]))
    return Transient(_text(error))


def _write_message(write: dict[str, Any]) -> str:
    reason = str(write.get("errmsg", "refused"))
    return _with_rules(f"{reason} ({write['keyValue']})" if write.get("keyValue") else reason, write)


def _with_rules(text: str, details: Mapping[str, Any] | None) -> str:
    rules = validation_reason(details)
    return f"{text}: {rules}" if rules else text


def _without_password(url: str, error: Exception) -> str:
    """Return the reason; a password with a bare / or ? ends up in what the driver quotes as the database's name."""
    if "@" in re.split("[/?]", url.partition("://")[2], maxsplit=1)[-1]:
        return "a character such as : / ? # [ ] @ % in the user name or password must be percent-encoded"
    return str(error)


def _text(error: BaseException) -> str:
    code = getattr(error, "code", None)
    text = str(error).split(", full error", 1)[0].split(", Timeout:", 1)[0]
    return _with_rules(f"{text} (code {code})" if code else text, getattr(error, "details", None))
