"""What Linux tells of programs that run beside us: memory, handles, threads. What they are is known to others."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one program has now, with all that it has started: memory in MB (PSS), open handles, threads, processes."""

    memory: float = 0.0
    handles: int = 0
    threads: int = 0
    processes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.memory + other.memory,
            self.handles + other.handles,
            self.threads + other.threads,
            self.processes + other.processes,
        )


def session(leader: int) -> Iterator[Path]:
    """Yield the folder of each process that a program and its children are made of: those of its session."""
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has just ended
                if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                    yield folder


def usage(leader: int) -> Usage:
    """Return what a program has now, with all that it has started."""
    found = Usage()
    for folder in session(leader):
        with suppress(OSError, IndexError):  # it ends while it is looked at
            found += Usage(
                memory=int((folder / "smaps_rollup").read_text().split("Pss:")[1].split()[0]) * 1024 / 1e6,
                handles=sum(1 for _ in (folder / "fd").iterdir()),
                threads=int((folder / "status").read_text().split("Threads:")[1].split()[0]),
                processes=1,
            )
    return found


def stored(folders: Iterable[Path]) -> tuple[int, float]:
    """Return how many files lie in and under folders, and their size in MB."""
    count, size = 0, 0
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(OSError):  # it is gone by now
                if path.is_file():
                    count, size = count + 1, size + path.stat().st_size
    return count, size / 1e6
