"""Starting a job as the UI does, without looking at it; and waiting for runs to end."""

from datetime import timedelta
from typing import Any

import httpx

from recurrence_pipeline.local.stack import LocalStack
from recurrence_pipeline_tests.waiting import wait_until

ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
PATIENCE = timedelta(seconds=120)

LAUNCH = """
mutation Launch($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, runConfigData: {}}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def launched(system: LocalStack, job: str) -> str:
    """Start a job with its default config, and return the status it ends with."""
    selector = {"repositoryLocationName": "recurrence_pipeline", "repositoryName": "__repository__", "jobName": job}
    answer = _ask(system, LAUNCH, selector=selector)["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return ended(system, answer["run"]["runId"])


def ended(system: LocalStack, run_id: str) -> str:
    """Wait until a run has ended, and return its status."""
    wait_until(lambda: _status(system, run_id) in ENDED, f"run {run_id} ends", timeout=PATIENCE)
    return _status(system, run_id)


def _status(system: LocalStack, run_id: str) -> str:
    return str(_ask(system, STATUS, id=run_id)["runOrError"]["status"])


def _ask(system: LocalStack, query: str, **variables: Any) -> dict[str, Any]:
    answer = httpx.post(
        f"{system.dagster.url}/graphql",
        json={"query": query, "variables": variables},
        trust_env=False,
        timeout=60,
    )
    body: dict[str, Any] = answer.json()
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data
