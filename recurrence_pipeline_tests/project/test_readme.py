"""The README says what is true: its settings, its commands and its paths are held against the code."""

import json
import re
import subprocess
from datetime import time, timedelta
from pathlib import Path

import pytest
from typer.main import get_command

from recurrence_pipeline.cli import app
from recurrence_pipeline.config.settings import Settings, variables
from recurrence_pipeline.local.stack import DATABASE, PREFERRED_API_PORT, PREFERRED_MONGODB_PORT

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shown(default: object) -> str:
    """Return a default as an operator would write it."""
    if isinstance(default, timedelta):
        return str(int(default.total_seconds() * 1000))
    if isinstance(default, time):
        return f"{default:%H:%M}"
    if isinstance(default, tuple):
        return ",".join(default) or "not set"
    if isinstance(default, bool):
        return str(default).lower()
    return "not set" if default is None else str(default)


@pytest.mark.parametrize("field", Settings.model_fields.values(), ids=lambda field: str(field.alias))
def test_each_setting_stands_in_the_table_with_its_default(field: object) -> None:
    alias, default, text = (getattr(field, name) for name in ("alias", "default", "description"))

    assert f"| `{alias}` | {shown(default)} | {text} |" in README


def test_the_table_of_settings_names_no_variable_that_is_not_read() -> None:
    table = README.split("## Settings")[1].split("\n## ")[0]

    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)) == variables()


def test_every_command_it_shows_exists() -> None:
    named = set(re.findall(r"`?(?:\.venv/bin/)?\brecurrence ([a-z][a-z-]+)", README)) - {"worker"}
    commands = getattr(get_command(app), "commands")  # noqa: B009  (a group has them, which its type does not say)

    assert named
    assert named <= set(commands)


def test_every_make_target_it_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE)) <= targets


def test_every_file_it_links_to_exists() -> None:
    linked = [path for path in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in path]

    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []


def test_every_curl_line_it_shows_is_one_that_the_tests_of_the_api_page_run() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8").splitlines()
    lines = [line for line in README.splitlines() if line.startswith("curl ")]

    assert len(lines) == 9
    assert [line for line in lines if line not in page] == []


def test_the_lines_that_search_the_log_find_what_they_promise(tmp_path: Path) -> None:
    section = README.split("## Troubleshooting")[1].split("\n## ")[0]
    (line,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    error = json.loads(line)
    info = {"event": "done", "level": "info"}
    (tmp_path / "worker.log").write_text("".join(json.dumps(entry) + "\n" for entry in (info, error, info)))
    script = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert script is not None
    lines = script[1].splitlines()
    searches = [line for line in lines if line.startswith("grep ")]
    found = []
    for search in searches:
        command = f"{lines[0]}\n{search}"
        ran = subprocess.run(["bash", "-ec", command], cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S607
        found.append(ran.stdout)

    assert [json.loads(found[n]) for n in (0, 1, 3)] == [error] * 3
    assert found[2].strip() == '1 "originalError": "Original task not found"'


def test_the_addresses_that_a_newcomer_copies_are_those_of_recurrence_up() -> None:
    """Else the first line that is tried out meets a port on which nobody listens."""
    examples = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "examples").iterdir()}

    assert f"API=http://localhost:{PREFERRED_API_PORT}/internal/worker" in README
    assert f'"PORT", "{PREFERRED_API_PORT}"' in examples["trigger.py"]
    for name in ("outbox.js", "outbox.py"):
        assert f"mongodb://127.0.0.1:{PREFERRED_MONGODB_PORT}/{DATABASE}?" in examples[name]
