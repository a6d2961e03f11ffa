"""docs/conformance.md: the tables of what was found, and what they mean."""

from collections.abc import Mapping, Sequence

from conformance.examples import of_rfc_5545, of_rfc_7529
from conformance.peers import PEERS, Peer
from conformance.suites import REASONS, Suite
from scripts.pages import code, table

NOTE = "<!-- Written by `make conformance`: change it there. A test compares what must not change from run to run. -->"
OURS = "**recurrence-pipeline**"
RFC_5545, RFC_7529 = len(of_rfc_5545()), len(of_rfc_7529())


def page(suites: Sequence[Suite], peers: Mapping[Peer, "Passed | str"], run: str) -> str:
    """Return the page; `run` says how to repeat it."""
    return (
        "\n\n".join(
            [
                NOTE,
                "# Conformance",
                "How rules are read here, held against the RFCs' own examples, against the tests of the library that "
                "most programs read rules with, and against that library over random rules. Where a difference has no "
                "reason, the command that writes this page fails.",
                code(run, "sh"),
                "## Suites",
                table(["suite", "cases", "passed", "refused here", "read otherwise"], map(_suite, suites)),
                "## Differences",
                "Each one, counted by its reason. What a series does with a date that is no instance, with clocks "
                "that change and with ends, is in [the calendar](explanation/calendar.md). One thing is not compared: "
                "dateutil looks for a further day up to the year 9999, however soon UNTIL is, which takes seconds "
                "where there is none; its walk is ended here with the last year that is looked at.",
                table(["suite", "what", "how often", "reason"], _differences(suites)),
                "## Who passes how many of the RFCs' examples",
                "Each peer was installed by itself, at this version, and asked in its own way. What it refuses, or "
                "finds otherwise, it does not pass.",
                table(
                    ["reader", f"RFC 5545, of {RFC_5545}", f"RFC 7529, of {RFC_7529}", "which not"],
                    [_ours(suites), *(_peer(peer, peers.get(peer, "was not asked")) for peer in PEERS)],
                ),
            ]
        )
        + "\n"
    )


class Passed:
    """Which examples of the RFCs a peer did not pass."""

    def __init__(self, failed_5545: Sequence[str], failed_7529: Sequence[str]) -> None:
        self.failed_5545, self.failed_7529 = failed_5545, failed_7529


def _suite(suite: Suite) -> tuple[str, ...]:
    if suite.missing:
        return suite.name, "not run", "", "", suite.missing
    otherwise = suite.cases - suite.passed - suite.refused
    return suite.name, f"{suite.cases:,}", f"{suite.passed:,}", f"{suite.refused:,}", f"{otherwise:,}"


def _differences(suites: Sequence[Suite]) -> list[tuple[str, str, str, str]]:
    return [
        (suite.name.split(":")[0], what, f"{often:,}", REASONS[what])
        for suite in suites
        for what, often in sorted(suite.differences.items())
        if often
    ]


def _ours(suites: Sequence[Suite]) -> tuple[str, str, str, str]:
    first, second = suites[:2]
    failed = "every 20 minutes from 9:00 AM to 4:40 PM every day: BYHOUR is refused"
    return OURS, str(first.passed), str(second.passed), failed


def _peer(peer: Peer, passed: Passed | str) -> tuple[str, str, str, str]:
    if isinstance(passed, str):
        return str(peer), "", "", f"not asked: {passed}"
    skip = [f"RFC 7529: {name}" for name in passed.failed_7529]
    if len(skip) == RFC_7529:
        skip = ["SKIP"]
    return (
        str(peer),
        str(RFC_5545 - len(passed.failed_5545)),
        str(RFC_7529 - len(passed.failed_7529)),
        "; ".join([*passed.failed_5545, *skip]),
    )
