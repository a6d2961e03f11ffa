"""What the UI shows of the definitions: each says what it is, and each job can be launched as its launchpad opens."""

from collections.abc import Iterator

import dagster as dg
import pytest

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.orchestration.resources import TEAM
from recurrence_pipeline_tests.orchestration.conftest import NO_SERVER

DEFINITIONS = build_definitions(Settings.from_environment({"MONGODB_URL": NO_SERVER}))
REPOSITORY = DEFINITIONS.get_repository_def()
ASSETS = DEFINITIONS.resolve_asset_graph()
NODES = [ASSETS.get(key) for key in ASSETS.get_all_asset_keys()]
JOBS = [job for job in REPOSITORY.get_all_jobs() if job.name != "__ASSET_JOB"]
JOBS_OF_OPS = [job for job in JOBS if not job.asset_layer.selected_asset_keys]
"""The ops of the others are assets and checks, which are described as such."""


def described() -> Iterator[tuple[str, str | None]]:
    """Return the name and the description of everything that has a page in the UI."""
    yield from ((f"job {job.name}", job.description) for job in JOBS)
    yield from ((f"op {op.name}", op.description) for job in JOBS_OF_OPS for op in job.graph.node_defs)
    yield from ((f"sensor {sensor.name}", sensor.description) for sensor in REPOSITORY.sensor_defs)
    yield from ((f"schedule {schedule.name}", schedule.description) for schedule in REPOSITORY.schedule_defs)
    yield from ((f"asset {node.key.to_user_string()}", node.description) for node in NODES)
    yield from ((f"check {key.to_user_string()}", ASSETS.get(key).description) for key in ASSETS.asset_check_keys)
    yield from ((f"resource {name}", each.description) for name, each in REPOSITORY.get_top_level_resources().items())


def test_everything_says_what_it_is() -> None:
    descriptions = dict(described())

    assert {name.split()[0] for name in descriptions} == {
        "job", "op", "sensor", "schedule", "asset", "check", "resource"
    }  # fmt: skip
    assert [name for name, text in descriptions.items() if not text] == []


def test_everything_has_tags() -> None:
    tagged = {
        **{f"job {job.name}": job.tags for job in JOBS},
        **{f"op {op.name}": op.tags for job in JOBS_OF_OPS for op in job.graph.node_defs},
        **{f"sensor {sensor.name}": sensor.tags for sensor in REPOSITORY.sensor_defs},
        **{f"schedule {schedule.name}": schedule.tags for schedule in REPOSITORY.schedule_defs},
        **{f"asset {node.key.to_user_string()}": node.tags for node in NODES},
    }

    assert [name for name, tags in tagged.items() if not tags] == []


def test_what_only_the_worker_writes_is_owned_by_its_team() -> None:
    owned = {node.key.to_user_string(): node.owners for node in NODES if node.tags["written_by"] == "worker"}

    assert owned
    assert [name for name, owners in owned.items() if TEAM not in owners] == []


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_the_launchpad_opens_with_a_config_that_can_be_launched(job: dg.JobDefinition) -> None:
    assert dg.validate_run_config(job, job.run_config or {})


@pytest.mark.parametrize("name", ["process_task", "replay_events", "restore_tasks"])
def test_a_job_by_hand_only_looks_until_it_is_told_to_act(name: str) -> None:
    """Else a person who presses the button to see what comes of it has done it."""
    job = REPOSITORY.get_job(name)

    (config,) = dg.validate_run_config(job, {})["ops"].values()
    assert config["config"]["dry_run"] is True
