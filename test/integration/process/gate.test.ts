/** The command of a gate against the process that keeps it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type ShellCommand, runCommand } from "../../../src/gate/command.ts";
import { tagged } from "../../../src/process/end.ts";

const folder = mkdtempSync(join(tmpdir(), "muster-gate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gate = (name: string, command: string): ShellCommand => ({
  command,
  tag: join(folder, name),
  dir: join(folder, name),
  cwd: folder,
  env: { PATH: process.env["PATH"] ?? "" },
  timeoutMs: 60_000,
});

test.concurrent("a command whose shim takes its time to record the end has ended as it did", async () => {
  const slow = "p=$PPID; (sleep 3; kill -CONT $p) & kill -STOP $p; exit 3";
  expect(await runCommand(gate("slow", slow))).toMatchObject({ exit: 3 });
});

test.concurrent("a command that stops its shim is red, and leaves neither the shim nor anything else behind (F25)", async () => {
  const stopping = gate("stopping", "setsid sleep 65 & kill -STOP $PPID; exit 0");
  expect(await runCommand(stopping)).toMatchObject({ exit: 137 });
  expect(tagged(`MUSTER_GATE=${stopping.tag}`)).toEqual([]);
});
