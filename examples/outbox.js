// Hand a task over to the worker by writing an event: what the Node application does.
//
//     MONGODB_URL=mongodb://localhost:27017/task-app node examples/outbox.js create 6b046c58c5f3b9749e070265

const { MongoClient, ObjectId } = require("mongodb");

async function main([operation, taskId, userId]) {
  const now = new Date();
  const event = {
    operation, // create, complete or delete
    taskId: new ObjectId(taskId),
    status: "pending",
    createdAt: now,
    availableAt: now,
  };
  if (userId) event.userId = new ObjectId(userId); // a delete needs it

  const client = await MongoClient.connect(process.env.MONGODB_URL);
  try {
    const { insertedId } = await client.db().collection("task_events").insertOne(event);
    console.log(insertedId.toHexString());
  } finally {
    await client.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
