"""What is released: an sdist, the wheel that is built from it, the changelog, and the lock file.

That the wheel works in an empty environment is what `make wheel-test` shows: it takes minutes, and a registry.
"""

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from typer.main import get_command

import recurrence_pipeline
from recurrence_pipeline.cli import app

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "recurrence_pipeline"
BESIDE = [
    "dagster.yaml",
    "workspace.yaml",
    *(
        str(path.relative_to(ROOT))
        for path in (ROOT / "deploy").rglob("*")
        if path.is_file() and path.name != ".env" and "__pycache__" not in path.parts
    ),
]
"""What the repository has beside the package, and the wheel inside."""
VERSION = recurrence_pipeline.__version__
LOCKED_FOR = {"python_version": "3.11", "sys_platform": "linux", "platform_system": "Linux"}
LOCKED_EXTRAS = ["embedded", "distributed", "report"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an sdist, and the wheel from it, with what is installed here."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    """Return the files of the wheel."""
    [path] = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> email.message.Message:
    return email.message_from_bytes(wheel[f"recurrence_pipeline-{VERSION}.dist-info/METADATA"])


def test_the_wheel_holds_the_package_what_it_needs_beside_it_and_nothing_else(wheel: dict[str, bytes]) -> None:
    code = {p.relative_to(ROOT).as_posix() for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    ours = code | {f"recurrence_pipeline/{name}" for name in BESIDE}
    about = {name for name in wheel if name.startswith(f"recurrence_pipeline-{VERSION}.dist-info/")}

    assert set(wheel) - about == ours
    assert {name.split("/", 1)[1] for name in about} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE",
    }  # fmt: skip
    for name in BESIDE:
        assert wheel[f"recurrence_pipeline/{name}"] == (ROOT / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "py.typed", "dagster.yaml", "workspace.yaml", "deploy/grafana/dashboard.json", "deploy/prometheus/alerts.yml",
        "deploy/prometheus/prometheus.yml", "sample_data/tasks.jsonl", "sample_data/users.jsonl",
        "sample_data/counters.jsonl", "sample_data/trigger_log.jsonl",
        "sample_data/any_rule/tasks.jsonl", "sample_data/any_rule/trigger_log.jsonl",
    ],
)  # fmt: skip
def test_the_wheel_holds_the_data_that_an_installed_copy_reads(wheel: dict[str, bytes], name: str) -> None:
    assert f"recurrence_pipeline/{name}" in wheel


def test_the_wheel_brings_the_command_and_asks_for_what_pyproject_names(
    wheel: dict[str, bytes], metadata: email.message.Message
) -> None:
    scripts = wheel[f"recurrence_pipeline-{VERSION}.dist-info/entry_points.txt"].decode()
    assert "recurrence = recurrence_pipeline.cli:main" in scripts
    assert "[dagster_dg_cli.registry_modules]\nrecurrence_pipeline = recurrence_pipeline.component" in scripts
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) >= {"embedded", "report", "dev"}
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    assert {r.name.lower() for r in needed if r.marker is None} >= {"dagster", "dagster-webserver", "pymongo"}
    assert [r.name for r in needed if r.marker and r.marker.evaluate({"extra": "embedded"})] == ["secantusdb"]


def test_the_sdist_holds_what_building_testing_and_reading_need(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert names >= {
        "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "requirements.lock", "dagster.yaml",
        "workspace.yaml", "docs/how-to/upgrade.md", "recurrence_pipeline_tests/project/test_packaging.py",
        "recurrence_pipeline_tests/storage/left_by_first_version.jsonl", *BESIDE,
    }  # fmt: skip
    assert [name for name in names if name.startswith((".venv", ".recurrence", "dist/", "logs/"))] == []


def test_the_changelog_tells_of_this_version_first_and_of_newer_ones_above_older_ones() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    told = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (?:unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert len(told) == len(re.findall("^## ", text, re.MULTILINE)), "each section names a version and a date"
    assert told[0] == VERSION
    assert [Version(v) for v in told] == sorted(map(Version, told), reverse=True)


@pytest.mark.parametrize("page", ["CHANGELOG.md", "docs/how-to/upgrade.md"])
def test_every_command_that_the_pages_about_versions_show_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^)recurrence ([a-z][a-z-]+)", text, re.MULTILINE))
    commands = getattr(get_command(app), "commands")  # noqa: B009  (a group has them, which its type does not say)

    assert named
    assert named <= set(commands)


def locked() -> dict[str, str]:
    """Return {name: version} of requirements.lock."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return {canonicalize_name(n): v for n, v in re.findall(r"^([A-Za-z0-9_.-]+)(?:\[.*\])?==(\S+)", text, re.MULTILINE)}


def test_the_lock_file_has_a_version_and_hashes_for_everything_and_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())

    assert len(entries) == len(locked()) > 50
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []
    assert re.findall(r"://|^-|\s/|@ ", text, re.MULTILINE) == []


def test_the_lock_file_has_what_this_version_needs(metadata: email.message.Message) -> None:
    """It lacks nothing, and what it has is allowed: else `make lock` was forgotten."""
    versions = locked()
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    needed = [
        r
        for r in needed
        if r.marker is None or any(r.marker.evaluate(LOCKED_FOR | {"extra": extra}) for extra in LOCKED_EXTRAS)
    ]

    assert {"pymongo", "secantusdb", "dagster-postgres", "celery"} <= {r.name for r in needed}
    assert [r.name for r in needed if canonicalize_name(r.name) not in versions] == []
    wrong = {
        r.name: versions[canonicalize_name(r.name)]
        for r in needed
        if not r.specifier.contains(versions[canonicalize_name(r.name)], prereleases=True)
    }
    assert wrong == {}
