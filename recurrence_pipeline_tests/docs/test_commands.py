"""What the pages tell people to type, set or start exists: commands with their options, variables, targets, files."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from recurrence_pipeline.cli import app
from recurrence_pipeline.config.settings import variables
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.maintenance.checks import CHECKS
from recurrence_pipeline_tests.docs.pages import PAGES, ROOT, name

COMMANDS = getattr(get_command(app), "commands")  # noqa: B009  (a group has them, which its type does not say)
NOT_OURS = {
    "WORKER_LINGER", "WORKER_LANES",  # of earlier builds, on the page about upgrading
    "DAGSTER_HOME", "PYTHONTZPATH", "GRAFANA_PASSWORD", "POSTGRES_PASSWORD", "RECURRENCE_POSTGRES_URL",
    "RECURRENCE_BROKER_URL", "WORKER_URL", "RECURRENCE_CHAOS_SEED", "RECURRENCE_CHAOS_EVENTS",
    "RECURRENCE_CLUSTER_EVENTS", "RECURRENCE_TEST_MONGODB_URL", "RECURRENCE_BENCH_MONGODB_URL",
}  # fmt: skip
"""Of Dagster, Python, the containers, the application, and of the tests and benchmarks."""

NO_VARIABLES = re.compile(r"RECURRING_TASK\w*|ORPHANED_\w+|WORKER_(?:CREATE|COMPLETE|DELETE|OP)_FAILED")
TESTED = [page for page in PAGES if page.parent.name != "reference"]


def shown(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_and_option_of_a_page_exists(page: Path) -> None:
    for command, rest in re.findall(
        r"(?:^|`|\$ |bin/|api )recurrence ([a-z][a-z-]+)([^`#\n]*)", shown(page), re.MULTILINE
    ):
        assert command in COMMANDS, command
        known = {option for parameter in COMMANDS[command].params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rest)) <= known | {"--help"}, f"{command}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", shown(page), re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", TESTED, ids=name)
def test_every_variable_of_a_page_is_read_by_somebody(page: Path) -> None:
    named = {each.removeprefix("CRM_") for each in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:[`=])", shown(page))}
    codes = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/reference/events.md").read_text(encoding="utf-8")))
    assert {each for each in named if not NO_VARIABLES.fullmatch(each)} <= variables() | NOT_OURS | codes


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_sensor_and_check_of_a_page_exists(page: Path) -> None:
    sensors = {str(sensor.name) for sensor in build_definitions().sensors or ()}
    assert set(re.findall(r"`(\w+_sensor)`", shown(page))) <= sensors
    assert set(re.findall(r"--only (\w+)", shown(page))) <= {check.name for check in CHECKS} | {"NAME"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """Else a promise stands there that nothing holds."""
    tests = ROOT / "recurrence_pipeline_tests"
    named = re.findall(r"`(?:recurrence_pipeline_tests/)?((?:\w+/)*test_\w+\.py)", shown(page))
    assert [path for path in named if not (tests / path).is_file()] == []


def test_the_guarantees_name_a_test_for_each_promise() -> None:
    rows = [row for row in shown(ROOT / "docs/explanation/guarantees.md").splitlines() if row.startswith("| ")]
    promises = rows[2 : rows.index("| what | how much |")]
    assert len(promises) > 10
    assert [row for row in promises if "test_" not in row and "make " not in row] == []


def test_the_number_of_checks_is_the_one_that_the_readme_says() -> None:
    assert f"{len(CHECKS)} checks of the data" in shown(ROOT / "README.md")
