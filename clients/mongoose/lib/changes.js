"use strict";

// Which events follow from what a task was and what it is. Pure: who reads tasks and writes events is plugin.js.

/** What an occurrence takes over from its original, and what its dates are counted from. */
const FOLLOWED = [
  "title", "description", "priority", "category", "repeatType", "recurrence", "links", "additionalNotes", "timezone",
  "dueDate", "originalDueDate",
];

/** All that an event can follow from, but for the fields that a series itself names to be copied. */
const WATCHED = [...FOLLOWED, "isCompleted", "parentRecurringId", "userId"];

const RECURS = { $nin: ["none", null] };

const recurs = (task) => task.repeatType != null && task.repeatType !== "none";
const isHead = (task) => recurs(task) && task.parentRecurringId == null;

/** The fields of an original that its occurrences copy. */
const copied = (task) => (Array.isArray(task.recurrence?.copy) ? task.recurrence.copy : []);

/**
 * The operations that say what became of a task. `before` is null of one that is new, `after` of one that is gone;
 * `differs(field)` says whether a field has another value now.
 *
 * An occurrence that is edited is its user's own from then on, and one that is deleted is not made again: of neither is
 * anything told.
 */
function operations(before, after, differs) {
  if (after === null) return isHead(before) ? ["delete"] : [];
  if (before === null) return isHead(after) ? [after.isCompleted ? "complete" : "create"] : [];
  const found = [];
  const edited = [...FOLLOWED, "parentRecurringId", ...copied(after)].some(differs);
  if (edited && (isHead(after) || (isHead(before) && after.parentRecurringId == null))) found.push("update");
  if (recurs(after) && Boolean(before.isCompleted) !== Boolean(after.isCompleted)) {
    found.push(after.isCompleted ? "complete" : "reopen");
  }
  return found;
}

/**
 * What a task must be for a change of these fields (null: of any) to be told; it narrows what is looked at.
 */
function concerned(touched) {
  if (touched === null || touched.includes("repeatType") || touched.includes("parentRecurringId")) return {};
  if (touched.some((field) => WATCHED.includes(field))) return { repeatType: RECURS };
  return { repeatType: RECURS, "recurrence.copy": { $in: touched } };
}

/** What a task must be for its deletion to be told. */
const concernedByDeletion = { repeatType: RECURS, parentRecurringId: null };

/** The fields that an update touches, without what follows a dot; null where that cannot be told. */
function touchedBy(update) {
  if (update == null || Array.isArray(update)) return null;
  const paths = Object.entries(update).flatMap(([key, value]) => {
    if (!key.startsWith("$")) return [key];
    return key === "$rename" ? [...Object.keys(value), ...Object.values(value)] : Object.keys(value ?? {});
  });
  return [...new Set(paths.map((path) => path.split(".")[0]))];
}

module.exports = { WATCHED, concerned, concernedByDeletion, operations, touchedBy };
