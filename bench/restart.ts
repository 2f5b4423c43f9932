/**
 * How long after `kill -9` the next daemon has every session again. Fifty of the protocol stand-in and eight
 * of the real binary, each in the middle of a round; the daemon is killed five times, which is as often as it is started again. `node bench/restart.ts` measures
 * nothing else.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { lean } from "../src/cli/connect.ts";
import { say } from "../src/cli/output.ts";
import { startRespawning } from "../src/process/respawn.ts";
import { writeAgentProgram } from "../src/testing/agent/program.ts";
import { ageMs, countBegun, cpuMs, talker } from "../test/faults/many.ts";
import { type World, openWorld, spread } from "./world.ts";

const kills = 5;
const lookMs = 5;
/** Fifty sessions come up within a minute on two busy cores. */
const upMs = 180_000;
/** Between two kills: sessions and daemon are quiet again. */
const restMs = 3_000;

interface Took {
  /** ms from the new daemon's first moment to its first answer, and to its last session. */
  readonly answered: number;
  readonly adopted: number;
  /** ms of its own CPU until then. */
  readonly cpu: number;
}

/** Measures both, with the built package. The world's own daemon is ended before. */
export async function measureRestarts(world: World): Promise<void> {
  await world.api.stopHost(true);
  say(`\nrestart, ms from the new daemon's start, median (min–max) of ${kills} kills`);
  const bin = join(world.folder, "stand-in");
  mkdirSync(bin);
  await writeAgentProgram(bin);
  const standIn = { ...world.env, PATH: `${bin}:${world.env["PATH"]}` };
  for (const [count, what, env] of [
    [50, "stand-ins", standIn],
    [8, "real sessions", world.env],
  ] as const) {
    const took = await restarts(world, count, env);
    say(
      `  ${String(count).padStart(2)} ${what.padEnd(14)} answers ${spread(took.map((each) => each.answered))}   all adopted ${spread(took.map((each) => each.adopted))}, ${spread(took.map((each) => each.cpu))} of CPU   aim < 2000`,
    );
  }
}

async function restarts(
  world: World,
  count: number,
  env: Readonly<Record<string, string>>,
): Promise<readonly Took[]> {
  const { api } = world;
  await startWide(world, count, env);
  const flags = join(world.folder, `flags-${count}`);
  mkdirSync(flags);
  const tasks = Array.from({ length: count }, (_, i) => talker(`t${i}`, flags));
  const plan = { version: 1, name: "restart", limits: { parallel: count }, tasks };
  const run = await api.start({
    cwd: world.repo,
    sources: [{ path: "restart.yaml", text: JSON.stringify(plan) }],
    prompts: [],
    options: {},
    attended: false,
    acceptGates: false,
    env: { ...env },
    configHome: null,
    claudeConfigDir: null,
  });
  await until(async () => countBegun(flags) === count);
  writeFileSync(join(flags, "go"), "");
  await wait(restMs);
  const before = await pids(world);
  const took: Took[] = [];
  for (let i = 0; i < kills; i++) {
    took.push(await restart(world, count));
    if (String(await pids(world)) !== String(before)) throw new Error("a session is another one");
    await wait(restMs);
  }
  await api.command({ type: "stop", run, task: null });
  await until(async () => (await api.run(run)).settled);
  await api.stopHost(true);
  await until(() => api.version().then(...away));
  return took;
}

/** True where nobody answers. */
const away = [() => false, () => true] as const;

async function restart({ api }: World, count: number): Promise<Took> {
  const { pid } = await api.version();
  process.kill(pid, "SIGKILL");
  let answered: number | undefined;
  for (const since = performance.now(); performance.now() - since < upMs; await wait(lookMs)) {
    const host = await api.host().catch(() => undefined);
    if (host === undefined || host.pid === pid) continue;
    answered ??= ageMs(host.pid);
    if (host.sessions.length === count)
      return { answered, adopted: ageMs(host.pid), cpu: cpuMs(host.pid) };
  }
  throw new Error(`${count} sessions were not adopted within ${upMs} ms`);
}

async function pids({ api }: World): Promise<readonly number[]> {
  return (await api.host()).sessions.map(({ pid }) => pid).toSorted((a, b) => a - b);
}

/** The built daemon, for so many sessions at once. */
async function startWide(
  { folder, api }: World,
  count: number,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const home = join(folder, "m");
  const entry = join(folder, "pkg", `wide-${count}.mjs`);
  const capacity = { parallel: count, resident: count, gates: 1 };
  writeFileSync(
    entry,
    `import { daemonMain } from "./dist/daemon/main.js";\nawait daemonMain({ capacity: () => (${JSON.stringify(capacity)}) });\n`,
  );
  await until(() => api.version().then(...away));
  startRespawning({
    argv: [process.execPath, ...lean.flags, entry],
    env: { ...env, ...lean.env },
    cwd: "/",
    log: join(home, "log", "daemon.err"),
    note: join(home, "daemon.note"),
  });
  await until(() => api.version().then(() => true));
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const since = performance.now();
  while (!(await Promise.resolve(holds()).catch(() => false))) {
    if (performance.now() - since > upMs)
      throw new Error(`not within ${upMs} ms: ${holds.toString()}`);
    await wait(100);
  }
}

if (process.argv[1] === import.meta.filename) {
  const world = await openWorld();
  try {
    await measureRestarts(world);
  } finally {
    await world.close();
  }
}
