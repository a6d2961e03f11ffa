"""Several workers stand side by side in one code location: the same definitions, under names of their own."""

import inspect
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.orchestration import assets
from recurrence_pipeline.orchestration.factory import worker_definitions
from recurrence_pipeline.orchestration.naming import ASSETS, JOBS, SCHEDULES, SENSORS, Names
from recurrence_pipeline.orchestration.resources import WorkerResource
from scripts.definitions_snapshot import FILE, as_text, snapshot, taken

SETTINGS = Settings.from_environment({})


def definitions_of(prefix: str, **chosen: Any) -> dg.Definitions:
    worker = dg.ResourceDefinition.hardcoded_resource(WorkerResource(SETTINGS, Names(prefix)))
    return worker_definitions(SETTINGS, worker, Names(prefix), **chosen)


def test_what_people_see_of_the_definitions_is_as_it_was_reviewed() -> None:
    """Where it has been changed on purpose: `make snapshot`, and look at the difference."""
    assert FILE.read_text(encoding="utf-8") == taken()


def test_under_a_prefix_everything_is_the_same_but_for_the_names() -> None:
    """Else somebody has written a name where `names` should be asked."""
    text = as_text(snapshot(definitions_of("zz")))

    assert yaml.safe_load(text.replace("zz_", "").replace("zz/", "")) == snapshot(definitions_of(""))
    for kind, names in snapshot(definitions_of("zz")).items():
        assert [name for name in names if not name.startswith("zz")] == [], kind


def test_the_lists_of_names_are_complete() -> None:
    """By them a worker knows which runs, sensors and schedules of an instance are its own."""
    found = snapshot(definitions_of(""))

    assert set(found["assets"]) == set(ASSETS)
    assert set(found["jobs"]) == set(JOBS)
    assert set(found["sensors"]) == set(SENSORS)
    assert set(found["schedules"]) == set(SCHEDULES)


def test_workers_with_different_prefixes_fit_into_one_code_location() -> None:
    together = dg.Definitions.merge(definitions_of("billing"), definitions_of("crm"), definitions_of(""))

    dg.Definitions.validate_loadable(together)
    assert {f"{prefix}{job}" for prefix in ("", "billing_", "crm_") for job in JOBS} <= {
        job.name for job in together.resolve_all_job_defs()
    }


def test_what_is_not_chosen_is_there_and_waits_to_be_turned_on() -> None:
    found = snapshot(definitions_of("zz", sensors=["task_event_sensor"], schedules=[]))

    assert {name for name, sensor in found["sensors"].items() if sensor["status"] == "RUNNING"} == {
        "zz_task_event_sensor"
    }
    assert {schedule["status"] for schedule in found["schedules"].values()} == {"STOPPED"}
    assert len(found["schedules"]) == len(SCHEDULES)


@pytest.mark.parametrize("prefix", ["", "zz"])
def test_assets_link_to_their_lines_where_it_is_said_where_the_code_can_be_read(prefix: str) -> None:
    said = Settings.from_environment({"DAGSTER_SOURCE_URL": "https://git.example.org/worker/blob/main"})
    graph = worker_definitions(said, WorkerResource(said), Names(prefix)).resolve_asset_graph()

    urls = {}
    for key in graph.get_all_asset_keys():
        (reference,) = graph.get(key).metadata["dagster/code_references"].value.code_references
        urls[key.path[-1]] = reference.url

    address, _, line = urls["worker_health"].partition("#L")
    assert address == "https://git.example.org/worker/blob/main/recurrence_pipeline/orchestration/assets.py"
    decorated = Path(inspect.getfile(assets)).read_text(encoding="utf-8").splitlines()[int(line) - 1 :]
    assert next(text for text in decorated if "def " in text).strip().startswith("def worker_health(")
    assert urls["tasks"] == address


@pytest.mark.parametrize("prefix", ["Billing", "1st", "a-b", "a b", "ä", "a" * 31, "a/b", "_a"])
def test_a_prefix_that_dagster_could_not_take_is_refused_by_name(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=f"prefix: '{prefix}' is not up to 30"):
        Names(prefix)
