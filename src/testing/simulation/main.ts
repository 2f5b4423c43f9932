/**
 * `node src/testing/simulation/main.ts --seeds N --from S`: simulates N seeds from S on and says how much it looked at. What fails
 * is shrunk and written as a script; `--script FILE` runs one.
 */
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import type { Script } from "./random.ts";
import { choicesIn, readScript, scriptText } from "./script.ts";
import { ruleOf, shrink } from "./shrink.ts";
import { type Broken, type SimulateOptions, tryOut } from "./simulate.ts";
import { count, tally, tallyText } from "./tally.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    faults: { type: "string", default: "40" },
    /** Seconds that a failing run is shrunk for: most are small after ten. */
    shrink: { type: "string", default: "60" },
    script: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});
const given = [values.seeds, values.from, values.faults, values.shrink].map(Number);
const [seeds = 0, from = 0, faults = 0, shrinkS = 0] = given;
if (!given.every((n) => Number.isSafeInteger(n) && n >= 0)) {
  process.stderr.write("✗ --seeds, --from, --faults and --shrink are whole numbers\n");
  process.exit(2);
}

const trace = values.trace ? (line: string) => process.stdout.write(`${line}\n`) : null;
const startedAt = performance.now();
const sum = tally();
const runs: Iterable<number | Script> =
  values.script === undefined
    ? Array.from({ length: seeds }, (_, i) => from + i)
    : [readScript(values.script).choices];
for (const run of runs) {
  const options = { faults, trace };
  const end = tryOut(run, options);
  if ("what" in end) {
    explain(run, end, options);
    process.exit(1);
  }
  count(sum, end);
}
const seconds = (performance.now() - startedAt) / 1000;
const name = values.script ?? `${sum.runs} seeds from ${from}`;
process.stdout.write(
  `✓ ${name}: ${tallyText(sum)}\n  ${seconds.toFixed(1)} s, ${(sum.runs / seconds).toFixed(0)} seeds/s\n`,
);

/** Says what broke, how, and in how few choices. */
function explain(run: number | Script, end: Broken, options: Partial<SimulateOptions>): void {
  const isSeed = typeof run === "number";
  process.stderr.write(`✗ ${isSeed ? `seed ${run}` : values.script}: ${end.stack}\n`);
  process.stderr.write(`last inputs:\n${end.inputs.join("\n")}\n`);
  if (isSeed)
    process.stderr.write(
      `↳ npm run simulate -- --seeds 1 --from ${run} --faults ${faults} --trace\n`,
    );
  if (shrinkS === 0) return;
  const small = shrinkEnd(end, options);
  const text = scriptText(small.what.split(/[:\n]/)[0] ?? "", small.script);
  const name = isSeed ? `seed-${run}.json` : "script.json";
  const file = relative("", join(import.meta.dirname, "scripts", name));
  writeFileSync(file, text);
  process.stderr.write(
    `shrunk: ${choicesIn(end.script)} choices and ${end.events} events to ${choicesIn(small.script)} and ${small.events}\n${text}` +
      `↳ node src/testing/simulation/main.ts --script ${file} --trace\n` +
      `  It is a test of npm test from now on; give it a name that says what broke.\n`,
  );
}

function shrinkEnd(end: Broken, options: Partial<SimulateOptions>): Broken {
  const until = performance.now() + shrinkS * 1000;
  let small = end;
  const fails = (script: Script): Script | null => {
    const again = tryOut(script, { ...options, trace: null });
    if (!("what" in again) || ruleOf(again.what) !== ruleOf(end.what)) return null;
    small = again;
    return again.script;
  };
  shrink(end.script, fails, () => performance.now() > until);
  return small;
}
