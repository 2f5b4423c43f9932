/** The daemon as it is, for as many sessions at once as `SOAK_SESSIONS` says: the product's takes sixteen rounds. */
import module from "node:module";
import { fileURLToPath } from "node:url";

// What is measured is a restart, not how long types take to strip: the package has none.
module.enableCompileCache(
  fileURLToPath(new URL("../../node_modules/.cache/muster-chaos", import.meta.url)),
);
const { daemonMain } = await import("../../src/daemon/main.ts");
const sessions = Number(process.env["SOAK_SESSIONS"]);
await daemonMain({ capacity: () => ({ parallel: sessions, resident: sessions, gates: 1 }) });
