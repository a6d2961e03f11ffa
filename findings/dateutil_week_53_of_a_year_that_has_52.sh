#!/usr/bin/env bash
# python-dateutil, and what follows it: the last days of week 52 are given to a week 53 that their year does not have.
#
# Guess: BYWEEKNO has the weeks of ISO 8601, as RFC 5545 says, which `date.isocalendar` has too. January 1 and 2, 2022
#   are days of week 52 of 2021: "the weekend of week 52" has them, "the weekend of week 53" has not.
# Seen (python-dateutil 4.0.0 and 2.9.0.post0, python-dateutil-rs 0.1.7, Python 3.11; rrule 2.8.1 and rrule-rust 3.1.1
#   from npm, Node 20): in all five it is the other way round. Wherever a year of 52 weeks begins on a Friday (2021,
#   2027, 2038), the weekend of its last week is missing from week 52 and found in week 53. With weeks that begin on
#   another day other years are meant. dateutil counts the weeks of the year before in another way than those of this
#   one: it adds 52, where the number of whole weeks is 51. The others were translated from it. rrule-temporal was
#   not, and has the right days.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for package in python-dateutil==4.0.0 python-dateutil==2.9.0.post0 python-dateutil-rs==0.1.7; do
  "${PYTHON:-python3}" -m venv "$work/$package"
  "$work/$package/bin/pip" install --quiet --disable-pip-version-check "$package"
done
mkdir "$work/node"
echo '{}' >"$work/node/package.json"
npm install --prefix "$work/node" --ignore-scripts --no-audit --no-fund --loglevel=error \
  rrule@2.8.1 rrule-rust@3.1.1 rrule-temporal@2.2.8 >/dev/null

cat >"$work/weeks.py" <<'PYTHON'
import json
import sys
from datetime import datetime
from itertools import islice

from dateutil.rrule import rrulestr

for text in json.loads(sys.argv[1]):
    rule = rrulestr(text, dtstart=datetime(2021, 6, 1, 9))
    print(*(f"{slot:%Y-%m-%d}" for slot in islice(rule, 4)))
PYTHON
cat >"$work/node/weeks.mjs" <<'JS'
import rrule from "rrule";
import { RRuleSet } from "rrule-rust";
import { RRuleTemporal } from "rrule-temporal";

const two = (number) => String(number).padStart(2, "0");
const lines = (text) => `DTSTART:20210601T090000Z\nRRULE:${text}`;
const readers = {
  rrule: (text) => rrule.rrulestr(lines(text)).all((_, n) => n < 4).map((time) => time.toISOString().slice(0, 10)),
  "rrule-rust": (text) => RRuleSet.fromString(lines(text)).all(4).map((t) => `${t.year}-${two(t.month)}-${two(t.day)}`),
  "rrule-temporal": (text) =>
    new RRuleTemporal({ rruleString: lines(text) }).all((_, n) => n < 4).map((time) => time.toString().slice(0, 10)),
};
for (const text of JSON.parse(process.argv[3])) console.log(readers[process.argv[2]](text).slice(0, 4).join(" "));
JS

rules='["FREQ=YEARLY;BYWEEKNO=52;BYDAY=SA,SU", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SA,SU"]'
guess='2022-01-01 2022-01-02 2022-12-31 2023-01-01
2027-01-02 2027-01-03 2033-01-01 2033-01-02'
described='2022-12-31 2023-01-01 2023-12-30 2023-12-31
2022-01-01 2022-01-02 2027-01-02 2027-01-03'
echo "$("${PYTHON:-python3}" --version), Node $(node --version); weekends of weeks 52 and 53, from June 2021 on"
echo "guess: ${guess//$'\n'/ | }"

different=''
show() { # who, what it found, what it should have found to be as described
  echo "seen:  ${2//$'\n'/ | }  $1"
  [ "$2" = "$3" ] || different+=" $1"
}
for package in python-dateutil==4.0.0 python-dateutil==2.9.0.post0 python-dateutil-rs==0.1.7; do
  show "$package" "$("$work/$package/bin/python" "$work/weeks.py" "$rules")" "$described"
done
cd "$work/node"
show rrule@2.8.1 "$(node weeks.mjs rrule "$rules")" "$described"
show rrule-rust@3.1.1 "$(node weeks.mjs rrule-rust "$rules")" "$described"
show rrule-temporal@2.2.8 "$(node weeks.mjs rrule-temporal "$rules")" "$guess"
if [ -n "$different" ]; then
  echo "No longer as described:$different"
  exit 1
fi
