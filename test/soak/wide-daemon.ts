/** The daemon as it is, for as many sessions at once as `SOAK_SESSIONS` says: the product's takes sixteen rounds. */
import { daemonMain } from "../../src/daemon/main.ts";

const sessions = Number(process.env["SOAK_SESSIONS"]);
await daemonMain({ capacity: () => ({ parallel: sessions, resident: sessions, gates: 1 }) });
