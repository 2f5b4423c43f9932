/** A thousand attempts in a row through one daemon: nothing of them is left but what is kept on purpose. */
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { RunDetail } from "../../src/api/service.ts";
import { runRequest } from "../chaos/world.ts";
import { type World, openWorld, statesOf } from "../e2e/harness.ts";
import { startOwnDaemon } from "../e2e/own-daemon.ts";
import { patiently } from "../e2e/patiently.ts";
import { keptOf, readLeft, scraps } from "./left.ts";
import { type Held, countDescriptors, readHeld } from "./measure.ts";
import { type MixedTask, mixOf, runSize } from "./mix.ts";
import { type Row, tableOf, writePart } from "./page.ts";

/** `SOAK_ATTEMPTS=100 npm run soak -- attempts` for a try, of which no page is written. */
const attempts = Number(process.env["SOAK_ATTEMPTS"] ?? "1000");
const isWhole = process.env["SOAK_ATTEMPTS"] === undefined;
const measureEvery = Math.min(100, attempts);
/** The first and the last hundred differ by at most this. */
const tolerance = 0.1;
/** 25 attempts take a minute where another three do the same on two cores. */
const runMs = 10 * 60_000;
const goneMs = 20_000;

const daemon = fileURLToPath(new URL("daemon.ts", import.meta.url));
const world = await openWorld();
afterAll(() => world.close());
await startOwnDaemon(world, daemon, { flags: ["--expose-gc"] });

/** Runs 25 tasks to their end, as a person who stops what hangs. */
async function runMix(tasks: readonly MixedTask[]): Promise<RunDetail> {
  const id = await world.api.start(
    runRequest(
      world,
      tasks.map(({ task }) => task),
    ),
  );
  const stopped = new Set(
    tasks.filter(({ kind }) => kind === "stopped").map(({ task }) => task.id),
  );
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), runMs);
  try {
    for await (const event of world.api.events(0, id, ended.signal)) {
      if (event.type === "message.taken" && stopped.has(event.task))
        await world.api.command({ type: "stop", run: id, task: event.task });
      if (event.type === "run.settled") break;
    }
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
  const detail = await world.api.run(id);
  const wanted = Object.fromEntries(tasks.map(({ task, state }) => [task.id, state]));
  expect(statesOf(detail)).toEqual(wanted);
  return detail;
}

/** Processes of the world besides the daemon and its shell. */
function strays({ processes }: World): readonly string[] {
  return processes().filter((line) => !/muster-respawn|soak\/daemon\.ts/.test(line));
}

const attemptsIn = (runs: readonly RunDetail[]): number =>
  runs.flatMap(({ tasks }) => tasks).flatMap((task) => task.attempts).length;

test(
  `${attempts} attempts leave nothing behind but what is kept on purpose`,
  { timeout: attempts * 60_000 },
  async () => {
    const { pid } = await world.api.version();
    const runs: RunDetail[] = [];
    const rows: Row[] = [];
    let since = performance.now();
    let worked = 0;
    while (attemptsIn(runs) < attempts) {
      runs.push(await runMix(mixOf(runs.length)));
      worked += performance.now() - since;
      const done = attemptsIn(runs);
      if (done >= (rows.length + 1) * measureEvery) {
        const held = await readHeld(world.state, pid);
        rows.push({ attempts: done, seconds: worked / 1000, held });
        console.log(tableOf(rows));
        worked = 0;
      }
      since = performance.now();
    }

    await patiently(() => strays(world).length === 0, goneMs, "no stray").catch(() => {});
    const orphans = strays(world);
    const left = await readLeft(world);
    const kept = await keptOf(world, runs);
    const unwanted = scraps(world);
    expect((await world.api.version()).pid).toBe(pid);
    expect(orphans).toEqual([]);
    expect(left.worktrees).toEqual(kept.worktrees);
    expect(left.refs).toEqual(kept.refs);
    expect(unwanted).toEqual([]);

    const ages = { olderThanMs: null, largerThanBytes: null };
    const plan = await world.api.clean({ run: null, task: null, ...ages });
    await world.api.performClean({
      worktrees: plan.items.map(({ worktree }) => worktree),
      attempts: [],
      ...ages,
    });
    expect((await readLeft(world)).worktrees).toEqual([]);
    await world.git("fsck", "--no-dangling", "--no-progress");

    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) throw new Error("fewer than one measurement");
    const [was, is] = [first.held, last.held];
    // Said first: a page that only shows what was hoped for shows nothing.
    if (isWhole) writePart("Attempts in a row", partOf(rows, runs, kept, was, is));
    expect(rows.map(({ held }) => [held.children, held.zombies])).toEqual(rows.map(() => [0, 0]));
    expect(countDescriptors(is)).toBeLessThanOrEqual(countDescriptors(was));
    if (rows.length > 1) {
      expect(is.resident).toBeLessThan(was.resident * (1 + tolerance));
      expect(is.heap).toBeLessThan(was.heap * (1 + tolerance));
    }
  },
);

function partOf(
  rows: readonly Row[],
  runs: readonly RunDetail[],
  kept: { readonly refs: readonly string[]; readonly worktrees: readonly string[] },
  was: Held,
  is: Held,
): readonly string[] {
  const change = (name: "resident" | "own" | "heap"): string =>
    `${((is[name] / was[name] - 1) * 100).toFixed(1)} %`;
  const states = runs.flatMap((run) => Object.values(statesOf(run)));
  const count = (state: string): number => states.filter((each) => each === state).length;
  return [
    `${attemptsIn(runs)} attempts in ${runs.length} runs of ${runSize} tasks, one run after the other, through one daemon on the protocol stand-in:`,
    `${count("landed")} landed, ${count("done")} changed nothing, ${count("failed")} failed their gate, ${count("canceled")} were stopped.`,
    "",
    tableOf(rows),
    "",
    `From the first to the last ${measureEvery}, of a daemon that runs from its sources: resident ${change("resident")}, the daemon's own pages ${change("own")}, heap ${change("heap")}.`,
    "",
    `Zombies at the worst: ${Math.max(...rows.map(({ held }) => held.zombies))}. Left at the end: 0 processes, 0 scraps in the home, 0 locks of git, and of worktrees and refs exactly`,
    `what is kept on purpose: ${kept.worktrees.length} worktrees of failed tasks, and ${kept.refs.length - 1} refs (snapshots of every attempt, branches with work that did`,
    "not land). After `muster clean` 0 worktrees.",
  ];
}
