"""The whole system with the sample processed, and a headless Chromium that looks at its UI, for `make ui-test` only.

Playwright is imported by the fixture that needs it, so that the other tests can be collected without it.
"""

import importlib
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from recurrence_pipeline.local.stack import LocalStack, running
from recurrence_pipeline.storage.import_jsonl import SAMPLE_DATA
from recurrence_pipeline_tests.ui.launching import launched
from recurrence_pipeline_tests.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCREENSHOTS = Path(__file__).parents[2] / ".recurrence" / "ui"
"""Each test leaves what it saw last, also where it failed; docs/images has two of them. Git ignores the folder."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = timedelta(seconds=60)
WORKED_OFF = timedelta(seconds=240)
LEFT_ALONE = "Left alone by its original"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Name the screenshot where a test failed."""
    report = yield
    if report.failed:
        report.sections.append(("Screenshot, once the test is over", str(_screenshot(item.name))))
    return report


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Return the browser; without one, nothing is tried."""
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.exit(
            f"Chromium is missing: none of {', '.join(NAMES)} is in PATH. Install it (apt install chromium), "
            "or say where it is: make ui-test CHROMIUM=/path/to/chromium",
            returncode=1,
        )
    with importlib.import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def system(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Return the running system: the sample processed, an orphan among its tasks, health taken and checks run."""
    environment = {name: value for name, value in os.environ.items() if name != "MONGODB_URL"}
    with running(tmp_path_factory.mktemp("system"), environment, print, throwaway=True) as system:
        system.worker.import_folder(SAMPLE_DATA)
        system.dagster.wait_until_ready(system.programs)
        assert launched(system, "health_checks") == "SUCCESS"  # in the middle of the work, so that lines have a slope
        wait_until(lambda: _idle(system), "the sample is processed", timeout=WORKED_OFF)
        task = system.worker.mongo.tasks.find_one({"repeatType": "weekly", "occurrenceNumber": 1})
        assert task is not None
        orphan = {"_id": ObjectId(), "taskId": 1_000_000, "title": LEFT_ALONE, "parentRecurringId": ObjectId()}
        system.worker.mongo.tasks.insert_one(task | orphan)
        for job in ("weekly_maintenance", "health_checks"):
            assert launched(system, job) == "SUCCESS"
        yield system


@pytest.fixture
def page(browser: "Browser", system: LocalStack, request: pytest.FixtureRequest) -> "Iterator[Page]":
    """Return a page on the UI in a profile of its own, whose last look is kept as a picture."""
    with browser.new_context(
        base_url=system.dagster.url, viewport={"width": 1440, "height": 900}, timezone_id="UTC", locale="en-GB"
    ) as context:
        context.set_default_timeout(PATIENCE.total_seconds() * 1000)
        page = context.new_page()
        yield page
        page.screenshot(path=_screenshot(request.node.name))


def _screenshot(test: str) -> Path:
    return SCREENSHOTS / f"{test.removeprefix('test_')}.png"


def _idle(system: LocalStack) -> bool:
    system.check()
    return not system.worker.queries.unfinished() and all(run.finished for run in system.dagster.runs())
