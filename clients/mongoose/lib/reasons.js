"use strict";

// Why the database refused a document. The server says so in `errInfo`, which no driver prints:
// https://www.mongodb.com/docs/manual/core/schema-validation/handle-invalid-documents/

const WITHOUT_SAYING = ["consideredValue", "consideredType", "specifiedAs"];
const EITHER = ["anyOf", "oneOf", "$or"];

/** All that a validator said of a refused document, in one line; an empty text where it said nothing. */
function reasonOf(error) {
  const infos = [error?.errInfo, ...(error?.writeErrors ?? []).map((write) => write.errInfo ?? write.err?.errInfo)];
  return unique(infos.filter(Boolean).flatMap((info) => sayings(info.details ?? info))).join("; ");
}

/** What each rule that was not met says: its own description, or else field, reason and value. */
function sayings(node, field) {
  if (Array.isArray(node)) return node.flatMap((each) => sayings(each, field));
  if (node === null || typeof node !== "object") return [];
  const name = node.propertyName ?? field;
  if (node.description) return [withValue(`${name ? `${name}: ` : ""}${node.description}`, valueIn(node))];
  if (node.missingProperties) return [`missing: ${node.missingProperties.join(", ")}`];
  if (Array.isArray(node.additionalProperties)) return [`${name ? `${name}: ` : ""}no other fields are allowed, such as ${node.additionalProperties.join(", ")}`];
  const inner = Object.entries(node).filter(([key]) => !WITHOUT_SAYING.includes(key));
  const said = unique(inner.flatMap(([, value]) => sayings(value, name)));
  if (said.length > 0) return EITHER.includes(node.operatorName) ? [said.join(", or ")] : said;
  if (!node.reason) return [];
  const wanted = Object.values(node.specifiedAs ?? {}).map((value) => `, ${JSON.stringify(value)} is expected`);
  return [withValue(`${name ?? node.operatorName}: ${node.reason}${wanted.join("")}`, node.consideredValue)];
}

function valueIn(node) {
  if (node === null || typeof node !== "object") return undefined;
  if ("consideredValue" in node) return node.consideredValue;
  return Object.values(node.details ?? {}).map(valueIn).find((value) => value !== undefined);
}

const withValue = (text, value) => (value === undefined ? text : `${text} (it is ${JSON.stringify(value)})`);
const unique = (texts) => [...new Set(texts)];

/** Add what the validator said to an error's message, once, and return the error: its labels and code stay. */
function explained(error) {
  const reason = error ? reasonOf(error) : "";
  if (reason && error.reason === undefined) {
    error.reason = reason;
    error.message = `${error.message}: ${reason}`;
  }
  return error;
}

module.exports = { explained, reasonOf };
