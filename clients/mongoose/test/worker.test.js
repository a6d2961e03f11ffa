"use strict";

// The whole way: an application with the plugin writes tasks, the worker processes, the tasks are right.

const assert = require("node:assert/strict");
const { after, before, describe, it } = require("node:test");

const { WorkerTrigger, recurring } = require("..");
const { VERSIONS, application, recurrence, startApi, startServer } = require("./support");

for (const version of VERSIONS) {
  describe(`an application with ${version} and the worker`, () => {
    let app, server, url, Task;
    before(async () => {
      server = await startServer();
      url = server.url("app");
      await recurrence(url, "init-db");
      app = await application(version, url, { plugin: recurring });
      Task = app.Task;
    });
    after(async () => {
      await app.close();
      await server.stop();
    });

    const process = () => recurrence(url, "process", "--until-empty");
    const occurrences = (task) => Task.find({ parentRecurringId: task._id }).sort({ dueDate: 1 });
    const days = async (task) => (await occurrences(task)).map((one) => one.dueDate.toISOString().slice(0, 10));
    const states = async () => (await app.mongoose.connection.collection("task_events").distinct("status"));

    it("make, complete, edit, skip, reopen and delete the tasks of a series", async () => {
      const task = await Task.create(app.fields());
      const [monthly] = await Task.insertMany([app.fields({ repeatType: "monthly", dueDate: new Date("2100-01-31T09:00Z"), originalDueDate: new Date("2100-01-31T09:00Z") })]);
      const plain = await Task.create(app.fields({ repeatType: "none" }));
      await process();
      assert.deepEqual(await days(task), ["2100-01-02", "2100-01-03", "2100-01-04"]);
      assert.deepEqual(await days(monthly), ["2100-02-28", "2100-03-31", "2100-04-30"]);
      assert.deepEqual(await days(plain), []);

      const [first, second] = await occurrences(task);
      assert.deepEqual([first.occurrenceNumber, first.occurrenceAt], [1, "2100-01-02T09:00"]);
      assert.ok(first.writtenAs && first.createdByEvent, "strict mode keeps what the worker wrote");
      await Task.updateOne({ _id: task._id }, { isCompleted: true });
      await second.skipSlot();
      plain.repeatType = "daily";
      await plain.save();
      await process();
      assert.deepEqual(await days(task), ["2100-01-02", "2100-01-04", "2100-01-05", "2100-01-06"]);
      assert.deepEqual(await days(plain), ["2100-01-02", "2100-01-03", "2100-01-04"]);

      first.title = "This one is mine";
      await first.save();
      const original = await Task.findById(task._id);
      original.set({ title: "Stand-up", repeatType: "custom", recurrence: { rule: "FREQ=DAILY;INTERVAL=2", horizon: 2 } });
      await original.save();
      const { _id, ...whole } = (await occurrences(monthly))[0].toObject();
      await Task.replaceOne({ _id }, whole); // stored anew as a whole, it is still as the worker wrote it
      await Task.findByIdAndUpdate(monthly._id, { title: "Rent" });
      await process();
      assert.deepEqual((await occurrences(monthly)).map((one) => one.title), ["Rent", "Rent", "Rent"]);
      const titles = (await occurrences(task)).map((one) => [one.dueDate.toISOString().slice(0, 10), one.title]);
      assert.ok(titles.some(([day, title]) => day === "2100-01-02" && title === "This one is mine"));
      assert.ok(titles.filter(([day]) => day !== "2100-01-02").every(([day, title]) => title === "Stand-up" && day.slice(-2) % 2), String(titles));

      const [next] = await occurrences(monthly);
      const before = await days(monthly);
      await Task.findByIdAndUpdate(next._id, { isCompleted: true });
      await process();
      assert.equal((await days(monthly)).length, 5);
      await Task.findByIdAndUpdate(next._id, { isCompleted: false });
      await process();
      assert.deepEqual(await days(monthly), before, "reopened: as it was");

      await monthly.deleteOne();
      await Task.deleteMany({ _id: plain._id });
      await process();
      assert.deepEqual([await days(monthly), await days(plain)], [[], []]);
      assert.deepEqual(await states(), ["completed"]);
    });

    it("over HTTP: the same client calls as in Python", async () => {
      const api = await startApi(url, { INTERNAL_API_KEY: "s3cret" });
      try {
        const worker = new WorkerTrigger(`http://127.0.0.1:${api.port}`, { key: "s3cret" });
        const fields = app.fields();
        await Task.insertMany([fields], { recurring: false });
        const task = await Task.findOne({ taskId: fields.taskId });
        const created = await worker.triggerTaskCreation(task._id);
        assert.deepEqual([created.status, created.data.result.length], ["delivered", 3]);
        await Task.updateOne({ _id: task._id }, { isCompleted: true }, { recurring: false });
        const completed = await worker.triggerTaskCompletion(task._id);
        assert.equal(completed.data.result.createdTask.dueDate, "2100-01-05T09:00:00.000Z");
        const looked = await worker.skip(task._id, { slot: 2, dryRun: true });
        assert.equal(looked.data.written, false);
        assert.equal((await worker.skip(task._id, { slot: 2 })).data.written, true);
        await Task.updateOne({ _id: task._id }, { isCompleted: false }, { recurring: false });
        assert.equal((await worker.reopen(task._id, { dryRun: true })).status, "delivered");
        assert.equal((await worker.update(task._id)).status, "delivered");
        await Task.deleteOne({ _id: task._id }, { recurring: false });
        const deleted = await worker.triggerTaskDeletion(task._id, app.user);
        assert.equal(typeof deleted.data.result, "number");
        assert.deepEqual(await days(task), []);
        assert.equal((await worker.validateRecurrence({ repeatType: "daily", dueDate: "2999-01-01T00:00:00Z" })).valid, true);
        assert.equal((await worker.getWorkerHealth()).status, "healthy");
        assert.ok((await worker.triggerCleanup()).operations.orphanedTasksCleanup);
      } finally {
        await api.stop();
      }
    });
  });
}
