/** A ledger that is damaged in the middle of a run: the next command works, says what happened, and nothing is lost. */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, expect, test } from "vitest";
import { awaitGone } from "../../src/process/end.ts";
import { readIdentity, readStat, signal } from "../../src/process/identity.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

async function opened({ onTestFinished }: TestContext): Promise<World> {
  const world = await openWorld();
  onTestFinished(() => world.close());
  return world;
}

/** A task whose session waits in the middle of its round, with a file that it has not committed. */
function held(id: string) {
  const steps = [
    write(`${id}.md`, "half\n"),
    bash(hold(id)),
    write(`${id}.txt`, "good\n"),
    commit(`Add ${id}`),
    say("Done."),
  ];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] } };
}

async function startHeld(world: World, ...ids: readonly string[]): Promise<string> {
  const run = await world.start(world.plan(ids.map(held)));
  for (const id of ids) await world.held(id);
  await world.until(run, (detail) => ids.every((id) => taskOf(detail, id).state === "working"));
  return run;
}

/** Ends the daemon at once, and first what would bring it back. */
async function killForGood(world: World): Promise<void> {
  const { pid } = await world.api.version();
  for (const each of [readStat(pid)?.parent ?? 0, pid]) {
    const identity = readIdentity(each);
    if (identity === undefined) throw new Error(`${each} is gone`);
    signal(identity, "SIGKILL");
    await awaitGone(identity, 5_000);
  }
}

function overwrite(path: string, at: number, bytes: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.alloc(bytes, 0xa5), 0, bytes, at);
  closeSync(fd);
}

/** The folder that the damaged ledger is in now, with its report. */
function asideOf(world: World): { folder: string; report: string } {
  const names = readdirSync(world.state).filter((name) => name.startsWith("ledger.damaged-"));
  expect(names).toHaveLength(1);
  const folder = join(world.state, names[0] ?? "");
  return { folder, report: readFileSync(join(folder, "report.txt"), "utf8") };
}

const sessionsOf = async (world: World) =>
  (await world.api.host()).sessions.map(({ pid }) => pid).toSorted((a, b) => a - b);

const ways: readonly (readonly [string, (path: string) => void])[] = [
  [
    "overwritten with its log",
    (path) => [path, `${path}-wal`].forEach((each) => overwrite(each, 0, statSync(each).size)),
  ],
  ["deleted with its log", (path) => ["", "-wal", "-shm"].forEach((end) => rmSync(path + end))],
  ["left without its log", (path) => rmSync(`${path}-wal`)],
];

test.concurrent.for(ways)(
  "a run goes on with its sessions though its ledger was %s while no daemon lived (F16)",
  async ([, damage], context) => {
    const world = await opened(context);
    const run = await startHeld(world, "a", "b");
    const before = await sessionsOf(world);
    const events = await world.events(run, ({ type }) => type === "message.taken");
    await killForGood(world);
    damage(join(world.state, "ledger.db"));
    const { code, stderr } = await world.muster(["ls"]);
    expect(code).toBe(0);
    expect(stderr).toContain("none is known to be lost");
    const { report } = asideOf(world);
    expect(stderr).toContain("report.txt");
    expect(report).toContain("Lost: none");
    expect((await world.muster(["ls"])).stderr).not.toContain("damaged");
    await context.expect.poll(() => sessionsOf(world), { timeout: 20_000 }).toEqual(before);
    for (const id of ["a", "b"]) world.letGo(id);
    expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
    const after = await world.events(run, ({ type }) => type === "run.settled");
    expect(after.slice(0, events.length)).toEqual(events);
    expect(after.filter(({ type }) => type === "session.planned")).toHaveLength(2);
    const { stdout } = await world.muster(["doctor"]);
    expect(stdout).toContain("rebuilt after damage");
  },
);

/** Takes the copy away, and everything behind event `last` out of the ledger, as an old backup would. */
function forget(world: World, last: number): void {
  rmSync(join(world.state, "ledger.copy"), { recursive: true });
  const db = new DatabaseSync(join(world.state, "ledger.db"));
  db.exec(`DELETE FROM events WHERE seq > ${last}; DELETE FROM snapshot`);
  db.close();
}

async function numberOf(world: World, run: string, type: string): Promise<number> {
  const events = await world.events(run, (event) => event.type === type);
  return events.at(-1)?.seq ?? 0;
}

test.concurrent.for([
  ["no attempt", "run.started", 2],
  ["an attempt and not its worktree", "attempt.admitted", 1],
  ["a worktree and not its session", "attempt.provisioned", 0],
  ["a planned start and nothing of it", "session.planned", 0],
] as const)(
  "where the ledger knows of %s the rest is proved by folders, and the sessions are followed again (F16)",
  async ([, type, more], context) => {
    const world = await opened(context);
    const run = await startHeld(world, "a", "b");
    const before = await sessionsOf(world);
    const last = (await numberOf(world, run, type)) + more;
    await killForGood(world);
    forget(world, last);
    const { code, stderr } = await world.muster(["ls"]);
    expect(code).toBe(0);
    expect(stderr).toContain("folders and refs tell of more than it");
    await context.expect.poll(() => sessionsOf(world), { timeout: 20_000 }).toEqual(before);
    for (const id of ["a", "b"]) world.letGo(id);
    const detail = await world.settled(run);
    expect(statesOf(detail)).toEqual({ a: "landed", b: "landed" });
    expect(detail.run.tasks.map(({ attempts }) => attempts)).toEqual([1, 1]);
    for (const name of ["a.md", "a.txt", "b.md", "b.txt"])
      expect(await world.git("cat-file", "-t", `main:${name}`)).toBe("blob");
  },
);

test.concurrent("a landing that the ledger forgot is known by the target's history, and is made once (F16)", async (context) => {
  const world = await opened(context);
  const steps = [write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const run = await world.start(
    world.plan([{ id: "a", prompt: prompt("Add a.", steps) }, held("b")]),
  );
  await world.held("b");
  await world.until(run, (detail) => taskOf(detail, "a").state === "landed");
  await world.events(run, ({ type }) => type === "attempt.retired");
  const last = await numberOf(world, run, "round.ended");
  await killForGood(world);
  forget(world, last);
  expect((await world.muster(["ls"])).code).toBe(0);
  expect(asideOf(world).report).toContain(`${run}/a: landed as`);
  world.letGo("b");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
  const landings = await world.git("log", "--merges", "--format=%s", "main");
  expect(landings.split("\n").filter((line) => line.startsWith("Land a"))).toHaveLength(1);
});

test.concurrent("a run that the ledger does not know any more is listed with its work, and its session is ended (F16)", async (context) => {
  const world = await opened(context);
  const run = await startHeld(world, "a");
  const [pid = 0] = await sessionsOf(world);
  await killForGood(world);
  rmSync(join(world.state, "ledger.copy"), { recursive: true });
  overwrite(join(world.state, "ledger.db"), 0, 4_096);
  rmSync(join(world.state, "ledger.db-wal"));
  const { code, stderr, stdout } = await world.muster(["ls"]);
  expect(code).toBe(0);
  expect(stdout).not.toContain(run);
  expect(stderr).toContain("1 attempt of unknown runs");
  expect(readIdentity(pid)).toBeUndefined();
  const { folder, report } = asideOf(world);
  const att = readdirSync(join(world.state, "attempts"))[0] ?? "";
  const worktree = /git -C (\S+) status/.exec(report)?.[1] ?? "";
  expect(report).toContain(`${att} of ${run}`);
  expect(readFileSync(join(worktree, "a.md"), "utf8")).toBe("half\n");
  // It is told once, and the damaged file is as it was.
  expect((await world.muster(["host", "stop"])).code).toBe(0);
  expect((await world.muster(["ls"])).stderr).not.toContain("unknown");
  expect(readFileSync(join(folder, "ledger.db")).subarray(0, 4_096)).toEqual(
    Buffer.alloc(4_096, 0xa5),
  );
  const again = await world.start(world.plan([{ ...held("c"), prompt: held("c").prompt }]));
  world.letGo("c");
  expect(statesOf(await world.settled(again))).toEqual({ c: "landed" });
});

test.concurrent("damage that shows while the daemon lives ends it, and the next one goes on (F16)", async (context) => {
  const world = await opened(context);
  const run = await startHeld(world, "a");
  const { pid } = await world.api.version();
  const before = await sessionsOf(world);
  const path = join(world.state, "ledger.db");
  // A letter of the first event, where SQLite itself can't tell.
  const db = new DatabaseSync(path);
  db.exec("UPDATE events SET data = replace(data, 'parallel', 'Parallel') WHERE seq = 1");
  db.close();
  await world.muster(["logs", run, "--json"]);
  const aborted = AbortSignal.timeout(5_000);
  await (async () => {
    for await (const _ of world.api.events(0, run, aborted));
  })().catch(() => {});
  await context.expect
    .poll(async () => (await world.api.version().catch(() => undefined))?.pid ?? pid, {
      timeout: 30_000,
    })
    .not.toBe(pid);
  expect((await world.muster(["ls"])).stderr).toContain("event 1 is not what was written");
  expect(existsSync(join(asideOf(world).folder, "ledger.copy"))).toBe(true);
  await context.expect.poll(() => sessionsOf(world), { timeout: 20_000 }).toEqual(before);
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
});

test.concurrent("a worktree that a person deleted while no daemon lived is no damage of the ledger (F16, F32)", async (context) => {
  const world = await opened(context);
  const run = await startHeld(world, "a");
  await killForGood(world);
  const [project = ""] = readdirSync(join(world.state, "worktrees"));
  const att = readdirSync(join(world.state, "attempts"))[0] ?? "";
  rmSync(join(world.state, "worktrees", project, att), { recursive: true });
  expect((await world.muster(["ls"])).stderr).not.toContain("damaged");
  expect(readdirSync(world.state).filter((name) => name.includes("damaged"))).toEqual([]);
  world.letGo("a");
  expect((await world.api.run(run)).run.tasks).toHaveLength(1);
});
