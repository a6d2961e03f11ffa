"""Reads the series page by page and judges each; only reads. What is wrong with one is decided in rules.py."""

from collections.abc import Callable, Iterator
from datetime import datetime

from recurrence_pipeline.shadow.report import ShadowReport
from recurrence_pipeline.shadow.rules import Evidence, Judgement, Unjudged, Window, judge
from recurrence_pipeline.storage.shadow_reads import ShadowReads
from recurrence_pipeline.worker.context import WorkerContext


class Shadow:
    """Compares what the previous worker made with what this one would have made."""

    def __init__(self, context: WorkerContext, reads: ShadowReads) -> None:
        self._context = context
        self._reads = reads

    def compare(self, since: datetime, progress: Callable[[int], None] = lambda _: None) -> ShadowReport:
        """Look at what happened from `since` on; `progress` is told how many series have been looked at.

        A page of series is in memory at a time, and costs a constant number of commands.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        window = self._window(since)
        report = ShadowReport(window.since, window.now)
        for judged in self._judged(window):
            report.add(judged)
            progress(report.series)
        return report

    def judgements(self, since: datetime) -> Iterator[Judgement]:
        """Yield what became of each series in which something happened from `since` on."""
        return (each for each in self._judged(self._window(since)) if isinstance(each, Judgement))

    def _window(self, since: datetime) -> Window:
        return Window(since, self._context.clock(), self._context.rules.timezone)

    def _judged(self, window: Window) -> Iterator[Judgement | Unjudged]:
        undone = self._reads.undone(window.since)
        for page in self._context.series_pages.pages():
            snapshot = self._context.tasks.load(page)
            found = [snapshot.series[series_id] for series_id in page if series_id in snapshot.series]
            recent = {task.id for series in found for task in series.occurrences if window.has(task.created_at)}
            evidence = Evidence(undone.made, undone.done, self._reads.nested(recent))
            yield from (judge(series, window, evidence) for series in found)
