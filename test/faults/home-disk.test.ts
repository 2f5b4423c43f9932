/** No space left where muster keeps its things: under everything, or under its sessions alone. */
import { join } from "node:path";
import { type TestContext, expect, test } from "vitest";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, statesOf, taskOf } from "../e2e/harness.ts";
import { type SmallDisk, smallDisk } from "./tmpfs.ts";
import { opened } from "./world.ts";

/** Several back-offs of what crashes. */
const fullMs = 8_000;

/** A run whose only session goes on writing, on a disk at `below` the home that is full from the middle of its round on. */
async function runOnFullDisk(
  context: TestContext,
  { below, runner }: { readonly below: string; readonly runner: string },
  then: (world: World, run: string, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const world = await opened(context);
  const disk = await smallDisk(context, 24 * 1024 * 1024, join(world.state, below));
  try {
    const files = [1, 2, 3].map((n) => write(`${n}.txt`, `good ${"x".repeat(3_000)}\n`));
    const steps = [bash(hold("a")), ...files, commit("Add them"), say("Done.")];
    const task = { id: "a", runner, prompt: prompt("Add them.", steps) };
    const permissions = { allow: ["Bash"] };
    const run = await world.start(world.plan([{ ...task, permissions }]));
    await world.held("a");
    disk.fill();
    world.letGo("a");
    await then(world, run, disk);
  } finally {
    disk.free();
    await world.muster(["host", "stop", "--sessions"]);
    await disk.unmount();
  }
}

const runners = ["claude-cli", "claude-sdk"];

test.concurrent.for(runners)(
  "a session of %s on a full disk fails nothing, and lands once there is space (F11)",
  async (runner, context) => {
    await runOnFullDisk(context, { below: ".", runner }, async (world, run, disk) => {
      const { pid } = await world.api.version();
      await new Promise((resolve) => setTimeout(resolve, fullMs));
      expect(taskOf(await world.api.run(run), "a").landed).toBeNull();
      for (const args of [["ls"], ["show"], ["host", "status"]]) {
        const { stdout } = await world.muster(args);
        expect(stdout).toMatch(/nothing can be recorded: no space left[^]*df -h/);
      }
      const { unrecorded } = JSON.parse((await world.muster(["ls", "--json"])).stdout);
      expect(unrecorded.why).toContain("no space left");
      disk.free();
      const detail = await world.settled(run);
      expect(statesOf(detail)).toEqual({ a: "landed" });
      expect(taskOf(detail, "a").attempts).toBe(1);
      expect((await world.git("show", "main:3.txt")).length).toBe("good ".length + 3_000);
      expect((await world.api.version()).pid).toBe(pid);
      expect((await world.muster(["ls"])).stdout).not.toContain("nothing can be recorded");
    });
  },
);

test.concurrent.for(runners)(
  "a session of %s that has no space for its stream is parked for that, and has not crashed (F11)",
  async (runner, context) => {
    await runOnFullDisk(context, { below: "attempts", runner }, async (world, run) => {
      const { pid } = await world.api.version();
      const parked = await world.until(run, (now) => taskOf(now, "a").state === "parked", 20_000);
      expect(taskOf(parked, "a").reason).toBe("disk");
      expect((await world.api.version()).pid).toBe(pid);
    });
  },
);
