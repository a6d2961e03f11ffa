"""What the size of a batch does: too small pays a round trip for few events, too large holds more at a time."""

from benchmarks.content import mixed
from benchmarks.report import Figures
from benchmarks.size import Size
from benchmarks.stage import server, stage


def main(size: Size) -> Figures:
    """Work the same queue off in batches of each size."""
    rows = []
    with server() as database:
        for batch in size.batches:
            events = min(size.events, max(100, batch * 4))  # batches of one event take long
            with stage(database, WORKER_BATCH_SIZE=str(batch)) as at:
                at.fill(mixed(events))
                cost = at.measure(at.worker.drain)
                rows.append(
                    {
                        "batch": batch,
                        "events": events,
                        "events/s": events / cost.wall,
                        "CPU us/event": cost.cpu / events * 1e6,
                        "round trips/event": cost.round_trips / events,
                    }
                )
    return Figures("One queue of all three operations, in batches of different sizes", rows)
