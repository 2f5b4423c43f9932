/** What a setup leaves that muster may not delete, as a container that writes as another user does. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { openWorld, statesOf, taskOf } from "./harness.ts";
import { patiently } from "./patiently.ts";

const attribute = (change: string, ...paths: readonly string[]): boolean =>
  spawnSync("chattr", [change, ...paths]).status === 0;

function canKeep(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "muster-chattr-"));
  writeFileSync(join(folder, "x"), "");
  const can = attribute("+i", join(folder, "x"));
  attribute("-i", join(folder, "x"));
  rmSync(folder, { recursive: true });
  return can;
}

test("costs a warning: the task lands, and the next daemon starts (needs chattr +i)", async ({
  skip,
}) => {
  skip(!canKeep(), "no chattr, or a file system without it");
  const setup = "mkdir -p build && touch build/x && { chattr +i build/x || true; }";
  const world = await openWorld({
    files: {
      "muster.yaml": `gate: sh test.sh\nsetup: ${JSON.stringify(setup)}\n`,
      ".gitignore": "build\n",
    },
  });
  const trash = join(world.state, "trash");
  try {
    const task = (id: string) => ({
      id,
      prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
    });
    const run = await world.start(world.plan([task("a")]));
    const detail = await world.settled(run);
    expect(taskOf(detail, "a")).toMatchObject({ state: "landed", worktree: null });
    expect(readdirSync(trash).length).toBeGreaterThan(0);
    await world.muster(["host", "stop"]);
    const again = await world.start(world.plan([task("b")]));
    expect(statesOf(await world.settled(again))).toEqual({ b: "landed" });
    attribute("-R", "-f", "-i", trash);
    await world.muster(["host", "stop"]);
    expect((await world.muster(["ls"])).code).toBe(0);
    await patiently(() => readdirSync(trash).length === 0, 10_000, "an empty trash");
  } finally {
    spawnSync("chattr", ["-R", "-f", "-i", world.root]);
    await world.close();
  }
});
