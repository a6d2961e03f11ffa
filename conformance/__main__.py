"""`python -m conformance`: hold how rules are read against suites, random rules, peers; write docs/conformance.md."""

import argparse
import secrets
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.against_dateutil import compare
from conformance.examples import Example, of_rfc_5545, of_rfc_7529
from conformance.page import Passed, page
from conformance.peers import PEERS, Answer, NotInstalled, Peer, Question, ask, install
from conformance.suites import Suite, dateutil_suite, random_suite, rfc_suites

PAGE = Path(__file__).parent.parent / "docs" / "conformance.md"
RULES, FEW = 100_000, 2_000


def main(arguments: Sequence[str]) -> int:
    """Run everything; 1 where a difference has no reason."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{FEW:,} random rules, no peers; writes no page")
    parser.add_argument("--rules", type=int, metavar="N", help=f"random rules to compare; {RULES:,} if not given")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="begin with this one")
    chosen = parser.parse_args(arguments)
    rules = chosen.rules or (FEW if chosen.quick else RULES)
    _say(f"seed {chosen.seed}, {rules:,} random rules")
    with TemporaryDirectory() as folder:
        suites = rfc_suites()
        suites += [dateutil_suite(Path(folder)), random_suite(compare(chosen.seed, rules))]
        for suite in suites:
            _say(f"{suite.name}: {suite.missing or f'{suite.passed:,} of {suite.cases:,}'}")
        peers = {} if chosen.quick else {peer: _asked(peer, Path(folder)) for peer in PEERS}
    if not chosen.quick:
        PAGE.write_text(page(suites, peers, f"make conformance ONLY='--seed {chosen.seed} --rules {rules}'"), "utf-8")
        _say(f"{PAGE.name} is written")
    return failed(suites)


def failed(suites: Sequence[Suite]) -> int:
    """Name the differences that have no reason; 1 where there are any."""
    unexplained = [f"{suite.name}: {what}" for suite in suites for what in suite.unexplained]
    for each in unexplained[:20]:
        _say(f"WITHOUT A REASON  {each}")
    return 1 if unexplained else 0


def _asked(peer: Peer, folder: Path) -> Passed | str:
    """Return what a peer makes of the examples, or why it was not asked."""
    where = folder / f"{peer.package}-{peer.version}"
    try:
        command = install(peer, where)
    except NotInstalled as reason:
        return str(reason)
    first, second = of_rfc_5545(), of_rfc_7529()
    answers = ask(command, where, [question(example) for example in [*first, *second]])
    _say(f"{peer} was asked")
    return Passed(failing(first, answers), failing(second, answers[len(first) :]))


def question(example: Example) -> Question:
    """Return an example as a peer is asked it."""
    return Question(example.rule, f"{example.start:%Y-%m-%dT%H:%M}", example.count, "America/New_York")


def failing(asked: Sequence[Example], answers: Sequence[Answer]) -> list[str]:
    """Name the examples that the answers do not pass."""
    return [
        example.name
        for example, answer in zip(asked, answers, strict=False)
        if answer.error or not example.passes([datetime.fromisoformat(time) for time in answer.found])
    ]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
