/** The daemon as it is, with crash points: started by the chaos tests in place of the product's own entry. */
import module from "node:module";
import { fileURLToPath } from "node:url";
import { hook } from "./hook.ts";

// Hundreds of starts, of which each would strip the types of the whole daemon again.
module.enableCompileCache(
  fileURLToPath(new URL("../../node_modules/.cache/muster-chaos", import.meta.url)),
);
const { daemonMain } = await import("../../src/daemon/main.ts");
await daemonMain({ boundary: hook(process.env["MUSTER_HOME"] ?? "") });
