/** The command of a gate against the process that keeps it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runCommand } from "../../../src/gate/command.ts";
import { tagged } from "../../../src/process/end.ts";

const folder = mkdtempSync(join(tmpdir(), "muster-gate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a command that stops its shim is red, and leaves neither the shim nor anything else behind (F25)", async () => {
  const result = await runCommand({
    command: "setsid sleep 65 & kill -STOP $PPID; exit 0",
    tag: folder,
    dir: join(folder, "gate"),
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "" },
    timeoutMs: 60_000,
  });
  expect(result.exit).toBe(137);
  expect(tagged(`MUSTER_GATE=${folder}`)).toEqual([]);
});
