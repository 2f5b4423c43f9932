/**
 * What `due` and `decide(tick)` cost with many open attempts: `node bench/due.ts [attempts]`. One state per line below, all
 * attempts of it in the phase named; each call is measured alone; aim: `due` in 5 ms at 1,000 attempts.
 */
import { decide } from "../src/core/decide/decide.ts";
import { due } from "../src/core/due.ts";
import type { Capacity } from "../src/core/inputs.ts";
import { runStateName } from "../src/core/view.ts";
import type { State } from "../src/core/state.ts";
import { type Drive, drive, startOf, taskSpec } from "../src/testing/core.ts";
import { walk } from "../src/testing/walk.ts";

const attempts = Number(process.argv[2] ?? "1000");
const calls = 200;
const wide: Capacity = { parallel: attempts, resident: attempts, gates: attempts };
const narrow: Capacity = { parallel: 1, resident: 1, gates: 1 };
const seed = "00000000-0000-4000-a000-000000000000";

/** A run of so many tasks, each walked as far as `far` says. */
function open(far: (d: Drive, key: string) => void): State {
  const d = drive();
  d.capacity = wide;
  const keys = Array.from({ length: attempts }, (_, i) => `t${i}`);
  d.command(
    startOf(
      keys.map((key) => taskSpec(key)),
      { parallel: attempts, usd: 1e9 },
    ),
  );
  for (const key of keys) far(d, key);
  return d.state;
}

function measure(what: () => void): { median: number; p5: number; p95: number } {
  for (let i = 0; i < 20; i++) what();
  const times = Array.from({ length: calls }, () => {
    const startedAt = performance.now();
    what();
    return performance.now() - startedAt;
  }).toSorted((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(share * (calls - 1))] ?? 0;
  return { median: at(0.5), p5: at(0.05), p95: at(0.95) };
}

const states: Record<string, State> = {
  provisioning: open(() => {}),
  starting: open((d, key) => void walk(d).provision(key)),
  working: open((d, key) => walk(d).work(key)),
  verifying: open((d, key) => {
    walk(d).work(key);
    walk(d).commit(key);
  }),
  queued: open((d, key) => walk(d).prove(key)),
};

process.stdout.write(
  `${attempts} open attempts, ${calls} calls each after 20 to warm up, ms: median (5th–95th percentile)\n`,
);
for (const [name, state] of Object.entries(states)) {
  const run = [...state.runs.values()][0];
  const rows: Record<string, () => void> = {
    due: () => due(state, state.now),
    "decide(tick), room": () => decide(state, { is: "tick", capacity: wide, seed }, state.now),
    "decide(tick), no room": () => decide(state, { is: "tick", capacity: narrow, seed }, state.now),
    runStateName: () => run && runStateName(state, run),
  };
  for (const [what, act] of Object.entries(rows)) {
    const { median, p5, p95 } = measure(act);
    const effects = due(state, state.now).effects.length;
    process.stdout.write(
      `${name.padEnd(13)} ${what.padEnd(22)} ${median.toFixed(2)} (${p5.toFixed(2)}–${p95.toFixed(2)})` +
        `${what === "due" ? `  ${effects} effects` : ""}\n`,
    );
  }
}
