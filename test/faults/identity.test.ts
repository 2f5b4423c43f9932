/** Process ids that come back, and what a long life leaves open. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pids, readStat } from "../../src/process/identity.ts";
import { run } from "../../src/process/run.ts";
import { readShim, startShim } from "../../src/process/shim.ts";
import { awaitFile } from "../../src/process/files.ts";
import { tempFolder } from "./folder.ts";

const source = (name: string): string =>
  JSON.stringify(join(import.meta.dirname, "../../src/process", name));

/** Runs in a pid namespace of its own, where it says which id comes next. Prints what became of an id that came back. */
const reuse = `
  import { spawn } from "node:child_process";
  import { once } from "node:events";
  import { writeFileSync } from "node:fs";
  import { isAlive, readIdentity, signal } from ${source("identity.ts")};
  import { awaitGone, endProcess } from ${source("end.ts")};
  const sleep = () => spawn("/bin/sleep", ["60"], { stdio: "ignore" });
  const first = sleep();
  const identity = readIdentity(first.pid);
  first.kill("SIGKILL");
  await once(first, "exit");
  // Start times are told in ticks of 10 ms: an id that came back within one could not be told apart.
  await new Promise((resolve) => setTimeout(resolve, 50));
  let second;
  for (let tries = 0; second?.pid !== identity.pid && tries < 200; tries++) {
    second?.kill("SIGKILL");
    writeFileSync("/proc/sys/kernel/ns_last_pid", String(identity.pid - 1));
    second = sleep();
  }
  const same = second.pid === identity.pid;
  const told = [isAlive(identity), signal(identity, "SIGTERM"), await endProcess(identity, 100), await awaitGone(identity, 100)];
  const spared = readIdentity(second.pid) !== undefined && second.exitCode === null;
  console.log(JSON.stringify({ same, told, spared }));
  process.exit(0);
`;

test("a process that got the id of a dead one is not taken for it, and not signalled (F27)", async ({
  skip,
}) => {
  const node = [process.execPath, "--input-type=module", "-e", reuse];
  const argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", ...node] as const;
  const env = { PATH: "/usr/bin:/bin" };
  const done = await run({ argv: [...argv], cwd: "/", env, timeoutMs: 20_000 }).catch(
    () => undefined,
  );
  if (done === undefined || /unshare|EACCES|EPERM/.test(done.stderr.toString()))
    skip("no pid namespace can be made here");
  expect(done?.stderr.toString()).toBe("");
  expect(JSON.parse(done?.stdout.toString() ?? "")).toEqual({
    same: true,
    told: [false, false, true, true],
    spared: true,
  });
});

const openFiles = (): number => readdirSync("/proc/self/fd").length;
const zombies = (): number =>
  pids().filter((pid) => {
    const stat = readStat(pid);
    return stat?.state === "Z" && stat.parent === process.pid;
  }).length;

test("two hundred commands and sessions leave no zombie and no open file behind (F26)", async (context) => {
  const folder = tempFolder(context);
  const env = { PATH: "/usr/bin:/bin" };
  const round = async (n: number): Promise<void> => {
    const dir = join(folder, String(n));
    await run({ argv: ["true"], cwd: "/", env, timeoutMs: 10_000 });
    await startShim({ dir, argv: ["true"], cwd: "/", env, stdin: "fifo", secret: "s" });
    expect(await awaitFile(dir, ["exit"], 10_000)).toBe("exit");
    expect(readShim(dir).exit).toBe(0);
  };
  await round(0);
  const before = openFiles();
  for (let n = 1; n <= 100; n++) await round(n);
  await expect.poll(zombies, { timeout: 5_000 }).toBe(0);
  await expect.poll(openFiles, { timeout: 5_000 }).toBeLessThanOrEqual(before);
});
