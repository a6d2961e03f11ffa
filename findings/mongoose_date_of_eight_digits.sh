#!/usr/bin/env bash
# Mongoose: the date "20270101" is a morning in 1970, "2027" is 2027, and February 30 is March 2.
#
# Guess: a path of type Date takes what says a date and refuses the rest (CastError), as it does with "31/01/2027".
#   "20270101", the basic form of ISO 8601 and the form of iCalendar, is 2027-01-01 or refused; a day that is not in its
#   month is refused.
# Seen (Mongoose 8.24.10 and 9.12.1, Node 20): digits up to 275760 are a year, greater ones milliseconds since 1970: so
#   "20270101" is 1970-01-01T05:37:50.101Z, and a number of seconds such as "1798761600" a day in January 1970. That is
#   valid, and is stored. "2027-02-30" is March 2, as JavaScript has it; so in queries: {dueDate: {$lt: "20270101"}}
#   finds what was due before 1970.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error \
  mongoose8@npm:mongoose@8.24.10 mongoose9@npm:mongoose@9.12.1 >/dev/null
cat >"$work/dates.mjs" <<'JS'
import mongoose8 from "mongoose8";
import mongoose9 from "mongoose9";

const cases = [ // text, guess, seen
  ["20270101", "2027-01-01T00:00:00.000Z, or refused", "1970-01-01T05:37:50.101Z"],
  ["2027-02-30", "refused", "2027-03-02T00:00:00.000Z"],
  ["1798761600", "2027-01-01T00:00:00.000Z, or refused", "1970-01-21T19:39:21.600Z"],
  ["2027", "2027-01-01T00:00:00.000Z, or refused", "2027-01-01T00:00:00.000Z"],
  ["31/01/2027", "refused", "refused"],
  ["2027-01-31T09:00:00Z", "2027-01-31T09:00:00.000Z", "2027-01-31T09:00:00.000Z"],
];
const different = [];
for (const mongoose of [mongoose8, mongoose9]) {
  console.log(`Mongoose ${mongoose.version}, Node ${process.version}`);
  const Task = mongoose.model("Task", new mongoose.Schema({ dueDate: Date }));
  for (const [text, guess, described] of cases) {
    const task = new Task({ dueDate: text });
    const seen = await task.validate().then(() => task.dueDate.toISOString(), () => "refused");
    console.log(`${text}\n  guess: ${guess}\n  seen:  ${seen}`);
    if (seen !== described) different.push(`${mongoose.version} ${text}`);
  }
  const query = Task.find({ dueDate: { $lt: "20270101" } });
  const asked = query.cast(Task).dueDate.$lt.toISOString();
  console.log(`in a query: $lt ${asked}`);
  if (asked !== "1970-01-01T05:37:50.101Z") different.push(`${mongoose.version} query`);
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node dates.mjs
