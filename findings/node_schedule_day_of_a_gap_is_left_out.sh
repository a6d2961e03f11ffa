#!/usr/bin/env bash
# node-schedule: a RecurrenceRule in a zone leaves out the day of a gap, and runs twice when clocks go back.
#
# Guess: the rule {hour: 2, minute: 30, tz: "America/New_York"} and the cron expression "30 2 * * *" with that zone are
#   two ways to say one thing: daily, on 2027-03-14 at 03:30, for 02:30 does not exist; on the night when clocks go back
#   once.
# Seen (node-schedule 2.1.1, cron-parser 4.9.0, Node 20): in New York the cron expression is as guessed. The rule has no
#   run on 2027-03-14 at all; {hour: 1, minute: 30} runs at 01:30 -04:00 and again at 01:30 -05:00 on 2027-11-07. In Cairo,
#   whose gap is at midnight, neither runs at midnight of 2027-04-30. A rule looks for a time whose fields are those of
#   the rule: in the gap there is none, and in November there are two.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error node-schedule@2.1.1 cron-parser@4.9.0 >/dev/null
cat >"$work/rules.cjs" <<'JS'
const parser = require("cron-parser");
const { RecurrenceRule } = require("node-schedule");

const version = (name) => require(`${name}/package.json`).version;
console.log(`node-schedule ${version("node-schedule")}, cron-parser ${version("cron-parser")}, Node ${process.version}`);

function ofRule(hour, minute, tz, begin, end) {
  const rule = Object.assign(new RecurrenceRule(), { hour, minute, tz });
  const found = [];
  for (let at = rule.nextInvocationDate(begin); at < end; at = rule.nextInvocationDate(new Date(+at))) {
    found.push(new Date(+at).toISOString());
  }
  return found.join(" ") || "no run";
}

function ofCron(hour, minute, tz, begin, end) {
  const times = parser.parseExpression(`${minute} ${hour} * * *`, { currentDate: begin, tz });
  const found = [];
  for (let at = times.next().toDate(); at < end; at = times.next().toDate()) found.push(at.toISOString());
  return found.join(" ") || "no run";
}

const cases = [ // hour, minute, zone, the day's begin and end, guess, seen, by cron
  [2, 30, "America/New_York", "2027-03-14T05:00Z", "2027-03-15T04:00Z", "2027-03-14T07:30:00.000Z", "no run",
    "2027-03-14T07:30:00.000Z"],
  [0, 0, "Africa/Cairo", "2027-04-29T21:59Z", "2027-04-30T21:00Z", "2027-04-29T22:00:00.000Z", "no run",
    "no run"],
  [1, 30, "America/New_York", "2027-11-07T04:00Z", "2027-11-08T05:00Z",
    "2027-11-07T05:30:00.000Z", "2027-11-07T05:30:00.000Z 2027-11-07T06:30:00.000Z", "2027-11-07T05:30:00.000Z"],
];
const different = [];
for (const [hour, minute, tz, begin, end, guess, described, byCron] of cases) {
  const seen = ofRule(hour, minute, tz, new Date(begin), new Date(end));
  const cron = ofCron(hour, minute, tz, new Date(begin), new Date(end));
  console.log(`daily ${hour}:${minute} in ${tz}, from ${begin} to ${end}\n  guess: ${guess}`);
  console.log(`  seen:  ${seen}\n  as a cron expression: ${cron}`);
  if (seen !== described || cron !== byCron) different.push(`${tz} ${begin}`);
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node rules.cjs
