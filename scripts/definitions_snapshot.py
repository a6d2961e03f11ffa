"""Write recurrence_pipeline_tests/orchestration/definitions.yaml: what Dagster shows of us, as text for a review.

    make snapshot

A test holds the file against the definitions. What it has of each is what people see and what other things refer to:
names, keys, descriptions, tags, groups, what starts what; nothing of a database, of a setting or of a machine.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.orchestration.resources import ConfiguredWorker

FILE = Path(__file__).parents[1] / "recurrence_pipeline_tests" / "orchestration" / "definitions.yaml"
HEAD = "# What Dagster shows of us. `make snapshot` writes this file; a change of it is a change that people see.\n"
WIDTH = 120


def snapshot(definitions: dg.Definitions) -> dict[str, Any]:
    """Return what there is, by kind and name."""
    repository = definitions.get_repository_def()
    return {
        "location": {
            name: value.value if isinstance(value, dg.MarkdownMetadataValue) else "..."
            for name, value in (repository.metadata or {}).items()
        },
        "assets": {
            key.to_user_string(): _asset(repository, key) for key in repository.asset_graph.get_all_asset_keys()
        },
        "checks": {
            f"{key.asset_key.to_user_string()}:{key.name}": _check(repository, key)
            for key in repository.asset_graph.asset_check_keys
        },
        "jobs": {job.name: _job(job) for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")},
        "schedules": {each.name: _schedule(each) for each in repository.schedule_defs},
        "sensors": {each.name: _sensor(each) for each in repository.sensor_defs},
        "resources": {name: each.description for name, each in repository.get_top_level_resources().items()},
    }


def as_text(taken: Mapping[str, Any]) -> str:
    """Return a snapshot as the text of the file."""
    return HEAD + yaml.safe_dump(dict(taken), width=WIDTH, allow_unicode=True)


def taken() -> str:
    """Return what the file should hold: the definitions with every setting as it is by itself."""
    return as_text(snapshot(build_definitions(Settings.from_environment({}), worker=ConfiguredWorker())))


def _asset(repository: dg.RepositoryDefinition, key: dg.AssetKey) -> dict[str, Any]:
    node = repository.asset_graph.get(key)
    return {
        "description": node.description,
        "group": node.group_name,
        "tags": dict(node.tags),
        "owners": list(node.owners),
        "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
        "metadata": sorted(node.metadata),
        "freshness": repr(node.freshness_policy) if node.freshness_policy else None,
        "partitions": str(node.partitions_def) if node.partitions_def else None,
        "materializable": node.is_materializable,
    }


def _check(repository: dg.RepositoryDefinition, key: dg.AssetCheckKey) -> dict[str, Any]:
    spec = repository.asset_graph.get_check_spec(key)
    return {
        "description": spec.description,
        "blocking": spec.blocking,
        "deps": sorted(dep.asset_key.to_user_string() for dep in spec.additional_deps),
    }


def _job(job: dg.JobDefinition) -> dict[str, Any]:
    layer = job.asset_layer
    steps = () if layer.selected_asset_keys else job.graph.node_dict
    return {
        "description": job.description,
        "tags": dict(job.tags),
        "run_tags": dict(job.run_tags),
        "config": job.run_config,
        "steps": {name: job.graph.node_dict[name].definition.description for name in steps},
        "assets": sorted(key.to_user_string() for key in layer.selected_asset_keys),
        "checks": sorted(f"{key.asset_key.to_user_string()}:{key.name}" for key in layer.asset_graph.asset_check_keys),
    }


def _schedule(schedule: dg.ScheduleDefinition) -> dict[str, Any]:
    return {
        "description": schedule.description,
        "cron": schedule.cron_schedule,
        "timezone": schedule.execution_timezone,
        "job": schedule.job_name,
        "status": schedule.default_status.value,
        "tags": dict(schedule.tags),
    }


def _sensor(sensor: dg.SensorDefinition) -> dict[str, Any]:
    return {
        "description": sensor.description,
        "interval": sensor.minimum_interval_seconds,
        "jobs": [target.job_name for target in sensor.targets],
        "status": sensor.default_status.value,
        "tags": dict(sensor.tags),
    }


if __name__ == "__main__":
    FILE.write_text(taken(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")
