/** A control group of its own with a limit on memory, v1 or v2: a machine without the right to make one skips what needs it. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import type { TestContext } from "vitest";
import { readKills } from "../../src/process/memory.ts";
import { patiently } from "../e2e/patiently.ts";

export interface MemoryGroup {
  /** Takes a process in, and what it starts from then on. */
  add(pid: number): void;
  /** Leaves its processes so many bytes beyond what they have. */
  leave(bytes: number): void;
  /** Takes the limit away. */
  free(): void;
  /** What the kernel killed in it. */
  kills(): number;
}

/** Where groups are made, and what the limit and the use of one are called there. */
const kinds = [
  ["/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "-1"],
  ["/sys/fs/cgroup", "memory.max", "memory.current", "max"],
] as const;

/** Makes a group until the test ends: what is in it has to be gone by then, so a world is opened after it. */
export function memoryGroup({
  skip,
  onTestFinished,
}: Pick<TestContext, "skip" | "onTestFinished">): MemoryGroup {
  for (const [root, limit, used, none] of kinds) {
    const folder = join(root, `muster-test-${randomBytes(6).toString("hex")}`);
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    onTestFinished(() => patiently(() => isGone(folder), 15_000, `nothing left in ${folder}`));
    const write = (name: string, text: string): void =>
      writeFileSync(join(folder, name), text, { flag: "r+" });
    try {
      write(limit, none);
    } catch {
      continue;
    }
    return {
      add: (pid) => write("cgroup.procs", `${pid}`),
      leave(bytes) {
        write(limit, `${Number(readFileSync(join(folder, used), "utf8")) + bytes}`);
      },
      free: () => write(limit, none),
      kills: () => readKills(folder) ?? 0,
    };
  }
  return skip("no control group with a limit on memory can be made here (it takes root)");
}

function isGone(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}
