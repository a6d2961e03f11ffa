"use strict";

// The plugin: hears of every write that Mongoose makes of a task, and writes the events that follow from it.

const { addFields } = require("./fields");
const { concerned, concernedByDeletion, operations, touchedBy } = require("./changes");
const { newEvent, write } = require("./events");
const { explained } = require("./reasons");
const { reader } = require("./states");

const UPDATES = ["updateOne", "updateMany", "replaceOne", "findOneAndUpdate", "findOneAndReplace"];
const DELETIONS = ["deleteOne", "deleteMany", "findOneAndDelete"];
const OF_QUERIES = { query: true, document: false };
const OF_DOCUMENTS = { query: false, document: true };

/**
 * @param schema the schema of tasks; it gets the fields of the worker that it lacks
 * @param options `collection`: where events go, `task_events`; `onEventError(error)`: called, instead of the write
 *   throwing an EventNotWritten, where a task outside of a transaction was stored and its event was not
 */
function recurring(schema, options = {}) {
  addFields(schema);
  const teller = new Teller(options);
  hearDocuments(schema, teller);
  hearQueries(schema, teller);
  hearStatics(schema, teller);
  addMethods(schema, teller);
}

/** Writes events for a model. */
class Teller {
  constructor({ collection = "task_events", onEventError } = {}) {
    this.name = collection;
    this.onEventError = onEventError;
  }

  /** Write one event for each operation on each task; `more` has the slot of an update or a skip. */
  async tell(model, told, session, more = {}) {
    const { ObjectId } = model.base.mongo;
    const now = new Date();
    const events = told.map(([operation, task]) =>
      newEvent(ObjectId, operation, task, operation === "update" ? { fromSlot: more.fromSlot } : {}, now),
    );
    await this.write(model, events, session);
    return events;
  }

  async write(model, events, session) {
    try {
      await write(model.db.collection(this.name), events, session);
    } catch (error) {
      if (error.name !== "EventNotWritten" || !this.onEventError) throw error;
      await this.onEventError(error);
    }
  }
}

/** The session of an operation: its own or, as Mongoose has it, that of the transaction around it. */
function sessionOf(model, options) {
  if (options && "session" in options) return options.session ?? undefined;
  return model.db.base.transactionAsyncLocalStorage?.getStore()?.session;
}

/** What was asked of us with a write: `recurring: false` for silence, and `fromSlot`. */
const asked = (options) => ({ quiet: options?.recurring === false, fromSlot: options?.fromSlot });

// save() and what ends in it: create(), insertOne()

const inBulk = new WeakSet(); // documents of a bulkSave: the bulkWrite in it tells of them

function hearDocuments(schema, teller) {
  const found = new WeakMap();

  schema.pre("save", OF_DOCUMENTS, async function () {
    const { quiet, fromSlot } = asked(this.$locals);
    const silent = quiet || this.$isSubdocument || inBulk.has(this);
    found.set(this, { operations: silent ? [] : ofDocument(this), fromSlot });
  });

  schema.post("save", OF_DOCUMENTS, async function () {
    const { operations: told, fromSlot } = found.get(this) ?? { operations: [] };
    found.delete(this);
    if (told.length === 0) return;
    const model = this.constructor;
    const session = this.$session() ?? sessionOf(model);
    const task = { _id: this._id, userId: this.get("userId") };
    await teller.tell(model, told.map((operation) => [operation, task]), session, { fromSlot });
  });

  // Three parameters make it a handler of errors; it throws, as not every version waits for `next`.
  schema.post("save", OF_DOCUMENTS, async function (error, _document, _next) {
    throw explained(error);
  });
}

/** The operations that saving a document comes to. A field that was not read is taken for one that recurs. */
function ofDocument(document) {
  const now = {
    repeatType: document.isSelected("repeatType") ? document.get("repeatType") : "unknown",
    parentRecurringId: document.get("parentRecurringId"),
    isCompleted: document.get("isCompleted"),
    recurrence: document.get("recurrence"),
  };
  if (document.isNew) return operations(null, now, () => true);
  const was = { ...now, isCompleted: document.isModified("isCompleted") ? !now.isCompleted : now.isCompleted };
  if (document.isModified("repeatType")) was.repeatType = "unknown";
  return operations(was, now, (field) => document.isModified(field));
}

// updateOne(), findOneAndUpdate(), deleteMany() ...

function hearQueries(schema, teller) {
  const looks = new WeakMap();

  schema.pre([...UPDATES, ...DELETIONS], OF_QUERIES, async function () {
    const { quiet, fromSlot } = asked(this.getOptions());
    if (quiet) return;
    const deletes = DELETIONS.includes(this.op);
    const touched = deletes ? [] : /replace/i.test(this.op) ? null : touchedBy(this.getUpdate());
    const upserts = !deletes && this.getOptions().upsert === true;
    const look = new Look(this.model, sessionOf(this.model, this.getOptions()), touched);
    const condition = deletes ? concernedByDeletion : upserts ? {} : concerned(touched);
    const { collation } = this.getOptions();
    await look.before([castFilter(this)], condition, collation ? { collation } : {});
    if (upserts) look.mayBecome(idOfUpsert(this, look));
    looks.set(this, { look, fromSlot, upserts });
  });

  schema.post([...UPDATES, ...DELETIONS], OF_QUERIES, async function (result) {
    const { look, fromSlot, upserts } = looks.get(this) ?? {};
    looks.delete(this);
    if (!look) return;
    if (upserts) look.mayBecome(result?.upsertedId, result?.lastErrorObject?.upserted, result?.value?._id, result?._id);
    await teller.tell(this.model, await look.after(), look.session, { fromSlot });
  });

  schema.post([...UPDATES, ...DELETIONS], OF_QUERIES, async function (error, _result, _next) {
    const { look, fromSlot } = looks.get(this) ?? {};
    looks.delete(this);
    await tellOfRest(teller, look, { fromSlot });
    throw explained(error);
  });
}

/** After a write that failed midway: tell of what it did. Its own error is what matters to the caller. */
async function tellOfRest(teller, look, more) {
  if (!look || look.session?.inTransaction()) return;
  try {
    await teller.tell(look.model, await look.after(), look.session, more);
  } catch {
    // the database is away, as the write has found out; reconciliation looks later
  }
}

/** The filter of a query with its values cast, as Mongoose will cast them; the query stays as it is. */
function castFilter(query) {
  const copy = query.clone();
  copy.cast(query.model);
  return copy.getFilter();
}

/** The filter of an operation in a bulk; none where it cannot be cast: Mongoose says so, and an unordered bulk goes on. */
function castFilterOf(model, filter) {
  try {
    return [castFilter(model.find(filter ?? {}))];
  } catch {
    return [];
  }
}

/** The id that an upsert will give: only so is it known, where the answer is the document from before. */
function idOfUpsert(query, look) {
  const update = query.getUpdate();
  if (look.found.size > 0 || query.op !== "findOneAndUpdate" || update == null || Array.isArray(update)) return undefined;
  const named = update.$setOnInsert?._id ?? update.$set?._id ?? update._id ?? query.getFilter()._id;
  if (named !== undefined) return named?.$eq ?? named;
  const id = new query.model.base.mongo.ObjectId();
  query.setUpdate({ ...update, $setOnInsert: { ...update.$setOnInsert, _id: id } });
  return id;
}

/** Tasks before a write, and what the write made of them. */
class Look {
  constructor(model, session, touched) {
    this.model = model;
    this.session = session;
    this.reader = reader(model, session, touched);
    this.found = new Map();
    this.others = new Map();
  }

  async before(filters, condition, more) {
    this.found = await this.reader.matching(filters, condition, more);
  }

  /** Note ids of tasks that the write may have made. */
  mayBecome(...ids) {
    for (const id of ids) {
      if (id != null && !this.found.has(String(id))) this.others.set(String(id), id);
    }
  }

  /** [operation, task] of all that has changed. */
  async after() {
    const ids = [...[...this.found.values()].map((task) => task._id), ...this.others.values()];
    if (ids.length === 0) return [];
    const now = await this.reader.byIds(ids);
    return [...this.found.keys(), ...this.others.keys()].flatMap((id) => {
      const before = this.found.get(id) ?? null;
      const after = now.get(id) ?? null;
      if (!before && !after) return [];
      const differs = (field) => !same(this.model, before?.[field], after?.[field]);
      return operations(before, after, differs).map((operation) => [operation, after ?? before]);
    });
  }
}

function same(model, one, other) {
  const { BSON } = model.base.mongo;
  return Buffer.compare(BSON.serialize({ value: one ?? null }), BSON.serialize({ value: other ?? null })) === 0;
}

// insertMany(), bulkWrite(), bulkSave()

function hearStatics(schema, teller) {
  const own = { ...schema.statics };
  const base = (model, name) => own[name] ?? model.base.Model[name];

  schema.static("insertMany", async function insertMany(docs, options) {
    const { quiet } = asked(options);
    const look = new Look(this, sessionOf(this, options), null);
    const note = (made) => look.mayBecome(...idsOf(made));
    try {
      const made = await base(this, "insertMany").call(this, docs, options);
      if (quiet) return made;
      note(made);
      await teller.tell(this, await look.after(), look.session);
      return made;
    } catch (error) {
      if (!quiet) note(error.insertedDocs ?? error.result);
      if (error.name !== "EventNotWritten") await tellOfRest(teller, look);
      throw explained(error);
    }
  });

  schema.static("bulkWrite", async function bulkWrite(ops, options) {
    const { quiet, fromSlot } = asked(options);
    if (quiet || ops.length === 0) return base(this, "bulkWrite").call(this, ops, options);
    const look = await lookAtBulk(this, ops, options);
    try {
      const result = await base(this, "bulkWrite").call(this, ops, options);
      look.mayBecome(...Object.values(result.insertedIds ?? {}), ...Object.values(result.upsertedIds ?? {}));
      await teller.tell(this, await look.after(), look.session, { fromSlot });
      return result;
    } catch (error) {
      look.mayBecome(...Object.values(error.result?.insertedIds ?? {}), ...Object.values(error.result?.upsertedIds ?? {}));
      if (error.name !== "EventNotWritten") await tellOfRest(teller, look, { fromSlot });
      throw explained(error);
    }
  });

  schema.static("bulkSave", async function bulkSave(documents, options) {
    documents.forEach((document) => inBulk.add(document));
    try {
      return await base(this, "bulkSave").call(this, documents, options);
    } finally {
      documents.forEach((document) => inBulk.delete(document));
    }
  });
}

/** The ids in an answer of insertMany: of documents, or in a raw result. */
function idsOf(made) {
  if (Array.isArray(made)) return made.map((document) => document?._id);
  return Object.values(made?.insertedIds ?? {});
}

/** The tasks that the operations of a bulkWrite speak of, before it. */
async function lookAtBulk(model, ops, options) {
  const parts = ops.map((op) => Object.entries(op)[0]);
  const writes = parts.filter(([name]) => name !== "insertOne");
  const updates = writes.filter(([name]) => name.startsWith("update")).map(([, part]) => touchedBy(part.update));
  const whole = writes.some(([name]) => !name.startsWith("update")) || updates.includes(null);
  const touched = whole ? null : [...new Set(updates.flat())];
  const look = new Look(model, sessionOf(model, options), touched);
  const filters = writes.flatMap(([, part]) => castFilterOf(model, part.filter));
  const onlyDeletes = writes.every(([name]) => name.startsWith("delete"));
  if (filters.length) await look.before(filters, onlyDeletes ? concernedByDeletion : concerned(touched));
  return look;
}

// What no write of a task says

function addMethods(schema, teller) {
  /** Tell the worker what happened to a task; `more` has fromSlot, slot, undo, session. Returns the event. */
  schema.static("tellWorker", async function tellWorker(operation, task, { session, ...more } = {}) {
    const { ObjectId } = this.base.mongo;
    const isTask = task !== null && typeof task === "object" && task._bsontype === undefined;
    const named = isTask ? { _id: task._id, userId: task.userId } : { _id: new ObjectId(task) };
    const event = newEvent(ObjectId, operation, named, more);
    await teller.write(this, [event], session ?? task?.$session?.() ?? sessionOf(this));
    return event;
  });

  /** Say that a slot of a series is not wanted or, with `undo`, wanted again: that of the task, or `slot`. */
  schema.static("skipSlot", function skipSlot(task, more) {
    return this.tellWorker("skip", task, more);
  });

  schema.method("skipSlot", function skipSlot(more) {
    return this.constructor.tellWorker("skip", this, more);
  });
}

module.exports = { recurring };
