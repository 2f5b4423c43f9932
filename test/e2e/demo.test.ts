/** What `muster demo` leaves behind where it is interrupted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tempFolder } from "../faults/folder.ts";
import { patiently } from "./patiently.ts";

const bin = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));

/** Processes with the folder in their environment or arguments. */
function processesOf(folder: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return ["environ", "cmdline"].some((name) =>
        readFileSync(join("/proc", pid, name), "latin1").includes(folder),
      );
    } catch {
      return false; // It has ended.
    }
  });
}

test("Ctrl-C while its daemon is on the way up ends that too, and nothing is left", async (context) => {
  const folder = tempFolder(context);
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, TMPDIR: folder };
  const child = spawn(process.execPath, [bin, "demo"], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said = text(child.stderr);
  await patiently(
    () => globSync("muster-demo-*/m/log/daemon.err", { cwd: folder }).length > 0,
    20_000,
    "its daemon is started",
  );
  child.kill("SIGINT");
  expect(await once(child, "exit")).toEqual([130, null]);
  expect(await said).toContain("its sessions, its daemon and the sample are gone");
  await patiently(() => processesOf(folder).length === 0, 5_000, "no process is left");
  expect(globSync("muster-demo-*", { cwd: folder })).toEqual([]);
});
