"""Schemathesis against the OpenAPI page: no odd request gets a 5xx, or an answer that the page does not declare."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from recurrence_pipeline.api import models
from recurrence_pipeline_tests.api.conftest import OpenApi
from recurrence_pipeline_tests.world import utc

EXAMPLES = os.environ.get("RECURRENCE_FUZZ_EXAMPLES", "15")
"""For each operation; `make fuzz` sets more."""

LONGEST = timedelta(minutes=60)
NOT_OURS = "unsupported_method"
"""Wants 405 for a wrong method; the application knows 404."""


@pytest.mark.timeout(LONGEST.total_seconds())
@pytest.mark.usefixtures("logging_as_before")
def test_no_request_gets_an_answer_that_the_page_does_not_declare(open_api: OpenApi, tmp_path: Path) -> None:
    api = open_api(INTERNAL_API_KEY="fuzz-key", RATE_LIMIT_PER_MINUTE="0")
    task_id = ObjectId(models.ID)
    api.world.add_task(utc(2024, 1, 31, 9), "monthly", _id=task_id, userId=ObjectId(models.USER))
    api.world.add_event("create", ObjectId(), _id=ObjectId(models.EVENT), status="failed")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.client.base_url}/internal/openapi.json"),
        *("--header", "x-internal-api-key: fuzz-key", "--checks", "all", "--exclude-checks", NOT_OURS),
        *("--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--no-color", "--warnings", "off"),
        *("--generation-database", "none"),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr[-2000:]


def test_the_page_shows_every_path_and_asks_no_other_host(open_api: OpenApi) -> None:
    api = open_api()
    page = api.client.get("/internal/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!doctype", "")
    for part in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f"/internal/docs/{part}" in page.text
        assert api.client.get(f"/internal/docs/{part}").status_code == 200
    described = api.client.get("/internal/openapi.json").json()
    assert set(described["paths"]) == {
        f"/internal/worker/{path}"
        for path in (
            "tasks/recurrence", "tasks/cleanup", "health", "stats", "validate", "events", "events/{event_id}/replay",
            "preview",
        )
    }  # fmt: skip
    for path in described["paths"].values():
        for operation in path.values():
            assert {"200", "403", "429", "500", "503"} <= set(operation["responses"])
            assert operation["summary"]
            assert operation["description"]
    assert "0.1.0" not in json.dumps(described), "the version of the software is nobody's business"
