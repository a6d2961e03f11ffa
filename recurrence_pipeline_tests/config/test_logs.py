"""Logs: one JSON object a line, the same whoever writes it, and never the URL of a database."""

import json
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import pytest
import structlog

from recurrence_pipeline.config.log_lines import LONGEST
from recurrence_pipeline.config.logs import FILE_BYTES, FILES_KEPT, HIDDEN, configure
from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("logging_as_before")

URL = "mongodb://worker:t0p%20secret'\"@db.example.org/task-app"
log = structlog.get_logger("recurrence_pipeline.somewhere")


def configured(readable: bool = False, **environment: str) -> None:  # noqa: FBT001, FBT002 - a fact, not a flag
    configure(Settings.from_environment({"MONGODB_URL": URL} | environment), readable=readable)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_a_json_object_with_time_level_and_service(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    log.warning("lease lost", events=3, taskId="6b04")

    captured = capsys.readouterr()
    (line,) = lines(captured.err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "lease lost",
        "events": 3,
        "taskId": "6b04",
        "level": "warning",
        "logger": "recurrence_pipeline.somewhere",
        "service": "recurrence-pipeline",
    }
    assert captured.out == "", "a program reads the output"


def test_loggers_of_the_standard_library_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    logging.getLogger("recurrence_pipeline.plain").warning("seen %d times", 4)

    (line,) = lines(capsys.readouterr().err)
    assert (line["event"], line["level"], line["service"]) == ("seen 4 times", "warning", "recurrence-pipeline")


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    try:
        raise ValueError("odd\ndata")
    except ValueError:
        log.exception("unexpected error")

    (line,) = lines(capsys.readouterr().err)
    assert (line["error"], line["level"]) == ("unexpected error", "error")
    assert "ValueError: odd\ndata" in line["details"]["originalError"]


def test_at_a_terminal_an_exception_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of a request hold its key or its token."""
    configured(readable=True)

    def handle(token: str) -> None:
        if token:
            raise ValueError("odd data")

    try:
        handle("s3cret" * 2)
    except ValueError:
        log.exception("unexpected error")

    written = capsys.readouterr().err
    assert "ValueError: odd data" in written
    assert "s3cret" * 2 not in written


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configured(LOG_LEVEL="warn")
    log.info("idle")
    log.warning("busy")
    configured(LOG_LEVEL="debug")
    log.debug("details")

    assert [line["event"] for line in lines(capsys.readouterr().err)] == ["busy", "details"]


def test_a_file_gets_the_same_lines_and_is_rotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "worker.log"
    configured(LOG_FILE=str(file))
    log.info("caf\u00e9")

    assert file.read_text(encoding="utf-8") == capsys.readouterr().err
    (handler,) = (h for h in logging.getLogger("recurrence_pipeline").handlers if isinstance(h, RotatingFileHandler))
    assert (handler.maxBytes, handler.backupCount) == (FILE_BYTES, FILES_KEPT) == (10 * 1024 * 1024, 5)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^LOG_FILE: '.*nowhere/worker.log' cannot be written: No such file"):
        configured(LOG_FILE=str(tmp_path / "nowhere" / "worker.log"))


def test_configured_twice_each_line_comes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        configured(LOG_FILE=str(tmp_path / "worker.log"))
    log.info("once")

    assert len(lines(capsys.readouterr().err)) == 1
    assert len(lines((tmp_path / "worker.log").read_text())) == 1


def test_at_a_terminal_lines_are_plain_and_the_file_stays_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(readable=True, LOG_FILE=str(tmp_path / "worker.log"))
    log.warning("lease lost", events=3)

    shown = capsys.readouterr().err
    assert "lease lost" in shown
    assert "events=3" in shown
    assert "\x1b" not in shown
    assert lines((tmp_path / "worker.log").read_text())[0]["events"] == 3


@pytest.mark.parametrize("readable", [True, False])
def test_the_url_of_a_database_is_never_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, readable: bool
) -> None:
    """It can hold a password, and logs are shipped to places where many may read."""
    configured(readable=readable, LOG_FILE=str(tmp_path / "worker.log"))
    log.info("connecting", to=f"to {URL}", settings={"url": URL, "nested": [URL]}, text=repr(URL))
    log.info("another one", url="mongodb+srv://someone:t0p@elsewhere.example.org/x?tls=true")
    logging.getLogger("recurrence_pipeline.plain").error("cannot reach %s", URL)
    try:
        raise ValueError(URL)
    except ValueError:
        log.exception("unexpected error")

    written = capsys.readouterr().err + (tmp_path / "worker.log").read_text()
    assert "t0p" not in written
    assert "example.org" not in written
    assert written.count(HIDDEN) >= 14
    assert len(lines((tmp_path / "worker.log").read_text())) == 4, "what is left is still JSON"


def test_loggers_of_others_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    configured()
    assert logging.getLogger().handlers == before
    assert logging.getLogger("dagster").handlers == []
    assert capsys.readouterr().err == ""


SHAPE = ["timestamp", "level", "service", "operation", "taskId", "userId", "error", "details"]
"""The keys of an error line that programs rely on, in their order."""


def test_an_error_line_has_exactly_its_shape_and_what_is_not_known_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    log.error("not done", operation="create", reason="no space left", link="http://ui")
    logging.getLogger("recurrence_pipeline.plain").error("seen %d times", 4)

    first, second = lines(capsys.readouterr().err)
    assert list(first) == list(second) == SHAPE
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "level": "error",
        "service": "recurrence-pipeline",
        "operation": "create",
        "taskId": None,
        "userId": None,
        "error": "not done",
        "details": {"originalError": "no space left", "retryAttempt": None, "maxRetries": None, "link": "http://ui"},
    }
    assert second["error"] == "seen 4 times"


def test_an_error_line_loses_nothing_where_it_names_several_causes(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    try:
        raise ValueError("odd data")
    except ValueError:
        log.exception("not done", reason="the disk", error="full")

    (line,) = lines(capsys.readouterr().err)
    assert line["details"]["originalError"] == "the disk"
    assert line["details"]["error"] == "full"
    assert "ValueError: odd data" in line["details"]["exception"]


def test_a_handler_that_knows_nothing_of_us_shows_the_same_text(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dagster's own log is one."""
    configured()
    logger = logging.getLogger("recurrence_pipeline")
    logger.addHandler(caplog.handler)
    try:
        log.error("not done", operation="create", reason=URL)
        log.info("done", events=3)
    finally:
        logger.removeHandler(caplog.handler)

    assert caplog.messages == capsys.readouterr().err.splitlines()
    assert HIDDEN in caplog.messages[0]


def test_a_handler_of_others_stays_when_we_configure_again(caplog: pytest.LogCaptureFixture) -> None:
    """Dagster puts one there for the time of a run."""
    logger = logging.getLogger("recurrence_pipeline")
    logger.addHandler(caplog.handler)
    try:
        configured()
        configured()
        assert logger.handlers.count(caplog.handler) == 1
    finally:
        logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(
    "fields",
    [
        {"field": "x" * 10_000_000},
        {"field": "\N{HOUSE BUILDING}" * 1_000_000},
        {"field": '"' * 1_000_000},
        {"field": list(range(1_000_000))},
        {"field": {str(number): "x" * 100 for number in range(10_000)}},
        {"field": {"x" * 1_000_000: 1}},
        {f"field{number}": "x" * 100 for number in range(10_000)},
        {"field": [[["x" * 50] * 50] * 50] * 50},
        {"field": 10**4000},
    ],
    ids=lambda fields: f"{len(fields)} of {next(iter(fields.values())).__class__.__name__}",
)
@pytest.mark.parametrize("level", ["info", "error"])
def test_a_line_is_never_so_long_that_it_pushes_others_out(
    fields: dict[str, Any], level: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A field of 10 MB filled a file, and five of them all that are kept."""
    file = tmp_path / "log.jsonl"
    configured(LOG_FILE=str(file))
    getattr(log, level)("too long", taskId="6b04", **fields)
    log.info("after it")
    written, after = file.read_text().splitlines()
    assert len(written) <= LONGEST
    line = json.loads(written)
    assert (line["level"], line["taskId"], line["error" if level == "error" else "event"]) == (
        level,
        "6b04",
        "too long",
    )
    assert json.loads(after)["event"] == "after it"
    assert max(map(len, capsys.readouterr().err.splitlines())) <= LONGEST


def test_a_line_that_was_cut_says_so_and_keeps_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    log.error("failed", reason="x" * 100_000, retryAttempt=2, maxRetries=3)
    (line,) = lines(capsys.readouterr().err)
    assert list(line) == ["timestamp", "level", "service", "operation", "taskId", "userId", "error", "details"]
    assert line["details"]["originalError"] == "x" * 4096 + "... (cut, of 100000 characters)"
    assert (line["details"]["retryAttempt"], line["details"]["maxRetries"]) == (2, 3)


def test_a_line_for_people_is_cut_too(capsys: pytest.CaptureFixture[str]) -> None:
    configured(readable=True)
    log.warning("too long", field="x" * 1_000_000)
    assert LONGEST // 2 < len(capsys.readouterr().err) <= LONGEST
