import type { ClientSession, Connection, Schema, Types } from "mongoose";

export type RepeatType = "none" | "daily" | "weekly" | "monthly" | "yearly" | "custom";
export type Operation = "create" | "complete" | "delete" | "update" | "reopen" | "skip";

/** Any rule, and exceptions from it. Dates are text on the wall clock of the series: "2027-05-01", "2027-05-01T09:00". */
export interface Recurrence {
  /** RFC 5545, such as "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH" */
  rule?: string;
  from?: "schedule" | "completion";
  missed?: "each" | "latest" | "next";
  excluded?: string[];
  added?: string[];
  paused?: { from: string; until?: string; note?: string }[];
  /** `workdays`: "MO" to "SU"; `holidays`: "DE", "DE-BY" */
  shift?: { to: "previous" | "next" | "skip"; workdays?: string[]; holidays?: string };
  /** 1 to 60 */
  horizon?: number;
  subtasks?: boolean;
  /** further fields that occurrences copy */
  copy?: string[];
}

/** What the plugin adds to a schema where it is missing. */
export interface RecurringFields {
  dueDate?: Date;
  originalDueDate?: Date;
  isCompleted: boolean;
  completedAt?: Date;
  repeatType: RepeatType;
  recurrence?: Recurrence;
  timezone?: string;
  parentTaskId?: Types.ObjectId | null;
  parentRecurringId?: Types.ObjectId | null;
  occurrenceNumber?: number;
  occurrenceAt?: string;
  shiftedTo?: string;
  writtenAs?: string;
  createdByEvent?: Types.ObjectId;
  lastMove?: unknown;
}

export interface TaskEvent {
  _id: Types.ObjectId;
  operation: Operation;
  taskId: Types.ObjectId;
  userId?: Types.ObjectId;
  fromSlot?: number;
  slot?: number;
  undo?: true;
  status: "pending";
  source: "outbox";
  createdAt: Date;
  availableAt: Date;
  attempts: 0;
}

export interface SkipOptions {
  /** which slot of the series; without it that of the task */
  slot?: number;
  /** the slot is wanted again */
  undo?: boolean;
  session?: ClientSession;
}

export interface TellOptions extends SkipOptions {
  /** of an update: the first slot to change */
  fromSlot?: number;
}

type TaskOrId = { _id: unknown; userId?: unknown } | Types.ObjectId | string;

export interface RecurringMethods {
  /** Say that the slot of this task is not wanted or, with `undo`, wanted again. */
  skipSlot(options?: SkipOptions): Promise<TaskEvent>;
}

export interface RecurringStatics {
  skipSlot(task: TaskOrId, options?: SkipOptions): Promise<TaskEvent>;
  /** Say what happened to a task that was not written through Mongoose. A delete needs the task's userId. */
  tellWorker(operation: Operation, task: TaskOrId, options?: TellOptions): Promise<TaskEvent>;
}

export interface RecurringOptions {
  /** where events go; `task_events` */
  collection?: string;
  /** called instead of throwing, where a task was stored outside of a transaction and its event was not */
  onEventError?: (error: EventNotWritten) => unknown;
}

/** The plugin: `schema.plugin(recurring)`. */
export function recurring(schema: Schema<any, any, any, any, any, any, any, any>, options?: RecurringOptions): void;

/** A task is stored, and the worker was not told of it: `events` are missing. */
export class EventNotWritten extends Error {
  events: TaskEvent[];
}

export type Delivery<Data = any> =
  | { status: "delivered"; data: Data }
  | { status: "queued"; eventId: string; reason: string }
  | { status: "lost"; reason: string };

type Id = string | Types.ObjectId;

export interface TriggerOptions {
  /** goes along as x-internal-api-key */
  key?: string;
  /** milliseconds of one attempt; 10,000 */
  timeout?: number;
  /** after the first attempt; 2 */
  retries?: number;
  /** keeps as events what could not be delivered */
  outbox?: Connection;
}

/** The calls of the internal API. They throw a TriggerError where the worker refuses. */
export class WorkerTrigger {
  constructor(baseUrl?: string, options?: TriggerOptions);
  static fromEnvironment(environment?: Record<string, string | undefined>, options?: TriggerOptions): WorkerTrigger;
  triggerTaskCreation(taskId: Id): Promise<Delivery>;
  triggerTaskCompletion(taskId: Id): Promise<Delivery>;
  triggerTaskDeletion(taskId: Id, userId: Id): Promise<Delivery>;
  update(taskId: Id, options?: { fromSlot?: number; dryRun?: boolean }): Promise<Delivery>;
  reopen(taskId: Id, options?: { dryRun?: boolean }): Promise<Delivery>;
  skip(taskId: Id, options?: { slot?: number; undo?: boolean; dryRun?: boolean }): Promise<Delivery>;
  validateRecurrence(task: object): Promise<{ valid: true; task: object }>;
  triggerCleanup(): Promise<any>;
  getWorkerHealth(): Promise<any>;
  isWorkerAvailable(): Promise<boolean>;
}

export class TriggerError extends Error {}

/** The worker read the request and will never do it. */
export class Refused extends TriggerError {
  status?: number;
  /** the worker's stable code, such as ORIGINAL_NOT_FOUND */
  code?: string;
  reason: string;
}

/** Nobody read the request, for a wrong key, address or path. */
export class AccessDenied extends Refused {}

/** No answer, or none that the worker gives: ask again later. */
export class Unavailable extends TriggerError {
  worthRepeating: boolean;
}
