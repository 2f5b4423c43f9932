/** The daemon as it is, which also says what its heap holds: after SIGUSR2 it collects garbage and writes `soak/heap-<n>`. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { writeHeapSnapshot } from "node:v8";

module.enableCompileCache(
  fileURLToPath(new URL("../../node_modules/.cache/muster-chaos", import.meta.url)),
);
const folder = join(process.env["MUSTER_HOME"] ?? "", "soak");
let looks = 0;

/** Pieces of memory outside of the heap are let go of behind a collection, so the least of a few is what is needed. */
const collections = 4;
const betweenMs = 500;

async function collected(): Promise<number> {
  const seen: number[] = [];
  for (let i = 0; i < collections; i++) {
    globalThis.gc?.();
    await wait(betweenMs);
    const { heapUsed, external } = process.memoryUsage();
    seen.push(heapUsed + external);
  }
  return Math.min(...seen);
}

process.on("SIGUSR2", () => void look());

async function look(): Promise<void> {
  const least = await collected();
  looks += 1;
  mkdirSync(folder, { recursive: true });
  if (process.env["SOAK_HEAP"] !== undefined)
    writeHeapSnapshot(join(folder, `${looks}.heapsnapshot`));
  writeFileSync(join(folder, "heap.new"), `${least}\n`);
  renameSync(join(folder, "heap.new"), join(folder, `heap-${looks}`));
}

const { daemonMain } = await import("../../src/daemon/main.ts");
await daemonMain();
