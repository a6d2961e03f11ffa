"use strict";

const assert = require("node:assert/strict");
const { after, before, beforeEach, describe, it } = require("node:test");

const { recurring } = require("..");
const { VERSIONS, application, recurrence, startServer } = require("./support");

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

for (const version of VERSIONS) {
  describe(version, () => {
    let app, Task, mongoose;

    before(async () => {
      const url = server.url(version);
      await recurrence(url, "init-db");
      app = await application(version, url, { plugin: recurring });
      ({ Task, mongoose } = app);
      await Task.init(); // with every index of its schema, on a database that the worker has prepared
    });
    after(() => app.close());
    beforeEach(async () => {
      await Task.collection.deleteMany({});
      await app.told();
    });

    const stored = async (more, options) => {
      const task = await Task.create([app.fields(more)], options).then(([made]) => made);
      await app.told();
      return task;
    };
    const operations = async () => (await app.told()).map((event) => `${event.operation} ${event.taskId}`);
    const is = (task, ...expected) => expected.map((operation) => `${operation} ${task._id}`);

    it("writes an event that the worker takes", async () => {
      const task = await Task.create(app.fields());
      const [event, ...others] = await app.told();
      assert.equal(others.length, 0);
      const { _id, createdAt, availableAt, ...rest } = event;
      assert.deepEqual([String(rest.taskId), String(rest.userId)], [String(task._id), String(app.user)]);
      assert.deepEqual(
        { ...rest, taskId: 0, userId: 0 },
        { operation: "create", taskId: 0, userId: 0, status: "pending", source: "outbox", attempts: 0 },
      );
      assert.deepEqual([createdAt instanceof Date, +createdAt], [true, +availableAt]);
      assert.ok(_id);
    });

    it("tells of new originals, and of nothing else that is new", async () => {
      const one = await Task.create(app.fields());
      assert.deepEqual(await operations(), is(one, "create"));
      const done = await Task.create(app.fields({ isCompleted: true }));
      assert.deepEqual(await operations(), is(done, "complete"));
      await Task.create(app.fields({ repeatType: "none" }));
      await Task.create(app.fields({ parentRecurringId: one._id }));
      assert.deepEqual(await operations(), []);
    });

    it("tells of insertMany, whatever its answer looks like", async () => {
      for (const options of [{}, { lean: true }, { rawResult: true }, { ordered: false }]) {
        await Task.insertMany([app.fields(), app.fields({ repeatType: "none" }), app.fields({ repeatType: "weekly" })], options);
        const ids = (await Task.find({ repeatType: { $ne: "none" } }).lean()).map((task) => `create ${task._id}`);
        assert.deepEqual((await operations()).sort(), ids.sort(), JSON.stringify(options));
        await Task.collection.deleteMany({});
      }
    });

    it("tells of what an insertMany stored before it failed", async () => {
      const first = app.fields();
      await assert.rejects(Task.insertMany([first, { ...app.fields(), taskId: first.taskId }]), { code: 11000 });
      const kept = await Task.findOne({ taskId: first.taskId });
      assert.deepEqual(await operations(), is(kept, "create"));
    });

    it("tells of a task that is done, and open again", async () => {
      const task = await stored();
      task.isCompleted = true;
      await task.save();
      task.isCompleted = false;
      await task.save();
      await Task.updateOne({ taskId: task.taskId }, { isCompleted: true });
      await Task.findByIdAndUpdate(task._id, [{ $set: { isCompleted: { $not: "$isCompleted" } } }], { updatePipeline: true });
      await task.updateOne({ $set: { isCompleted: true } });
      await Task.findOneAndUpdate({ title: "Standup" }, { $unset: { isCompleted: 1 } }, { projection: "title" });
      const expected = ["complete", "reopen", "complete", "reopen", "complete", "reopen"];
      assert.deepEqual(await operations(), is(task, ...expected));
    });

    it("tells of a completed occurrence, and not of one that is edited or deleted", async () => {
      const original = await stored();
      const occurrence = await stored({ parentRecurringId: original._id });
      await Task.updateOne({ _id: occurrence._id }, { title: "Mine", dueDate: new Date() });
      occurrence.description = "mine, too";
      await occurrence.save();
      assert.deepEqual(await operations(), []);
      await Task.updateOne({ _id: occurrence._id }, { isCompleted: true });
      assert.deepEqual(await operations(), is(occurrence, "complete"));
      await occurrence.deleteOne();
      assert.deepEqual(await operations(), []);
    });

    it("says nothing of a task that does not recur", async () => {
      const task = await stored({ repeatType: "none" });
      task.isCompleted = true;
      await task.save();
      await Task.updateOne({ _id: task._id }, { isCompleted: false, title: "b" });
      await Task.deleteOne({ _id: task._id });
      assert.deepEqual(await operations(), []);
    });

    it("tells of an edited original: content, dates, rule and options", async () => {
      const task = await stored();
      for (const edit of [{ title: "b" }, { dueDate: new Date(0) }, { repeatType: "weekly" }, { repeatType: "none" }]) {
        task.set(edit);
        await task.save();
        assert.deepEqual(await operations(), is(task, "update"), JSON.stringify(edit));
      }
      task.set({ repeatType: "custom", recurrence: { rule: "FREQ=DAILY;INTERVAL=2", horizon: 5 } });
      await task.save();
      task.recurrence.horizon = 6;
      await task.save();
      assert.deepEqual(await operations(), is(task, "update", "update"));
      assert.equal((await Task.findById(task._id).lean()).recurrence.horizon, 6);
      await Task.updateOne({ _id: task._id }, { "recurrence.horizon": 7 });
      await Task.replaceOne({ _id: task._id }, app.fields({ title: "c" }));
      await Task.findOneAndReplace({ _id: task._id }, app.fields({ title: "d" }));
      assert.deepEqual(await operations(), is(task, "update", "update", "update"));
    });

    it("says nothing of a write that changes nothing, or nothing that counts", async () => {
      const task = await stored({ recurrence: { copy: ["tags"] } });
      await Task.updateOne({ _id: task._id }, { title: task.title, isCompleted: false });
      await Task.updateOne({ _id: task._id }, { position: 3 });
      await Task.updateOne({ title: "nobody's" }, { isCompleted: true });
      task.position = 4;
      await task.save();
      assert.deepEqual(await operations(), []);
    });

    it("tells of an edit of a field that the series has copied", async () => {
      const task = await stored({ recurrence: { copy: ["tags"] } });
      const other = await stored();
      await Task.updateMany({}, { tags: ["a"] });
      task.tags = ["b"];
      other.tags = ["b"];
      await task.save();
      await other.save();
      assert.deepEqual(await operations(), is(task, "update", "update"));
    });

    it("tells of each task that an updateMany changed, once", async () => {
      const [one, two] = [await stored(), await stored({ repeatType: "weekly" })];
      await stored({ repeatType: "none" });
      await stored({ isCompleted: true });
      await Task.updateMany({}, { isCompleted: true });
      assert.deepEqual((await operations()).sort(), [...is(one, "complete"), ...is(two, "complete")].sort());
    });

    it("tells of both, where a task is edited and completed at once", async () => {
      const task = await stored();
      await Task.updateOne({ _id: task._id }, { title: "b", isCompleted: true });
      task.set({ title: "c", isCompleted: false });
      task.markModified("isCompleted");
      await Task.findById(task._id).then((found) => found.set({ title: "c", isCompleted: false }).save());
      assert.deepEqual(await operations(), is(task, "update", "complete", "update", "reopen"));
    });

    it("tells of a deleted original with its user, however it is deleted", async () => {
      const deletions = [
        (task) => task.deleteOne(),
        (task) => Task.deleteOne({ _id: task._id }),
        (task) => Task.findByIdAndDelete(task._id),
        (task) => Task.findOneAndDelete({ taskId: task.taskId }, { projection: "title" }),
        (task) => Task.deleteMany({ taskId: task.taskId }),
        (task) => Task.bulkWrite([{ deleteOne: { filter: { _id: task._id } } }]),
        async (task) => (await Task.findById(task._id).select("title")).deleteOne(),
      ];
      for (const deletion of deletions) {
        const task = await stored();
        await deletion(task);
        const events = await app.told();
        assert.deepEqual(events.map((e) => [e.operation, String(e.taskId), String(e.userId)]),
          [["delete", String(task._id), String(app.user)]], String(deletion));
      }
    });

    it("tells which of several tasks an updateOne or deleteOne has taken", async () => {
      const tasks = [await stored(), await stored(), await stored()];
      await Task.updateOne({ title: "Standup" }, { isCompleted: true });
      const [done] = await Task.find({ isCompleted: true });
      assert.deepEqual(await operations(), is(done, "complete"));
      await Task.deleteOne({ isCompleted: false });
      const left = (await Task.find()).map((task) => String(task._id));
      const gone = tasks.find((task) => !left.includes(String(task._id)));
      assert.deepEqual(await operations(), is(gone, "delete"));
    });

    it("tells of what an upsert makes, whatever its answer", async () => {
      const upserts = [
        (filter) => Task.updateOne(filter, app.fields(filter), { upsert: true }),
        (filter) => Task.updateMany(filter, app.fields(filter), { upsert: true }),
        (filter) => Task.findOneAndUpdate(filter, app.fields(filter), { upsert: true }),
        (filter) => Task.findOneAndUpdate(filter, app.fields(filter), { upsert: true, new: true }),
        (filter) => Task.findOneAndUpdate(filter, app.fields(filter), { upsert: true, includeResultMetadata: true }),
        (filter) => Task.findOneAndReplace(filter, app.fields(filter), { upsert: true, new: true }),
        (filter) => Task.replaceOne(filter, app.fields(filter), { upsert: true }),
        (filter) => Task.bulkWrite([{ updateOne: { filter, update: app.fields(filter), upsert: true } }]),
      ];
      for (const upsert of upserts) {
        const { taskId } = app.fields();
        await upsert({ taskId });
        const made = await Task.findOne({ taskId });
        assert.deepEqual(await operations(), is(made, "create"), String(upsert));
        await upsert({ taskId });
        assert.deepEqual(await operations(), [], String(upsert));
      }
    });

    it("tells of all that a bulkWrite did, also before it failed", async () => {
      const [one, two, three] = [await stored(), await stored(), await stored()];
      const made = app.fields();
      await assert.rejects(
        Task.bulkWrite([
          { updateOne: { filter: { _id: String(one._id) }, update: { isCompleted: true } } },
          { deleteOne: { filter: { _id: two._id } } },
          { insertOne: { document: made } },
          { insertOne: { document: { ...app.fields(), taskId: three.taskId } } },
          { updateOne: { filter: { _id: three._id }, update: { title: "never" } } },
        ]),
        { code: 11000 },
      );
      const [kept] = await Task.find({ taskId: made.taskId });
      assert.deepEqual(
        (await operations()).sort(),
        [...is(one, "complete"), ...is(two, "delete"), ...is(kept, "create")].sort(),
      );
    });

    it("tells of what an updateMany did before it failed", async () => {
      const [one, two] = [await stored(), await stored()];
      await assert.rejects(Task.updateMany({}, { isCompleted: true, taskId: 7 }), { code: 11000 });
      const [done, ...others] = await Task.find({ isCompleted: true });
      assert.equal(others.length, 0);
      assert.ok([one, two].some((task) => task._id.equals(done._id)));
      assert.deepEqual(await operations(), is(done, "complete"));
    });

    it("lets an unordered bulkWrite go on behind an operation that cannot be cast", async () => {
      const task = await stored();
      await Task.bulkWrite(
        [
          { updateOne: { filter: { _id: "no id" }, update: { isCompleted: true } } },
          { updateOne: { filter: { _id: task._id }, update: { isCompleted: true } } },
        ],
        { ordered: false },
      );
      assert.deepEqual(await operations(), is(task, "complete"));
    });

    it("tells once of each document of a bulkSave", async () => {
      const task = await stored();
      task.isCompleted = true;
      const other = new Task(app.fields());
      await Task.bulkSave([task, other]);
      assert.deepEqual((await operations()).sort(), [...is(task, "complete"), ...is(other, "create")].sort());
      other.isCompleted = true;
      await other.save();
      assert.deepEqual(await operations(), is(other, "complete"));
    });

    const writes = [
      ["save", (session) => new Task(app.fields()).save({ session })],
      ["create", (session) => Task.create([app.fields()], { session })],
      ["insertMany", (session) => Task.insertMany([app.fields()], { session })],
      ["bulkWrite", (session) => Task.bulkWrite([{ insertOne: { document: app.fields() } }], { session })],
      ["bulkSave", (session) => Task.bulkSave([new Task(app.fields())], { session })],
      ["updateOne", (session, task) => Task.updateOne({ _id: task._id }, { title: "b" }, { session })],
      ["updateMany", (session) => Task.updateMany({}, { isCompleted: true }).session(session)],
      ["replaceOne", (session, task) => Task.replaceOne({ _id: task._id }, app.fields({ title: "c" }), { session })],
      ["findOneAndUpdate", (session, task) => Task.findOneAndUpdate({ _id: task._id }, { title: "b" }, { session })],
      ["findOneAndReplace", (session, task) => Task.findOneAndReplace({ _id: task._id }, app.fields({ title: "c" }), { session })],
      ["deleteOne", (session, task) => Task.deleteOne({ _id: task._id }, { session })],
      ["document.deleteOne", async (session, task) => (await Task.findById(task._id)).deleteOne({ session })],
      ["deleteMany", (session) => Task.deleteMany({}, { session })],
      ["findOneAndDelete", (session, task) => Task.findOneAndDelete({ _id: task._id }, { session })],
      ["skipSlot", (session, task) => task.skipSlot({ session })],
    ];

    for (const [name, write] of writes) {
      it(`writes the event of ${name} in its transaction: both are there, or neither`, async () => {
        const task = await stored();
        const before = await Task.find().lean();
        await assert.rejects(
          mongoose.connection.transaction(async (session) => {
            await write(session, task);
            assert.equal(await mongoose.connection.collection("task_events").countDocuments({}, { session }), 1, "inside");
            assert.equal(await mongoose.connection.collection("task_events").countDocuments({}), 0, "outside");
            throw new Error("changed my mind");
          }),
          /changed my mind/,
        );
        assert.deepEqual(await operations(), []);
        assert.deepEqual(await Task.find().lean(), before);
        await mongoose.connection.transaction((session) => write(session, task));
        assert.equal((await app.told()).length, 1);
      });
    }

    it("takes the session that Mongoose hands on by itself", async () => {
      mongoose.set("transactionAsyncLocalStorage", true);
      try {
        const task = await stored();
        await assert.rejects(
          mongoose.connection.transaction(async () => {
            await Task.create(app.fields());
            await Task.updateOne({ _id: task._id }, { isCompleted: true });
            await Task.insertMany([app.fields()]);
            await Task.bulkWrite([{ insertOne: { document: app.fields() } }]);
            await Task.deleteOne({ _id: task._id });
            throw new Error("changed my mind");
          }),
          /changed my mind/,
        );
        assert.deepEqual(await operations(), []);
      } finally {
        mongoose.set("transactionAsyncLocalStorage", false);
      }
    });

    it("is silent where it is told to be", async () => {
      const task = await stored();
      const quiet = { recurring: false };
      await Task.updateOne({ _id: task._id }, { title: "b" }, quiet);
      await Task.insertMany([app.fields()], quiet);
      await Task.bulkWrite([{ insertOne: { document: app.fields() } }], quiet);
      task.$locals.recurring = false;
      task.title = "c";
      await task.save();
      await Task.deleteMany({}, quiet);
      assert.deepEqual(await operations(), []);
    });

    it("says from which slot on an edit is meant", async () => {
      const task = await stored();
      await Task.updateOne({ _id: task._id }, { title: "b" }, { fromSlot: 4 });
      task.$locals.fromSlot = 5;
      task.title = "c";
      await task.save();
      assert.deepEqual((await app.told()).map((event) => [event.operation, event.fromSlot]), [["update", 4], ["update", 5]]);
    });

    it("writes a skip, and refuses one that makes no sense by field and value", async () => {
      const task = await stored();
      await task.skipSlot({ slot: 2 });
      await Task.skipSlot(String(task._id), { slot: 2, undo: true });
      const found = (await app.told()).map(({ operation, taskId, slot, undo }) => [operation, String(taskId), slot, undo]);
      assert.deepEqual(found, [["skip", String(task._id), 2, undefined], ["skip", String(task._id), 2, true]]);
      await assert.rejects(task.skipSlot({ slot: -1 }), /slot: -1 is not a whole number from 0/);
      await assert.rejects(Task.tellWorker("pause", task), /operation: "pause" is not one of create/);
      await assert.rejects(Task.tellWorker("update", task, { slot: 1 }), /slot: 1 says nothing to update/);
      assert.deepEqual(await operations(), []);
    });

    it("says which field of an event the database refused, and that the task is stored", async () => {
      const Odd = await oddModel("odd");
      const made = new Odd({ _id: 7, repeatType: "daily" });
      await assert.rejects(made.save(), (error) => {
        assert.equal(error.name, "EventNotWritten");
        assert.match(error.message, /The task is stored/);
        assert.match(error.message, /taskId.*\(it is 7\)/);
        assert.deepEqual(error.events.map((event) => event.operation), ["create"]);
        assert.equal(error.cause.code, 121);
        return true;
      });
      assert.ok(await Odd.findById(7));
    });

    it("lets the database's own error end a transaction", async () => {
      const Odd = await oddModel("odd_too");
      await assert.rejects(
        mongoose.connection.transaction((session) => Odd.create([{ _id: 8, repeatType: "daily" }], { session })),
        (error) => error.code === 121 && /taskId.*\(it is 8\)/.test(error.message),
      );
      assert.equal(await Odd.findById(8), null);
    });

    it("hands the error to whoever wants to take it", async () => {
      const taken = [];
      const Odd = await oddModel("odd_taken", { onEventError: (error) => taken.push(error.name) });
      await Odd.create({ _id: 9, repeatType: "daily" });
      assert.deepEqual(taken, ["EventNotWritten"]);
    });

    it("adds the reason to an error of the application's own validator", async () => {
      const Strict = await oddModel("strict");
      await mongoose.connection.db.command({
        collMod: "strict", validator: { $jsonSchema: { properties: { title: { bsonType: "string", maxLength: 3 } } } },
      });
      await assert.rejects(Strict.create({ _id: 1, title: "long" }), /title: .*\(it is "long"\)/);
      await assert.rejects(Strict.insertMany([{ _id: 1, title: "long" }]), /title: .*\(it is "long"\)/);
      await Strict.create({ _id: 1, title: "abc" });
      await assert.rejects(Strict.updateOne({ _id: 1 }, { title: "long" }), /title: .*\(it is "long"\)/);
    });

    async function oddModel(name, options) {
      const schema = new mongoose.Schema({ _id: Number, title: String });
      schema.plugin(recurring, options);
      const Odd = mongoose.model(name, schema, name);
      await Odd.init();
      return Odd;
    }
  });
}
