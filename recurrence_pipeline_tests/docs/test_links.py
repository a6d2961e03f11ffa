"""Every link of every page leads somewhere: to a file that is there, and to a heading in it."""

import re
from pathlib import Path

import pytest

from recurrence_pipeline_tests.docs.pages import DOCS, PAGES, ROOT, anchors, links, name, prose


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_that_are_there(page: Path) -> None:
    dead = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_no_page_links_out_of_the_repository() -> None:
    outside = [
        (name(page), link)
        for page in PAGES
        for link in links(page)
        if "://" not in link and not (page.parent / link.split("#")[0]).resolve().is_relative_to(ROOT)
    ]
    assert outside == []


def test_every_page_of_the_documentation_is_reached_from_the_readme_or_the_index() -> None:
    """Else nobody who does not search finds it."""
    reached = {(ROOT / link.split("#")[0]).resolve() for link in links(ROOT / "README.md") if "://" not in link}
    assert [name(page) for page in PAGES if page.is_relative_to(DOCS) and page.resolve() not in reached] == [
        "docs/index.md"
    ]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_has_one_title(page: Path) -> None:
    assert len([line for line in prose(page).splitlines() if line.startswith("# ")]) == 1


def test_every_page_that_the_code_or_a_file_to_deploy_names_is_there() -> None:
    """Else a message at 3 a.m. sends somebody to a page that has moved."""
    folders = ("recurrence_pipeline", "recurrence_pipeline_tests", "benchmarks", "conformance", "deploy", "examples")
    suffixes = {".py", ".js", ".yaml", ".yml", ".env", ".service", ".target", ".timer", ".conf"}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    named = {
        (name(path), page)
        for path in files
        if "node_modules" not in path.parts
        for page in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert [(path, page) for path, page in sorted(named) if not (ROOT / page).is_file()] == []
