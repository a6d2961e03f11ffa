"use strict";

const assert = require("node:assert/strict");
const { after, before, describe, it } = require("node:test");

const { reasonOf } = require("../lib/reasons");
const { newEvent } = require("../lib/events");
const { VERSIONS, recurrence, startServer } = require("./support");

describe("the reason of a validator", () => {
  it("is read as MongoDB writes it, with the description of each field", () => {
    const details = {
      operatorName: "$jsonSchema",
      schemaRulesNotSatisfied: [
        {
          operatorName: "properties",
          propertiesNotSatisfied: [
            {
              propertyName: "year",
              description: "must be an integer from 2017",
              details: [{ operatorName: "minimum", specifiedAs: { minimum: 2017 }, reason: "comparison failed", consideredValue: 1967 }],
            },
          ],
        },
        { operatorName: "required", specifiedAs: { required: ["major"] }, missingProperties: ["major"] },
        { operatorName: "additionalProperties", specifiedAs: { additionalProperties: false }, additionalProperties: ["a", "b"] },
      ],
    };
    const reason = "year: must be an integer from 2017 (it is 1967); missing: major; no other fields are allowed, such as a, b";
    assert.equal(reasonOf({ errInfo: { details } }), reason);
    assert.equal(reasonOf({ writeErrors: [{ err: { errInfo: { details } } }] }), reason, "of a bulk");
  });

  it("is empty where there is none", () => {
    assert.deepEqual([reasonOf(new Error("x")), reasonOf(null), reasonOf({ errInfo: {} })], ["", "", ""]);
  });
});

describe("an event that the database refuses", () => {
  let server;
  before(async () => {
    server = await startServer();
    await recurrence(server.url("app"), "init-db");
  });
  after(() => server.stop());

  for (const version of VERSIONS) {
    it(`is refused with the field and its value, by ${version}`, async () => {
      const mongoose = new (require(version).Mongoose)();
      await mongoose.connect(server.url("app"));
      const { ObjectId } = mongoose.Types;
      const refused = async (task, more) => {
        const event = { ...newEvent(ObjectId, "create", task), ...more };
        return reasonOf(await mongoose.connection.collection("task_events").insertOne(event).then(() => null, (error) => error));
      };
      assert.match(await refused({ _id: "abc" }), /^taskId: .*objectId.*"abc"/);
      assert.match(await refused({ _id: new ObjectId() }, { operation: "delete" }), /"delete".*, or missing: userId|userId/);
      assert.match(await refused({ _id: new ObjectId(), userId: "u7" }), /userId: .*"u7"/);
      assert.equal(await refused({ _id: new ObjectId() }), "");
      await mongoose.disconnect();
    });
  }
});
