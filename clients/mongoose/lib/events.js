"use strict";

// Events as the worker takes them, and how they are written: docs/reference/documents.md, task_events.

const { explained } = require("./reasons");

const OPERATIONS = ["create", "complete", "delete", "update", "reopen", "skip"];
const SLOT_OF = { update: "fromSlot", skip: "slot" };

/** A write of tasks went through, and the events that tell of it did not. */
class EventNotWritten extends Error {
  constructor(cause, events) {
    super(`The task is stored, but the worker was not told: ${cause.message}`, { cause });
    this.name = "EventNotWritten";
    this.events = events;
  }
}

/** The event that says what happened to a task; of an update or a skip also which slot, and of a skip whether undone. */
function newEvent(ObjectId, operation, task, { fromSlot, slot, undo } = {}, now = new Date()) {
  if (!OPERATIONS.includes(operation)) {
    throw new TypeError(`operation: ${JSON.stringify(operation)} is not one of ${OPERATIONS.join(", ")}`);
  }
  const number = checkedSlot(operation, { fromSlot, slot });
  if (undo && operation !== "skip") throw new TypeError(`undo: true says nothing to ${operation}`);
  const userId = task.userId?._id ?? task.userId;
  return {
    _id: new ObjectId(),
    operation,
    taskId: task._id,
    ...(userId == null ? {} : { userId }),
    ...(number === undefined ? {} : { [SLOT_OF[operation]]: number }),
    ...(undo ? { undo: true } : {}),
    status: "pending",
    source: "outbox",
    createdAt: now,
    availableAt: now,
    attempts: 0,
  };
}

/** Return the slot that an operation speaks of; throws a TypeError that names the field and the value. */
function checkedSlot(operation, asked) {
  const [[name, number] = []] = Object.entries(asked).filter(([, value]) => value != null);
  if (name === undefined) return undefined;
  if (SLOT_OF[operation] !== name) throw new TypeError(`${name}: ${number} says nothing to ${operation}`);
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new TypeError(`${name}: ${JSON.stringify(number)} is not a whole number from 0`);
  }
  return number;
}

/**
 * Write events in a session, or without one. In a transaction the driver's own error comes out, which ends it, and has
 * the labels by which `withTransaction` tries again; elsewhere an EventNotWritten, with the events that are missing.
 */
async function write(collection, events, session) {
  if (events.length === 0) return;
  try {
    if (events.length === 1) await collection.insertOne(events[0], { session });
    else await collection.insertMany(events, { session, ordered: false });
  } catch (error) {
    explained(error);
    if (session?.inTransaction()) throw error;
    const refused = new Set((error.writeErrors ?? []).map((one) => one.index));
    throw new EventNotWritten(error, refused.size ? events.filter((_, index) => refused.has(index)) : events);
  }
}

module.exports = { EventNotWritten, OPERATIONS, SLOT_OF, checkedSlot, newEvent, write };
