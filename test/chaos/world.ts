/** A world whose daemon is the chaos daemon, with an order for it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunRequest } from "../../src/api/schema.ts";
import { startRespawning } from "../../src/process/respawn.ts";
import { type PlanTask, type World, type WorldOptions, openWorld } from "../e2e/harness.ts";
import { patiently } from "../e2e/patiently.ts";
import { type Order, giveOrder } from "./hook.ts";

const daemon = fileURLToPath(new URL("daemon.ts", import.meta.url));
const startMs = 30_000;

/** Opens a world and starts its daemon, under the same respawning shell as the product's. */
export async function openChaos(order: Order, options: WorldOptions = {}): Promise<World> {
  const world = await openWorld(options);
  const { state } = world;
  mkdirSync(state, { mode: 0o700 });
  giveOrder(state, order);
  startRespawning({
    argv: [process.execPath, "--max-semi-space-size=1", daemon],
    env: world.env,
    cwd: "/",
    log: join(state, "daemon.err"),
    note: join(state, "daemon.note"),
  });
  const isUp = async (): Promise<boolean> => (await world.api.version()).pid > 0;
  await patiently(isUp, startMs, "a daemon");
  return world;
}

/** `muster run` with these tasks, all of them at once, as the command line asks for it. */
export function runRequest(world: World, tasks: readonly PlanTask[]): RunRequest {
  const plan = { version: 1, name: "chaos", limits: { parallel: tasks.length }, tasks };
  return {
    cwd: world.repo,
    sources: [{ path: "chaos.yaml", text: JSON.stringify(plan) }],
    prompts: [],
    options: {},
    attended: true,
    acceptGates: false,
    ...world.caller,
  };
}
