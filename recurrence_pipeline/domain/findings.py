"""What checks find and what repairs come to, as values. The checks themselves are in checks.py."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from recurrence_pipeline.domain.checks import Check, Severity
from recurrence_pipeline.domain.errors import InvalidInput
from recurrence_pipeline.storage.database_checks import MAX_SAMPLES, Sample


@dataclass(slots=True)
class Finding:
    """The answer to a check: how often, and some of it."""

    name: str
    severity: Severity
    explanation: str
    hint: str
    repairable: bool
    count: int = 0
    samples: list[Sample] = field(default_factory=list)

    @classmethod
    def none_of(cls, check: Check) -> "Finding":
        """Return the answer of a check that found nothing yet."""
        return cls(check.name, check.severity, check.explanation, check.hint, check.repairable)

    def add(self, samples: Iterable[Sample]) -> None:
        """Count some more, and keep the first of all."""
        for sample in samples:
            self.count += 1
            if len(self.samples) < MAX_SAMPLES:
                self.samples.append(sample)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "severity": self.severity.value,
            "count": self.count,
            "explanation": self.explanation,
            "hint": self.hint,
            "repairable": self.repairable,
            "samples": [dict(sample) for sample in self.samples],
        }


@dataclass(slots=True)
class Repair:
    """What a repair came to or, where nothing was `written`, would come to.

    `found` is what the check finds, `repaired` what is mended (would be). The rest is left, and `refused` may say why.
    """

    name: str
    written: bool
    found: int = 0
    repaired: int = 0
    changes: list[Sample] = field(default_factory=list)
    refused: str | None = None

    @property
    def left(self) -> int:
        """How much stays as it is."""
        return max(self.found - self.repaired, 0)

    def add(self, changes: Iterable[Sample]) -> None:
        """Keep the first changes."""
        self.changes += list(changes)[: MAX_SAMPLES - len(self.changes)]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "written": self.written,
            "found": self.found,
            "repaired": self.repaired,
            "left": self.left,
            "refused": self.refused,
            "changes": [dict(change) for change in self.changes],
        }


def chosen(checks: Iterable[Check], names: Iterable[str] | None, *, field_name: str) -> list[Check]:
    """Return the checks with these names, in their order; all where no names are given.

    Raises:
        InvalidInput: a name is none of theirs.
    """
    known = {check.name: check for check in checks}
    if names is None:
        return list(known.values())
    wanted = set(names)
    if unknown := sorted(wanted - known.keys()):
        raise InvalidInput(f"{field_name}: {unknown[0]!r} is not one of {', '.join(known)}")
    return [check for name, check in known.items() if name in wanted]
