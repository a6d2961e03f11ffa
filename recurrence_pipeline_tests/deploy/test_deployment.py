"""The pages about running it in production say what is true: commands, checks, sensors, units, ports and files."""

import re
import subprocess
from pathlib import Path

from pymongo.uri_parser import parse_uri
from typer.main import get_command

from recurrence_pipeline.cli import app
from recurrence_pipeline.config.settings import variables
from recurrence_pipeline.definitions import build_definitions
from recurrence_pipeline.maintenance.checks import CHECKS

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
OF_DAGSTER = {"RECURRENCE_POSTGRES_URL", "RECURRENCE_BROKER_URL"}
PAGES = ("deploy.md", "secrets.md", "backup.md", "migrate.md")
HOW_TO = ROOT / "docs" / "how-to"
PAGE = "".join((HOW_TO / name).read_text(encoding="utf-8") for name in PAGES)


def test_every_command_and_option_it_shows_exists() -> None:
    commands = getattr(get_command(app), "commands")  # noqa: B009  (a group has them, which its type does not say)
    named = re.findall(r"(?:^|`|api )recurrence ([a-z][a-z-]+)([^`#\n]*)", PAGE, re.MULTILINE)
    assert {name for name, _ in named} >= {"doctor", "init-db", "check", "backfill", "restore", "process"}
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
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)[`=]", PAGE))
    assert named <= variables() | {"DAGSTER_HOME", "GRAFANA_PASSWORD", "POSTGRES_PASSWORD"} | OF_DAGSTER


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
    assert [path for path in linked if not (HOW_TO / path).exists()] == []
    assert [path for path in named if path != "deploy/.env" and not any(ROOT.glob(path))] == []
    assert len(linked) + len(named) > 4


def block(language: str, word: str) -> str:
    """Return the block of code that has a word."""
    (found,) = (text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if word in text)
    return str(found)


def test_the_script_turns_files_into_the_variables_that_dagster_reads(tmp_path: Path) -> None:
    script, secret = tmp_path / "with-secrets", tmp_path / "postgres url"
    script.write_text(block("sh", "with-secrets COMMAND"))
    script.chmod(0o700)
    secret.write_text("postgresql+psycopg2://u:a $b'c@host/dagster\n")
    show = ["sh", "-c", 'echo "$RECURRENCE_POSTGRES_URL|$RECURRENCE_BROKER_URL|$1"', "sh", "an argument"]
    given = {
        "RECURRENCE_POSTGRES_URL_FILE": str(secret),
        "RECURRENCE_BROKER_URL": "rediss://host",
        "PATH": "/usr/bin:/bin",
    }
    ran = subprocess.run([script, *show], env=given, capture_output=True, text=True, check=True)
    assert ran.stdout == "postgresql+psycopg2://u:a $b'c@host/dagster|rediss://host|an argument\n"

    given["RECURRENCE_POSTGRES_URL_FILE"] += ".gone"
    ran = subprocess.run([script, *show], env=given, capture_output=True, text=True, check=False)
    assert ran.returncode != 0, "a program without its secret would only fail later"
    assert ran.stdout == ""


def test_each_url_it_shows_is_one_that_is_understood() -> None:
    urls = re.findall(r"`(mongodb://[^`]+)`", PAGE)
    assert len(urls) == 2
    for url in urls:
        assert parse_uri(url.replace("&tlsCAFile=/etc/ssl/own.pem", ""))["options"]["tls"] is True
