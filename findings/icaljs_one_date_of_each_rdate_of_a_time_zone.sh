#!/usr/bin/env bash
# ical.js: of the dates on which a VTIMEZONE changes its clocks, it knows one for each RDATE line, and not the first.
#
# Guess: a STANDARD or DAYLIGHT part begins at its DTSTART, and again at each date of its RDATE (RFC 5545, sections
#   3.6.5 and 3.8.5.2; a list may stand on one line or on several). Zones whose changes follow no rule are written so,
#   such as Africa/Casablanca's around Ramadan.
# Seen (ical.js 2.2.1, Node 20): of an RDATE with three dates the first counts, the others are passed over without a
#   word (`getFirstValue` in lib/ical/timezone.js). And where there is an RDATE, the DTSTART is passed over. Times are
#   an hour off until the next change that it knows. Written one date to a line, with the DTSTART repeated as an RDATE,
#   the same zone is read right; so is one of RRULEs.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error ical.js@2.2.1 >/dev/null

cat >"$work/zone.mjs" <<'JS'
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

const { version } = JSON.parse(readFileSync("node_modules/ical.js/package.json"));
console.log(`ical.js ${version}, Node ${process.version}`);

// Winter +00:00, summer +01:00: on 1 April and back on 1 October, in 2021, 2022, 2023 and 2024.
const years = [2021, 2022, 2023, 2024];
const part = (kind, from, to, day, write) =>
  [`BEGIN:${kind}`, `TZOFFSETFROM:${from}`, `TZOFFSETTO:${to}`, ...write(years.map((y) => `${y}${day}T030000`)), `END:${kind}`];
const calendar = (write) =>
  ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//findings//EN", "BEGIN:VTIMEZONE", "TZID:Findings",
   ...part("STANDARD", "+0100", "+0000", "1001", write), ...part("DAYLIGHT", "+0000", "+0100", "0401", write),
   "END:VTIMEZONE", "END:VCALENDAR", ""].join("\r\n");
const forms = {
  "a list": ([first, ...others]) => [`DTSTART:${first}`, `RDATE:${others.join(",")}`],
  "a line each": ([first, ...others]) => [`DTSTART:${first}`, ...others.map((date) => `RDATE:${date}`)],
  "a line each, the first too": (dates) => [`DTSTART:${dates[0]}`, ...dates.map((date) => `RDATE:${date}`)],
};
const described = {
  "a list": "wrong in 2021 2023 2024",
  "a line each": "wrong in 2021",
  "a line each, the first too": "right",
};
let different = 0;
for (const [name, write] of Object.entries(forms)) {
  const zone = new ICAL.Timezone(new ICAL.Component(ICAL.parse(calendar(write))).getFirstSubcomponent("vtimezone"));
  const offset = (year) => {
    const time = new ICAL.Time({ year, month: 7, day: 1, hour: 12 }, zone);
    return time.utcOffset() / 3600;
  };
  const wrong = years.filter((year) => offset(year) !== 1);
  const seen = wrong.length ? `wrong in ${wrong.join(" ")}` : "right";
  console.log(`summer time on July 1, dates as ${name}\n  guess: right\n  seen:  ${seen}`);
  different += seen !== described[name];
}
process.exit(different ? 1 : 0);
JS
cd "$work"
node zone.mjs || { echo "No longer as described" >&2; exit 1; }
