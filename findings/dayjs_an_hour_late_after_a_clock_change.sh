#!/usr/bin/env bash
# Day.js: a day, a week or a month added across a change of clocks is an hour off, and says the time that was meant.
#
# Guess: with the plugins utc and timezone, dayjs.tz("2027-03-13 09:00", "America/New_York").add(1, "day") is 09:00 in
#   New York on the next day, 13:00Z: days, weeks and months are of the calendar, as Day.js documents for days, and as
#   luxon, moment-timezone and date-fns have it.
# Seen (Day.js 1.11.23, luxon 3.7.2, Node 20): it is 14:00Z, which is 10:00 there. The text is "09:00:00-05:00", an
#   offset that New York does not have then; it stays so for all that is added later: a monthly series from January 31
#   on is an hour late in July. In autumn it is an hour early. set() and hour() are off likewise; startOf("day") is right.
#   What is parsed anew from text without offset (dayjs.tz(text, zone)) is right again.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error dayjs@1.11.23 luxon@3.7.2 >/dev/null
cat >"$work/days.mjs" <<'JS'
import { createRequire } from "node:module";
import dayjs from "dayjs";
import timezone from "dayjs/plugin/timezone.js";
import utc from "dayjs/plugin/utc.js";
import { DateTime } from "luxon";

dayjs.extend(utc);
dayjs.extend(timezone);
const version = (name) => createRequire(import.meta.url)(`${name}/package.json`).version;
console.log(`Day.js ${version("dayjs")}, luxon ${version("luxon")}, Node ${process.version}`);

const zone = "America/New_York";
const cases = [ // begin, what is added, seen
  ["2027-03-13 09:00", { day: 1 }, "2027-03-14T09:00:00-05:00"],
  ["2027-03-13 09:00", { week: 1 }, "2027-03-20T09:00:00-05:00"],
  ["2027-01-31 09:00", { month: 6 }, "2027-07-31T09:00:00-05:00"],
  ["2027-11-06 09:00", { day: 1 }, "2027-11-07T09:00:00-04:00"],
  ["2027-01-13 09:00", { day: 1 }, "2027-01-14T09:00:00-05:00"],
];
const different = [];
for (const [begin, added, described] of cases) {
  const [[unit, count]] = Object.entries(added);
  const guess = DateTime.fromSQL(begin, { zone }).plus({ [`${unit}s`]: count });
  const seen = dayjs.tz(begin, zone).add(count, unit);
  console.log(`${begin} in ${zone} and ${count} ${unit}`);
  console.log(`  guess: ${guess.toISO({ suppressMilliseconds: true })}, ${guess.toUTC().toISO()}`);
  console.log(`  seen:  ${seen.format()}, ${seen.toISOString()}`);
  if (seen.format() !== described) different.push(begin);
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node days.mjs
