"""One log file for all processes: whoever finds it full begins a new one, and no line is lost, cut or written twice."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recurrence_pipeline.config.log_file import LOCK, SharedRotatingFile

SIZE, LONGEST_LINE = 4000, 120

WRITER = """
import logging, sys
from pathlib import Path
from recurrence_pipeline.config.log_file import SharedRotatingFile

handler = SharedRotatingFile(Path(sys.argv[1]), size=int(sys.argv[4]), kept=200)
logger = logging.getLogger("w")
logger.addHandler(handler)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    logger.error('{"writer": "%s", "number": %d, "text": "%s"}', sys.argv[2], number, "x" * (number % 50))
"""


def handler(path: Path, size: int = 100, kept: int = 3) -> SharedRotatingFile:
    return SharedRotatingFile(path, size=size, kept=kept)


def logs(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix != LOCK]


def write(to: logging.Handler, text: str) -> None:
    to.handle(logging.makeLogRecord({"msg": text, "levelno": logging.ERROR}))


def test_several_processes_that_rotate_one_file_lose_no_line_and_cut_none(tmp_path: Path) -> None:
    """With the handler of the standard library each process renames what another has just begun.

    Nearly empty files then push full ones out, and with them what was to be kept.
    """
    path, each = tmp_path / "worker.log", 400
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name, str(each), str(SIZE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0, 0]

    files = logs(tmp_path)
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(files) > 5, "it was rotated"
    full = [file.stat().st_size for file in files if file != path]
    assert all(SIZE - LONGEST_LINE <= size <= SIZE for size in full), full
    assert sorted((line["writer"], line["number"]) for line in lines) == [
        (name, number) for name in "abc" for number in range(each)
    ]


def test_the_files_before_are_kept_up_to_a_number(tmp_path: Path) -> None:
    log = handler(tmp_path / "worker.log", kept=2)
    for number in range(10):
        write(log, f"{number} {'x' * 60}")
    log.close()

    assert {file.name: file.read_text()[0] for file in logs(tmp_path)} == {
        "worker.log": "9",
        "worker.log.1": "8",
        "worker.log.2": "7",
    }


def test_a_file_that_others_moved_away_or_removed_is_made_again(tmp_path: Path) -> None:
    """As logrotate does, or a person."""
    path = tmp_path / "worker.log"
    log = handler(path)
    write(log, "first")
    path.rename(tmp_path / "moved")
    write(log, "second")
    path.unlink()
    write(log, "third")
    log.close()

    assert ((tmp_path / "moved").read_text(), path.read_text()) == ("first\n", "third\n")


def test_a_pipe_takes_lines_and_is_not_rotated(tmp_path: Path) -> None:
    """LOG_FILE=/dev/stdout is how containers want it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = handler(path, size=10)
    for text in ("a line longer than the size", "another"):
        write(log, text)
    log.close()

    assert os.read(reader, 1000) == b"a line longer than the size\nanother\n"
    os.close(reader)
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_a_line_that_cannot_be_written_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, or a folder that was removed, must not stop the work."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = handler(folder / "worker.log")
    shutil.rmtree(folder)
    monkeypatch.setattr(logging, "raiseExceptions", False)

    write(log, "lost")
    log.close()


@pytest.mark.parametrize("renames", [1, 2, 3])
def test_a_process_killed_in_the_middle_of_a_rotation_leaves_no_file_that_nobody_removes(
    tmp_path: Path, renames: int
) -> None:
    """Files beside those that are kept would fill the disk, one with each kill; and its lines would stand nowhere."""
    killed = f"""
import logging, os, signal
from pathlib import Path
from recurrence_pipeline.config.log_file import SharedRotatingFile

rename, left = os.rename, {renames}

def rename_and_die(source, target):
    global left
    rename(source, target)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

os.rename = rename_and_die
log = SharedRotatingFile(Path({str(tmp_path / "worker.log")!r}), size=100, kept=3)
for number in range(100):
    log.handle(logging.makeLogRecord({{"msg": "killed " + "x" * 80, "levelno": logging.ERROR}}))
"""
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    log = handler(tmp_path / "worker.log")
    write(log, "after")
    log.close()

    names = {"worker.log", "worker.log.1", "worker.log.2", "worker.log.3"}
    assert {file.name for file in logs(tmp_path)} <= names
    assert (tmp_path / "worker.log").read_text().splitlines()[-1] == "after"
