import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { takeLock } from "../../../src/ledger/lock.ts";
import { openLedger } from "../../../src/ledger/sqlite.ts";
import { ledgerSuite } from "../../../src/testing/ledger.suite.ts";
import { memoryLedger } from "../../../src/testing/memory-ledger.ts";

const folder = mkdtempSync(join(tmpdir(), "muster-ledger-"));
afterAll(() => rmSync(folder, { recursive: true }));
let n = 0;
let path = "";

ledgerSuite("memory", async () => memoryLedger());
ledgerSuite(
  "sqlite",
  async () => openLedger((path = join(folder, `${n++}.db`))),
  async () => openLedger(path),
);

describe("the ledger file", () => {
  it("is refused when a newer muster wrote it", () => {
    const newer = join(folder, "newer.db");
    const db = new DatabaseSync(newer);
    db.exec("PRAGMA user_version = 999");
    db.close();
    expect(() => openLedger(newer)).toThrow(/newer muster/);
  });

  it("is refused with one line when it is no database", async () => {
    const { writeFileSync } = await import("node:fs");
    const bad = join(folder, "bad.db");
    writeFileSync(bad, "not a database, but long enough to be looked at as one".repeat(40));
    expect(() => openLedger(bad)).toThrow(/damaged/);
  });
});

describe("the lock", () => {
  it("is held once, and let go of (F29)", () => {
    const lock = join(folder, "lock.db");
    const release = takeLock(lock);
    expect(() => takeLock(lock)).toThrow(/another muster daemon/);
    release();
    takeLock(lock)();
  });

  it("ends with a process that is killed (F29)", async () => {
    const lock = join(folder, "killed.db");
    const script = `import { takeLock } from ${JSON.stringify(join(import.meta.dirname, "../../../src/ledger/lock.ts"))}; takeLock(${JSON.stringify(lock)}); console.log("held"); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    expect(() => takeLock(lock)).toThrow(/another muster daemon/);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    takeLock(lock)();
  });
});
