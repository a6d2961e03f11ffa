"""The systemd units: systemd takes them, they start what there is, in order, and stop within the times of the work."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recurrence_pipeline.api.server import LAST_ANSWERS
from recurrence_pipeline.config.settings import Settings

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
SHARED = UNITS / "recurrence-.service.d" / "10-all.conf"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
LASTING = ["recurrence-api.service", "recurrence-codeserver.service", "recurrence-daemon.service"]
LASTING += ["recurrence-webserver.service"]
INSTALLED = "/opt/recurrence/venv/bin/"
EXPOSED_AT_MOST = 20
"""Tenths of systemd's own figure of how much a service could do to the machine: 0 nothing, 100 anything."""

Unit = dict[tuple[str, str], list[str]]


def read(name: str) -> Unit:
    """Return the values of a unit by section and key; every key may stand there more than once."""
    unit: Unit = {}
    section = ""
    for path in [UNITS / name, *([SHARED] if name.endswith(".service") else [])]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := re.fullmatch(r"\[(\w+)\]", line):
                section = found[1]
            elif line and not line.startswith("#"):
                key, equals, value = line.partition("=")
                assert equals, f"{path.name}: {line}"
                assert re.fullmatch(r"[A-Z]\w+", key), f"{path.name}: {line}"
                unit.setdefault((section, key), []).append(value)
    return unit


def words(name: str, section: str, key: str) -> set[str]:
    return {word for value in read(name).get((section, key), []) for word in value.split()}


def seconds(name: str, key: str) -> float:
    return float(read(name)["Service", key][-1])


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a copy of the units whose programs are those of this Python: systemd looks whether they are there."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for path in folder.rglob("*.*"):
        if path.is_file():
            path.write_text(
                path.read_text().replace("/opt/recurrence/venv", sys.prefix).replace("/opt/recurrence", str(ROOT))
            )
    return folder


def systemd_analyze(folder: Path, *arguments: str) -> str:
    """Ask systemd, where this machine has it; elsewhere the other tests of this file are what there is."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return ""
    ran = subprocess.run(
        [program, *arguments],
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_LOG_LEVEL": "warning", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stderr


def test_systemd_takes_every_unit_without_a_word(installed: Path) -> None:
    units = [str(installed / path.name) for path in UNITS.iterdir() if path.suffix in {".service", ".target", ".timer"}]
    assert len(units) == 10
    said = systemd_analyze(installed, "verify", "--man=no", *units)
    assert [line for line in said.splitlines() if "recurrence" in line] == []


def test_systemd_takes_what_the_page_says_of_secrets(installed: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "secrets.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    (installed / SHARED.parent.name / "20-secrets.conf").write_text(text)
    said = systemd_analyze(installed, "verify", "--man=no", str(installed / "recurrence-api.service"))
    assert [line for line in said.splitlines() if "recurrence" in line] == []


def test_a_service_could_do_little_to_the_machine(installed: Path) -> None:
    for name in SERVICES:
        systemd_analyze(
            installed,
            "security",
            "--offline=true",
            f"--threshold={EXPOSED_AT_MOST}",
            "--no-pager",
            str(installed / name),
        )


def test_every_key_of_a_unit_stands_in_a_section_that_has_it() -> None:
    for name in SERVICES:
        unit = read(name)
        assert {section for section, _ in unit} == {"Unit", "Service"}
        assert unit["Service", "User"] == ["recurrence"]
        assert unit["Service", "EnvironmentFile"] == ["/etc/recurrence/recurrence.env"]
        for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "RestrictNamespaces", "LockPersonality"):
            assert unit["Service", key] == ["yes"], key


@pytest.mark.parametrize("name", SERVICES)
def test_every_program_that_a_unit_starts_is_installed(name: str) -> None:
    programs = [
        program
        for key in ("ExecStart", "ExecStartPost")
        for value in read(name).get(("Service", key), [])
        for program in re.findall(rf"{INSTALLED}([\w-]+)", value)
    ]
    assert programs
    assert [program for program in programs if not (Path(sys.executable).parent / program).exists()] == []


@pytest.mark.parametrize("name", LASTING)
def test_what_ends_is_started_again_for_ever(name: str) -> None:
    unit = read(name)
    assert unit["Service", "Restart"] == ["always"]
    assert unit["Unit", "StartLimitIntervalSec"] == ["0"]
    assert name in words("recurrence.target", "Unit", "Wants")
    assert words(name, "Unit", "PartOf") == {"recurrence.target"}


def test_a_worker_host_starts_what_executes_runs_and_nothing_of_the_control_host() -> None:
    unit = read("recurrence-worker.service")
    assert unit["Service", "Restart"] == ["always"]
    assert unit["Service", "KillMode"] == ["control-group"], "SIGTERM reaches the runs, which give back what they hold"
    assert "--app recurrence_pipeline.orchestration.celery_app worker" in unit["Service", "ExecStart"][0]
    assert "recurrence-worker.service" not in words("recurrence.target", "Unit", "Wants")


def test_a_worker_that_stays_is_started_again_for_ever_where_somebody_wants_it() -> None:
    unit = read("recurrence-follower.service")
    assert unit["Service", "Restart"] == ["always"]
    assert unit["Service", "ExecStart"] == [f"{INSTALLED}recurrence process --follow"]
    assert words("recurrence-follower.service", "Unit", "After") >= {"recurrence-prepare.service"}
    assert "recurrence-follower.service" not in words("recurrence.target", "Unit", "Wants")


def test_the_code_server_starts_before_what_asks_it_and_stops_after_that() -> None:
    """Systemd stops in the reverse order: first nobody starts runs any more, then the runs end."""
    for name in ("recurrence-daemon.service", "recurrence-webserver.service"):
        assert "recurrence-codeserver.service" in words(name, "Unit", "After")
    for name in LASTING:
        assert "recurrence-prepare.service" in words(name, "Unit", "After")


def test_stopping_waits_as_long_as_the_work_may_take_and_no_longer() -> None:
    settings = Settings.from_environment({})
    lease, timeout = settings.lease.total_seconds(), settings.worker_timeout.total_seconds()
    assert lease < seconds("recurrence-codeserver.service", "TimeoutStopSec") <= 2 * lease
    for name in ("recurrence-worker.service", "recurrence-follower.service"):
        assert seconds(name, "TimeoutStopSec") == seconds("recurrence-codeserver.service", "TimeoutStopSec")
    assert seconds("recurrence-api.service", "TimeoutStopSec") > timeout + LAST_ANSWERS.total_seconds()


def test_the_file_of_variables_is_read_without_complaint_and_names_only_what_there_is() -> None:
    lines = (UNITS / "recurrence.env").read_text(encoding="utf-8").splitlines()
    given = {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines if line[0] != "#")}
    shell = subprocess.run(
        ["/bin/sh", "-ec", f"set -a; . {UNITS / 'recurrence.env'}; exec env -0"],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert given.items() <= dict(line.split("=", 1) for line in shell.stdout.split("\0") if line).items()
    settings = Settings.from_environment(given)
    assert given.keys() <= {str(field.alias) for field in Settings.model_fields.values()}
    assert f":{settings.port}" not in settings.dagster_ui_url
    webserver = read("recurrence-webserver.service")["Service", "ExecStart"][0]
    assert settings.dagster_ui_url.endswith(re.findall(r"--port (\d+)", webserver)[0])
