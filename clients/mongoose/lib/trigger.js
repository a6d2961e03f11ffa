"use strict";

// The client of the internal API, over HTTP: the same calls, retries and answers as WorkerTrigger has in Python.
//
// A trigger ends in { status: "delivered", data }, { status: "queued", eventId, reason } where a database keeps it until
// the worker is back, or { status: "lost", reason }; or in an error that says what to do next:
//
// TriggerError
// ├── Refused         the worker read the request and will never do it: repair the request
// │   └── AccessDenied    nobody read it, for a wrong key, address or path: repair the settings
// └── Unavailable     no answer, or none that the worker gives: ask again later

const { setTimeout: sleep } = require("node:timers/promises");

const { checkedSlot, newEvent, SLOT_OF } = require("./events");

const BASE_WAIT = 500; // milliseconds, doubled with each try
const LONGEST_WAIT = 10_000; // also the longest that an answer may ask for
const MAX_BODY = 16 * 1024 * 1024; // far above any answer of the worker's
const MAX_QUOTED = 500;
const NOT_OURS = "this is no answer of the worker's";
const IS_ID = /^[0-9a-f]{24}$/i;

class TriggerError extends Error {
  constructor(message, more = {}) {
    super(message);
    this.name = new.target.name;
    Object.assign(this, more);
  }
}

/** Asked again, the worker says the same. `status` of the answer, `code` as the worker gives it, `reason` in words. */
class Refused extends TriggerError {
  constructor(reason, { status, code } = {}) {
    super(`${[status ?? "not sent", code].filter(Boolean).join(" ")}: ${reason}`, { status, code, reason });
  }
}

/** What answered did not look at the request itself. */
class AccessDenied extends Refused {}

/** The worker may be back later. A request that timed out may have been done all the same. */
class Unavailable extends TriggerError {}

class WorkerTrigger {
  #key;

  /**
   * @param baseUrl where the worker, or what passes on to it, listens
   * @param options `key`: goes along as x-internal-api-key, and appears in no error; `timeout` of one attempt and
   *   `retries`; `outbox`: a connection of Mongoose that keeps what could not be delivered
   */
  constructor(baseUrl = "http://localhost:3000", { key, timeout = 10_000, retries = 2, outbox } = {}) {
    this.#key = checkedKey(key);
    this.url = checkedUrl(baseUrl);
    this.timeout = checkedNumber("timeout", timeout, 1);
    this.retries = checkedNumber("retries", retries, 0);
    this.outbox = outbox;
  }

  /** Read PORT, INTERNAL_API_KEY (of several, the first) and WORKER_TIMEOUT (milliseconds). */
  static fromEnvironment(environment = process.env, options = {}) {
    const key = environment.INTERNAL_API_KEY?.split(",")[0].trim();
    const timeout = environment.WORKER_TIMEOUT ? Number(environment.WORKER_TIMEOUT) : undefined;
    return new WorkerTrigger(`http://localhost:${environment.PORT || 3000}`, { key, timeout, ...options });
  }

  triggerTaskCreation(taskId) {
    return this.#deliver("create", taskId);
  }

  triggerTaskCompletion(taskId) {
    return this.#deliver("complete", taskId);
  }

  triggerTaskDeletion(taskId, userId) {
    return this.#deliver("delete", taskId, { userId });
  }

  /** Say that the original of a series was edited; `fromSlot` is the first slot to change. */
  update(taskId, { fromSlot, dryRun = false } = {}) {
    return this.#change("update", taskId, { fromSlot }, dryRun);
  }

  /** Say that a completed task is open again. */
  reopen(taskId, { dryRun = false } = {}) {
    return this.#change("reopen", taskId, {}, dryRun);
  }

  /** Say that a slot is not wanted or, with `undo`, wanted again: the task's, or `slot` of its series. */
  skip(taskId, { slot, undo = false, dryRun = false } = {}) {
    return this.#change("skip", taskId, { slot, undo }, dryRun);
  }

  /** Ask whether a task may recur: { valid, task }. Throws a Refused that says why not. */
  validateRecurrence(task) {
    return this.#ask({ method: "POST", path: "/validate", holds: "valid", body: { task } });
  }

  triggerCleanup() {
    return this.#ask({ method: "POST", path: "/tasks/cleanup", holds: "operations" });
  }

  /** Return the worker's health; one that says it is unhealthy has answered. */
  getWorkerHealth() {
    return this.#ask({ method: "GET", path: "/health", holds: "status", badNews: 503 });
  }

  async isWorkerAvailable() {
    try {
      const health = await this.#ask({ method: "GET", path: "/health", holds: "status", badNews: 503 }, 0);
      return health.status === "healthy";
    } catch {
      return false;
    }
  }

  #change(operation, taskId, more, dryRun) {
    const id = String(taskId);
    if (!IS_ID.test(id)) throw new Refused(`taskId: ${JSON.stringify(id)} is not an id of 24 hex digits`);
    const { undo, ...slots } = more;
    const number = checkedSlot(operation, slots);
    const said = { ...(number === undefined ? {} : { [SLOT_OF[operation]]: number }), ...(undo ? { undo: true } : {}) };
    const call = { method: "POST", path: `/series/${id}/${operation}`, holds: "changes", body: { dryRun, ...said } };
    // a dry run is a question, and never written down: the event would do it
    if (dryRun) return this.#ask(call).then((data) => ({ status: "delivered", data }));
    return this.#delivered(call, operation, { _id: id }, more);
  }

  #deliver(operation, taskId, { userId } = {}) {
    const body = { operation, taskId: String(taskId), ...(userId == null ? {} : { userId: String(userId) }) };
    const call = { method: "POST", path: "/tasks/recurrence", holds: "result", body };
    return this.#delivered(call, operation, { _id: body.taskId, userId: body.userId }, {});
  }

  async #delivered(call, operation, task, more) {
    let failure;
    try {
      return { status: "delivered", data: await this.#ask(call) };
    } catch (error) {
      failure = error;
    }
    const undelivered = failure instanceof Unavailable || failure instanceof AccessDenied;
    if (!undelivered || (failure instanceof Refused && !this.outbox)) throw failure;
    if (!this.outbox) return { status: "lost", reason: failure.message };
    return this.#queued(operation, task, more, failure.message);
  }

  /** Write the event down in the database that the outbox is connected to. */
  async #queued(operation, task, more, reason) {
    const { ObjectId } = this.outbox.base.mongo;
    const [taskId, userId] = [objectId(ObjectId, "taskId", task._id), objectId(ObjectId, "userId", task.userId)];
    if (operation === "delete" && !userId) throw new Refused("userId is required for delete operation");
    const event = newEvent(ObjectId, operation, { _id: taskId, userId }, more);
    try {
      await this.outbox.collection("task_events").insertOne(event);
    } catch (error) {
      return { status: "lost", reason: `${reason}; outbox: ${error.message}` };
    }
    return { status: "queued", eventId: String(event._id), reason };
  }

  async #ask(call, retries = this.retries) {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#read(call, await this.#send(call));
      } catch (failure) {
        if (!(failure instanceof Unavailable) || !failure.worthRepeating || attempt > retries) throw failure;
        await sleep(waitBeforeNext(attempt, failure.retryAfter));
      }
    }
  }

  async #send({ method, path, body }) {
    const headers = {
      ...(this.#key ? { "x-internal-api-key": this.#key } : {}),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const content = body === undefined ? undefined : JSON.stringify(body);
    const signal = AbortSignal.timeout(this.timeout); // of the whole answer, not of each wait for a byte
    try {
      // a redirect would show the key to anybody
      const answer = await fetch(`${this.url}/internal/worker${path}`, {
        method, headers, body: content, signal, redirect: "manual",
      });
      return { status: answer.status, retryAfter: answer.headers.get("retry-after"), text: await textOf(answer) };
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      const timedOut = error.name === "TimeoutError";
      const reason = timedOut ? `no answer within ${this.timeout / 1000} s` : String(error.cause?.message || error.message);
      throw new Unavailable(this.#quotable(reason), { worthRepeating: true });
    }
  }

  #read(call, { status, text, retryAfter }) {
    const body = objectOf(text);
    const isDone = status === 200 && body.success === true;
    if ((isDone || status === call.badNews) && body.data && typeof body.data === "object" && call.holds in body.data) {
      return body.data;
    }
    const message = typeof body.message === "string" ? this.#quotable(body.message) : undefined;
    if (status === 408 || status === 429 || status >= 500) {
      throw new Unavailable(`${status}: ${message ?? "no reason given"}`, { worthRepeating: true, retryAfter });
    }
    if (status >= 400) throw refusal(status, body, message);
    throw new Unavailable(`${status}: ${NOT_OURS}`, { worthRepeating: false });
  }

  #quotable(text) {
    return (this.#key ? text.replaceAll(this.#key, "***") : text).slice(0, MAX_QUOTED);
  }
}

/** A 404 about a task has a code, one about a path has none; a body that is not the worker's is somebody else's. */
function refusal(status, body, message) {
  if (typeof body.error !== "string" || message === undefined) return new AccessDenied(NOT_OURS, { status });
  const code = typeof body.code === "string" ? body.code : undefined;
  const wasRead = ![401, 403].includes(status) && (status !== 404 || code !== undefined);
  return new (wasRead ? Refused : AccessDenied)(message, { status, code });
}

function waitBeforeNext(attempt, retryAfter) {
  const own = Math.min(BASE_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * (1 + Math.random() / 4);
  return Math.max(own, Math.min(askedWait(retryAfter), LONGEST_WAIT));
}

/** What a Retry-After asks for, in milliseconds: seconds or a date (RFC 9110 10.2.3); 0 where it cannot be read. */
function askedWait(header) {
  const text = (header ?? "").trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const when = Date.parse(text);
  return Number.isNaN(when) ? 0 : Math.max(when - Date.now(), 0);
}

async function textOf(answer) {
  const decoder = new TextDecoder();
  let [size, text] = [0, ""];
  for await (const chunk of answer.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY) throw new Unavailable(`${answer.status}: ${NOT_OURS}`, { worthRepeating: false });
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function objectOf(text) {
  try {
    const found = JSON.parse(text);
    return found !== null && typeof found === "object" && !Array.isArray(found) ? found : {};
  } catch {
    return {};
  }
}

function objectId(ObjectId, name, value) {
  if (value === undefined) return undefined;
  if (!IS_ID.test(value)) throw new Refused(`${name}: ${JSON.stringify(value)} is not an id of 24 hex digits`);
  return new ObjectId(value);
}

/** What no header can hold would be quoted in errors of the connection. */
function checkedKey(key) {
  if (key && !/^[!-~]([ -~]*[!-~])?$/.test(key)) {
    throw new TypeError("INTERNAL_API_KEY: the value has characters that a header cannot hold");
  }
  return key || undefined;
}

/** The error does not quote the URL, as it can hold a password. */
function checkedUrl(url) {
  const parsed = URL.canParse(String(url)) ? new URL(String(url)) : undefined;
  if (!parsed || !["http:", "https:"].includes(parsed.protocol)) {
    throw new TypeError("baseUrl: the value is not an http:// or https:// URL with a host");
  }
  return String(url).replace(/\/+$/, "");
}

function checkedNumber(name, value, least) {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new TypeError(`${name}: ${JSON.stringify(value)} is not a whole number from ${least}`);
  }
  return value;
}

module.exports = { AccessDenied, Refused, TriggerError, Unavailable, WorkerTrigger };
