/** Two tasks want the same line: the second one's session settles it, or a person does. */
import { afterEach, expect, test } from "vitest";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import type { Steps } from "../../src/testing/model/script.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

/** Lands `a`, then lets `b` finish, which changed the same line from the same base; `settles` is its answer to the conflict. */
async function collide(settles: Steps): Promise<string> {
  world = await openWorld({ files: { "line.md": "start\n" } });
  const steps = [bash(hold("b")), write("line.md", "from b\n"), commit("B"), say("Done.")];
  const later = [{ match: /conflicts with/, steps: settles }];
  const plan = world.plan([
    { id: "a", prompt: writeAndCommit({ "line.md": "from a\n" }, "A") },
    { id: "b", prompt: prompt("Change the line.", steps, later), permissions: { allow: ["Bash"] } },
  ]);
  const run = await world.start(plan);
  await world.held("b");
  await world.until(run, (detail) => taskOf(detail, "a").state === "landed");
  world.letGo("b");
  return run;
}

test("a conflict goes back to the session that came second, and its resolution lands after a new gate (F36)", async () => {
  const run = await collide([
    bash("git merge -q main || true"),
    write("line.md", "from a and b\n"),
    commit("Keep both"),
    say("Resolved."),
  ]);
  const detail = await world.settled(run);
  expect(statesOf(detail)).toEqual({ a: "landed", b: "landed" });
  expect(await world.git("show", "main:line.md")).toBe("from a and b");
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(events.find((event) => event.type === "merge.conflicted")).toMatchObject({
    task: "b",
    paths: ["line.md"],
  });
  const heads = taskOf(detail, "b").gates.filter(({ on }) => on === "head");
  expect(heads).toHaveLength(2);
});

test("a conflict that the session does not settle asks a person, and nothing of it lands (F36)", async () => {
  const run = await collide([say("I would not know how.")]);
  const detail = await world.until(run, (now) => taskOf(now, "b").state === "asking");
  expect(taskOf(detail, "b").asking).toMatchObject({ kind: "conflict", deadline: null });
  expect(taskOf(detail, "b").asking?.text).toContain("line.md");
  expect(detail.run.state).toBe("needs_attention");
  expect(await world.git("show", "main:line.md")).toBe("from a");
  await world.command({ type: "reject", run, task: "b", because: "not needed any more" });
  expect(taskOf(await world.settled(run), "b")).toMatchObject({
    state: "failed",
    reason: "conflict",
  });
});
