// Hand a task over to the worker by writing an event: what the Node application does.
//
//     MONGODB_URL=mongodb://localhost:27017/task-app node examples/outbox.js create 6b046c58c5f3b9749e070265 [userId] [JSON]
//
// Where MONGODB_URL is not set, it is the database of the `recurrence up` of this folder.

const fs = require("fs");
const { MongoClient, ObjectId } = require("mongodb");

const UP = ".recurrence/up.json";
const USUAL = { mongodb_url: "mongodb://127.0.0.1:27117/task-app?directConnection=true&retryWrites=false" };

function databaseUrl() {
  const up = fs.existsSync(UP) ? JSON.parse(fs.readFileSync(UP)) : USUAL;
  const url = process.env.MONGODB_URL || up.mongodb_url;
  if (!url) throw new Error("Set MONGODB_URL as `recurrence up` has it");
  return url;
}

async function main([operation, taskId, userId, more]) {
  const now = new Date();
  const event = {
    operation, // create, complete, delete, update, reopen or skip
    taskId: new ObjectId(taskId),
    status: "pending",
    createdAt: now,
    availableAt: now,
    ...JSON.parse(more || "{}"), // such as {"slot": 2} of a skip
  };
  if (userId) event.userId = new ObjectId(userId); // a delete needs it

  const client = await MongoClient.connect(databaseUrl());
  try {
    const { insertedId } = await client.db().collection("task_events").insertOne(event);
    console.log(insertedId.toHexString());
  } finally {
    await client.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  // What is wrong with the event: the field, its value, and what was expected of it.
  if (error.errInfo) console.error(JSON.stringify(error.errInfo.details, null, 2));
  process.exitCode = 1;
});
