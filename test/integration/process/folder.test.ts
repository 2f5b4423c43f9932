import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { userOf, usersOf } from "../../../src/process/folder.ts";

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "muster users ")));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  rmSync(folder, { recursive: true });
});

/** A process that lives until the test ends, once it has said that it is up. */
async function start(command: string, cwd: string, stderr: number | "ignore" = "ignore") {
  const child = spawn(command, ["-c", "echo up; read line"], {
    cwd,
    stdio: ["pipe", "pipe", stderr],
  });
  children.push(child);
  if (child.stdout !== null) await once(child.stdout, "data");
  return child.pid;
}

test.skipIf(process.platform !== "linux")(
  "a working directory, an open file and a running program each count (needs /proc)",
  async () => {
    expect(userOf(folder)).toBeUndefined();
    const working = await start("sh", folder);
    expect(userOf(folder)).toBe(`process ${working} works in it`);
    await start("sh", folder);
    expect(userOf(folder)).toMatch(/^process \d+ and 1 more work in it$/);

    const second = realpathSync(mkdtempSync(join(folder, "second")));
    const fd = openSync(join(second, "log"), "w");
    const holding = await start("sh", "/", fd);
    closeSync(fd);
    expect(userOf(second)).toBe(`process ${holding} has a file in it open`);

    const third = realpathSync(mkdtempSync(join(folder, "third")));
    copyFileSync("/bin/sh", join(third, "own-sh"));
    const running = await start(join(third, "own-sh"), "/");
    expect(userOf(third)).toBe(`process ${running} has a file in it open`);
  },
);

test("a folder whose name only begins alike is another one, and one that nobody uses is left out", async () => {
  writeFileSync(`${folder}-more`, "");
  const fd = openSync(`${folder}-more`, "r");
  await start("sh", "/", fd);
  closeSync(fd);
  expect([...usersOf([folder]).keys()]).toEqual([]);
  expect(usersOf([]).size).toBe(0);
  rmSync(`${folder}-more`);
});
