"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");

const { recurring } = require("..");
const { VERSIONS, taskSchema } = require("./support");

// As docs/reference/documents.md has them; a test of the repository compares.
const OF_THE_WORKER = ["occurrenceNumber", "occurrenceAt", "shiftedTo", "writtenAs", "createdByEvent", "lastMove"];

for (const version of VERSIONS) {
  const mongoose = require(version);

  describe(`fields with ${version}`, () => {
    it("are added to a schema that lacks them, so that a document keeps them", () => {
      const schema = taskSchema(mongoose);
      schema.plugin(recurring);
      const Task = mongoose.model(`Fields${version}`, schema);
      const values = {
        occurrenceNumber: 2, occurrenceAt: "2027-01-15T09:00", shiftedTo: "2027-01-18T09:00", writtenAs: "a.b",
        createdByEvent: new mongoose.Types.ObjectId(), lastMove: { run: "r", was: new Date(0) },
      };
      const options = {
        rule: "FREQ=WEEKLY;BYDAY=MO", from: "schedule", missed: "latest", excluded: ["2027-05-01"], added: ["2027-05-03T09:00"],
        paused: [{ from: "2027-01-01", until: "2027-02-01", note: "away" }], shift: { to: "next", workdays: ["MO"], holidays: "DE" },
        horizon: 5, subtasks: true, copy: ["tags"], ofALaterVersion: 1,
      };
      const given = { ...values, recurrence: options, timezone: "Europe/Berlin", completedAt: new Date(0) };
      const { _id, ...kept } = new Task(given).toObject();
      assert.deepEqual(Object.keys(values), OF_THE_WORKER);
      for (const [name, value] of Object.entries(given)) assert.deepEqual(kept[name], value, name);
    });

    it("add nothing to a document that has none", () => {
      const schema = new mongoose.Schema({ title: String });
      schema.plugin(recurring);
      const { _id, ...kept } = new (mongoose.model(`Empty${version}`, schema))({ title: "a", recurrence: { horizon: 5 } }).toObject();
      assert.deepEqual(kept, {
        title: "a", isCompleted: false, repeatType: "none", parentTaskId: null, parentRecurringId: null, recurrence: { horizon: 5 },
      });
    });

    it("of the schema itself stay, but every kind of repetition is taken", () => {
      const schema = taskSchema(mongoose);
      schema.add({ occurrenceNumber: { type: Number, min: 3 }, recurrence: mongoose.Schema.Types.Mixed });
      schema.plugin(recurring);
      const Task = mongoose.model(`Own${version}`, schema);
      const wrong = (task) => Object.keys(new Task({ userId: new mongoose.Types.ObjectId(), ...task }).validateSync()?.errors ?? {});
      assert.deepEqual(wrong({ occurrenceNumber: 1 }), ["occurrenceNumber"]);
      assert.deepEqual(wrong({ repeatType: "custom" }), []);
      assert.deepEqual(wrong({ repeatType: "hourly" }), ["repeatType"]);
    });

    it("refuse an option by name and value", () => {
      const schema = taskSchema(mongoose);
      schema.plugin(recurring);
      const Task = mongoose.model(`Refuse${version}`, schema);
      const task = new Task({ userId: new mongoose.Types.ObjectId(), recurrence: { horizon: 61, from: "now" } });
      const { errors } = task.validateSync();
      assert.deepEqual(Object.keys(errors).sort(), ["recurrence.from", "recurrence.horizon"]);
      assert.match(errors["recurrence.horizon"].message, /61/);
    });
  });
}
