"""What the UI shows of the definitions: each says what it is, and each job can be launched as its launchpad opens."""

from collections.abc import Iterator
from graphlib import TopologicalSorter

import dagster as dg
import pytest

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline_tests.orchestration.conftest import NO_SERVER

TEAM = "team:recurrence"
SETTINGS = Settings.from_environment({"MONGODB_URL": NO_SERVER, "DAGSTER_OWNERS": f"{TEAM}, ops@example.org"})
DEFINITIONS = build_definitions(SETTINGS)
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


def test_what_only_the_worker_writes_is_owned_by_whom_the_setting_names() -> None:
    owners = {node.key.to_user_string(): node.owners for node in NODES}
    ours = {node.key.to_user_string() for node in NODES if node.tags["written_by"] == "worker"}

    assert ours
    assert {name for name in owners if owners[name]} == ours
    assert {tuple(owners[name]) for name in ours} == {(TEAM, "ops@example.org")}


def test_where_nobody_is_named_nothing_has_an_owner() -> None:
    """A team that nobody is in would be alerted in vain."""
    assets = build_definitions(Settings.from_environment({"MONGODB_URL": NO_SERVER})).resolve_asset_graph()
    assert [key for key in assets.get_all_asset_keys() if assets.get(key).owners] == []


def test_lineage_between_groups_has_no_cycle() -> None:
    """Else the picture of the groups says that each comes before the other."""
    groups = {node.key: node.group_name for node in NODES}
    above: dict[str, set[str]] = {group: set() for group in groups.values()}
    for node in NODES:
        above[node.group_name] |= {groups[key] for key in node.parent_keys} - {node.group_name}

    assert next(iter(TopologicalSorter(above).static_order())) == "application"
    assert above == {"application": set(), "worker": {"application"}, "reports": {"application"}}


def test_the_tags_of_a_job_that_runs_by_itself_are_not_on_its_runs() -> None:
    """A tag that is the same on each run of a job is noise on the page that lists them."""
    shown = {job.name: {tag for tag in job.run_tags if not tag.startswith("dagster/")} for job in JOBS}
    by_hand = {"process_task", "replay_events", "restore_tasks", "shadow_previous_worker"}
    assert {name for name, tags in shown.items() if tags} == by_hand
    assert {tag.split("/")[0] for job in JOBS for tag in job.tags} == {"recurrence"}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_the_launchpad_opens_with_a_config_that_can_be_launched(job: dg.JobDefinition) -> None:
    assert dg.validate_run_config(job, job.run_config or {})


@pytest.mark.parametrize("name", ["process_task", "replay_events", "restore_tasks", "daily_maintenance"])
def test_a_job_by_hand_only_looks_until_it_is_told_to_act(name: str) -> None:
    """Else a person who presses the button to see what comes of it has done it."""
    job = REPOSITORY.get_job(name)

    configs = [op["config"] for op in dg.validate_run_config(job, {})["ops"].values()]
    assert configs
    assert all(config["dry_run"] is True for config in configs)
