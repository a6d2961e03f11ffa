"""The site: it builds without a warning, and what it shows comes from nowhere else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from recurrence_pipeline_tests.docs.pages import DOCS, PAGES
from scripts.diagram import commented

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']([^"']+)|<link\b[^>]*\bhref=["']([^"']+)""",
    re.IGNORECASE,
)
LOADED_BY_STYLE = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])([^"')]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command = [*build, "-d", str(folder / "doctrees"), str(DOCS), str(folder / "html")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return folder / "html"


def test_it_has_every_page(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in PAGES if page.is_relative_to(DOCS)}
    assert [page for page in pages if not (site / page).is_file()] == []


def test_what_it_loads_is_its_own(site: Path) -> None:
    """Else it is read with holes where there is no network, and others learn who reads it."""
    loaded = []
    for path in site.rglob("*"):
        if path.suffix == ".html":
            loaded += ["".join(found) for found in LOADED.findall(path.read_text(encoding="utf-8"))]
        elif path.suffix in {".css", ".svg"}:
            loaded += LOADED_BY_STYLE.findall(path.read_text(encoding="utf-8"))
    assert len(loaded) > 100
    assert [address for address in loaded if re.match(r"(?:\w+:)?//", address)] == []


@pytest.mark.parametrize("source", sorted((DOCS / "images").glob("*.mmd")), ids=lambda path: str(path.name))
def test_a_diagram_was_drawn_from_the_source_beside_it(source: Path) -> None:
    """Else `make diagrams` was forgotten."""
    drawn = source.with_suffix(".svg").read_text(encoding="utf-8")
    assert f"<!--\n{commented(source.read_text(encoding='utf-8'))}-->" in drawn
    assert "foreignObject" not in drawn, "which pictures on web sites do not show"
