#!/usr/bin/env bash
# ical.js: a yearly task of February 29 is on March 1; parts of yearly and weekly rules change nothing, without a word.
#
# Guess: what RFC 5545 allows is read as it says, or refused: a date that is not there is ignored (section 3.3.10), so
#   that `FREQ=YEARLY` from 2024-02-29 on has 2028-02-29 next, as `FREQ=MONTHLY` from the 31st on has months with 31
#   days only.
# Seen (ical.js 2.2.1, Node 20):
#   1. The monthly rule is so. The yearly one has March 1 in 2025, 2026 and 2027; named as BYMONTH=2;BYMONTHDAY=29
#      it has not.
#   2. `FREQ=YEARLY;BYDAY=20MO` (an example of the RFC) is every Monday.
#   3. `FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO` (an example of the RFC) is every Monday but the one that it begins on.
#      `FREQ=YEARLY;BYWEEKNO=20` is nothing.
#   4. BYSETPOS counts for FREQ=MONTHLY alone: `FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1`, the last working day of
#      the week, is every one; of FREQ=YEARLY likewise.
#   5. Of FREQ=MONTHLY it counts for BYDAY alone: `FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1`, the 30th or the last day
#      of February, is all three days of each month; written with BYDAY of all weekdays beside it too.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error ical.js@2.2.1 >/dev/null

cat >"$work/days.mjs" <<'JS'
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

const { version } = JSON.parse(readFileSync("node_modules/ical.js/package.json"));
console.log(`ical.js ${version}, Node ${process.version}`);
const days = (rule, start) => {
  const iterator = ICAL.Recur.fromString(rule).iterator(ICAL.Time.fromDateTimeString(`${start}T09:00:00`));
  const found = [];
  for (let next; found.length < 4 && (next = iterator.next()); ) found.push(next.toString().slice(0, 10));
  return found.join(" ");
};
const cases = [
  // rule, start, guess, described
  ["FREQ=MONTHLY", "2027-01-31", "2027-01-31 2027-03-31 2027-05-31 2027-07-31", null],
  ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2024-02-29", "2024-02-29 2028-02-29 2032-02-29 2036-02-29", null],
  ["FREQ=YEARLY", "2024-02-29", "2024-02-29 2028-02-29 2032-02-29 2036-02-29", "2024-02-29 2025-03-01 2026-03-01 2027-03-01"],
  ["FREQ=YEARLY;BYDAY=20MO", "1997-05-19", "1997-05-19 1998-05-18 1999-05-17 2000-05-15", "1997-05-19 1997-05-26 1997-06-02 1997-06-09"],
  ["FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12", "1997-05-12 1998-05-11 1999-05-17 2000-05-15", "1997-05-19 1997-05-26 1997-06-02 1997-06-09"],
  ["FREQ=YEARLY;BYWEEKNO=20", "1997-05-12", "1997-05-12 1998-05-11 1999-05-17 2000-05-15", ""],
  ["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2027-01-29", "2027-01-29 2027-02-26 2027-03-31 2027-04-30", null],
  ["FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "2026-12-30", "2026-12-30 2027-01-30 2027-02-28 2027-03-30", "2026-12-30 2027-01-28 2027-01-29 2027-01-30"],
  ["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2027-01-01", "2027-01-01 2027-01-08 2027-01-15 2027-01-22", "2027-01-01 2027-01-04 2027-01-05 2027-01-06"],
  ["FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-12-31", "2026-12-31 2027-12-31 2028-12-29 2029-12-31", "2026-12-31 2027-01-01 2027-01-04 2027-01-05"],
];
const different = [];
for (const [rule, start, guess, described] of cases) {
  const seen = days(rule, start);
  console.log(`${rule}, from ${start} on\n  guess: ${guess}\n  seen:  ${seen}`);
  if (seen !== (described ?? guess)) different.push(rule);
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node days.mjs
