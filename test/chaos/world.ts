/** A world whose daemon is the chaos daemon, with an order for it. */
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RunRequest } from "../../src/api/schema.ts";
import { type PlanTask, type World, type WorldOptions, openWorld } from "../e2e/harness.ts";
import { startOwnDaemon } from "../e2e/own-daemon.ts";
import { type Order, giveOrder } from "./hook.ts";

const daemon = fileURLToPath(new URL("daemon.ts", import.meta.url));

/** Opens a world and starts its daemon. */
export async function openChaos(order: Order, options: WorldOptions = {}): Promise<World> {
  const world = await openWorld(options);
  mkdirSync(world.state, { mode: 0o700 });
  giveOrder(world.state, order);
  await startOwnDaemon(world, daemon);
  return world;
}

/** `muster run` with these tasks, all of them at once, as the command line asks for it. */
export function runRequest(
  { repo, caller }: Pick<World, "repo" | "caller">,
  tasks: readonly PlanTask[],
): RunRequest {
  const plan = { version: 1, name: "chaos", limits: { parallel: tasks.length }, tasks };
  return {
    cwd: repo,
    sources: [{ path: "chaos.yaml", text: JSON.stringify(plan) }],
    prompts: [],
    options: {},
    attended: true,
    acceptGates: false,
    ...caller,
  };
}
