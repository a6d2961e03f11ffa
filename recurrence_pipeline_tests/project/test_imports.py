"""What a program loads: memory that it holds for as long as it runs, and time that people wait at each start."""

import subprocess
import sys

import pytest

PROGRAMS = {
    "recurrence_pipeline.local.up": {
        "asyncio", "bson", "dagster", "grpc", "httpx", "pandas", "pymongo", "sqlalchemy", "structlog",
    },
    "recurrence_pipeline.local.dagster_host": {"dagster", "pymongo", "rich"},  # it takes its port first
    "recurrence_pipeline.definitions": {"alembic", "fastapi", "httpx", "pandas", "sqlalchemy", "typer", "uvicorn"},
    "recurrence_pipeline.api.server": {"cryptography", "dagster", "httpx", "icalendar", "jinja2", "jwt", "pandas"},
}  # fmt: skip
"""What starts them, and what they can do without, or not yet need."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_does_not_load_what_it_may_never_need(program: str) -> None:
    code = f"import sys, {program}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert program in loaded
    assert not {name.partition(".")[0] for name in loaded} & PROGRAMS[program]


def test_settings_are_read_without_reading_their_source() -> None:
    """Pydantic takes descriptions from the source file if it is told to, in each process and at each start."""
    code = "import linecache, recurrence_pipeline.config.settings; print(*linecache.cache)"
    read = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert "settings.py" not in read
