"use strict";

// What applications import. `recurring` is the plugin; the rest is for those who call the worker over HTTP.

const { recurring } = require("./lib/plugin");
const { EventNotWritten } = require("./lib/events");
const { AccessDenied, Refused, TriggerError, Unavailable, WorkerTrigger } = require("./lib/trigger");

module.exports = { recurring, EventNotWritten, WorkerTrigger, TriggerError, Refused, AccessDenied, Unavailable };
