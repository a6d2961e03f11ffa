"""Put what `make ui-test` saw of the UI into docs/images, with few enough colours to be small: `make screenshots`."""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
SEEN = ROOT / ".recurrence" / "ui"
IMAGES = ROOT / "docs" / "images"
COLOURS = 64


def main() -> int:
    """Take over the pictures that the documentation shows."""
    for name in ("run.png", "health.png", "series.png", "what-if.png"):
        with Image.open(SEEN / name) as seen:
            # Of a colour with few pixels, such as that of one day of a year, there must be as much left as of white.
            every = seen.convert("RGB")
            few = every.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(IMAGES / name, optimize=True)
        sys.stdout.write(f"docs/images/{name}: taken\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
