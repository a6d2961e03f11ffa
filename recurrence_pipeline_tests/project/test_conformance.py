"""The page on conformance is what the command would write, but for what changes from run to run."""

import re
import sys
from datetime import datetime
from itertools import takewhile
from pathlib import Path

import pytest

from conformance import __main__ as command
from conformance.against_dateutil import compare
from conformance.dateutil_tests import cases
from conformance.differences import Difference, reading_of
from conformance.examples import of_rfc_5545, of_rfc_7529
from conformance.page import Passed, page
from conformance.peers import PEERS, NotInstalled, Peer, Question, ask, install
from conformance.suites import REASONS, Suite, rfc_suites
from recurrence_pipeline.domain.instances import instances
from recurrence_pipeline.domain.rules import parse_rule

PAGE = command.PAGE.read_text(encoding="utf-8")
at = datetime.fromisoformat


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    part = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def without_rows(text: str) -> str:
    """Return a page with the heads of its tables only."""
    return re.sub(r"^(\| --- .*\n)(\|.*\n)*", r"\1", text, flags=re.MULTILINE)


def test_every_example_of_the_rfcs_passes_but_the_one_that_is_not_by_the_day() -> None:
    first, second = rfc_suites()
    assert (first.cases, first.passed, first.unexplained) == (38, 37, [])
    assert (second.cases, second.passed, second.unexplained) == (6, 6, [])
    assert first.differences == {"a time more often than daily": 1}


def test_the_page_is_of_the_code_as_it_is() -> None:
    """Else `make conformance` was forgotten: words, suites, reasons, peers, and what the RFCs have."""
    suites = [*rfc_suites(), *(Suite(name) for name, *_ in rows(PAGE, "Suites")[2:])]
    (run,) = re.findall(r"^make conformance .*$", PAGE, re.MULTILINE)
    fresh = page(suites, {}, run)
    assert without_rows(PAGE) == without_rows(fresh)
    assert rows(PAGE, "Suites")[:2] == rows(fresh, "Suites")[:2]
    for _, what, often, reason in rows(PAGE, "Differences"):
        assert (REASONS[what], int(often.replace(",", "")) > 0) == (reason, True)
    readers = [row[0] for row in rows(PAGE, "Who passes how many of the RFCs' examples")]
    assert readers == [row[0] for row in rows(fresh, "Who passes how many of the RFCs' examples")]
    assert readers[1:] == [str(peer) for peer in PEERS]


def test_the_page_tells_of_a_whole_run() -> None:
    suites = {row[0]: row for row in rows(PAGE, "Suites")}
    random = next(row for name, row in suites.items() if name.startswith("random rules"))
    assert int(random[1].replace(",", "")) >= command.RULES
    assert "not run" not in PAGE
    assert "not asked" not in PAGE


def test_every_difference_of_random_rules_has_a_reason_and_the_seed_repeats_it() -> None:
    found = compare(7, 600, processes=1)
    assert found.unexplained == []
    assert found.rules == found.agreed + sum(found.differences.values()) == 600
    assert found.agreed > 480
    assert compare(7, 600, processes=1) == found
    assert compare(8, 600, processes=1) != found


DIFFERING = {
    "SKIP": ("FREQ=MONTHLY;BYMONTHDAY=31;SKIP=FORWARD", "2027-01-31", []),
    "BYDAY with and without numbers": (
        "FREQ=MONTHLY;BYDAY=MO,1MO", "2027-01-05", ["2027-02-01", "2027-03-01"]),
    "BYSETPOS in the first week": (
        "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1", "2027-01-05", ["2027-01-06", "2027-01-11", "2027-01-18"]),
    "BYWEEKNO alone": (
        "FREQ=YEARLY;BYWEEKNO=20", "2027-05-20", ["2027-05-21", "2027-05-22", "2027-05-23", "2028-05-15", "2028-05-16",
        "2028-05-17", "2028-05-18"]),
    "the number of a week over the turn of the year": (
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SA", "2021-01-02", ["2022-01-01", "2027-01-02"]),
    "a week with days of two years": (
        "FREQ=YEARLY;INTERVAL=2;BYWEEKNO=1;BYDAY=MO", "2024-01-01", ["2024-12-30", "2028-01-03"]),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERING)
def test_a_reading_explains_what_dateutil_finds(name: str) -> None:
    text, start, theirs = DIFFERING[name]
    found = difference(text, start, theirs)
    reading = reading_of(found)
    assert reading is not None
    assert reading.name == name


def difference(text: str, start: str, theirs: list[str]) -> Difference:
    rule, times = parse_rule(text), [at(day) for day in theirs]
    until = times[-1] if times else at("2027-12-31")
    ours = list(takewhile(lambda day: day <= until, instances(rule, at(start))))
    return Difference(rule, at(start), ours, times, until)


@pytest.mark.parametrize("text", ["FREQ=DAILY", "FREQ=MONTHLY;BYDAY=2TU", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"])
def test_what_nothing_explains_makes_the_command_fail(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a fault of ours would be counted among dateutil's readings."""
    assert reading_of(difference(text, "2027-05-17", ["2027-05-18", "2028-05-17"])) is None
    failed = Suite("random rules", unexplained=[text])
    assert command.failed([Suite("another"), failed]) == 1
    assert f"WITHOUT A REASON  random rules: {text}" in capsys.readouterr().out


TESTS = r"""
class RRuleTest(unittest.TestCase):
    def testOne(self):
        self.assertEqual(list(rrule(YEARLY, count=2, bymonth=(1, 3), byweekday=(TU, TH(-1)), bysetpos=-1,
                                    dtstart=datetime(1997, 9, 2, 9, 0))), [datetime(1998, 3, 31, 9, 0)])
        self.assertEqual(list(rrule(DAILY, dtstart=tz.x)), [datetime(1998, 3, 31, 9, 0)])
        self.assertEqual(list(rrulestr("DTSTART:19970902T090000\nRRULE:FREQ=YEARLY;COUNT=1\n")), [datetime(1997, 9, 2)])
        self.assertEqual(list(rrulestr("RRULE:FREQ=YEARLY\nEXRULE:FREQ=DAILY", dtstart=datetime(1997, 9, 2))), [])
        self.assertEqual(rule.count(), 3)
"""


def test_the_rules_of_a_test_suite_are_read_out_of_its_source() -> None:
    assert [(case.rule, case.start, case.wanted) for case in cases(TESTS)] == [
        ("FREQ=YEARLY;COUNT=2;BYMONTH=1,3;BYDAY=TU,-1TH;BYSETPOS=-1", at("1997-09-02T09"), (at("1998-03-31T09"),)),
        ("FREQ=YEARLY;COUNT=1", at("1997-09-02T09"), (at("1997-09-02"),)),
    ]


PROGRAM = """
import json, sys, time
for line in sys.stdin:
    rule = json.loads(line)["rule"]
    if rule == "dies":
        sys.exit(1)
    if rule == "hangs":
        time.sleep(60)
    print(json.dumps({"found": [rule]}), flush=True)
"""


def test_a_peer_that_hangs_or_dies_over_a_question_is_asked_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conformance.peers.PATIENCE", 0.5)
    rules = ["a", "dies", "b", "hangs", "c"]
    asked = [Question(rule, "2027-01-01T09:00", 1) for rule in rules]
    answers = ask([sys.executable, "-c", PROGRAM], tmp_path, asked)
    assert [answer.found or answer.error for answer in answers] == [
        ("a",), "the process ended", ("b",), "no answer in 0.5 s", ("c",)
    ]  # fmt: skip


def test_a_peer_that_is_not_to_be_had_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="Node and npm are not installed"):
        install(Peer("rrule", "2.8.1", "npm"), tmp_path / "peer")
    text = page(rfc_suites(), {PEERS[0]: "it is not there", PEERS[1]: Passed(["every other day"], [])}, "run")
    table = {row[0]: row[1:] for row in rows(text, "Who passes how many of the RFCs' examples")}
    assert table[str(PEERS[0])] == ["", "", "not asked: it is not there"]
    assert table[str(PEERS[1])] == ["37", "6", "every other day"]


def test_our_own_dateutil_answers_as_a_peer(tmp_path: Path) -> None:
    """The program for peers, with the one peer that is always there; npm's are asked by the command alone."""
    first, second = of_rfc_5545(), of_rfc_7529()
    program = [sys.executable, str(Path(command.__file__).parent / "peer.py"), "python-dateutil"]
    answers = ask(program, tmp_path, [command.question(each) for each in [*first, *second]])
    assert command.failing(first, answers) == []
    assert len(command.failing(second, answers[len(first) :])) == len(second)


def test_the_command_can_be_had_quickly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(_folder: Path) -> str:
        raise NotInstalled("no network here")

    monkeypatch.setattr("conformance.suites.fetch", unreachable)
    before = command.PAGE.read_bytes()
    assert command.main(["--quick", "--rules", "300", "--seed", "3"]) == 0
    assert command.PAGE.read_bytes() == before
    told = capsys.readouterr().out
    assert "seed 3, 300 random rules" in told
    assert "python-dateutil 2.9.0.post0: no network here" in told
