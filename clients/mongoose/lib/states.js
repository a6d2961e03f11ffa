"use strict";

// What tasks are, before and after a write: read with the driver, past the application's own hooks, at the primary.

const { WATCHED } = require("./changes");

const CHUNK = 100; // ids or filters in one query

/** A reader of the tasks of a model; `touched` are the fields that a write changes, null where that is not known. */
function reader(model, session, touched) {
  const projection = touched && Object.fromEntries([...WATCHED, "recurrence", ...touched].map((name) => [name, 1]));
  const options = { session, readPreference: "primary", ...(projection ? { projection } : {}) };

  async function into(found, filter, more) {
    for await (const task of model.collection.find(filter, { ...options, ...more })) found.set(String(task._id), task);
    return found;
  }

  return {
    /** Tasks that match one of the filters and the condition, by id. */
    async matching(filters, condition, more) {
      const found = new Map();
      const ids = filters.every(isById) ? filters.map((filter) => filter._id) : null;
      if (ids) return this.byIds(ids, condition);
      for (let i = 0; i < filters.length; i += CHUNK) {
        const some = filters.slice(i, i + CHUNK);
        await into(found, both(some.length === 1 ? some[0] : { $or: some }, condition), more);
      }
      return found;
    },

    async byIds(ids, condition = {}) {
      const found = new Map();
      for (let i = 0; i < ids.length; i += CHUNK) {
        const some = ids.slice(i, i + CHUNK);
        await into(found, { _id: some.length === 1 ? some[0] : { $in: some }, ...condition });
      }
      return found;
    },
  };
}

/** Whether a filter names one task by its id and nothing else. */
function isById(filter) {
  const names = Object.keys(filter);
  return names.length === 1 && names[0] === "_id" && (filter._id?._bsontype !== undefined || typeof filter._id !== "object");
}

function both(filter, condition) {
  const overlap = Object.keys(condition).some((name) => name in filter);
  return overlap ? { $and: [filter, condition] } : { ...filter, ...condition };
}

module.exports = { reader };
