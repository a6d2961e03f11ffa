#!/usr/bin/env bash
# TypeORM on MongoDB: save() writes back all that was read; the version column is no guard, a transaction none either.
#
# Guess: save() of a loaded entity of which one column was changed updates that column, as on SQL databases. A version
#   column goes up with each save. What somebody else has deleted since raises, or is inserted again as it was. What is
#   saved in a transaction that fails is not there.
# Seen (TypeORM 1.1.1, Node 20, a MongoDB-wire server, SecantusDB 0.7.0b3): with a column of another name than its
#   property (id for _id, as the guide shows it):
#   1. $set has every column that was read, so that a date that another program moved meanwhile is moved back.
#   2. The version is never written, and compared with nothing.
#   3. What was deleted comes back under a new _id; its own _id is in a field "id".
#   4. DataSource.transaction() uses no session: the document of the failed transaction is there.
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check SecantusDB==0.7.0b3 2>/dev/null
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error \
  typeorm@1.1.1 mongodb@7.9.0 reflect-metadata@0.2.2 >/dev/null
touch "$work/empty.toml"
"$work/venv/bin/python" -m secantus --port 0 --storage-path "$work/data" --config "$work/empty.toml" 2>"$work/log" &
server=$!
until port=$(grep -oPm1 'listening on \S+:\K\d+' "$work/log"); do sleep 0.1; done

cat >"$work/save.mjs" <<'JS'
import "reflect-metadata";
import { readFileSync } from "node:fs";
import { MongoClient } from "mongodb";
import { DataSource, EntitySchema } from "typeorm";

const url = `mongodb://127.0.0.1:${process.argv[2]}/findings?directConnection=true`;
const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
console.log(`TypeORM ${version("typeorm")}, mongodb ${version("mongodb")}, Node ${process.version}`);
const Task = new EntitySchema({
  name: "Task",
  tableName: "tasks",
  columns: {
    id: { type: String, objectId: true, primary: true, name: "_id" },
    title: { type: String },
    dueDate: { type: Date },
    version: { type: Number, version: true },
  },
});
const source = await new DataSource({ type: "mongodb", url, entities: [Task] }).initialize();
const repository = source.getMongoRepository("Task");
const client = await new MongoClient(url).connect(); // the other program
const tasks = client.db().collection("tasks");

const task = await repository.save({ title: "Bins", dueDate: new Date("2027-01-04T09:00Z") });
await tasks.updateOne({}, { $set: { dueDate: new Date("2027-02-01T09:00Z") } });
task.title = "Bins and paper";
await repository.save(task);
const saved = await tasks.findOne();
await tasks.deleteMany();
task.title = "Bins, paper and glass";
const again = await repository.save(task).then(() => tasks.findOne(), (error) => error);
await tasks.deleteMany();
await source
  .transaction(async (manager) => {
    await manager.getMongoRepository("Task").save({ title: "never", dueDate: new Date() });
    throw new Error("changed my mind");
  })
  .catch(() => {});

const before = String(saved._id);
const cases = [ // what, guess, seen, described
  ["due date, which another program has moved", "2027-02-01", saved.dueDate.toISOString().slice(0, 10), "2027-01-04"],
  ["version after the second save", "2", String(saved.version), "undefined"],
  ["_id of what was deleted and saved", "an error, or the same", String(again._id) === before ? "the same" : "another", "another"],
  ["its field id", "none", String(again.id) === before ? "the old _id" : String(again.id), "the old _id"],
  ["documents of a transaction that failed", "0", String(await tasks.countDocuments()), "1"],
];
const different = [];
for (const [what, guess, seen, described] of cases) {
  console.log(`${what}\n  guess: ${guess}\n  seen:  ${seen}`);
  if (seen !== described) different.push(what);
}
await source.destroy();
await client.close();
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node save.mjs "$port"
