"""docs/how-to/http-api.md says what is true: its lines are run in order, and its answers compared."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from recurrence_pipeline.local.up_file import KEPT_IN, UpFile
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.api.serving import Api
from recurrence_pipeline_tests.stub_server import unused_port
from recurrence_pipeline_tests.world import World, utc

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "how-to" / "http-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LEFT_OUT = "…"
SECRET = "0123456789abcdef0123456789abcdef"
OWNER = "6b046c55c5f3b9749e06fe97"


def matches(shown: Any, real: Any) -> bool:
    """Say whether an answer is the one shown, but for what was left out."""
    if shown == LEFT_OUT:
        return True
    if isinstance(shown, dict) and isinstance(real, dict):
        named = shown.keys() - {LEFT_OUT}
        return (named == real.keys() or (LEFT_OUT in shown and named < real.keys())) and all(
            matches(shown[name], real[name]) for name in named
        )
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(matches, shown, real))
    return bool(shown == real)


def shown_calls() -> Iterator[tuple[str, Any]]:
    """Return each line of the shell with the answer that follows it, and all assignments before it."""
    assignments = ""
    for (kind, text), (next_kind, answer) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if kind == "sh" and text.startswith("curl"):
            assert next_kind == "json", text
            yield assignments + text, json.loads(answer)
        elif kind == "sh" and not text.startswith("export"):
            assignments += re.sub(r"^API=.*\n", "", text, flags=re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
def test_every_line_is_answered_as_shown(open_api: OpenApi) -> None:
    api = open_api(INTERNAL_API_KEY="s3cret", JWT_SECRET=SECRET)
    api.world.worker.import_folder(SAMPLE_DATA)
    environment = {
        **os.environ,
        "API": str(api.client.base_url).rstrip("/") + "/internal/worker",
        "TOKEN": jwt.encode({"_id": OWNER}, SECRET, "HS256"),
    }
    calls = list(shown_calls())
    assert len(calls) > 10
    for line, answer in calls:
        ran = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=True)  # noqa: S607
        assert matches(answer, json.loads(ran.stdout)), f"{line}\n{ran.stdout}"


@pytest.mark.parametrize(
    ("kind", "file"),
    [("python", "examples/trigger.py"), ("js", "recurrence_pipeline_tests/node/application.js")],
)
def test_the_code_it_shows_is_code_that_is_run(kind: str, file: str) -> None:
    (block,) = [text for name, text in BLOCKS if name == kind]
    run = [line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()]
    assert "\n".join(line.strip() for line in block.splitlines()) in "\n".join(run)


def run_example(world: World, port: int, task_id: object, **environment: str) -> str:
    """Run examples/trigger.py and return what it says."""
    variables = {name: value for name, value in os.environ.items() if name != "INTERNAL_API_KEY"}
    variables |= {"PORT": str(port), "MONGODB_URL": world.settings.mongodb_url, **environment}
    command = [sys.executable, str(ROOT / "examples" / "trigger.py"), str(task_id)]
    ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()[-1]


def test_the_example_of_the_client_says_what_came_of_it(api: Api) -> None:
    port = api.client.base_url.port
    assert port is not None
    task_id = api.world.add_task(utc(2024, 1, 1, 9), "daily")
    assert run_example(api.world, port, task_id) == (
        "due: 2024-01-02T09:00:00.000Z, 2024-01-03T09:00:00.000Z, 2024-01-04T09:00:00.000Z"
    )
    assert run_example(api.world, port, "6b04") == "refused: Valid taskId is required"
    assert "waits for the worker" in run_example(api.world, unused_port(), task_id)
    assert "nobody knows of it" in run_example(api.world, unused_port(), task_id, MONGODB_URL="")


def test_in_the_folder_of_up_the_example_of_the_client_finds_the_api_and_the_database(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "MONGODB_URL", "INTERNAL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / KEPT_IN).mkdir()
    task_id = api.world.add_task(utc(2024, 1, 1, 9), "daily")
    for port, answer in ((api.client.base_url.port, "due: 2024"), (unused_port(), "waits for the worker")):
        up = UpFile(os.getpid(), api.world.settings.mongodb_url, f"http://127.0.0.1:{port}", "http://127.0.0.1:1")
        up.write(tmp_path / KEPT_IN)
        command = [sys.executable, str(ROOT / "examples" / "trigger.py"), str(task_id)]
        assert answer in subprocess.run(command, capture_output=True, text=True, check=True).stdout
