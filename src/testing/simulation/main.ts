/** `node src/testing/simulation/main.ts --seeds N --from S`: simulates N seeds from S on and says how much it looked at. */
import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    faults: { type: "string", default: "40" },
    trace: { type: "boolean", default: false },
  },
});
const [seeds, from, faults] = [Number(values.seeds), Number(values.from), Number(values.faults)];
if (![seeds, from, faults].every((n) => Number.isSafeInteger(n) && n >= 0)) {
  process.stderr.write("✗ --seeds, --from and --faults are whole numbers\n");
  process.exit(2);
}

const trace = values.trace ? (line: string) => process.stdout.write(`${line}\n`) : null;
const startedAt = performance.now();
const sum = { steps: 0, events: 0, landings: 0, crashes: 0, refused: 0, virtualMs: 0 };
for (let seed = from; seed < from + seeds; seed++) {
  try {
    const one = simulate(seed, { faults, trace });
    sum.steps += one.steps;
    sum.events += one.events.length;
    sum.landings += one.landings;
    sum.crashes += one.crashes;
    sum.refused += one.refused;
    sum.virtualMs += one.virtualMs;
  } catch (error) {
    process.stderr.write(`✗ ${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write(
      `↳ npm run simulate -- --seeds 1 --from ${seed} --faults ${faults} --trace\n`,
    );
    process.exit(1);
  }
}
const seconds = (performance.now() - startedAt) / 1000;
process.stdout.write(
  `✓ ${seeds} seeds from ${from}: ${sum.steps} steps, ${sum.events} events, ${sum.landings} landings, ` +
    `${sum.crashes} crashes, ${sum.refused} refused commands, ${(sum.virtualMs / 3_600_000).toFixed(0)} h of virtual time\n` +
    `  ${seconds.toFixed(1)} s, ${(seeds / seconds).toFixed(0)} seeds/s\n`,
);
