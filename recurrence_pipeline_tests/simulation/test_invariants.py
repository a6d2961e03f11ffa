"""Every invariant holds in some thousand histories (`make simulate` runs a million), and each can be seen to fail."""

import pytest

from recurrence_pipeline.simulation.harness import replay, run
from recurrence_pipeline.simulation.history import History
from recurrence_pipeline.simulation.invariants import INVARIANTS, Invariant
from recurrence_pipeline_tests.docs.pages import ROOT
from recurrence_pipeline_tests.simulation.broken_planners import BROKEN

HISTORIES = 1_000
ENOUGH = 500
"""In so many histories each fault of a planner shows."""

ONCE_BROKEN = (
    2030700, 2044727, 2070387, 2095411, 2127522, 2131330, 2150311, 2154820, 2157819, 2182854, 2184381, 2227295, 2242218,
    3014129, 3018674, 3024182, 3047890, 3080549, 3098139, 4245361, 4280412, 4437970, 4505171, 4530124, 7025035,
    7124733, 91667, 151424, 55715, 179331, 240872, 204979, 137046, 362221,
    648019, 791948, 932028, 735915, 446011, 542752, 1086300,
)  # fmt: skip
"""What runs of a million found: rarer than the histories of the suite find."""

NAMES = [invariant.name for invariant in INVARIANTS]


def test_every_invariant_holds_in_every_history() -> None:
    tally = run(range(HISTORIES))
    assert tally.broken == []
    assert tally.tasks > HISTORIES, "planners were asked for something"


@pytest.mark.parametrize("seed", ONCE_BROKEN)
def test_every_invariant_holds_where_one_was_broken_once(seed: int) -> None:
    assert replay(seed).broken is None


@pytest.mark.parametrize("invariant", INVARIANTS, ids=NAMES)
def test_an_invariant_is_broken_by_a_planner_with_that_fault(invariant: Invariant) -> None:
    planner = BROKEN[invariant.name]
    broken = (told.broken for seed in range(ENOUGH) if (told := replay(seed, planner, [invariant])).broken)
    found = next(broken)
    assert found is not None
    assert found.invariant == invariant.name
    assert replay(found.seed, planner, [invariant]).broken == found, "the seed repeats it"


def test_an_error_in_looking_at_a_history_is_told_with_its_seed() -> None:
    def fails(history: History) -> str | None:
        raise ZeroDivisionError(history.seed)

    broken = replay(5, invariants=[Invariant("divisible", "It can be divided.", fails)]).broken
    assert broken is not None
    assert (broken.seed, broken.invariant) == (5, "divisible")
    assert "ZeroDivisionError: 5" in broken.why


def test_a_seed_tells_the_same_history_again() -> None:
    assert replay(5) == replay(5)
    assert replay(5).steps != replay(6).steps


def test_the_guarantees_have_every_invariant_in_its_words() -> None:
    page = (ROOT / "docs/explanation/guarantees.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{invariant.name}` | {invariant.sentence} |" for invariant in INVARIANTS]
