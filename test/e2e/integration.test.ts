/** `follow: integration`: work lands on a branch of muster's own, and the person's branch and checkout are left alone. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { gateCommand, openWorld, type World, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

const own = "muster/integration/main";
const add = (id: string, needs: readonly string[] = []) => ({
  id,
  needs,
  prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
});

test("work lands on the branch that stands for the target, and takes along what the person commits", async () => {
  world = await openWorld({
    files: { "muster.yaml": `gate: ${gateCommand}\nfollow: integration\n` },
  });
  const before = await world.git("rev-parse", "main");
  // In the way of any landing that the checkout would have to follow.
  writeFileSync(join(world.repo, "a.txt"), "mine, uncommitted\n");
  const first = await world.muster(["run", world.plan([add("a"), add("b", ["a"])])]);
  expect([first.code, await world.git("rev-parse", "main")]).toEqual([0, before]);
  expect(first.stdout + first.stderr).toContain(`git -C ${world.repo} merge ${own}`);
  expect(await world.git("log", "--first-parent", "--format=%s", `main..${own}`)).toMatch(
    /^Land b.*\nLand a/,
  );

  writeFileSync(join(world.repo, "theirs.txt"), "good\n");
  await world.git("add", "theirs.txt");
  await world.git("commit", "-q", "-m", "Theirs");
  const { code, stdout } = await world.muster(["run", "--json", world.plan([add("c")])]);
  const { landed, target } = taskOf(JSON.parse(stdout), "c");
  expect([code, target, landed]).toEqual([0, own, await world.git("rev-parse", own)]);
  expect((await world.git("ls-tree", "--name-only", own)).split("\n")).toEqual(
    expect.arrayContaining(["a.txt", "b.txt", "c.txt", "theirs.txt"]),
  );
  await world.git("merge-base", "--is-ancestor", "main", own);
  expect(await world.git("status", "--porcelain")).toBe("?? a.txt");
});

test("what the person committed in its way fails the task with the reason, and their branch stays as it is", async () => {
  world = await openWorld({
    files: { "muster.yaml": `gate: ${gateCommand}\nfollow: integration\n` },
  });
  expect((await world.muster(["run", world.plan([add("a")])])).code).toBe(0);
  writeFileSync(join(world.repo, "a.txt"), "good, mine\n");
  await world.git("add", "a.txt");
  await world.git("commit", "-q", "-m", "Mine");
  const mine = await world.git("rev-parse", "main");
  const { code, stdout } = await world.muster(["run", "--json", world.plan([add("b")])]);
  expect(code).toBe(1);
  expect(taskOf(JSON.parse(stdout), "b")).toMatchObject({ state: "failed" });
  expect(await world.git("rev-parse", "main")).toBe(mine);
});
