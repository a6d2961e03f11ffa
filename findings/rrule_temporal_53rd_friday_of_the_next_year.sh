#!/usr/bin/env bash
# rrule-temporal: a year without a 53rd Friday has one in the next year; days that a further part leaves out stay.
#
# Guess: (1) `FREQ=YEARLY;BYDAY=53FR` is only in years that have 53 Fridays: 2027 and 2032 are the next ones (RFC 5545:
#   what a rule names and is not there is ignored); it is the same day as "the last Friday" in these years.
#   (2) A day must fit all parts: `BYYEARDAY=100,200;BYDAY=MO` is the 100th and 200th day where that is a Monday,
#   `BYWEEKNO=52;BYMONTHDAY=24` is Christmas Eve where that is in week 52 (RFC 5545, the table of section 3.3.10:
#   "limit").
# Seen (rrule-temporal 2.2.8, Node 20; rrule 2.8.1 answers as guessed):
#   1. In each year without a 53rd Friday there is the Friday a week after the 52nd, in January of the next year:
#      seven days in seven years where there are two. -53FR, in years without one, is a Friday of the December before.
#   2. Beside BYYEARDAY the parts BYDAY and BYMONTHDAY, and beside BYWEEKNO the part BYMONTHDAY, change nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error \
  rrule-temporal@2.2.8 rrule@2.8.1 >/dev/null

cat >"$work/days.mjs" <<'JS'
import { readFileSync } from "node:fs";
import rrule from "rrule";
import { RRuleTemporal } from "rrule-temporal";

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
console.log(`rrule-temporal ${version("rrule-temporal")}, rrule ${version("rrule")}, Node ${process.version}`);
const until = "UNTIL=20330101T000000Z";
const lines = (text) => `DTSTART:20260101T090000Z\nRRULE:${text};${until}`;
const temporal = (text) => new RRuleTemporal({ rruleString: lines(text) }).all().map((time) => time.toString().slice(0, 10));
const reference = (text) => rrule.rrulestr(lines(text)).all().map((time) => time.toISOString().slice(0, 10));
const same = (left, right) => left.join() === right.join();

const cases = [
  // rule, guess, described
  ["FREQ=YEARLY;BYDAY=52FR", null, null],
  [
    "FREQ=YEARLY;BYDAY=53FR",
    ["2027-12-31", "2032-12-31"],
    ["2027-01-01", "2027-12-31", "2029-01-05", "2030-01-04", "2031-01-03", "2032-01-02", "2032-12-31"],
  ],
  [
    "FREQ=YEARLY;BYDAY=-53FR",
    ["2027-01-01", "2032-01-02"],
    ["2027-01-01", "2027-12-31", "2028-12-29", "2029-12-28", "2030-12-27", "2032-01-02", "2032-12-31"],
  ],
  ["FREQ=YEARLY;BYYEARDAY=100,200", null, null],
  ["FREQ=YEARLY;BYYEARDAY=100,200;BYDAY=MO", ["2027-07-19"], "FREQ=YEARLY;BYYEARDAY=100,200"],
  ["FREQ=YEARLY;BYYEARDAY=100,200;BYMONTHDAY=10", ["2026-04-10", "2027-04-10", "2029-04-10", "2030-04-10", "2031-04-10"], "FREQ=YEARLY;BYYEARDAY=100,200"],
  ["FREQ=YEARLY;BYWEEKNO=52;BYDAY=TH", null, null],
  ["FREQ=YEARLY;BYWEEKNO=52;BYMONTHDAY=24;BYDAY=TH", ["2026-12-24"], "FREQ=YEARLY;BYWEEKNO=52;BYDAY=TH"],
];
const different = [];
for (const [rule, guess, described] of cases) {
  const seen = temporal(rule);
  const expected = described === null ? reference(rule) : typeof described === "string" ? temporal(described) : described;
  console.log(`${rule}\n  guess: ${(guess ?? reference(rule)).join(" ")}\n  seen:  ${seen.join(" ")}`);
  if (!same(seen, expected) || (guess && !same(reference(rule), guess))) different.push(rule);
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node days.mjs
