/** A plan in, proved work landed: what is in the repository afterwards, and what is nowhere else. */
import { afterEach, expect, test } from "vitest";
import { failsGateThenRepairs, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { type World, gateCommand, listing, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

test("a plan of six tasks lands whole on the real binary, by both runners, and leaves nothing else behind", async () => {
  world = await openWorld({ real: true });
  const homeBefore = listing(world.home);
  const plan = world.plan(
    [
      { id: "a", prompt: writeAndCommit({ "a.txt": "good a\n" }, "Add a") },
      { id: "b", runner: "claude-sdk", prompt: writeAndCommit({ "b.txt": "good b\n" }, "Add b") },
      { id: "c", needs: ["a", "b"], prompt: writeAndCommit({ "c.txt": "good c\n" }, "Add c") },
      {
        id: "d",
        prompt: failsGateThenRepairs({ "d.txt": "broken\n" }, { "d.txt": "good d\n" }),
      },
      { id: "e", runner: "claude-sdk", prompt: writeAndCommit({ "e.txt": "good e\n" }, "Add e") },
      { id: "f", runner: "claude-sdk", prompt: writeAndCommit({ "f.txt": "good f\n" }, "Add f") },
    ],
    { limits: { parallel: 3 } },
  );

  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const { run } = JSON.parse(stdout);

  expect(code).toBe(0);
  expect(statesOf({ run })).toEqual({
    a: "landed",
    b: "landed",
    c: "landed",
    d: "landed",
    e: "landed",
    f: "landed",
  });
  const red = taskOf({ run }, "d").gates.map(({ exit, on }) => [exit, on]);
  expect(red).toEqual([
    [1, "head"],
    [0, "head"],
    [0, "merge"],
  ]);
  await expectOneLandingEach(run, ["a", "b", "c", "d", "e", "f"]);
  expect(await world.git("worktree", "list")).not.toContain("\n");
  expect(await world.git("branch", "--format=%(refname:short)")).toBe("main");
  expect(await world.git("fsck", "--strict", "--no-dangling")).toBe("");
  expect(await world.git("status", "--porcelain")).toBe("");
  const files = (await world.git("ls-files")).split("\n");
  expect(files).toEqual(
    ["a", "b", "c", "d", "e", "f"].map((id) => `${id}.txt`).concat(["muster.yaml", "test.sh"]),
  );
  const notIgnored = listing(world.repo).filter((path) => !/^\.git(\/|$)/.test(path));
  expect(notIgnored).toEqual(files);
  expect(listing(world.home)).toEqual(homeBefore);
  const top = [...new Set(listing(world.root).map((path) => path.split("/")[0]))];
  expect(top).toEqual(["bin", "flags", "home", "m", "plans", "repo"]);
  const running = world.processes().filter((line) => !/muster-respawn|daemon\/main/.test(line));
  expect(running).toEqual([]);
});

/** One merge commit on the target a task, with trailers that name the run, the task and the gate. */
async function expectOneLandingEach(run: { id: string }, ids: readonly string[]): Promise<void> {
  const format =
    "%(trailers:key=Muster-Task,valueonly)%(trailers:key=Muster-Run,valueonly)%(trailers:key=Muster-Gate,valueonly)%P";
  const log = await world.git("log", "--first-parent", "-z", `--format=${format}`, "HEAD");
  // The first commit has neither trailers nor parents.
  const landings = log
    .split("\0")
    .filter((entry) => entry !== "")
    .map((entry) => entry.split("\n"));
  const named = new Map(
    landings.map(([task, id, gate, parents]) => [task, [id, gate, parents?.split(" ").length]]),
  );
  expect(landings).toHaveLength(ids.length);
  for (const id of ids) expect(named.get(id)).toEqual([run.id, gateCommand, 2]);
}

test("run --json prints one object with exactly the keys that are promised", async () => {
  world = await openWorld();
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  expect(code).toBe(0);
  expect(stdout.trimEnd()).not.toContain("\n\n");
  const sha = expect.stringMatching(/^[0-9a-f]{40}$/);
  expect(JSON.parse(stdout)).toStrictEqual({
    schema: 1,
    run: {
      id: expect.stringMatching(/^run_[0-9a-z]+$/),
      state: "succeeded",
      costUsd: expect.any(Number),
      durationMs: expect.any(Number),
      tasks: [
        {
          id: "a",
          plan: "plan-1",
          project: world.repo,
          target: "main",
          state: "landed",
          reason: null,
          attempts: 1,
          session: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
          runner: "claude-cli",
          branch: expect.stringMatching(/^muster\/run_[0-9a-z]+\/a$/),
          worktree: null,
          head: sha,
          landed: await world.git("rev-parse", "main"),
          gates: [
            { command: gateCommand, exit: 0, commit: sha, on: "head" },
            { command: gateCommand, exit: 0, commit: sha, on: "merge" },
          ],
          asking: null,
          asks: 0,
          turns: 3,
          costUsd: expect.any(Number),
          durationMs: expect.any(Number),
        },
      ],
    },
  });
});

test("several tasks of one file each that stand on each other land in the order of their needs", async () => {
  world = await openWorld();
  const ids = ["a", "b", "c", "d"];
  const plan = world.plan(
    ids.map((id, i) => ({
      id,
      needs: ids.slice(Math.max(0, i - 1), i),
      prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
    })),
  );
  const { code } = await world.muster(["run", plan]);
  expect(code).toBe(0);
  const order = await world.git(
    "log",
    "--first-parent",
    "--reverse",
    "--format=%(trailers:key=Muster-Task,valueonly,separator=%x2C)",
  );
  expect(
    order
      .trim()
      .split("\n")
      .filter((line) => line !== ""),
  ).toEqual(ids);
});
