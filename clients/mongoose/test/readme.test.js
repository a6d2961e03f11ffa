"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const path = require("node:path");
const { after, before, describe, it } = require("node:test");

const { VERSIONS, startServer } = require("./support");

const README = readFileSync(path.join(__dirname, "..", "README.md"), "utf8");
const [, FIRST] = /```js\n(.*?)```/s.exec(README);
const AsyncFunction = (async () => {}).constructor;

describe("the first lines of the README", () => {
  let server;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  for (const version of VERSIONS) {
    it(`do what they say with ${version}`, async (test) => {
      const mongoose = new (require(version).Mongoose)();
      await mongoose.connect(server.url(version));
      test.after(() => mongoose.disconnect());
      const { ObjectId } = mongoose.Types;
      const taskSchema = new mongoose.Schema({ title: String, userId: ObjectId });
      const [before, writes] = FIRST.split("\n\nawait");
      new Function("require", "taskSchema", before)((name) => (assert.equal(name, "recurrence-mongoose"), require("..")), taskSchema);
      const Task = mongoose.model("Task", taskSchema);
      await Task.init(); // as in support.js
      const events = mongoose.connection.collection("task_events");
      const known = { _id: (await Task.insertMany([{ repeatType: "daily" }], { recurring: false }))[0]._id, userId: new ObjectId() };

      await new AsyncFunction("Task", "_id", "userId", "dueDate", `await${writes}`)(Task, known._id, known.userId, new Date());

      const found = await events.find().sort({ _id: 1 }).toArray();
      assert.deepEqual(found.map((event) => event.operation), ["create", "complete"]);
      assert.deepEqual([String(found[0].userId), String(found[1].taskId)], [String(known.userId), String(known._id)]);
    });
  }
});
