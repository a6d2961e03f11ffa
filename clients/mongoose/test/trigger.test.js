"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const { after, before, beforeEach, describe, it } = require("node:test");

const { AccessDenied, Refused, Unavailable, WorkerTrigger } = require("..");
const { VERSIONS, recurrence, startServer } = require("./support");

const TASK = "6b046c58c5f3b9749e070265";
const USER = "6b046c58c5f3b9749e070266";
const OK = { status: 200, body: { success: true, data: { result: [], changes: [], valid: true, operations: {}, status: "healthy" } } };
const AWAY = { status: 503, body: { success: false, error: "Service Unavailable", message: "the database is away" } };

describe("WorkerTrigger", () => {
  let answers, asked, server, url;

  before(async () => {
    server = http.createServer((request, response) => {
      let text = "";
      request.on("data", (more) => (text += more));
      request.on("end", () => {
        asked.push({ method: request.method, path: request.url, key: request.headers["x-internal-api-key"], body: text && JSON.parse(text) });
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        if (answer === null) return; // silence
        response.writeHead(answer.status, answer.headers);
        response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
      });
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    asked = [];
    answers = [OK];
  });

  const trigger = (options) => new WorkerTrigger(url, options);

  it("asks as the contract has it", async () => {
    const worker = trigger({ key: "s3cret" });
    const calls = [
      [worker.triggerTaskCreation(TASK), "POST", "/tasks/recurrence", { operation: "create", taskId: TASK }],
      [worker.triggerTaskCompletion(TASK), "POST", "/tasks/recurrence", { operation: "complete", taskId: TASK }],
      [worker.triggerTaskDeletion(TASK, USER), "POST", "/tasks/recurrence", { operation: "delete", taskId: TASK, userId: USER }],
      [worker.update(TASK, { fromSlot: 4 }), "POST", `/series/${TASK}/update`, { dryRun: false, fromSlot: 4 }],
      [worker.reopen(TASK), "POST", `/series/${TASK}/reopen`, { dryRun: false }],
      [worker.skip(TASK, { slot: 2, undo: true, dryRun: true }), "POST", `/series/${TASK}/skip`, { dryRun: true, slot: 2, undo: true }],
      [worker.validateRecurrence({ repeatType: "daily" }), "POST", "/validate", { task: { repeatType: "daily" } }],
      [worker.triggerCleanup(), "POST", "/tasks/cleanup", ""],
      [worker.getWorkerHealth(), "GET", "/health", ""],
    ];
    for (const [answer, method, path, body] of calls) {
      await answer;
      const found = asked.find((one) => one.path === `/internal/worker${path}` && JSON.stringify(one.body) === JSON.stringify(body));
      assert.deepEqual(found, { method, path: `/internal/worker${path}`, key: "s3cret", body });
    }
    assert.deepEqual(await worker.triggerTaskCreation(TASK), { status: "delivered", data: OK.body.data });
    assert.equal(await worker.isWorkerAvailable(), true);
  });

  it("asks again where that may help, and waits as long as it is asked to", async () => {
    answers = [{ ...AWAY, headers: { "retry-after": "1" } }, { status: 429, body: {} }, OK];
    const begin = Date.now();
    assert.equal((await trigger().triggerTaskCreation(TASK)).status, "delivered");
    assert.equal(asked.length, 3);
    assert.ok(Date.now() - begin >= 2000, "a second as asked, and a second of its own");
  });

  it("gives up after its retries, and says what is lost and why", async () => {
    answers = [AWAY];
    const answer = await trigger({ retries: 1 }).triggerTaskCreation(TASK);
    assert.deepEqual(answer, { status: "lost", reason: "503: the database is away" });
    assert.equal(asked.length, 2);
    assert.equal(await trigger({ retries: 0 }).isWorkerAvailable(), false);
  });

  it("does not wait for ever", async () => {
    answers = [null];
    const answer = await trigger({ timeout: 50, retries: 0 }).triggerTaskCompletion(TASK);
    assert.deepEqual(answer, { status: "lost", reason: "no answer within 0.05 s" });
  });

  it("throws what the worker refuses, once, with its code", async () => {
    answers = [{ status: 404, body: { success: false, error: "Not Found", message: "Original task not found", code: "ORIGINAL_NOT_FOUND" } }];
    await assert.rejects(trigger().triggerTaskCreation(TASK), (error) => {
      assert.ok(error instanceof Refused && !(error instanceof AccessDenied));
      assert.deepEqual([error.status, error.code, error.reason], [404, "ORIGINAL_NOT_FOUND", "Original task not found"]);
      return true;
    });
    assert.equal(asked.length, 1);
  });

  it("tells a refused request from one that nobody read", async () => {
    for (const answer of [
      { status: 403, body: { error: "Forbidden", message: "Invalid internal API key" } },
      { status: 404, body: { success: false, error: "Not Found", message: "Internal API endpoint not found" } },
      { status: 404, body: "<html>" },
    ]) {
      answers = [answer];
      await assert.rejects(trigger().update(TASK), (error) => error instanceof AccessDenied && error.status === answer.status);
    }
    answers = [{ status: 302, headers: { location: "http://elsewhere.example/" }, body: "" }];
    await assert.rejects(trigger().getWorkerHealth(), (error) => error instanceof Unavailable && !error.worthRepeating);
    assert.equal(asked.length, 4, "a redirect is not followed: it would show the key");
  });

  it("never quotes its key", async () => {
    answers = [{ status: 403, body: { error: "Forbidden", message: "s3cret is wrong" } }];
    await assert.rejects(trigger({ key: "s3cret" }).triggerCleanup(), /403: \*\*\* is wrong/);
    assert.ok(!JSON.stringify(trigger({ key: "s3cret" })).includes("s3cret"));
  });

  it("refuses what cannot be right, by name and value", async () => {
    assert.throws(() => new WorkerTrigger("ftp://x"), /baseUrl: the value is not/);
    assert.throws(() => trigger({ key: "a\nb" }), /INTERNAL_API_KEY/);
    assert.throws(() => trigger({ timeout: "10s" }), /timeout: "10s" is not a whole number from 1/);
    assert.throws(() => trigger().skip("6b04"), /taskId: "6b04" is not an id of 24 hex digits/);
    assert.throws(() => trigger().skip(TASK, { slot: 1.5 }), /slot: 1.5 is not a whole number from 0/);
  });

  it("reads the variables of the application", async () => {
    const worker = WorkerTrigger.fromEnvironment({ PORT: "4000", INTERNAL_API_KEY: "new, old", WORKER_TIMEOUT: "2000" });
    assert.deepEqual([worker.url, worker.timeout], ["http://localhost:4000", 2000]);
    const here = WorkerTrigger.fromEnvironment({ PORT: String(server.address().port), INTERNAL_API_KEY: "new, old" });
    await here.getWorkerHealth();
    assert.equal(asked[0].key, "new");
  });

  describe("with an outbox", () => {
    let database;
    before(async () => {
      database = await startServer();
    });
    after(() => database.stop());

    for (const version of VERSIONS) {
      it(`keeps what could not be delivered as an event, with ${version}`, async (test) => {
        const url = database.url(version);
        await recurrence(url, "init-db");
        const mongoose = new (require(version).Mongoose)();
        await mongoose.connect(url);
        test.after(() => mongoose.disconnect());
        const worker = new WorkerTrigger("http://127.0.0.1:1", { retries: 0, outbox: mongoose.connection });
        const answers = [await worker.triggerTaskDeletion(TASK, USER), await worker.skip(TASK, { slot: 2, undo: true })];
        const events = await mongoose.connection.collection("task_events").find().sort({ _id: 1 }).toArray();
        assert.deepEqual(answers.map((one) => [one.status, one.eventId]), events.map((event) => ["queued", String(event._id)]));
        assert.deepEqual(events.map((event) => [event.operation, String(event.taskId), event.slot, event.undo]),
          [["delete", TASK, undefined, undefined], ["skip", TASK, 2, true]]);
        await assert.rejects(worker.triggerTaskCreation("6b04"), /taskId: "6b04" is not an id/);
        await assert.rejects(worker.update(TASK, { dryRun: true }), Unavailable);
        assert.equal(await mongoose.connection.collection("task_events").countDocuments(), 2, "a question is not kept");
      });
    }
  });
});
