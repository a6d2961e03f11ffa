"""Secrets from files: what a file holds is the value; what cannot be used is named, and never shown."""

from pathlib import Path

import pytest

from recurrence_pipeline.client import Queued, WorkerTrigger
from recurrence_pipeline.config.settings import SECRET, Settings
from recurrence_pipeline.doctor.machine import look_at_names
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.domain.severity import Severity
from recurrence_pipeline_tests.commands import Run
from recurrence_pipeline_tests.stub_server import unused_port
from recurrence_pipeline_tests.world import World, utc

VALUES = {
    "MONGODB_URL": "mongodb://someone:canary@db.example.org/app",
    "INTERNAL_API_KEY": "canary,canary-2",
    "JWT_SECRET": "canary of the application",
    "ALERT_URLS": "json://someone:canary@localhost/",
}


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name.lower()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_there_is_a_value_here_for_each_secret() -> None:
    assert VALUES.keys() == SECRET


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["no line end", "a line end", "that of Windows"])
@pytest.mark.parametrize("name", sorted(SECRET))
def test_a_file_holds_what_the_variable_would(tmp_path: Path, name: str, end: str) -> None:
    file = written(tmp_path, name, VALUES[name] + end)
    assert Settings.from_environment({f"{name}_FILE": file}) == Settings.from_environment({name: VALUES[name]})


def test_only_the_last_line_end_is_none_of_the_secret_s(tmp_path: Path) -> None:
    settings = Settings.from_environment({"JWT_SECRET_FILE": written(tmp_path, "secret", " a \n b \n\n")})
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == " a \n b \n"


@pytest.mark.parametrize("name", sorted(SECRET))
def test_the_variable_and_its_file_together_are_refused(tmp_path: Path, name: str) -> None:
    """Nobody could say which of the two counts."""
    file = written(tmp_path, name, VALUES[name])
    with pytest.raises(ConfigurationError, match=f"^{name}_FILE: {name} is set too; leave one of the two out$"):
        Settings.from_environment({name: VALUES[name], f"{name}_FILE": file})


@pytest.mark.parametrize("empty", ["", " "])
def test_a_variable_that_is_empty_counts_as_not_set(tmp_path: Path, empty: str) -> None:
    file = written(tmp_path, "key", "canary")
    assert Settings.from_environment({"INTERNAL_API_KEY": empty, "INTERNAL_API_KEY_FILE": file}).api_keys()
    assert Settings.from_environment({"INTERNAL_API_KEY": "canary", "INTERNAL_API_KEY_FILE": empty}).api_keys()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"canary \xff", "holds no text in UTF-8"),
        (b"canary" * 20_000, "holds more than 65536 bytes"),
    ],
    ids=["nothing", "a blank", "no text", "too much"],
)
def test_a_file_that_cannot_be_the_secret_is_named_and_not_shown(tmp_path: Path, content: bytes, reason: str) -> None:
    file = written(tmp_path, "key", content)
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"INTERNAL_API_KEY_FILE": file})
    assert str(caught.value) == f"INTERNAL_API_KEY_FILE: {file!r} {reason}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_all_files_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"JWT_SECRET_FILE": gone, "INTERNAL_API_KEY_FILE": str(tmp_path)})
    assert str(caught.value).splitlines() == [
        f"INTERNAL_API_KEY_FILE: {str(tmp_path)!r} cannot be read: Is a directory",
        f"JWT_SECRET_FILE: {gone!r} cannot be read: No such file or directory",
    ]


def test_a_value_in_a_file_that_is_wrong_is_named_by_its_variable_and_not_shown(tmp_path: Path) -> None:
    file = written(tmp_path, "url", "postgresql://someone:canary@db.example.org/app")
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"MONGODB_URL_FILE": file})
    assert str(caught.value) == "MONGODB_URL: the value does not begin with mongodb:// or mongodb+srv://"


def test_a_command_works_on_the_database_that_a_file_names(run: Run, mongodb_url: str, tmp_path: Path) -> None:
    file = written(tmp_path, "url", mongodb_url + "\n")
    assert run("init-db", MONGODB_URL="", MONGODB_URL_FILE=file).code == 0
    assert run("process").code == 0, "the same database is prepared"
    failed = run("stats", MONGODB_URL="", MONGODB_URL_FILE=file + ".gone")
    assert (failed.code, failed.err.count("\n")) == (2, 1)
    assert f"MONGODB_URL_FILE: '{file}.gone' cannot be read: No such file or directory" in failed.err


def test_the_client_has_its_outbox_where_a_file_names_the_database(mongodb_url: str, tmp_path: Path) -> None:
    """Else a trigger that cannot be delivered would be lost, though a database is configured."""
    world = World(mongodb_url)
    environment = {"MONGODB_URL_FILE": written(tmp_path, "url", mongodb_url), "PORT": str(unused_port())}
    task_id = str(world.add_task(utc(2024, 1, 1, 9), "daily"))
    with WorkerTrigger.from_environment(environment) as trigger:
        assert isinstance(trigger.trigger_task_creation(task_id), Queued)
    world.close()


def test_the_doctor_knows_the_names_of_files() -> None:
    assert look_at_names({"MONGODB_URL_FILE": "/run/secrets/url"}).severity is Severity.OK
    assert "is JWT_SECRET_FILE meant?" in look_at_names({"JWT_SECRETS_FILE": "/run/secrets/jwt"}).found
