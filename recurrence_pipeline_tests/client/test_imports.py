"""What an application pays for the client: what it loads, and when."""

import subprocess
import sys

import pytest

STANDARD = sys.stdlib_module_names | {"typing.io", "typing.re"}
OURS = {
    "recurrence_pipeline",
    "recurrence_pipeline.client",
    "recurrence_pipeline.client.base",
    "recurrence_pipeline.client.messages",
    "recurrence_pipeline.client.outbox",
    "recurrence_pipeline.client.protocol",
    "recurrence_pipeline.client.trigger",
    "recurrence_pipeline.config",
    "recurrence_pipeline.config.clock",
    "recurrence_pipeline.domain",
    "recurrence_pipeline.domain.errors",
    "recurrence_pipeline.domain.retries",
    "recurrence_pipeline.domain.times",
    "recurrence_pipeline.domain.vocabulary",
}
SLOW = {"asyncio", "email", "http", "importlib.metadata", "pathlib", "ssl", "socket", "urllib", "zoneinfo"}
"""Of the standard library: what the first import of a program should not pay for."""
ENGINE = {
    f"recurrence_pipeline.{part}"
    for part in (
        "bootstrap",
        "cli",
        "maintenance",
        "monitoring",
        "orchestration",
        "reconciliation",
        "recovery",
        "worker",
    )
}
"""No use of the client whatever loads these."""


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after some code."""
    code += "\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_import_loads_the_standard_library_and_these_modules_and_nothing_else() -> None:
    """Else an application starts half a second later for a driver and a framework that it may never use."""
    new = loaded("from recurrence_pipeline.client import AsyncWorkerTrigger, WorkerTrigger") - loaded("")
    assert {name for name in new if name.partition(".")[0] not in STANDARD} == OURS
    assert new.isdisjoint(SLOW)


@pytest.mark.parametrize(
    ("code", "brings", "not_yet"),
    [
        ("WorkerTrigger()", {"httpx"}, {"pydantic", "pymongo", "structlog"}),
        ("WorkerTrigger.from_environment({})", {"httpx", "pydantic"}, {"pymongo", "structlog"}),
        ("WorkerTrigger(database_url='mongodb://127.0.0.1:1')", {"httpx", "pydantic"}, {"pymongo", "structlog"}),
        (
            "import pytest; from recurrence_pipeline.client import DatabaseOutbox;"
            "from recurrence_pipeline.config.settings import Settings;"
            "box = DatabaseOutbox(Settings.from_environment({'MONGODB_URL': 'mongodb://127.0.0.1:1/?timeoutMS=1'}));"
            "pytest.raises(Exception, box.enqueue, 'f' * 24, 'create', None)",
            {"pymongo"},
            {"dagster", "pandas", "typer"},
        ),
    ],
    ids=["a client", "of the environment", "with a database", "something is written down"],
)
def test_what_is_behind_a_client_is_loaded_when_it_is_needed(code: str, brings: set[str], not_yet: set[str]) -> None:
    found = loaded(f"from recurrence_pipeline.client import WorkerTrigger\n{code}")
    assert brings <= found
    assert found.isdisjoint(not_yet | ENGINE)


def test_the_version_can_still_be_asked_for() -> None:
    assert "importlib.metadata" in loaded("from recurrence_pipeline import __version__")
    with pytest.raises(subprocess.CalledProcessError):
        loaded("import recurrence_pipeline; recurrence_pipeline.no_such_name")
