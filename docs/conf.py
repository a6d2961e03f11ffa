"""How Sphinx builds the site: `make docs`. Warnings are errors, and the result needs no network."""

import importlib.metadata
import re
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent.resolve()

project = "recurrence-pipeline"
author = "the authors of recurrence-pipeline"
project_copyright = author
release = importlib.metadata.version("recurrence-pipeline")

extensions = ["myst_parser"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"footer_icons": []}

nitpicky = True


def setup(app: Sphinx) -> None:
    """Have pages read as `without_what_is_beside` leaves them."""
    app.connect("source-read", lambda _app, name, source: source.insert(0, without_what_is_beside(name, source.pop())))


def without_what_is_beside(name: str, text: str) -> str:
    """Leave only the words of links to folders, and to pages beside docs/: the site has neither.

    Links to other files beside docs/ become downloads.
    """
    folder = (HERE / name).parent

    def shown(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        is_beside = not target.is_relative_to(HERE)
        return link[1] if is_beside and (target.is_dir() or target.suffix == ".md") else link[0]

    return re.sub(r"(?<!!)\[([^\]]+)\]\((\.\./[^)#]+)(?:#[^)]*)?\)", shown, text)
