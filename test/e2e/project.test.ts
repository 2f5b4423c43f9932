/** What a project and a person say of themselves reaches sessions and gates, and nothing else does. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say } from "../../src/testing/model/steps.ts";
import { type World, openWorld, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

test("CLAUDE.md of the target with its imports, and the person's own, are in the real binary's system prompt", async () => {
  const files = {
    "muster.yaml": "gate: none\n",
    "CLAUDE.md":
      "Rule of the project: tabs.\nSee @docs/rules.md, @docs/long.md and @../outside.md\n",
    "docs/rules.md": "Rule of the import: short names.\n",
    "docs/long.md": `Rule of the long one.${".".repeat(70_000)}\n`,
  };
  world = await openWorld({ real: true, files });
  mkdirSync(join(world.home, ".claude"), { recursive: true });
  writeFileSync(join(world.home, ".claude", "CLAUDE.md"), "Rule of the person: be kind.\n");
  writeFileSync(join(world.root, "outside.md"), "Rule from outside.\n");
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add") }], {
    defaults: {},
  });
  const { code } = await world.muster(["run", "--json", "--gate", "none", plan]);
  expect(code).toBe(0);
  const systems = world.model.requests().map(({ system }) => system);
  expect(systems.length).toBeGreaterThan(0);
  for (const rule of [
    "Rule of the project: tabs.",
    "Rule of the import: short names.",
    "Rule of the person: be kind.",
    "docs/long.md is too long to be given here",
  ])
    expect(systems[0]).toContain(rule);
  expect(systems.join("\n")).not.toContain("Rule from outside.");
});

test("`cwd` is where session and gate work, `.worktreeinclude` is honored, and `hooks: off` keeps the project's hooks out", async () => {
  const files = {
    "muster.yaml": "hooks: off\n",
    ".gitignore": "local.cfg\n",
    ".worktreeinclude": "# what every worktree needs\n/local.cfg\n",
    "packages/docs/check.sh": "test -f here.md && test -f ../../local.cfg\n",
  };
  world = await openWorld({ files });
  writeFileSync(join(world.repo, "local.cfg"), "x\n");
  const hook = join(world.repo, ".git", "hooks", "pre-commit");
  mkdirSync(join(hook, ".."), { recursive: true });
  writeFileSync(hook, `#!/bin/sh\ntouch ${world.home}/hooked\nexit 1\n`);
  chmodSync(hook, 0o755);
  const steps = [bash("pwd > here.md"), commit("Say where"), say("Done.")];
  const task = {
    id: "a",
    cwd: "packages/docs",
    gate: ["sh check.sh"],
    permissions: { allow: ["Bash"] },
    prompt: prompt("Say where you are.", steps),
  };
  const { code, stdout } = await world.muster(["run", "--json", world.plan([task])]);
  const landed = taskOf(JSON.parse(stdout), "a");
  expect([code, landed.state, landed.reason]).toEqual([0, "landed", null]);
  expect(await world.git("show", "main:packages/docs/here.md")).toMatch(/\/packages\/docs$/);
  expect(existsSync(join(world.home, "hooked"))).toBe(false);
  const said = await world.git("log", "-1", "--format=%s", `${landed.head}`);
  expect(said).toBe("Say where");
});

test("a plan that allows more than the person's ceiling is refused before anything starts", async () => {
  world = await openWorld();
  const folder = join(world.home, ".config", "muster");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.yaml"), 'ceiling: { allow: ["Bash(make *)"] }\n');
  const allow = (rule: string) =>
    world.plan([
      {
        id: "a",
        permissions: { allow: [rule] },
        prompt: writeAndCommit({ "a.txt": "good\n" }, "Add"),
      },
    ]);
  const refused = await world.muster(["run", "--json", allow("Bash")]);
  expect(refused.code).toBe(2);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    schema: 1,
    error: { code: "bad_plan", message: expect.stringContaining("beyond the ceiling") as string },
  });
  expect(await world.api.runs()).toEqual([]);
  const { code } = await world.muster(["run", "--json", allow("Bash(make *)")]);
  expect(code).toBe(0);
});
