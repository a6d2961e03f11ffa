"""A year as a picture: a square for each day, weeks as columns from Monday on. Pure: numbers that a template draws."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import NamedTuple

STEP = 14
"""From one square to the next, in units of the picture; a square is 2 less."""
TOP = 16
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Cell(NamedTuple):
    """One day."""

    x: int
    y: int
    mark: str
    title: str


class Label(NamedTuple):
    """A month's name, above its first week."""

    x: int
    text: str


class Heatmap(NamedTuple):
    """The picture: its size and what is in it."""

    width: int
    height: int
    side: int
    cells: list[Cell]
    labels: list[Label]


def heatmap(year: int, marks: Mapping[date, tuple[str, str]], today: date) -> Heatmap:
    """Draw a year; `marks` have the class and the line of each day that has any."""
    cells = []
    for day in _days(year):
        mark, title = marks.get(day, ("off", ""))
        x, y = _place(day)
        cells.append(Cell(x, y, f"{mark} today" if day == today else mark, title))
    labels = [Label(_place(date(year, month, 1))[0], name) for month, name in enumerate(MONTHS, start=1)]
    width = max(cell.x for cell in cells) + STEP
    return Heatmap(width, TOP + 7 * STEP, STEP - 2, cells, labels)


def _days(year: int) -> Iterable[date]:
    first = date(year, 1, 1)
    return (day for day in (first + timedelta(days=n) for n in range(366)) if day.year == year)


def _place(day: date) -> tuple[int, int]:
    first = date(day.year, 1, 1)
    week = (day.toordinal() - first.toordinal() + first.weekday()) // 7
    return week * STEP, TOP + day.weekday() * STEP
