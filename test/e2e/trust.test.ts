/** A project's own Claude configuration: nothing loads it before a person has seen it, and never another than that. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { RunDetail } from "../../src/api/service.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

const hooks = (flag: string): string =>
  JSON.stringify({
    hooks: {
      UserPromptSubmit: [
        { hooks: [{ type: "command", command: `touch "$HOME/../flags/${flag}"` }] },
      ],
    },
  });
const ownConfig = { ".claude/settings.json": hooks("trusted"), "CLAUDE.md": "Be brief.\n" };
const addA = {
  id: "a",
  prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a"),
  profile: "project",
};

test("a task that wants it does not start before a person has said yes to what was shown", async () => {
  world = await openWorld({ files: ownConfig });
  const plan = world.plan([addA]);
  const refused = await world.muster(["run", "--json", plan]);
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.stdout).error.remedy).toBe(`muster trust ${world.repo}`);
  expect(await world.api.runs()).toEqual([]);

  const shown = await world.muster(["trust"]);
  expect(shown.code).toBe(3);
  expect(shown.stdout).toContain("UserPromptSubmit");
  expect(shown.stderr).toContain(`muster trust ${world.repo} --yes`);
  expect((await world.muster(["trust", "--yes"])).code).toBe(0);
  const again = JSON.parse((await world.muster(["trust", "--json"])).stdout);
  expect(again.trust).toMatchObject({ trusted: true, target: "main" });

  const { code, stdout } = await world.muster(["run", "--json", plan]);
  expect([code, JSON.parse(stdout).run.tasks[0].state]).toEqual([0, "landed"]);
});

test("what changed after the run was started is asked about, and a no fails the task", async () => {
  world = await openWorld({ files: ownConfig });
  await world.muster(["trust", "--yes"]);
  const first = {
    id: "first",
    permissions: { allow: ["Bash"] },
    prompt: prompt("Wait.", [bash(hold("first")), say("Done.")]),
  };
  const tasks = [first, { ...addA, needs: [{ task: "first", when: "landed" }] }];
  const started = [await world.start(world.plan(tasks)), await world.start(world.plan(tasks))];
  await world.held("first");
  writeFileSync(join(world.repo, ".claude/settings.json"), hooks("changed"));
  await world.git("commit", "-q", "-am", "Change the hooks");
  world.letGo("first");
  const asks = (detail: RunDetail): boolean => taskOf(detail, "a").asking?.kind === "trust";
  for (const run of started) await world.until(run, asks);
  const [yes = "", no = ""] = started;
  const asking = taskOf(await world.api.run(yes), "a").asking;
  expect(asking?.text).toContain(".claude/settings.json");

  await world.command({ type: "reject", run: no, task: "a", because: "not these hooks" });
  expect(taskOf(await world.settled(no), "a")).toMatchObject({
    state: "failed",
    reason: "rejected",
  });
  expect((await world.muster(["approve", `${yes}/a`])).code).toBe(0);
  expect(taskOf(await world.settled(yes), "a").state).toBe("landed");
});

test("a real session runs the trusted hooks, and not those that it wrote into its own worktree", async () => {
  world = await openWorld({ real: true, files: ownConfig });
  await world.muster(["trust", "--yes"]);
  const again = {
    match: /The gate is red/,
    steps: [write("a.txt", "good\n"), commit("Mend a"), say("Done.")],
  };
  const steps = [
    // What a session may not write by itself, a script of its own may.
    write("forge.sh", `printf '%s' '${hooks("forged")}' > .claude/settings.json\n`),
    bash("sh forge.sh"),
    write("a.txt", "no\n"),
    commit("Add a"),
    say("Done."),
  ];
  const plan = world.plan([
    { ...addA, permissions: { allow: ["Bash"] }, prompt: prompt("Add a.", steps, [again]) },
  ]);
  const run = await world.start(plan);
  const [task] = (await world.settled(run)).tasks;
  expect(existsSync(join(world.root, "flags", "trusted"))).toBe(true);
  expect(existsSync(join(world.root, "flags", "forged"))).toBe(false);
  const att = task?.attempts[0]?.id ?? "";
  const exported = join(world.state, "attempts", att, "project", ".claude", "settings.json");
  const given = JSON.parse(readFileSync(exported, "utf8"));
  expect(given.hooks).toEqual(JSON.parse(ownConfig[".claude/settings.json"]).hooks);
});

test("a project without any of its own needs no trust", async () => {
  world = await openWorld();
  const nothing = await world.muster(["trust"]);
  expect([nothing.code, nothing.stdout]).toEqual([0, expect.stringContaining("nothing to trust")]);
  const { code } = await world.muster(["run", "--json", world.plan([addA])]);
  expect(code).toBe(0);
});
