"""The forms in which people report something are ones that GitHub takes."""

import subprocess
import sys

from recurrence_pipeline_tests.docs.pages import ROOT

FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"


def refused(schema: str, *names: str) -> str:
    """Return what is wrong with the files, by a schema that comes with the tool."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *(str(FORMS / n) for n in names)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def test_github_takes_the_forms() -> None:
    forms = sorted(path.name for path in FORMS.glob("*.yml") if path.name != "config.yml")
    assert forms == ["bug.yml", "feature.yml"]
    assert refused("vendor.github-issue-forms", *forms) == ""
    assert refused("vendor.github-issue-config", "config.yml") == ""
