"use strict";

// A database server for the tests, and the worker: the embedded ones of this repository, as a user has them.

const { execFile, spawn } = require("node:child_process");
const { existsSync, mkdtempSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const path = require("node:path");
const { promisify } = require("node:util");

const ROOT = path.join(__dirname, "..", "..", "..");
const PYTHON = process.env.PYTHON || path.join(ROOT, ".venv", "bin", "python");
const VERSIONS = ["mongoose8", "mongoose9"];

const run = promisify(execFile);

/** Start a server (a replica set, so that transactions work) on throwaway data: { url(database), stop() }. */
async function startServer() {
  if (!existsSync(PYTHON) && !process.env.PYTHON) throw new Error(`${PYTHON} is not there: make install`);
  const folder = mkdtempSync(path.join(tmpdir(), "recurrence-mongoose-"));
  writeFileSync(path.join(folder, "empty.toml"), "");
  const options = ["--config", "empty.toml", "--log-level", "INFO", "--port", "0", "--storage-path", path.join(folder, "data")];
  const server = spawn(PYTHON, ["-m", "secantus", ...options], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const port = await said(server, server.stderr, /listening on [\w.]+:(\d+)/);
  return {
    url: (database) => `mongodb://127.0.0.1:${port}/${database}?directConnection=true&retryWrites=false`,
    async stop() {
      await ended(server, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Wait until a program prints what matches, and return the first group. */
function said(child, stream, pattern) {
  return new Promise((resolve, reject) => {
    let text = "";
    stream.setEncoding("utf8");
    stream.on("data", (more) => {
      text += more;
      const found = pattern.exec(text);
      if (found) resolve(found[1]);
    });
    child.once("exit", (code) => reject(new Error(`ended with ${code}: ${text}`)));
  });
}

function ended(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  return new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill(signal);
  });
}

/** Run a command of the worker on a database and return what it printed. */
async function recurrence(url, ...command) {
  const env = { ...process.env, MONGODB_URL: url };
  const { stdout } = await run(PYTHON, ["-m", "recurrence_pipeline", ...command], { cwd: tmpdir(), env });
  return stdout;
}

/** Run the internal API on a database: { port, stop() }. */
async function startApi(url, environment = {}) {
  const env = { ...process.env, MONGODB_URL: url, PORT: "0", ...environment };
  const api = spawn(PYTHON, ["-m", "recurrence_pipeline", "api"], { cwd: tmpdir(), env, stdio: ["ignore", "pipe", "pipe"] });
  api.stderr.resume();
  const port = Number(await said(api, api.stdout, /Internal API: http:\/\/127\.0\.0\.1:(\d+)/));
  return { port, stop: () => ended(api, "SIGTERM") };
}

/** The schema of tasks as the application has it, without the plugin. */
function taskSchema(mongoose) {
  const { ObjectId } = mongoose.Schema.Types;
  const schema = new mongoose.Schema(
    {
      taskId: { type: Number, unique: true },
      userId: { type: ObjectId, required: true },
      title: String,
      description: { type: String, default: "" },
      dueDate: Date,
      originalDueDate: Date,
      priority: { type: String, default: "medium" },
      category: { type: String, default: "" },
      isCompleted: { type: Boolean, default: false },
      repeatType: { type: String, enum: ["none", "daily", "weekly", "monthly"], default: "none" },
      parentTaskId: { type: ObjectId, default: null, index: true },
      parentRecurringId: { type: ObjectId, default: null, index: true },
      links: { type: [String], default: [] },
      additionalNotes: { type: String, default: "" },
      tags: { type: [String], default: undefined },
      position: Number,
    },
    { timestamps: true },
  );
  schema.index({ userId: 1, dueDate: 1 });
  schema.index({ userId: 1, isCompleted: 1 });
  schema.index({ userId: 1, priority: 1 });
  schema.index({ userId: 1, category: 1 });
  schema.index({ userId: 1, repeatType: 1 });
  return schema;
}

/** An application of one version of Mongoose on a database of its own. */
async function application(version, url, { plugin, ...options } = {}) {
  const mongoose = new (require(version).Mongoose)();
  await mongoose.connect(url);
  const schema = taskSchema(mongoose);
  if (plugin) schema.plugin(plugin, options);
  const Task = mongoose.model("Task", schema);
  await Task.init(); // the embedded server may never end a first insert that comes while the collection is created
  const user = new mongoose.Types.ObjectId();
  const DUE = new Date("2100-01-01T09:00:00Z");
  let number = Math.floor(Math.random() * 1e9);
  return {
    mongoose,
    Task,
    user,
    DUE,
    /** What the application stores of a new task. */
    fields: (more = {}) => ({
      taskId: ++number, userId: user, title: "Standup", dueDate: DUE, originalDueDate: DUE, repeatType: "daily", ...more,
    }),
    /** The events since the last call, as "operation title". */
    async told() {
      const events = mongoose.connection.collection("task_events");
      const found = await events.find().sort({ _id: 1 }).toArray();
      await events.deleteMany({});
      return found;
    },
    close: () => mongoose.disconnect(),
  };
}

module.exports = { PYTHON, VERSIONS, application, recurrence, startApi, startServer, taskSchema };
