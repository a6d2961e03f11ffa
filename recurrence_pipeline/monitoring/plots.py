"""Figures over time as pictures. The only place that imports matplotlib; what is drawn is decided by report.py."""

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd

SIZE = (9, 2.8)
"""Inches: as wide as a page."""

DOTS_PER_INCH = 110
POINTS_MARKED = 60
"""With more points than these, only the line is drawn."""


def line_plot(title: str, unit: str, lines: "Mapping[str, pd.Series[float]]", *, file_format: str = "png") -> bytes:
    """Return a PNG, or an SVG, of figures over time (UTC), each a line; where one has no value, its line has a gap."""
    figure = Figure(figsize=SIZE, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    for name, values in lines.items():
        times = [start.to_pydatetime() for start in values.index]
        axes.plot(times, values.to_list(), label=name, marker="." if len(times) <= POINTS_MARKED else "", linewidth=1.4)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    # Dates have no types in matplotlib yet.
    locator = AutoDateLocator(tz="UTC")  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)
    picture = BytesIO()
    figure.savefig(picture, format=file_format)
    return picture.getvalue()
