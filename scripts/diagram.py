"""Draw docs/images/*.svg from the Mermaid sources beside them: `make diagrams`, with npm and Chromium.

The pictures are checked in, because pages that are read offline and on other sites can run no Mermaid. Each has its
source inside, so that a test sees when one was changed without the other.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

IMAGES = Path(__file__).parent.parent / "docs" / "images"
MERMAID = "mermaid@12.3.0"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

DRAW = """async source => {
  const flowchart = { htmlLabels: false, wrappingWidth: 260 };
  mermaid.initialize({ startOnLoad: false, htmlLabels: false, theme: 'neutral', flowchart });
  const { svg } = await mermaid.render('picture', source);
  return svg.replace('style="', 'style="background: white; ');
}"""


def with_source(svg: str, source: str) -> str:
    """Return a picture that says from what it was drawn; a comment cannot hold two hyphens."""
    return f"{svg}\n<!--\n{commented(source)}-->\n"


def commented(source: str) -> str:
    """Return a source as a comment of SVG can hold it."""
    return source.replace("--", "- -")


def main() -> int:
    """Draw every picture."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    npm = shutil.which("npm")
    if browser is None or npm is None:
        sys.stderr.write("npm and Chromium are needed: apt install npm chromium\n")
        return 1
    with TemporaryDirectory() as folder:
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, MERMAID]
        subprocess.run(install, check=True)
        draw(browser, Path(folder) / "node_modules" / "mermaid" / "dist" / "mermaid.min.js")
    return 0


def draw(browser: str, mermaid: Path) -> None:
    """Draw each source in an empty page of the browser."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (only this needs it)

    with sync_playwright() as playwright:
        chromium: Any = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        page.set_content("<!doctype html><body></body>")
        page.add_script_tag(path=mermaid)
        for path in sorted(IMAGES.glob("*.mmd")):
            source = path.read_text(encoding="utf-8")
            path.with_suffix(".svg").write_text(with_source(page.evaluate(DRAW, source), source), encoding="utf-8")
            sys.stdout.write(f"{path.with_suffix('.svg').name}: drawn\n")
        chromium.close()


if __name__ == "__main__":
    sys.exit(main())
