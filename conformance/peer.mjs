// What peer.py is, for peers from npm: one question a line, one answer a line. Run in the folder that has node_modules.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const load = async (name, file) => import(pathToFileURL(require.resolve(file ?? name)));
const name = process.argv[2];

const compact = (time) => time.replace(/[-:]/g, "") + "00";
const lines = ({ start, zone, rule }) =>
  `DTSTART${zone ? `;TZID=${zone}:${compact(start)}` : `:${compact(start)}Z`}\nRRULE:${rule}`;

const clocks = new Map();
const clock = (zone) => {
  if (!clocks.has(zone))
    clocks.set(zone, new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short", timeStyle: "short" }));
  return clocks.get(zone);
};
const shown = (date, zone) => clock(zone ?? "UTC").format(date).replace(" ", "T");
const FAR = new Date(Date.UTC(9000, 0));

const peers = {
  rrule: async () => {
    const { rrulestr } = (await load("rrule")).default;
    return (question) => {
      const rule = rrulestr(lines(question), { cache: false });
      const { after, count, zone } = question;
      const known = after && new Date(after + ":00Z");
      const ask = known
        ? () => rule.between(known, FAR, false, (_, index) => index < count)
        : () => rule.all((_, index) => index < count);
      return [() => ask().slice(0, count), (date) => shown(date, zone)];
    };
  },
  "rrule-temporal": async () => {
    const { RRuleTemporal } = await load("rrule-temporal");
    return (question) => {
      const { after, count, zone, rule: text } = question;
      const rscale = text.includes("SKIP=") && !text.includes("RSCALE=") ? "RSCALE=GREGORIAN;" : "";
      const rule = new RRuleTemporal({ rruleString: lines({ ...question, rule: rscale + text }) });
      const known = after && new Date(after + ":00Z");
      const following = () => {
        const found = [];
        for (let at = known; found.length < count; ) {
          const next = rule.next(at);
          if (!next) break;
          found.push(next);
          at = new Date(next.epochMilliseconds);
        }
        return found;
      };
      return [
        known ? following : () => rule.all((_, index) => index < count).slice(0, count),
        (time) => shown(new Date(time.epochMilliseconds), zone),
      ];
    };
  },
  "rrule-rust": async () => {
    const { RRuleSet, DateTime } = await load("rrule-rust");
    return (question) => {
      const { after, count } = question;
      const set = RRuleSet.fromString(lines(question));
      set.cache.disable();
      const two = (number) => String(number).padStart(2, "0");
      const text = (at) =>
        `${at.year}-${two(at.month)}-${two(at.day)}T${two(at.time.hour)}:${two(at.time.minute)}`;
      const known = after && DateTime.fromString(compact(after) + "Z");
      const end = known && DateTime.fromString(compact(question.before) + "Z");
      return [() => (known ? set.between(known, end, false).slice(0, count) : set.all(count)), text];
    };
  },
  "ical.js": async () => {
    const ICAL = (await load("ical.js")).default;
    return ({ start, rule, count }) => {
      const recur = ICAL.Recur.fromString(rule);
      const begin = ICAL.Time.fromDateTimeString(start + ":00");
      const ask = () => {
        const found = [];
        const iterator = recur.iterator(begin);
        for (let next; found.length < count && (next = iterator.next()); ) found.push(next.toString().slice(0, 16));
        return found;
      };
      return [ask, (text) => text];
    };
  },
};

// The microseconds of one call in the best of several rounds: what disturbs only ever adds.
const best = (call, seconds) => {
  const now = () => Number(process.hrtime.bigint()) / 1e9;
  const began = now();
  call();
  const times = Math.max(1, Math.floor(seconds / 10 / Math.max(now() - began, 1e-9)));
  let fastest = Infinity;
  for (let round = 0; round < 3 || now() < began + seconds; round++) {
    const begin = now();
    for (let index = 0; index < times; index++) call();
    fastest = Math.min(fastest, (now() - begin) / times);
  }
  return fastest * 1e6;
};

const peer = await peers[name]();
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  let answer;
  try {
    const [ask, text] = peer(question);
    answer = { found: ask().map(text) };
    if (question.seconds) answer.us = best(ask, question.seconds);
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}`.slice(0, 200) };
  }
  console.log(JSON.stringify(answer));
}
