"""The slots of a series by number, over all the rules that it ever had. Pure.

Numbers go on from one revision of the rule to the next, so that none ever means two slots. A later revision takes the
place of the slots from one number on: those of the earlier rule from there on are void, and nobody has them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import NamedTuple

from recurrence_pipeline.domain.calendar import in_utc, next_number, timed
from recurrence_pipeline.domain.counting import Known
from recurrence_pipeline.domain.errors import InvalidRecurrence
from recurrence_pipeline.domain.instances import has_day
from recurrence_pipeline.domain.rules import Rule, rule_of


class Slot(NamedTuple):
    """A slot with a number: on the wall clock under the label of UTC, and in UTC."""

    number: int
    at: datetime
    due: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """The slots of one revision, from number `first`, which is at `wall`, up to `last` (None: as far as the rule goes).

    `known` has times of some of them, by number: rules of a rare kind are counted from there.
    """

    first: int
    last: int | None
    wall: datetime
    rule: str | Rule
    endless: str | Rule
    """The rule as it would go on for ever."""
    zone: tzinfo
    known: Mapping[int, datetime] = field(default_factory=dict)
    is_known_alone: bool = False
    """Whether the rule says nothing of where its slots are: each was counted from the completion before it."""

    def timed(self, first: int, count: int, *, endless: bool = False) -> Iterator[Slot]:
        """Yield up to `count` of its slots from number `first` on."""
        begin = max(first, self.first)
        if self.is_known_alone:
            yield from self._known(begin, count)
            return
        size = count if self.last is None else min(count, self.last - begin + 1)
        if size > 0:
            rule = self.endless if endless else self.rule
            found = timed(self.wall, rule, begin - self.first, size, self.zone, known=self.known_below(begin))
            for number, (at, due) in enumerate(found, begin):
                yield Slot(number, at, due)

    def _known(self, begin: int, count: int) -> Iterator[Slot]:
        numbers = [n for n in sorted(self.known) if begin <= n and (self.last is None or n <= self.last)]
        for number in numbers[:count]:
            yield Slot(number, self.known[number], in_utc(self.known[number], self.zone))

    def known_below(self, number: int) -> Known | None:
        """Return the highest slot below a number that is known, counted from its first."""
        if not self.known:
            return None
        return self._highest_on_the_rule(each for each in self.known if self.first <= each < number)

    def _highest_on_the_rule(self, numbers: Iterable[int]) -> Known | None:
        """Return the highest of these slots on a day of the rule: a dead worker may have made some by another."""
        rule, start = rule_of(self.endless), self.wall.date()
        for each in sorted(numbers, reverse=True):
            if has_day(rule, start, self.known[each].toordinal()):
                return Known(each - self.first, self.known[each])
        return None

    def first_after(self, time: datetime, wall: datetime) -> int:
        """Return the number of its first slot behind a time, which is `wall` on the clock, be it past its end."""
        if self.is_known_alone:
            later = (n for n in sorted(self.known) if n >= self.first and self.known[n] > wall)
            return next(later, max([self.first - 1, *self.known]) + 1)
        begin = in_utc(self.wall, self.zone)
        if time < begin:
            return self.first
        known = self._highest_on_the_rule(n for n, at in self.known.items() if n >= self.first and at <= wall)
        return self.first + next_number(time, self.rule, str(self.zone), begin, known=known)

    def last_until(self, time: datetime, wall: datetime) -> int:
        """Return the highest number of its slots up to a time, which is `wall` on the clock; -1 where there is none."""
        if self.is_known_alone:
            return max(
                (slot.number for slot in self._known(self.first, len(self.known)) if slot.at <= wall), default=-1
            )
        number = self.first_after(time, wall) - 1
        return number if self.last is None else min(number, self.last)


class SlotLine:
    """The stretches of a series, in order."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self.stretches = stretches

    def timed(self, first: int, count: int, *, endless: bool = False) -> list[Slot]:
        """Return up to `count` slots from number `first` on, fewer where the series ends.

        Raises:
            InvalidRecurrence: one lies outside of the calendar.
        """
        found = list[Slot]()
        for stretch in self.stretches:
            if stretch.last is None or first <= stretch.last:
                found += stretch.timed(first, count - len(found), endless=endless)
        return found

    def onward(self, first: int, size: int) -> Iterator[Slot]:
        """Yield slots from number `first` on, up to the end of the series.

        So many are read at once, and then twice as many each time: rules of a rare kind are counted anew.
        """
        while True:
            try:
                found = self.timed(first, size)
            except InvalidRecurrence:  # some of these lie outside of the calendar
                if size == 1:
                    raise
                size //= 2
                continue
            yield from found
            if len(found) < size:
                return
            first, size = found[-1].number + 1, 2 * size

    def backward(self, last: int, count: int) -> Iterator[Slot]:
        """Yield slots from number `last` back to the first, of up to `count` numbers; twice as many are read each time.

        Void numbers have none.
        """
        lowest, size = max(last - count + 1, 0), 1
        while last >= lowest:
            begin = max(last - size + 1, lowest)
            yield from reversed([slot for slot in self.timed(begin, last - begin + 1) if slot.number <= last])
            last, size = begin - 1, 2 * size

    def after(self, number: int) -> int:
        """Return the number that follows on another, void ones passed over, be it past the end."""
        for stretch in self.stretches:
            if stretch.last is None or number < stretch.last:
                return max(number + 1, stretch.first)
        return number + 1

    def before(self, number: int) -> int:
        """Return the number that another follows on, void ones passed over; 0 where there is none."""
        for stretch in reversed(self.stretches):
            if number > stretch.first:
                return number - 1 if stretch.last is None else min(number - 1, stretch.last)
        return 0

    def first_after(self, time: datetime, wall: datetime) -> int:
        """Return the number of the first slot behind a time, which is `wall` on the clock, be it past the end."""
        for stretch in self.stretches:
            number = stretch.first_after(time, wall)
            is_known = not stretch.is_known_alone or number in stretch.known
            if stretch.last is None or (number <= stretch.last and is_known):
                return number
        return self.stretches[-1].last + 1 if self.stretches and self.stretches[-1].last is not None else 0

    def last_until(self, time: datetime, wall: datetime) -> int:
        """Return the highest number of a slot up to a time, which is `wall` on the clock; -1 where there is none.

        One that was counted from an early completion may be before slots of lower numbers.
        """
        return next((n for each in reversed(self.stretches) if (n := each.last_until(time, wall)) >= each.first), -1)

    def at(self, number: int) -> datetime | None:
        """Return when a slot is on the wall clock, be it past the end of the rule; None where there is none."""
        found = self.timed(number, 1, endless=True)
        return found[0].at if found and found[0].number == number else None

    def stretch_of(self, number: int) -> Stretch | None:
        """Return the stretch that holds a number."""
        return next((s for s in self.stretches if s.first <= number and (s.last is None or number <= s.last)), None)
