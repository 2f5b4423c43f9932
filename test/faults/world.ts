/** A world for tests that run beside each other: closed when its own test is over. */
import { type World, type WorldOptions, openWorld } from "../e2e/harness.ts";
import type { Context } from "./folder.ts";

export async function opened({ onTestFinished }: Context, options?: WorldOptions): Promise<World> {
  const world = await openWorld(options);
  onTestFinished(() => world.close());
  return world;
}
