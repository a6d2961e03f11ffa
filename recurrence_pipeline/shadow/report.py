"""The answer of a shadow: totals, the worst series, and both as Markdown with a picture."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.domain.words import counted
from recurrence_pipeline.shadow.rules import Fault, Judgement, Unjudged, Verdict

WORST = 20
"""Series that are told of one by one."""
FAULTS_TOLD = 10
"""Of one series; all are counted."""
PICTURE = "shadow.png"

MEANING = {
    Verdict.SAME: "the tasks that this worker would have made",
    Verdict.DIFFERS: "a task stands at another time than its slot",
    Verdict.DOUBLED: "two tasks on one slot, or one further ahead than the series is kept",
    Verdict.LOST: "a slot that is due to have a task has none",
    Verdict.REFUSED: "tasks were made of what may not recur",
}


@dataclass(slots=True)
class ShadowReport:
    """What became of the series; of the worst ones, what is wrong with them."""

    since: datetime
    now: datetime
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    """Series, by the worst that there is to say of each."""
    faults: Counter[Verdict] = field(default_factory=Counter)
    unjudged: Counter[Unjudged] = field(default_factory=Counter)
    worst: list[Judgement] = field(default_factory=list)

    @property
    def series(self) -> int:
        """How many series were looked at."""
        return self.verdicts.total() + self.unjudged.total()

    @property
    def is_same(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def add(self, judgement: Judgement | Unjudged) -> None:
        """Count a series, and keep it where it is among the worst."""
        if isinstance(judgement, Unjudged):
            self.unjudged[judgement] += 1
            return
        self.verdicts[judgement.verdict] += 1
        self.faults.update(fault.verdict for fault in judgement.faults)
        if judgement.faults:
            order = list(Verdict)
            self.worst.append(judgement)
            self.worst.sort(key=lambda each: (-len(each.faults), -order.index(each.verdict), each.series_id))
            del self.worst[WORST:]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "since": self.since,
            "until": self.now,
            "series": {_key(verdict): self.verdicts[verdict] for verdict in Verdict},
            "faults": {_key(verdict): self.faults[verdict] for verdict in Verdict if verdict is not Verdict.SAME},
            "notJudged": {_key(reason): self.unjudged[reason] for reason in Unjudged},
            "worst": [_series_json(judgement) for judgement in self.worst],
        }

    def markdown(self) -> str:
        """Return it as Markdown, which names its picture by the file name."""
        return "\n\n".join([*self._head(), f"![Series, by what became of them]({PICTURE})", *self._rest()]) + "\n"

    def without_pictures(self) -> str:
        """Return the Markdown for where no picture can be shown."""
        return "\n\n".join([*self._head(), *self._rest()]) + "\n"

    def write(self, folder: Path) -> list[Path]:
        """Write `shadow.md` and its picture into a folder, which is made where it is missing, and return their paths.

        Raises:
            ConfigurationError: what draws the picture is not installed; nothing was written.
            OSError: it cannot be written.
        """
        files = {"shadow.md": self.markdown().encode(), PICTURE: self._picture()}
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return [folder / name for name in files]

    def _head(self) -> Iterator[str]:
        span = f"{self.since:%Y-%m-%d %H:%M} to {self.now:%Y-%m-%d %H:%M}"
        yield f"# The previous worker, {span} UTC"
        yield (
            f"{counted(self.verdicts.total(), 'series', 'series')} in which something happened; "
            f"{self.verdicts[Verdict.SAME]} came out the same. Nothing was written."
        )
        rows = [(each.value, self.verdicts[each], self.faults[each] or "", MEANING[each]) for each in Verdict]
        yield _table(("verdict", "series", "faults", "what it means"), rows)
        yield _table(("not judged", "series"), [(reason.value, self.unjudged[reason]) for reason in Unjudged])

    def _rest(self) -> Iterator[str]:
        if not self.worst:
            return
        yield f"## The worst {len(self.worst)}"
        for judgement in self.worst:
            yield f"### {_plain(judgement.title) or 'Without a title'}: {judgement.verdict.value}"
            yield f"Series `{judgement.series_id}`, {counted(len(judgement.faults), 'fault')}."
            yield "\n".join(f"* {_line(fault)}" for fault in judgement.faults[:FAULTS_TOLD])

    def _picture(self) -> bytes:
        try:
            from matplotlib.figure import Figure  # noqa: PLC0415 - it takes a second
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "the picture of a shadow needs matplotlib, which is not installed: "
                "pip install 'recurrence-pipeline[report]', or have it printed, which has none"
            ) from error
        figure = Figure(figsize=(9, 2.4), dpi=110, layout="constrained")
        axes = figure.subplots()
        bars = axes.barh([v.value for v in Verdict], [self.verdicts[v] for v in Verdict])
        axes.bar_label(bars, padding=3)
        axes.invert_yaxis()
        axes.set_title("Series, by what became of them", loc="left", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        picture = BytesIO()
        figure.savefig(picture, format="png")
        return picture.getvalue()


def _key(what: Verdict | Unjudged) -> str:
    """Return the word for programs."""
    return what.name.lower()


def _series_json(judgement: Judgement) -> dict[str, Any]:
    return {
        "seriesId": judgement.series_id,
        "userId": judgement.user_id,
        "title": judgement.title,
        "verdict": _key(judgement.verdict),
        "count": len(judgement.faults),
        "faults": [_fault_json(fault) for fault in judgement.faults[:FAULTS_TOLD]],
    }


def _fault_json(fault: Fault) -> dict[str, Any]:
    return {
        "verdict": _key(fault.verdict),
        "slot": fault.slot,
        "at": fault.at,
        "text": fault.text,
        "explained": fault.explained,
        "taskIds": list(fault.task_ids),
    }


def _line(fault: Fault) -> str:
    tasks = f" ({', '.join(f'`{each}`' for each in fault.task_ids[:5])})" if fault.task_ids else ""
    return f"**{fault.verdict.value}**: {_plain(fault.text)}{tasks} {_plain(fault.explained)}".rstrip()


def _plain(text: str) -> str:
    """Return text of a user so that Markdown shows it as it is, on one line."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#!" else c for c in " ".join(text.split()))


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
