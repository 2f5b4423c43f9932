/** A run settles while a person's word about it is on its way. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld({
    files: { "muster.yaml": `gate: sh test.sh\nteardown: ${JSON.stringify(hold("teardown"))}\n` },
  });
});
afterAll(() => world.close());

/** A folder with a `claude` that says its version once it is let go. */
function slowProgram(): string {
  const folder = join(world.root, "slow");
  mkdirSync(folder);
  const script = `#!/bin/sh\ncase "$1" in --version) ${hold("version")};; esac\nexec "${world.root}/bin/claude" "$@"\n`;
  writeFileSync(join(folder, "claude"), script);
  chmodSync(join(folder, "claude"), 0o755);
  return folder;
}

test("`retry` of a task whose run settles before the word is taken tries it again all the same", async () => {
  const steps = [write("a.txt", "good\n"), bash(hold("a")), commit("Add a"), say("Done.")];
  const a = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };
  const run = await world.start(world.plan([a]));
  await world.held("a");
  expect((await world.muster(["stop", `${run}/a`])).code).toBe(0);
  // Canceled, and its worktree is still given back.
  await world.held("teardown");
  const path = `${slowProgram()}:${world.env["PATH"]}`;
  const retried = world.muster(["retry", `${run}/a`], { env: { PATH: path } });
  await world.held("version");
  world.letGo("a");
  world.letGo("teardown");
  await world.settled(run);
  world.letGo("version");
  expect(await retried).toMatchObject({ code: 0 });
  const detail = await world.settled(run);
  expect([statesOf(detail), taskOf(detail, "a").attempts]).toEqual([{ a: "landed" }, 2]);
});
