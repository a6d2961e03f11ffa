"""The README is short and says what is true; so do the settings and the lines that search the log, which it leads to.

What every page is held to (links, commands, variables) is in docs/.
"""

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
from scripts.described import descriptions

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
TROUBLESHOOT = (ROOT / "docs" / "how-to" / "troubleshoot.md").read_text(encoding="utf-8")
PLUGIN = (ROOT / "clients" / "mongoose" / "README.md").read_text(encoding="utf-8")
HAND_OVER = (ROOT / "docs" / "how-to" / "hand-over-work.md").read_text(encoding="utf-8")


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
    alias, default = (getattr(field, name) for name in ("alias", "default"))

    assert f"| `{alias}` | {shown(default)} | {descriptions()[alias]} |" in SETTINGS


def test_the_table_of_settings_names_no_variable_that_is_not_read() -> None:
    assert set(re.findall(r"^\| `([A-Z_]+)`", SETTINGS, re.MULTILINE)) == variables()


def test_it_is_short_and_shows_early_what_an_application_writes() -> None:
    """Somebody decides within a minute whether to go on."""
    lines = README.splitlines()
    assert len(lines) <= 180
    assert any("plugin(recurring)" in line for line in lines[:60])


def test_the_code_it_shows_is_code_of_the_examples_that_are_run() -> None:
    """Or is told of at length on the page about handing over, or runs as the first lines of the plugin's own page."""
    for block in re.findall(r"```(?:js|python)\n.*?```", README, re.DOTALL):
        assert block in HAND_OVER + PLUGIN


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


def test_every_curl_line_of_the_page_about_handing_over_is_one_that_the_tests_of_the_api_page_run() -> None:
    page = (ROOT / "docs" / "how-to" / "http-api.md").read_text(encoding="utf-8").splitlines()
    lines = [line for line in HAND_OVER.splitlines() if line.startswith("curl ")]

    assert len(lines) == 11
    assert [line for line in lines if line not in page] == []


def test_the_lines_that_search_the_log_find_what_they_promise(tmp_path: Path) -> None:
    section = TROUBLESHOOT.split("## The log")[1].split("\n## ")[0]
    (line,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    error = json.loads(line)
    info = {"event": "done", "level": "info"}
    of_dagster = f"2026-11-24 10:57:16 +0000 - dagster - ERROR - process_task_events - {json.dumps(error)}"
    logged = [json.dumps(info), json.dumps(error), of_dagster, json.dumps(info)]
    (tmp_path / ".recurrence/logs").mkdir(parents=True)
    (tmp_path / ".recurrence/logs/code-server.log").write_text("\n".join(logged) + "\n")
    script = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert script is not None
    lines = script[1].splitlines()
    searches = [line for line in lines if line.startswith(("grep ", "sed "))]
    found = []
    for search in searches:
        command = f"{lines[0]}\n{search}"
        ran = subprocess.run(["bash", "-ec", command], cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S607
        found.append(ran.stdout)

    assert [json.loads(found[n]) for n in (0, 3)] == [error] * 2
    assert found[1].splitlines() == logged[1:3]
    assert found[2].strip() == "1 Original task not found"


def test_the_addresses_that_a_newcomer_copies_are_those_of_recurrence_up() -> None:
    """Else the first line that is tried out meets a port on which nobody listens."""
    examples = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "examples").iterdir()}

    assert f"API=http://localhost:{PREFERRED_API_PORT}/internal/worker" in HAND_OVER
    assert f'"api_url": "http://127.0.0.1:{PREFERRED_API_PORT}"' in examples["trigger.py"]
    for name in ("outbox.js", "outbox.py", "first_task.py"):
        assert f"mongodb://127.0.0.1:{PREFERRED_MONGODB_PORT}/{DATABASE}?" in examples[name]
