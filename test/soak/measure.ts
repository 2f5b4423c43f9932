/** What a daemon holds: memory, descriptors by kind, children. Linux only: it reads `/proc`. */
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { awaitFile } from "../../src/process/files.ts";
import { pids, readStat } from "../../src/process/identity.ts";
import { patiently } from "../e2e/patiently.ts";

export interface Held {
  /** Resident bytes as a person sees them, at rest and before anything is collected by force. */
  readonly resident: number;
  /** Of them those that are the daemon's alone: no page of the binary, which others map too. */
  readonly own: number;
  /** Bytes that its objects need, inside and outside of the heap, after everything else is collected. */
  readonly heap: number;
  readonly descriptors: Readonly<Record<string, number>>;
  readonly children: number;
  readonly zombies: number;
}

/** After the end of its last run a daemon has this long to let go of everything. */
const restMs = 15_000;
/** Every timer of a run that has ended has gone off by then (the longest looks every 5 s). */
const quietMs = 6_000;
const heapMs = 30_000;

/** What the daemon `pid` holds once it has no children and has been quiet for a while. `home` is its MUSTER_HOME. */
export async function readHeld(home: string, pid: number): Promise<Held> {
  // A child that is left is what is measured, not a reason to fail here.
  await patiently(() => childrenOf(pid).length === 0, restMs, "no children").catch(() => {});
  await wait(quietMs);
  const memory = readMemory(pid);
  const children = childrenOf(pid);
  const held = { ...memory, descriptors: readDescriptors(pid), children: children.length };
  const zombies = children.filter((each) => readStat(each)?.state === "Z").length;
  return { ...held, zombies, heap: await readHeap(home, pid) };
}

/** How many descriptors there are, over all kinds. */
export function countDescriptors({ descriptors }: Held): number {
  return Object.values(descriptors).reduce((sum, n) => sum + n, 0);
}

function childrenOf(pid: number): readonly number[] {
  return pids().filter((each) => readStat(each)?.parent === pid);
}

function readMemory(pid: number): Pick<Held, "resident" | "own"> {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? Number.NaN) * 1024;
  return { resident: field("Rss"), own: field("Private_Dirty") + field("Private_Clean") };
}

function readDescriptors(pid: number): Record<string, number> {
  const found: Record<string, number> = {};
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let kind: string;
    try {
      kind = kindOf(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      continue; // Closed meanwhile.
    }
    found[kind] = (found[kind] ?? 0) + 1;
  }
  return found;
}

/** `socket:[1]`, `pipe:[1]`, `anon_inode:[eventpoll]`, or a path. */
function kindOf(link: string): string {
  const [, word, name] = /^(\w+):\[?([\w-]+)/.exec(link) ?? [];
  if (word === undefined) return "file";
  return word === "anon_inode" ? (name ?? word) : word;
}

/** The soak daemon's own word on its heap. */
async function readHeap(home: string, pid: number): Promise<number> {
  const folder = join(home, "soak");
  mkdirSync(folder, { recursive: true });
  let n = 1;
  while (existsSync(join(folder, `heap-${n}`))) n += 1;
  process.kill(pid, "SIGUSR2");
  const name = await awaitFile(folder, [`heap-${n}`], heapMs);
  if (name === undefined) throw new Error(`the daemon did not say what is in its heap`);
  return Number(readFileSync(join(folder, name), "utf8"));
}
