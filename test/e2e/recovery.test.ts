/** The daemon or a session is killed in the middle: what was under way goes on, and everything lands exactly once. */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Event } from "../../src/core/events.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import {
  type World,
  gateCommand,
  gateScript,
  hold,
  openWorld,
  statesOf,
  taskOf,
} from "./harness.ts";

let world: World;
afterEach(() => world.close());

/** A task whose session waits in the middle of its round. */
function heldRound(id: string, more: Readonly<Record<string, unknown>> = {}) {
  const steps = [
    write(`${id}.txt`, "good, half done\n"),
    bash(hold(id)),
    write(`${id}.txt`, "good\n"),
    commit(`Add ${id}`),
    say("Done."),
  ];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] }, ...more };
}

/** Every task landed, each by one merge commit on the target, and nothing is left over. */
async function expectLandedOnce(run: string, ids: readonly string[]): Promise<readonly Event[]> {
  const detail = await world.settled(run);
  expect(statesOf(detail)).toEqual(Object.fromEntries(ids.map((id) => [id, "landed"])));
  const format = "--format=%(trailers:key=Muster-Task,valueonly,separator=)";
  const landings = (await world.git("log", "--first-parent", format, "main")).split("\n");
  expect(landings.filter((id) => id !== "").toSorted()).toEqual([...ids]);
  expect(await world.git("worktree", "list")).not.toContain("\n");
  expect(await world.git("status", "--porcelain")).toBe("");
  return world.events(run, ({ type }) => type === "run.settled");
}

function timesHeld(name: string): number {
  return readFileSync(join(world.root, "flags", `${name}.held`), "utf8")
    .trim()
    .split("\n").length;
}

test("a daemon killed while it provisions sets the worktree up all the same (F1)", async () => {
  world = await openWorld({
    files: { "muster.yaml": JSON.stringify({ gate: gateCommand, setup: [hold("setup")] }) },
  });
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") }]);
  const run = await world.start(plan);
  await world.held("setup");
  await world.killDaemon();
  world.letGo("setup");
  const events = await expectLandedOnce(run, ["a"]);
  expect(events.filter(({ type }) => type === "attempt.admitted")).toHaveLength(1);
});

test("a session of claude-cli outlives the daemon: the same process goes on and lands (F1)", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([heldRound("a")]));
  await world.held("a");
  const before = await world.until(run, ({ run: { tasks } }) => tasks[0]?.state === "working");
  const [session] = (await world.api.host()).sessions;
  await world.killDaemon();
  await world.until(run, () => true);
  const adopted = async () => (await world.api.host()).sessions;
  await expect.poll(adopted, { timeout: 20_000 }).toEqual([session]);
  world.letGo("a");
  const events = await expectLandedOnce(run, ["a"]);
  expect(session).toMatchObject({ session: taskOf(before, "a").session, task: `${run}/a` });
  expect(events.filter(({ type }) => type === "session.planned")).toHaveLength(1);
  expect(timesHeld("a")).toBe(1);
});

test("a session of claude-sdk ends with the daemon and is resumed under its id (F1)", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([heldRound("a", { runner: "claude-sdk" })]));
  await world.held("a");
  const before = await world.until(run, () => true);
  await world.killDaemon();
  world.letGo("a");
  const events = await expectLandedOnce(run, ["a"]);
  const starts = events.filter((event) => event.type === "session.planned");
  expect(starts).toMatchObject([
    { n: 1, resume: false },
    { n: 2, resume: true },
  ]);
  expect(taskOf(await world.until(run, () => true), "a").session).toBe(taskOf(before, "a").session);
});

test("a gate that was cut off with the daemon says nothing: it runs again on the same commit (F1)", async () => {
  world = await openWorld({ files: { "test.sh": `${hold("gate")}\n${gateScript}` } });
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") }]);
  const run = await world.start(plan);
  await world.held("gate");
  await world.killDaemon();
  world.letGo("gate");
  const events = await expectLandedOnce(run, ["a"]);
  expect(events.filter(({ type }) => type === "gate.failed")).toEqual([]);
  expect(events.filter(({ type }) => type === "round.ended")).toHaveLength(1);
});

test("a daemon killed around every step of landing lands each task exactly once (F1)", async () => {
  world = await openWorld();
  const ids = ["a", "b", "c", "d"];
  const tasks = ids.map((id) => ({
    id,
    prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
  }));
  const run = await world.start(world.plan(tasks, { limits: { parallel: 4 } }));
  let after = 0;
  for (const type of ["queue.entered", "landing.started", "merge.verified", "task.landed"]) {
    const seen = await world.events(run, (event) => event.type === type, after);
    after = seen.at(-1)?.seq ?? 0;
    await world.killDaemon();
  }
  await expectLandedOnce(run, ids);
});

test("a session that is killed in the middle of a round is resumed under the same id and lands (F3)", async () => {
  world = await openWorld();
  const run = await world.start(world.plan([heldRound("a")]));
  await world.held("a");
  await world.until(run, ({ run: { tasks } }) => tasks[0]?.state === "working");
  const [session] = (await world.api.host()).sessions;
  process.kill(session?.pid ?? 0, "SIGKILL");
  world.letGo("a");
  const events = await expectLandedOnce(run, ["a"]);
  const starts = events.filter((event) => event.type === "session.planned");
  expect(starts).toMatchObject([{ resume: false }, { n: 2, resume: true }]);
  expect(taskOf(await world.until(run, () => true), "a").session).toBe(session?.session);
});

test("a daemon killed between moving a worktree away and looking at it again leaves what was written meanwhile to a person (F1)", async () => {
  world = await openWorld();
  // Its cwd is the worktree: once the daemon is dead it must be out of the way.
  const script = `case "$GIT_WORK_TREE" in */trash/*) echo >> "$HOME/../flags/look.held"
until [ -e "$HOME/../flags/look.go" ]; do kill -0 $PPID || exit 1; sleep 0.02; done;; esac
exec /usr/bin/git "$@"
`;
  writeFileSync(join(world.root, "bin/git"), `#!/bin/sh\n${script}`, { mode: 0o755 });
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") }]);
  const run = await world.start(plan);
  await world.held("look");
  const [moved = ""] = globSync("trash/att_*.unproved", { cwd: world.state });
  writeFileSync(join(world.state, moved, "late.txt"), "after the snapshot\n");
  await world.killDaemon();
  world.letGo("look");
  const detail = await world.settled(run);
  const { state, worktree } = taskOf(detail, "a");
  expect(state).toBe("landed");
  expect(readFileSync(join(worktree ?? "", "late.txt"), "utf8")).toBe("after the snapshot\n");
  expect(detail.tasks[0]?.attempts[0]?.kept).toContain(`run muster clean ${run}/a`);
  expect(globSync("trash/*", { cwd: world.state })).toEqual([]);
  const { code, stdout } = await world.muster(["clean", "--json", `${run}/a`]);
  expect(code).toBe(0);
  const [{ ref }] = JSON.parse(stdout).clean.cleaned;
  expect(await world.git("show", `${ref}:late.txt`)).toBe("after the snapshot");
  await expectLandedOnce(run, ["a"]);
});
