"use strict";

// The package as it is packed and installed: both ways to load it, and its types.

const assert = require("node:assert/strict");
const { execFileSync, spawnSync } = require("node:child_process");
const { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const path = require("node:path");
const { after, before, describe, it } = require("node:test");

const { VERSIONS } = require("./support");

const HERE = path.join(__dirname, "..");
const NAMES = ["AccessDenied", "EventNotWritten", "Refused", "TriggerError", "Unavailable", "WorkerTrigger", "recurring"];

describe("the package", () => {
  let folder;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "recurrence-package-"));
    const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: HERE, encoding: "utf8" }));
    const target = path.join(folder, "node_modules", "recurrence-mongoose");
    mkdirSync(target, { recursive: true });
    execFileSync("tar", ["-xzf", path.join(folder, filename), "-C", target, "--strip-components=1"]);
    cpSync(path.join(__dirname, "types.ts"), path.join(folder, "types.ts"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const node = (file, text) => {
    writeFileSync(path.join(folder, file), text);
    return JSON.parse(execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8" }));
  };

  it("is loaded by require and by import, without Mongoose", () => {
    const shown = "console.log(JSON.stringify(Object.keys(all).sort()))";
    assert.deepEqual(node("a.cjs", `const all = require("recurrence-mongoose"); ${shown}`), NAMES);
    assert.deepEqual(node("b.mjs", `import * as all from "recurrence-mongoose"; ${shown}`), NAMES);
  });

  it("has its README and licence, and nothing of its tests", () => {
    const listed = execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: HERE, encoding: "utf8" });
    const files = JSON.parse(listed)[0].files.map((file) => file.path);
    for (const name of ["README.md", "LICENSE", "index.js", "index.mjs", "index.d.ts", "lib/plugin.js"]) assert.ok(files.includes(name), name);
    assert.deepEqual(files.filter((name) => name.startsWith("test") || name.includes("node_modules")), []);
    assert.equal(JSON.parse(readFileSync(path.join(HERE, "package.json"))).dependencies, undefined);
  });

  for (const version of VERSIONS) {
    it(`has types that fit those of ${version}`, () => {
      const link = path.join(folder, "node_modules", "mongoose");
      rmSync(link, { force: true });
      symlinkSync(path.dirname(require.resolve(`${version}/package.json`)), link);
      const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
      const tsc = require.resolve("typescript/bin/tsc");
      const ran = spawnSync(process.execPath, [tsc, ...options, "types.ts"], { cwd: folder, encoding: "utf8" });
      assert.deepEqual([ran.stdout, ran.status], ["", 0]);
    });
  }
});
