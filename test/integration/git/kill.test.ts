import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type FollowRecord, recoverFollow } from "../../../src/git/land.ts";
import { awaitGone } from "../../../src/process/end.ts";
import { type Identity, pids, readIdentity, signal } from "../../../src/process/identity.ts";
import { makeWorld, type World } from "./world.ts";

const kept = 60;
const edited = 1_100;
const added = 50;
const dropped = 50;
/** A kill, its recovery and a look at 1,260 files take 2 s; ten times that on a busy machine. */
const timeoutMs = 10 * 60_000;
/** A landing that comes to no moment at all is over after this. */
const momentMs = 60_000;

/** What every file of the checkout is on one side; a path that is not there is missing. */
type Side = ReadonlyMap<string, string>;

interface Big {
  readonly world: World;
  readonly old: string;
  readonly next: string;
  readonly before: Side;
  readonly after: Side;
  /** The paths that move, in the order in which git writes them. */
  readonly moving: readonly string[];
}

function text(n: number): string {
  return `${n}\n`.repeat(400);
}

function makeSides(): readonly [Side, Side] {
  const paths = Array.from({ length: kept + edited + dropped }, (_, n) => `d${n % 40}/f${n}`);
  const before = new Map(paths.map((path, n) => [path, text(n)]));
  const after = new Map(before);
  for (const [n, path] of paths.entries()) {
    if (n >= kept + edited) after.delete(path);
    else if (n >= kept) after.set(path, `${text(n)}more\n`);
  }
  for (let n = 0; n < added; n++) after.set(`d${n % 40}/new${n}`, text(n));
  return [before, after];
}

/** Of the person's: an edit, a staged edit, a file of their own and one that git ignores. None of it is in the way. */
const persons: Side = new Map([
  ["d0/f0", "edited by hand\n"],
  ["d1/f1", "staged by hand\n"],
  ["mine.txt", "untracked\n"],
  ["build/out", "ignored\n"],
]);
const status = ["M  d1/f1", " M d0/f0", "?? mine.txt"].toSorted();

async function makeBig(): Promise<Big> {
  const [before, after] = makeSides();
  const world = await makeWorld({ ...Object.fromEntries(before), ".gitignore": "build\n" });
  const old = await world.git(["rev-parse", "HEAD"]);
  await world.git(["checkout", "-q", "-b", "work"]);
  for (const [path, content] of after)
    if (before.get(path) !== content) await world.write(path, content);
  for (const path of before.keys()) if (!after.has(path)) await rm(join(world.root, path));
  const next = await world.commit("next");
  await world.git(["checkout", "-q", "main"]);
  for (const [path, content] of persons) await world.write(path, content);
  await world.git(["add", "d1/f1"]);
  const moving = (await world.git(["diff", "--name-only", "--diff-filter=AM", old, next])).split(
    "\n",
  );
  return { world, old, next, before, after, moving };
}

/** What has to be true for a kill: told by looking at the world, again and again. */
type Moment = (big: Big, journal: string) => () => boolean;

function changes(path: string): () => boolean {
  const key = (): string => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? "gone" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
  };
  const first = key();
  return () => key() !== first;
}

const gitFile = ({ world }: Big, name: string): string => join(world.root, ".git", name);
const journalIsWritten: Moment = (_, journal) => () => existsSync(journal);
const lockIsTaken: Moment = (big) => () => existsSync(gitFile(big, "index.lock"));
const gitHasBegun: Moment = (big) => () =>
  readdirSync(join(big.world.root, ".git")).some((name) => /^index\.muster-.*\.lock$/.test(name));
const indexIsNew: Moment = (big) => changes(gitFile(big, "index"));
/** After about this share of the files: git writes in the order of the index. */
function filesMove(share: number): Moment {
  return ({ world, moving }) =>
    changes(join(world.root, moving[Math.floor(share * (moving.length - 1))] ?? ""));
}

/** Thirty kills: at each step of the way, and most of them spread over the files that move. */
const moments: readonly Moment[] = [
  journalIsWritten,
  lockIsTaken,
  gitHasBegun,
  gitHasBegun,
  ...Array.from({ length: 20 }, (_, i) => filesMove(i / 20)),
  ...Array.from({ length: 6 }, () => indexIsNew),
];

function gitIn(dir: string): readonly Identity[] {
  return pids().flatMap((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const isGit = words[0] === "git" && readlinkSync(`/proc/${pid}/cwd`).startsWith(`${dir}/`);
      return (isGit ? readIdentity(pid) : undefined) ?? [];
    } catch {
      return []; // Gone meanwhile.
    }
  });
}

/** Looks again at once: what it waits for is over within milliseconds. */
async function until(isTrue: () => boolean, child: ChildProcess): Promise<void> {
  const limit = performance.now() + momentMs;
  while (!isTrue() && child.exitCode === null && performance.now() < limit)
    await new Promise(setImmediate);
}

/** Lands in a process of its own and kills it at the moment, its git too or not; a git that lives on has its time. */
async function landAndKill(big: Big, moment: Moment, withGit: boolean): Promise<FollowRecord> {
  const { world, old, next } = big;
  const journal = join(world.dir, "journal");
  await rm(journal, { force: true });
  const isNow = moment(big, journal);
  const lander = join(import.meta.dirname, "lander.ts");
  const child = spawn(process.execPath, [lander, world.root, old, next, journal], {
    cwd: world.dir,
    env: world.env,
    stdio: "ignore",
  });
  const closed = once(child, "close");
  await until(isNow, child);
  child.kill("SIGKILL");
  const gits = gitIn(world.dir);
  if (withGit) for (const git of gits) signal(git, "SIGKILL");
  await closed;
  for (const git of gits) expect(await awaitGone(git, momentMs)).toBe(true);
  // A landing that was over before it was killed has cleared it: then there is nothing to recover, and the same must hold.
  const token = existsSync(journal) ? readFileSync(journal, "utf8") : crypto.randomUUID();
  const gitDir = join(world.root, ".git");
  return { worktree: world.root, gitDir, target: "main", old, new: next, token };
}

function readPath({ world }: Big, path: string): string | undefined {
  const file = join(world.root, path);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** How many of the paths that differ are on which side. */
function countSides(big: Big): Readonly<Record<"old" | "new" | "cut", number>> {
  const count = { old: 0, new: 0, cut: 0 };
  for (const path of new Set([...big.before.keys(), ...big.after.keys()])) {
    const [was, is] = [big.before.get(path), big.after.get(path)];
    if (was === is) continue;
    const found = readPath(big, path);
    count[found === was ? "old" : found === is ? "new" : "cut"]++;
  }
  return count;
}

const states = [
  "nothing moved",
  "some files moved",
  "all files moved, index and branch did not",
  "files and index moved, branch did not",
  "all moved",
] as const;

/** What the kill left behind. */
async function readState(big: Big): Promise<(typeof states)[number]> {
  const { world, old, next } = big;
  if ((await world.git(["rev-parse", "main"])) === next) return "all moved";
  const staged = await world.git(["diff-index", "--cached", "--name-only", old]);
  if (staged.split("\n").length > 1) return "files and index moved, branch did not";
  const count = countSides(big);
  if (count.new + count.cut === 0) return "nothing moved";
  return count.old + count.cut === 0
    ? "all files moved, index and branch did not"
    : "some files moved";
}

/** All on one side: files, index and branch, with what is the person's as it was, and nothing of ours left. */
async function expectWhole(big: Big, landed: boolean): Promise<void> {
  const { world, old, next } = big;
  const side = landed ? big.after : big.before;
  const wrong = [...new Set([...big.before.keys(), ...big.after.keys(), ...persons.keys()])].filter(
    (path) => readPath(big, path) !== (persons.get(path) ?? side.get(path)),
  );
  expect(wrong).toEqual([]);
  expect(await world.git(["rev-parse", "main"])).toBe(landed ? next : old);
  const said = await world.tryGit(["status", "--porcelain"]);
  expect(said.stdout.trimEnd().split("\n").toSorted()).toEqual(status);
  const left = readdirSync(join(world.root, ".git")).filter((name) =>
    /^index\.|\.lock$/.test(name),
  );
  expect(left).toEqual([]);
}

test(
  "a daemon killed while files move, with and without its git, recovers (F1)",
  async ({ skip }) => {
    skip(process.platform !== "linux", "finds the git process in /proc");
    const big = await makeBig();
    const { world, old, next } = big;
    const found: (typeof states)[number][] = [];
    for (const [i, moment] of moments.entries()) {
      const record = await landAndKill(big, moment, i % 3 !== 2);
      found.push(await readState(big));
      const landing = await recoverFollow(world.repo, record);
      expect(landing).toEqual({ landed: true, followed: world.root });
      await expectWhole(big, landing.landed);
      await world.git(["read-tree", "-m", "-u", next, old]);
      await world.git(["update-ref", "refs/heads/main", old, next]);
      await expectWhole(big, false);
    }
    const count = (state: (typeof states)[number]): number =>
      found.filter((each) => each === state).length;
    console.log(
      `${found.length} kills: ${states.map((state) => `${count(state)} ${state}`).join("; ")}`,
    );
    expect(found).toHaveLength(30);
    const ends = count("nothing moved") + count("all moved");
    expect(found.length - ends, "kills in the middle").toBeGreaterThanOrEqual(20);
    expect(count("some files moved")).toBeGreaterThanOrEqual(8);
    expect(count("files and index moved, branch did not")).toBeGreaterThanOrEqual(1);
  },
  timeoutMs,
);
