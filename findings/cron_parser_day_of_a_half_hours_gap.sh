#!/usr/bin/env bash
# cron-parser: where clocks are put forward by half an hour, a daily job in the gap is passed over; by an hour or two, not.
#
# Guess: a time that does not exist is handled in one way: the job of that day runs later, by as much as the gap is long.
# Seen (cron-parser 5.10.6 with luxon 3.7.2, Node 20): daily 02:30 in New York (gap 02:00 to 03:00) runs at 03:30, daily
#   01:30 on Troll (gap 01:00 to 03:00) at 03:30. Daily 02:00 and 02:15 on Lord Howe Island (gap 02:00 to 02:30) do not
#   run on 2027-10-03 at all: the hour of the gap is there, in half, and so the minute is looked for in the next one.
#   Agenda and BullMQ take their cron times from this parser.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error \
  cron-parser@5.10.6 luxon@3.7.2 >/dev/null

cat >"$work/gaps.mjs" <<'JS'
import { readFileSync } from "node:fs";
import { CronExpressionParser } from "cron-parser";

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
console.log(`cron-parser ${version("cron-parser")}, luxon ${version("luxon")}, Node ${process.version}, tzdata ${process.versions.tz}`);

function runs(cron, tz, from) {
  const found = CronExpressionParser.parse(cron, { tz, currentDate: new Date(from) });
  // Written by Node itself: what a clock there shows at that instant.
  const shown = () => found.next().toDate().toLocaleString("sv", { timeZone: tz }).slice(5, 16);
  return [shown(), shown(), shown()].join(", ");
}

const cases = [
  ["30 2 * * *", "America/New_York", "2027-03-12T12:00Z", "03-13 02:30, 03-14 03:30, 03-15 02:30", "as guessed"],
  ["30 1 * * *", "Antarctica/Troll", "2027-03-26T12:00Z", "03-27 01:30, 03-28 03:30, 03-29 01:30", "as guessed"],
  ["0 2 * * *", "Australia/Lord_Howe", "2027-10-01T12:00Z", "10-02 02:00, 10-03 02:30, 10-04 02:00", "10-02 02:00, 10-04 02:00, 10-05 02:00"],
  ["15 2 * * *", "Australia/Lord_Howe", "2027-10-01T12:00Z", "10-02 02:15, 10-03 02:45, 10-04 02:15", "10-02 02:15, 10-04 02:15, 10-05 02:15"],
];
const different = [];
for (const [cron, zone, from, guess, described] of cases) {
  const seen = runs(cron, zone, from);
  console.log(`${cron} ${zone}\n  guess: ${guess}\n  seen:  ${seen}`);
  if (seen !== (described === "as guessed" ? guess : described)) different.push(`${cron} ${zone}`);
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node gaps.mjs
