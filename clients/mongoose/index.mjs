import plugin from "./index.js";

export const { recurring, EventNotWritten, WorkerTrigger, TriggerError, Refused, AccessDenied, Unavailable } = plugin;
