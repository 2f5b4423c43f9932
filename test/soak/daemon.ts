/** The daemon as it is, which also says what its heap holds: after SIGUSR2 it collects garbage and writes `soak/heap`. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeHeapSnapshot } from "node:v8";

module.enableCompileCache(
  fileURLToPath(new URL("../../node_modules/.cache/muster-chaos", import.meta.url)),
);
const folder = join(process.env["MUSTER_HOME"] ?? "", "soak");
let looks = 0;

process.on("SIGUSR2", () => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  looks += 1;
  mkdirSync(folder, { recursive: true });
  if (process.env["SOAK_HEAP"] !== undefined)
    writeHeapSnapshot(join(folder, `${looks}.heapsnapshot`));
  writeFileSync(join(folder, "heap.new"), `${heapUsed + external}\n`);
  renameSync(join(folder, "heap.new"), join(folder, `heap-${looks}`));
});

const { daemonMain } = await import("../../src/daemon/main.ts");
await daemonMain();
