"""Templates to pages: what every page has around it, and the headers that keep anything else from running in it."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response

if TYPE_CHECKING:
    from jinja2 import Environment  # imported for the first page

HERE = "recurrence_pipeline.api.ui"
PARTS = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # with none at all, a browser does not say from which origin a form comes
}


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=PackageLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@cache
def _text(name: str) -> str:
    return files(HERE).joinpath(name).read_text(encoding="utf-8")


def page(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return a page. Every value is escaped."""
    return HTMLResponse(_encoded(_rendered(template, style=None, policy=None, **values)), status, HEADERS)


def part(name: str) -> Response:
    """Return the stylesheet, or the script."""
    return Response(_text(name), headers={"Cache-Control": "max-age=3600"}, media_type=PARTS[name])


def file_text(template: str, values: Mapping[str, Any]) -> str:
    """Return a page that stands alone: its style is in it, and nothing else may be."""
    from markupsafe import Markup  # noqa: PLC0415

    style = _text("style.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    return _rendered(template, style=Markup(style), policy=policy, **values)  # noqa: S704 (our own stylesheet)


def _rendered(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(values)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # half a character, which a title can be
