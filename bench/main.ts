/**
 * `npm run bench`: what muster costs, next to a plain `claude -p` in the same run. Real binary, scripted model, no key. Every figure
 * is a median of n ≥ 5 with its spread; ratios are taken pair by pair, because machines are noisy.
 */
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { say } from "../src/cli/output.ts";
import { hangs, lie } from "../src/testing/model/behaviors.ts";
import { measureRestarts } from "./restart.ts";
import { type World, claude, median, openWorld, spread } from "./world.ts";

const n = 7;

/** Time from `begin` to the model's next request, in ms. */
async function toFirstRequest(world: World, begin: () => void | Promise<void>): Promise<number> {
  world.model.reset();
  const seen = world.model.waitFor(() => true, 60_000);
  const startedAt = performance.now();
  await begin();
  await seen;
  return performance.now() - startedAt;
}

function spawned(world: World, file: string, args: readonly string[]): Promise<void> {
  const child = spawn(file, args, { cwd: world.repo, env: world.env, stdio: "ignore" });
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

async function firstRequest(world: World): Promise<void> {
  const plain: number[] = [];
  const posted: number[] = [];
  const shell: number[] = [];
  const prompt = lie();
  const request = {
    cwd: world.repo,
    sources: [],
    prompts: [prompt],
    options: {},
    attended: false,
    acceptGates: false,
    env: { ...world.env },
    configHome: null,
    claudeConfigDir: null,
  };
  for (let i = 0; i <= n; i++) {
    const ended: Promise<void>[] = [];
    const a = await toFirstRequest(
      world,
      () => void ended.push(spawned(world, claude, ["-p", "--model=sonnet", "--", prompt])),
    );
    await Promise.all(ended);
    let run = "";
    const b = await toFirstRequest(world, async () => {
      run = await world.api.start(request);
    });
    await settled(world, run);
    const c = await toFirstRequest(
      world,
      () =>
        void ended.push(spawned(world, process.execPath, [world.bin, "run", "--prompt", prompt])),
    );
    await Promise.all(ended);
    if (i === 0) continue; // A warm-up of every path.
    plain.push(a);
    posted.push(b);
    shell.push(c);
  }
  const ratio = (values: readonly number[]): string =>
    spread(
      values.map((value, i) => value / (plain[i] ?? NaN)),
      2,
    );
  say(`\ntime to the model's first request, ms, median (min–max) of ${n}, interleaved`);
  say(`  plain claude -p                 ${spread(plain)}`);
  say(`  muster, from the accepted POST  ${spread(posted)}   ratio ${ratio(posted)}   aim ≤ 1.25`);
  say(`  muster run, from the shell      ${spread(shell)}   ratio ${ratio(shell)}   aim ≤ 1.6`);
}

async function settled(world: World, run: string): Promise<void> {
  const ended = new AbortController();
  if ((await world.api.run(run)).settled) return;
  for await (const event of world.api.events(0, run, ended.signal))
    if (event.type === "run.settled") break;
  ended.abort();
}

/** CPU seconds (user + system) and resident bytes of a process. Ticks are 10 ms. */
function usageOf(pid: number): { cpu: number; rss: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const rss =
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rss };
}

/** Resident bytes of the shims of this world's sessions. */
function shims(world: World): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return command.includes("muster-shim") && command.includes(world.folder)
          ? [usageOf(Number(pid)).rss]
          : [];
      } catch {
        return [];
      }
    });
}

const idleMs = 10_000;

async function perSession(world: World): Promise<void> {
  say(`\nwhat muster adds per live, idle claude-cli session (${idleMs / 1000} s of idleness)`);
  const { pid } = await world.api.version();
  const base = await idle(pid);
  say(`  no session     daemon ${mb(usageOf(pid).rss)} MB, ${(base * 100).toFixed(2)} % of a core`);
  for (const count of [1, 5, 10]) {
    const prompts = Array.from({ length: count }, (_, i) => `${hangs()} ${i}`);
    const run = await world.api.start({
      cwd: world.repo,
      sources: [],
      prompts,
      options: { parallel: count },
      attended: false,
      acceptGates: false,
      env: { ...world.env },
      configHome: null,
      claudeConfigDir: null,
    });
    await until(async () => (await world.api.host()).sessions.length === count);
    const busy = await idle(pid);
    const sizes = shims(world);
    const shim = sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length);
    say(
      `  ${String(count).padStart(2)} sessions    daemon ${mb(usageOf(pid).rss)} MB, shim ${mb(shim)} MB each (${sizes.length} seen), daemon adds ${(((busy - base) / count) * 100).toFixed(2)} % of a core a session   aim ≤ 2 MB, ≤ 1 %, daemon ≤ 120 MB`,
    );
    await world.api.command({ type: "stop", run, task: null });
    await settled(world, run);
  }
}

function mb(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

/** Share of a core that a process uses while nothing happens. */
async function idle(pid: number): Promise<number> {
  const before = usageOf(pid).cpu;
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  return (usageOf(pid).cpu - before) / (idleMs / 1000);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("it did not come to hold within 60 s");
}

async function startUp(world: World): Promise<void> {
  const direct: number[] = [];
  const bare: number[] = [];
  const bootstrap: number[] = [];
  const systemNode = process.env["BENCH_OLD_NODE"];
  for (let i = 0; i <= n; i++) {
    const times: number[] = [];
    const ls = [world.bin, "ls"];
    for (const [file, args] of [
      [process.execPath, ["-e", "0"]],
      [process.execPath, ls],
      ...(systemNode === undefined ? [] : [[systemNode, ls]]),
    ] as [string, string[]][]) {
      const startedAt = performance.now();
      await spawned(world, file, args);
      times.push(performance.now() - startedAt);
    }
    if (i === 0) continue;
    bare.push(times[0] ?? NaN);
    direct.push(times[1] ?? NaN);
    if (times[2] !== undefined) bootstrap.push(times[2]);
  }
  say(`\nmuster ls, start to exit, ms, median (min–max) of ${n}, interleaved`);
  say(`  node -e 0                   ${spread(bare)}`);
  say(
    `  under Node ${process.versions.node.padEnd(10)}       ${spread(direct)}   ${(median(direct) / median(bare)).toFixed(2)} × node -e 0   aim ≤ 150`,
  );
  if (bootstrap.length > 0) say(`  through the bootstrap       ${spread(bootstrap)}   aim ≤ 350`);
  else
    say(
      "  through the bootstrap       not measured: set BENCH_OLD_NODE to a node older than 24.11",
    );
}

const world = await openWorld();
try {
  say(
    `method: built package, real claude binary, scripted model on loopback, one daemon, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
  );
  await firstRequest(world);
  await startUp(world);
  await perSession(world);
  await measureRestarts(world);
} finally {
  await world.close();
}
