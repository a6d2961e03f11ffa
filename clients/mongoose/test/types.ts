// Compiled by types.test.js, and never run: what a program in TypeScript writes.

import { Schema, model, connection, type Model } from "mongoose";
import {
  EventNotWritten, Refused, WorkerTrigger, recurring,
  type RecurringFields, type RecurringMethods, type RecurringStatics,
} from "recurrence-mongoose";

interface Task extends RecurringFields {
  title: string;
}
type TaskModel = Model<Task, {}, RecurringMethods> & RecurringStatics;

const schema = new Schema<Task, TaskModel, RecurringMethods>({ title: String });
schema.plugin(recurring, { collection: "task_events", onEventError: (error) => console.log(error.events) });
const Tasks = model<Task, TaskModel>("Task", schema);

async function use(): Promise<void> {
  const task = await Tasks.create({ title: "a", repeatType: "custom", recurrence: { rule: "FREQ=DAILY", horizon: 5 } });
  await task.skipSlot({ slot: 2, undo: true });
  await Tasks.tellWorker("update", task, { fromSlot: 4 });
  const worker = WorkerTrigger.fromEnvironment({}, { outbox: connection });
  const answer = await worker.triggerTaskDeletion(task._id, "6b046c58c5f3b9749e070265");
  if (answer.status === "queued") console.log(answer.eventId, answer.reason);
  // @ts-expect-error: it is no operation
  await Tasks.tellWorker("pause", task);
  try {
    await worker.skip(task._id, { dryRun: true });
  } catch (error) {
    if (error instanceof Refused) console.log(error.code);
    if (error instanceof EventNotWritten) console.log(error.events[0]?.taskId);
  }
}
void use();
