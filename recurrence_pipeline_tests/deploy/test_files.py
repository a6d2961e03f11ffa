"""What is in deploy/ can be read by the programs it is for, and asks only for metrics and labels that there are."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from recurrence_pipeline.config.settings import Settings
from recurrence_pipeline.monitoring.prometheus import Exporter
from recurrence_pipeline.storage.command_errors import DatabaseErrors
from recurrence_pipeline_tests.world import World

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")

SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
LABELS = {
    "operation": {"create", "complete", "delete"},
    "outcome": {"completed", "rejected", "failed"},
    "status": {"pending", "processing", "rejected", "failed"},
    "job": {"recurrence"},
}
"""The labels that a rule may look for, and their values."""

RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))


def expressions() -> list[str]:
    return [
        *(rule["expr"] for rule in RULES),
        *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
    ]


@pytest.fixture(scope="module")
def exported(mongodb_server: str) -> Iterator[set[str]]:
    """Return the names under which Prometheus knows what is exported."""
    world = World(mongodb_server.replace("/?", "/test_deploy?"))
    exporter = Exporter(
        world.worker.context.event_metrics, DatabaseErrors(), world.worker.parts, lateness=timedelta(minutes=1)
    )
    exporter.refresh()
    families = [family for family in exporter.registry.collect() if family.name.startswith("recurrence_")]
    yield {family.name + suffix for family in families for suffix in SUFFIXES[family.type]}
    world.worker.mongo.drop()
    world.close()


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_asks_for_what_is_exported(expression: str, exported: set[str]) -> None:
    asked = set(re.findall(r"\b(?:recurrence_\w+|up)\b", expression))
    assert asked, "it asks for something of ours"
    assert asked <= exported | {"up"}
    for label, value in re.findall(r'(\w+)!?="(\w+)"', expression):
        assert value in LABELS[label]
    assert all(expression.count(opening) == expression.count(closing) for opening, closing in ("()", "{}", "[]"))


def test_every_figure_that_is_exported_is_drawn(exported: set[str]) -> None:
    """But for a histogram's parts that only make sense together, of which some are."""
    drawn = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    assert [name for name in sorted(exported) if name not in drawn] == []


def test_the_reference_tells_of_every_metric(exported: set[str]) -> None:
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in exported}
    assert [name for name in sorted(families) if f"`{name}`" not in PAGE] == []


def test_every_alert_says_what_it_means_and_how_bad_it_is() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_panels_lie_side_by_side_and_not_on_each_other() -> None:
    places: list[tuple[int, int]] = []
    for panel in DASHBOARD["panels"]:
        grid: dict[str, Any] = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        places += [
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]  # fmt: skip
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_prometheus_scrapes_where_the_metrics_are_by_default() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    settings = Settings.from_environment({})
    [job] = config["scrape_configs"]
    assert job["job_name"] in LABELS["job"]
    assert job["static_configs"] == [{"targets": [f"{settings.host[0]}:{settings.metrics_port}"]}]
    assert [(DEPLOY / "prometheus" / name).is_file() for name in config["rule_files"]] == [True]
