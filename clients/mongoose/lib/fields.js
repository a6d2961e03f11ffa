"use strict";

// The fields of a task that the worker reads and writes, as a schema of Mongoose has them. What a schema names itself
// stays as it is there. Meaning: docs/reference/documents.md.

const REPEAT_TYPES = ["none", "daily", "weekly", "monthly", "yearly", "custom"];

/** The subdocument `recurrence`. What is not known here is kept: the worker refuses it by name, and may know it. */
function recurrenceSchema(Schema) {
  const plain = { _id: false, strict: false };
  const texts = { type: [String], default: undefined };
  const shift = {
    to: { type: String, enum: ["previous", "next", "skip"] },
    workdays: texts, // "MO" to "SU"
    holidays: String, // "DE", "DE-BY"
  };
  return new Schema(
    {
      rule: String, // RFC 5545, such as "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH"
      from: { type: String, enum: ["schedule", "completion"] },
      missed: { type: String, enum: ["each", "latest", "next"] },
      excluded: texts, // text, not dates: days and times on the wall clock of the series
      added: texts,
      paused: { type: [new Schema({ from: String, until: String, note: String }, plain)], default: undefined },
      shift: { type: new Schema(shift, plain), default: undefined },
      horizon: { type: Number, min: 1, max: 60 },
      subtasks: Boolean,
      copy: texts, // further fields that occurrences copy
    },
    plain,
  );
}

function fields(Schema) {
  const { Mixed, ObjectId } = Schema.Types;
  return {
    // what a rule is read from
    dueDate: Date,
    originalDueDate: Date,
    isCompleted: { type: Boolean, default: false },
    completedAt: Date,
    repeatType: { type: String, enum: REPEAT_TYPES, default: "none" },
    recurrence: recurrenceSchema(Schema),
    timezone: String,
    parentTaskId: { type: ObjectId, default: null },
    parentRecurringId: { type: ObjectId, default: null },
    // the worker's
    occurrenceNumber: Number,
    occurrenceAt: String,
    shiftedTo: String,
    writtenAs: String,
    createdByEvent: ObjectId,
    lastMove: Mixed,
  };
}

/** Add the fields that a schema lacks, and the kinds of repetition that its `repeatType` does not take. */
function addFields(schema) {
  const all = fields(schema.constructor);
  const known = (name) => schema.path(name) !== undefined || schema.pathType(name) === "nested";
  schema.add(Object.fromEntries(Object.entries(all).filter(([name]) => !known(name))));
  const repeatType = schema.path("repeatType");
  if (repeatType.enumValues?.length) {
    repeatType.enum(...REPEAT_TYPES.filter((type) => !repeatType.enumValues.includes(type)));
  }
}

module.exports = { addFields, REPEAT_TYPES };
