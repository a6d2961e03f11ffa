#!/usr/bin/env bash
# libical: of a list of dates the first 500 are read, and the others are gone without a word.
#
# Guess: EXDATE and RDATE may have any number of dates (RFC 5545, sections 3.8.5.1 and 3.8.5.2: a list), and all are read;
#   or else the component says that there was an error, as libical has components for those (X-LIC-ERROR).
# Seen (libical 3.0.16-1+b1 of Debian 12, by its own functions): 501 dates in one property are 500, 1,000 are 500; no error
#   is counted. A daily task with 600 days taken out is on 100 of them again. In several properties all are read.
#   Evolution, KOrganizer and others read calendars with libical.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Works without root, and installs nothing.
apt-get download libical3=3.0.16-1+b1 libicu72 >apt.log 2>&1 || { echo "This needs the packages of Debian 12:" && cat apt.log && exit 1; }
for package in ./*.deb; do dpkg-deb --extract "$package" .; done

cat >dates.py <<'PYTHON'
import ctypes
import glob
import sys
from datetime import datetime, timedelta

for name in ("icudata", "icuuc", "icui18n"):
    ctypes.CDLL(glob.glob(f"usr/lib/*/lib{name}.so.72")[0], mode=ctypes.RTLD_GLOBAL)
ical = ctypes.CDLL(glob.glob("usr/lib/*/libical.so.3")[0])


class Time(ctypes.Structure):
    """icaltimetype."""

    _fields_ = [*((name, ctypes.c_int) for name in "year month day hour minute second is_date is_dst".split()), ("zone", ctypes.c_void_p)]


Found = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
ical.icalparser_parse_string.restype = ctypes.c_void_p
ical.icalparser_parse_string.argtypes = [ctypes.c_char_p]
ical.icalcomponent_count_errors.argtypes = [ctypes.c_void_p]
ical.icaltime_from_string.restype = Time
ical.icaltime_from_string.argtypes = [ctypes.c_char_p]
ical.icalcomponent_foreach_recurrence.restype = None
ical.icalcomponent_foreach_recurrence.argtypes = [ctypes.c_void_p, Time, Time, Found, ctypes.c_void_p]

START = datetime(2027, 1, 1, 9)
print(", ".join(sorted(each.removesuffix(".deb") for each in glob.glob("*.deb"))), f"Python {sys.version.split()[0]}")


def instances(taken_out: int, in_one: int) -> tuple[int, int]:
    """How many of 2,000 days are left of a daily task from which so many were taken out, and how many errors there are."""
    dates = [f"{START + timedelta(days=n):%Y%m%dT%H%M%SZ}" for n in range(1, taken_out + 1)]
    lists = [f"EXDATE:{','.join(dates[n : n + in_one])}" for n in range(0, taken_out, in_one)]
    lines = ["BEGIN:VTODO", "UID:1", f"DTSTART:{START:%Y%m%dT%H%M%SZ}", "RRULE:FREQ=DAILY;COUNT=2000", *lists, "END:VTODO", ""]
    todo = ical.icalparser_parse_string("\r\n".join(lines).encode())
    found = []
    begin, end = (ical.icaltime_from_string(each) for each in (b"20270101T000000Z", b"20400101T000000Z"))
    ical.icalcomponent_foreach_recurrence(todo, begin, end, Found(lambda *_: found.append(1)), None)
    return len(found), ical.icalcomponent_count_errors(todo)


cases = (  # taken out, in one property, seen
    (500, 500, 1500),
    (501, 501, 1500),
    (600, 600, 1500),
    (600, 100, 1400),
    (1000, 1000, 1500),
)
different = []
for taken_out, in_one, described in cases:
    seen, errors = instances(taken_out, in_one)
    print(f"2,000 days, {taken_out} taken out, {in_one} in a property\n  guess: {2000 - taken_out}\n  seen:  {seen}, errors: {errors}")
    if (seen, errors) != (described, 0):
        different.append(taken_out)
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON
"${PYTHON:-python3}" dates.py
