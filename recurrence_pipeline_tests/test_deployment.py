"""docs/deployment.md says what is true: commands, checks, sensors, units, ports and files are held against the code."""

import re
from pathlib import Path

from typer.main import get_command

from recurrence_pipeline.cli import app
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.domain.checks import CHECKS
from recurrence_pipeline.settings import Settings

ROOT = Path(__file__).parent.parent
UNITS = ROOT / "deploy" / "systemd"
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def test_every_command_and_option_it_shows_exists() -> None:
    commands = getattr(get_command(app), "commands")  # noqa: B009  (a group has them, which its type does not say)
    named = re.findall(r"(?:^|`|api )recurrence ([a-z][a-z-]+)([^`#\n]*)", PAGE, re.MULTILINE)
    assert {name for name, _ in named} >= {"doctor", "init-db", "check", "adopt", "restore", "process"}
    for name, rest in named:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, name
    for check in re.findall(r"--only (\w+)", PAGE):
        assert check in {each.name for each in CHECKS}


def test_every_unit_sensor_and_variable_it_names_exists() -> None:
    units = re.findall(r"`(recurrence[a-z-]*\.(?:service|timer|target))`", PAGE)
    units += [f"{name}.service" for name in re.findall(r"`(recurrence-[a-z]+)`", PAGE)]
    assert len(units) > 3
    assert [unit for unit in units if not (UNITS / unit).exists()] == []
    sensors = {str(sensor.name) for sensor in build_definitions().sensors or ()}
    assert set(re.findall(r"`(\w+_sensor)`", PAGE)) <= sensors
    variables = {str(field.alias) for field in Settings.model_fields.values()}
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)[`=]", PAGE)) <= variables | {"DAGSTER_HOME", "GRAFANA_PASSWORD"}


def test_the_ports_it_names_are_those_of_the_units() -> None:
    table = PAGE.split("## What listens where")[1].split("\n- [ ]")[0]
    started = "".join(path.read_text(encoding="utf-8") for path in UNITS.rglob("*") if path.is_file())
    by_systemd = [row.split("|")[2] for row in table.splitlines() if row.startswith("| ")][1:]
    ports = [port for cell in by_systemd for port in re.findall(r"\d{4,5}", cell)]
    assert ports == ["3000", "9464", "3001", "4000"]
    assert [port for port in ports if not re.search(rf"(?:PORT=|--port ){port}\b", started)] == []


def test_every_file_it_names_exists() -> None:
    linked = [path.split("#")[0] for path in re.findall(r"\]\(([^)]+)\)", PAGE) if "://" not in path]
    named = re.findall(r"\b((?:deploy|recurrence_pipeline_tests)/[\w./*-]+[\w*])", PAGE)
    assert [path for path in linked if not (ROOT / "docs" / path).exists()] == []
    assert [path for path in named if path != "deploy/.env" and not any(ROOT.glob(path))] == []
    assert len(linked) + len(named) > 4
