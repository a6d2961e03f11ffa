"""The examples of the RFCs, by name, with the dates that they list: rules of DAILY and more, Gregorian calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time


def listed(text: str) -> list[str]:
    """Read `1997: 9/2 9/4; 1998: 1/1` and spans such as `9/2-11`."""
    out = []
    for year, part in (each.split(":") for each in text.split(";")):
        for word in part.split():
            month, _, span = word.partition("/")
            first, _, last = span.partition("-")
            out += [f"{int(year):04}-{int(month):02}-{day:02}" for day in range(int(first), int(last or first) + 1)]
    return out


RFC_5545 = {
    "daily for 10 occurrences": ("FREQ=DAILY;COUNT=10", "1997-09-02", "1997: 9/2-11"),
    "daily until December 24, 1997": (
        "FREQ=DAILY;UNTIL=19971224T000000Z", "1997-09-02", "1997: 9/2-30 10/1-31 11/1-30 12/1-23"),
    "every other day": ("FREQ=DAILY;INTERVAL=2", "1997-09-02", "1997: 9/2 9/4 9/6 9/8 9/10 9/12 9/14 9/16 9/18"),
    "every 10 days, 5 occurrences": ("FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02", "1997: 9/2 9/12 9/22 10/2 10/12"),
    "every day in January, for 3 years, by year": (
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", "1998-01-01",
        "1998: 1/1-31;1999: 1/1-31;2000: 1/1-31"),
    "every day in January, for 3 years, by day": (
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "1998-01-01", "1998: 1/1-31;1999: 1/1-31;2000: 1/1-31"),
    "weekly for 10 occurrences": (
        "FREQ=WEEKLY;COUNT=10", "1997-09-02", "1997: 9/2 9/9 9/16 9/23 9/30 10/7 10/14 10/21 10/28 11/4"),
    "weekly until December 24, 1997": (
        "FREQ=WEEKLY;UNTIL=19971224T000000Z", "1997-09-02",
        "1997: 9/2 9/9 9/16 9/23 9/30 10/7 10/14 10/21 10/28 11/4 11/11 11/18 11/25 12/2 12/9 12/16 12/23"),
    "every other week": (
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997-09-02", "1997: 9/2 9/16 9/30 10/14 10/28 11/11 11/25 12/9 12/23"),
    "weekly on Tuesday and Thursday for five weeks, until": (
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "1997-09-02",
        "1997: 9/2 9/4 9/9 9/11 9/16 9/18 9/23 9/25 9/30 10/2"),
    "weekly on Tuesday and Thursday for five weeks, count": (
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-09-02",
        "1997: 9/2 9/4 9/9 9/11 9/16 9/18 9/23 9/25 9/30 10/2"),
    "every other week on Monday, Wednesday, and Friday": (
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", "1997-09-01",
        "1997: 9/1 9/3 9/5 9/15 9/17 9/19 9/29 10/1 10/3 10/13 10/15 10/17 10/27 10/29 10/31 11/10 11/12 11/14 "
        "11/24 11/26 11/28 12/8 12/10 12/12 12/22"),
    "every other week on Tuesday and Thursday, for 8 occurrences": (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09-02",
        "1997: 9/2 9/4 9/16 9/18 9/30 10/2 10/14 10/16"),
    "monthly on the first Friday for 10 occurrences": (
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "1997-09-05", "1997: 9/5 10/3 11/7 12/5;1998: 1/2 2/6 3/6 4/3 5/1 6/5"),
    "monthly on the first Friday until December 24, 1997": (
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997-09-05", "1997: 9/5 10/3 11/7 12/5"),
    "every other month on the first and last Sunday": (
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "1997-09-07",
        "1997: 9/7 9/28 11/2 11/30;1998: 1/4 1/25 3/1 3/29 5/3 5/31"),
    "monthly on the second-to-last Monday": (
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997-09-22", "1997: 9/22 10/20 11/17 12/22;1998: 1/19 2/16"),
    "monthly on the third-to-the-last day": (
        "FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28", "1997: 9/28 10/29 11/28 12/29;1998: 1/29 2/26"),
    "monthly on the 2nd and 15th": (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", "1997-09-02",
        "1997: 9/2 9/15 10/2 10/15 11/2 11/15 12/2 12/15;1998: 1/2 1/15"),
    "monthly on the first and last day": (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "1997-09-30",
        "1997: 9/30 10/1 10/31 11/1 11/30 12/1 12/31;1998: 1/1 1/31 2/1"),
    "every 18 months on the 10th thru 15th": (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", "1997-09-10",
        "1997: 9/10-15;1999: 3/10-13"),
    "every Tuesday, every other month": (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "1997-09-02",
        "1997: 9/2 9/9 9/16 9/23 9/30 11/4 11/11 11/18 11/25;1998: 1/6 1/13 1/20 1/27 3/3 3/10 3/17 3/24 3/31"),
    "yearly in June and July": (
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "1997-06-10",
        "1997: 6/10 7/10;1998: 6/10 7/10;1999: 6/10 7/10;2000: 6/10 7/10;2001: 6/10 7/10"),
    "every other year on January, February, and March": (
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "1997-03-10",
        "1997: 3/10;1999: 1/10 2/10 3/10;2001: 1/10 2/10 3/10;2003: 1/10 2/10 3/10"),
    "every third year on the 1st, 100th, and 200th day": (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "1997-01-01",
        "1997: 1/1 4/10 7/19;2000: 1/1 4/9 7/18;2003: 1/1 4/10 7/19;2006: 1/1"),
    "every 20th Monday of the year": ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19", "1997: 5/19;1998: 5/18;1999: 5/17"),
    "Monday of week number 20": (
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12", "1997: 5/12;1998: 5/11;1999: 5/17"),
    "every Thursday in March": (
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997-03-13",
        "1997: 3/13 3/20 3/27;1998: 3/5 3/12 3/19 3/26;1999: 3/4 3/11 3/18 3/25"),
    "every Thursday, but only during June, July, and August": (
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "1997-06-05",
        "1997: 6/5 6/12 6/19 6/26 7/3 7/10 7/17 7/24 7/31 8/7 8/14 8/21 8/28;1998: 6/4 6/11 6/18 6/25 7/2 7/9"),
    "every Friday the 13th": (
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1997-09-02", "1997: 9/2;1998: 2/13 3/13 11/13;1999: 8/13;2000: 10/13"),
    "the first Saturday that follows the first Sunday": (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "1997-09-13",
        "1997: 9/13 10/11 11/8 12/13;1998: 1/10 2/7 3/7 4/11 5/9 6/13"),
    "U.S. Presidential Election day": (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "1996-11-05",
        "1996: 11/5;2000: 11/7;2004: 11/2"),
    "the third instance into the month of Tuesday, Wednesday, or Thursday": (
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04", "1997: 9/4 10/7 11/6"),
    "the second-to-last weekday of the month": (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997-09-29",
        "1997: 9/29 10/30 11/27 12/30;1998: 1/29 2/26 3/30"),
    "weeks that begin on Monday": (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05", "1997: 8/5 8/10 8/19 8/24"),
    "weeks that begin on Sunday": (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05", "1997: 8/5 8/17 8/19 8/31"),
    "an invalid date is ignored": (
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15", "2007: 1/15 1/30 2/15 3/15 3/30"),
}  # fmt: skip
"""RFC 5545, section 3.8.5.3: every example with a FREQ of DAILY or more. All in America/New_York, at 09:00."""

RFC_7529 = {
    "leap day, forward": (
        "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD", "2016-02-29",
        "2016: 2/29;2017: 3/1;2018: 3/1;2019: 3/1;2020: 2/29"),
    "leap day, backward": ("FREQ=YEARLY;SKIP=BACKWARD", "2016-02-29", "2016: 2/29;2017: 2/28;2018: 2/28"),
    "leap day, omitted": ("FREQ=YEARLY;SKIP=OMIT", "2016-02-29", "2016: 2/29;2020: 2/29;2024: 2/29"),
    "end of month, omitted": ("RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=OMIT", "2014-01-31", "2014: 1/31 3/31 5/31 7/31"),
    "end of month, backward": ("FREQ=MONTHLY;SKIP=BACKWARD", "2014-01-31", "2014: 1/31 2/28 3/31 4/30"),
    "end of month, forward": ("FREQ=MONTHLY;SKIP=FORWARD", "2014-01-31", "2014: 1/31 3/1 3/31 5/1"),
}  # fmt: skip


NINE = time(9)
TWENTIETH_MINUTES = {
    "every 20 minutes from 9:00 AM to 4:40 PM every day": (
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", "1997-09-02"),
}  # fmt: skip
"""The one example with a FREQ of DAILY that falls more than once a day."""

EXCLUDED = {"every Friday the 13th"}
"""Where an EXDATE takes out the start."""


@dataclass(frozen=True, slots=True)
class Example:
    """A rule of an RFC with the times that it lists, all of them or the first ones; all in America/New_York.

    `after_start`: the start is no instance, and does not count.
    """

    name: str
    rule: str
    start: datetime
    wanted: tuple[datetime, ...]
    after_start: bool = False

    @property
    def count(self) -> int:
        """How many times to ask for: one more than are listed where the rule says when it ends."""
        return len(self.wanted) + self.after_start + ("COUNT" in self.rule or "UNTIL" in self.rule)

    def passes(self, found: Sequence[datetime]) -> bool:
        """Say whether these are the times that the RFC lists."""
        left = [each for each in found if each != self.start] if self.after_start else list(found)
        return tuple(left[: self.count - self.after_start]) == self.wanted


def examples(rules: dict[str, tuple[str, str, str]]) -> list[Example]:
    """Return what the table of an RFC says."""
    found = []
    for name, (rule, start, expected) in rules.items():
        days = [datetime.fromisoformat(day) for day in listed(expected)]
        times = tuple(datetime.combine(day, NINE) for day in days)
        begins = datetime.combine(datetime.fromisoformat(start), NINE)
        excluded = name in EXCLUDED
        found.append(Example(name, rule, begins, times[1:] if excluded else times, excluded))
    return found


def of_rfc_5545() -> list[Example]:
    """Return every example of RFC 5545, section 3.8.5.3, with a FREQ of DAILY or more."""
    ((name, (rule, day)),) = TWENTIETH_MINUTES.items()
    start = datetime.combine(datetime.fromisoformat(day), NINE)
    times = [start.replace(day=d, hour=h, minute=m) for d in (2, 3) for h in range(9, 17) for m in (0, 20, 40)]
    return [*examples(RFC_5545), Example(name, rule, start, tuple(times))]


def of_rfc_7529() -> list[Example]:
    """Return the examples of RFC 7529 in the Gregorian calendar."""
    return examples(RFC_7529)
