#!/usr/bin/env bash
# Agenda: repeated every "an hour", a job is due again at the very moment of its last run; "1,000 hours" are one hour.
#
# Guess: words that the parser of intervals does not know are refused, as "1h" is: agenda answers with a failReason and
#   no next run. What is accepted comes to the time that it says; a month is a calendar month.
# Seen (agenda 6.2.6 with human-interval 2.0.1, Node 20): before a unit, a word that is no number counts as 0. "an hour",
#   "half an hour" and "every month" are 0 ms, so that the next run is at the time of the last one, and nothing is said.
#   A comma becomes a blank, and what is behind the first number is not read: "1,000 hours" is 1 hour. A month is 30
#   days: after January 31, "1 month" comes to March 2.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error \
  agenda@6.2.6 human-interval@2.0.1 >/dev/null

cat >"$work/intervals.mjs" <<'JS'
import { readFileSync } from "node:fs";
import { Job } from "agenda";

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
console.log(`agenda ${version("agenda")}, human-interval ${version("human-interval")}, Node ${process.version}`);
const last = new Date("2027-01-31T09:00:00Z");

function next(interval) {
  const job = new Job({ attrs: {} }, { name: "report", priority: 0, lastRunAt: last });
  job.repeatEvery(interval, { timezone: "UTC" });
  return job.attrs.nextRunAt?.toISOString().slice(0, 16) ?? "refused";
}

const cases = [
  // interval, guess, seen
  ["1 hour", "2027-01-31T10:00", "2027-01-31T10:00"],
  ["1h", "refused", "refused"],
  ["an hour", "refused", "2027-01-31T09:00"],
  ["half an hour", "refused", "2027-01-31T09:00"],
  ["every month", "refused", "2027-01-31T09:00"],
  ["1,000 hours", "2027-03-14T01:00", "2027-01-31T10:00"],
  ["1 month", "2027-02-28T09:00", "2027-03-02T09:00"],
];
const different = [];
for (const [interval, guess, described] of cases) {
  const seen = next(interval);
  console.log(`every ${JSON.stringify(interval)} after ${last.toISOString().slice(0, 16)}\n  guess: ${guess}\n  seen:  ${seen}`);
  if (seen !== described) different.push(interval);
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node intervals.mjs
