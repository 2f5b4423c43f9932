/** A person works in the same place: in a worktree, on the target, in the plan, with git's own cleaning. */
import { existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, gateScript, hold, statesOf, taskOf } from "../e2e/harness.ts";
import { type Context } from "./folder.ts";
import { opened } from "./world.ts";

/** A task whose session waits in the middle of its round. */
function held(id: string, more: Readonly<Record<string, unknown>> = {}) {
  const steps = [write(`${id}.txt`, "good\n"), bash(hold(id)), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps), permissions: { allow: ["Bash"] }, ...more };
}

async function worktreeOf(world: World, run: string, id: string): Promise<string> {
  const detail = await world.until(run, (now) => taskOf(now, id).worktree !== null);
  return taskOf(detail, id).worktree ?? "";
}

/** A repository whose gate waits for the test, once for each flag. */
const heldGate = (context: Context): Promise<World> =>
  opened(context, { files: { "test.sh": `${hold("gate")}\n${gateScript}` } });

test.concurrent("what a person edits in a worktree during a round lands with it, and one that they edit after it is theirs to give away (F31)", async (context) => {
  const world = await heldGate(context);
  const run = await world.start(world.plan([held("a")]));
  await world.held("a");
  const worktree = await worktreeOf(world, run, "a");
  writeFileSync(join(worktree, "mine.md"), "a person's, in the round\n");
  world.letGo("a");
  await world.held("gate");
  writeFileSync(join(worktree, "late.md"), "a person's, behind it\n");
  world.letGo("gate");
  const detail = await world.settled(run);
  expect(statesOf(detail)).toEqual({ a: "landed" });
  expect(taskOf(detail, "a").worktree).toBe(worktree);
  expect(detail.tasks[0]?.attempts[0]?.kept).toContain(`run muster clean ${run}/a`);
  expect(await world.git("show", "main:mine.md")).toBe("a person's, in the round");
  expect(await world.git("ls-tree", "--name-only", "main", "late.md")).toBe("");
  const [newest = ""] = (
    await world.git(
      "for-each-ref",
      "--sort=-version:refname",
      "--format=%(refname)",
      "refs/muster/attempts",
    )
  ).split("\n");
  expect(await world.git("show", `${newest}:late.md`)).toBe("a person's, behind it");
  expect((await world.muster(["clean", `${run}/a`])).code).toBe(0);
  expect(existsSync(worktree)).toBe(false);
});

test.concurrent("what a person commits in a worktree during a round lands with it, and what they commit after it stays (F31)", async (context) => {
  const world = await heldGate(context);
  const run = await world.start(world.plan([held("a")]));
  await world.held("a");
  const worktree = await worktreeOf(world, run, "a");
  const commits = async (name: string): Promise<string> => {
    writeFileSync(join(worktree, name), `${name}\n`);
    await world.gitIn(worktree, "add", name);
    await world.gitIn(worktree, "commit", "-q", "-m", `Mine: ${name}`);
    return world.gitIn(worktree, "rev-parse", "HEAD");
  };
  const early = await commits("mine.md");
  world.letGo("a");
  await world.held("gate");
  const late = await commits("late.md");
  world.letGo("gate");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  expect(await world.git("merge-base", "--is-ancestor", early, "main")).toBe("");
  expect(await world.git("ls-tree", "--name-only", "main", "late.md")).toBe("");
  expect(await world.gitIn(worktree, "rev-parse", "HEAD")).toBe(late);
  expect(await world.git("for-each-ref", "--contains", late, "--format=%(refname)")).not.toBe("");
});

/** A task with a snapshot and a commit, in its second round, and its worktree gone. */
async function deletedInRound(context: Context) {
  const world = await opened(context);
  const first = [write("a.txt", "good\n"), commit("First"), say("Half way.")];
  const more = { match: "more", steps: [bash(hold("a")), say("Done.")] };
  const task = {
    id: "a",
    prompt: prompt("Add a.", first, [more]),
    approval: "required",
    permissions: { allow: ["Bash"] },
  };
  const other = { id: "b", prompt: writeAndCommit({ "b.txt": "good\n" }, "Add b") };
  const run = await world.start(world.plan([task, other]));
  const asking = await world.until(run, (now) => taskOf(now, "a").state === "asking");
  const { head, branch, worktree } = taskOf(asking, "a");
  await world.command({ type: "tell", run, task: "a", text: "more" });
  await world.held("a");
  rmSync(worktree ?? "", { recursive: true });
  world.letGo("a");
  return { world, run, head: head ?? "", branch: branch ?? "", worktree: worktree ?? "" };
}

test.concurrent("a worktree that a person deletes is told, and its branch, what was kept and the other tasks are not touched (F32)", async (context) => {
  const { world, run, head, branch, worktree } = await deletedInRound(context);
  const detail = await world.settled(run);
  expect(taskOf(detail, "a")).toMatchObject({ state: "failed", reason: "worktree_gone" });
  expect(taskOf(detail, "b").state).toBe("landed");
  expect(detail.tasks[0]?.detail).toContain(`its worktree is gone: ${worktree}`);
  expect(await world.git("rev-parse", branch)).toBe(head);
  const kept = await world.git("for-each-ref", "--contains", head, "refs/muster/attempts");
  expect(kept).not.toBe("");
});

test.concurrent("a task whose worktree was deleted fails with the true words, and both ways back that they name work (F32)", async (context) => {
  const { world, run, head, worktree } = await deletedInRound(context);
  const failed = await world.settled(run);
  expect(statesOf(failed)).toEqual({ a: "failed", b: "landed" });
  expect(failed.tasks[0]?.detail).toContain(`its worktree is gone: ${worktree}`);
  for (const way of [`muster restore ${run}/a`, `muster retry ${run}/a`])
    expect(failed.tasks[0]?.detail).toContain(way);
  // Git's note of the worktree has its index and its reflog: that goes at a person's word only.
  const { stderr } = await world.muster(["restore", `${run}/a`]);
  const [, unlock = "", prune = ""] = /run (git .*); (git .*)/.exec(stderr) ?? [];
  for (const command of [unlock, prune]) await world.git(...command.split(" ").slice(1));
  expect((await world.muster(["restore", `${run}/a`])).code).toBe(0);
  expect(await world.gitIn(worktree, "rev-parse", "HEAD")).toBe(head);
  expect((await world.muster(["retry", `${run}/a`])).code).toBe(0);
  await world.until(run, (now) => taskOf(now, "a").state === "asking");
  expect((await world.muster(["approve", `${run}/a`])).code).toBe(0);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
});

/** A task whose landing waits for a file of the person's. */
async function startWaiting(context: Context) {
  const world = await opened(context, { files: { "line.md": "start\n" } });
  writeFileSync(join(world.repo, "line.md"), "mine\n");
  const task = { id: "a", prompt: writeAndCommit({ "line.md": "from a\n" }, "Change line") };
  const run = await world.start(world.plan([task]));
  await world.until(run, (now) => taskOf(now, "a").reason === "checkout");
  const held = () => world.git("for-each-ref", "--format=%(refname)", "refs/muster/landing");
  return { world, run, held };
}

async function collect(world: World): Promise<void> {
  await world.git("reflog", "expire", "--expire=now", "--all");
  await world.git("gc", "-q", "--prune=now");
  await world.git("worktree", "prune", "--expire=now");
}

async function clearWay(world: World, run: string): Promise<void> {
  await world.git("checkout", "-q", "line.md");
  await world.command({ type: "resume", run, task: null, usd: null, ...world.caller });
  const detail = await world.until(run, (now) => now.settled, 20_000);
  expect(statesOf(detail)).toEqual({ a: "landed" });
}

test.concurrent("a landing that waits for a person outlives their `git gc` (F33)", async (context) => {
  const { world, run, held } = await startWaiting(context);
  const merge = await world.git("rev-parse", await held());
  await collect(world);
  await clearWay(world, run);
  expect(await world.git("rev-parse", "main")).toBe(merge);
  expect(await held()).toBe("");
});

test.concurrent("a merge that was collected with its ref is made anew, and lands (F33)", async (context) => {
  const { world, run, held } = await startWaiting(context);
  await world.git("update-ref", "-d", await held());
  await collect(world);
  await clearWay(world, run);
  expect(await held()).toBe("");
});

test.concurrent("a landing that is given up leaves no ref of its merge (F33)", async (context) => {
  const { world, run, held } = await startWaiting(context);
  expect(await held()).not.toBe("");
  await world.command({ type: "stop", run, task: null });
  expect(statesOf(await world.settled(run))).toEqual({ a: "canceled" });
  expect(await held()).toBe("");
});

test.concurrent("a target that a person moves while the landing is tested gets the task on top of it (F35)", async (context) => {
  const world = await opened(context, {
    files: { "test.sh": `[ -e a.txt ] && ${hold("gate")}\n${gateScript}` },
  });
  const run = await world.start(world.plan([held("a")]));
  await world.held("a");
  writeFileSync(join(world.repo, "mine.md"), "mine\n");
  await world.git("add", "mine.md");
  await world.git("commit", "-q", "-m", "mine");
  const mine = await world.git("rev-parse", "HEAD");
  world.letGo("a");
  await world.held("gate");
  writeFileSync(join(world.repo, "other.md"), "mine too\n");
  await world.git("add", "other.md");
  await world.git("commit", "-q", "-m", "mine too");
  const later = await world.git("rev-parse", "HEAD");
  world.letGo("gate");
  const detail = await world.settled(run);
  const { landed, head } = taskOf(detail, "a");
  expect(await world.git("rev-parse", `${landed}^1`)).toBe(later);
  for (const commit of [mine, later, head ?? ""])
    expect(await world.git("merge-base", "--is-ancestor", commit, "main")).toBe("");
});

test.concurrent("a target that was pushed over by another history is left as it is, and the task asks (F35)", async (context) => {
  const world = await opened(context);
  await world.git("checkout", "-q", "-b", "elsewhere");
  const run = await world.start(world.plan([held("a")], { target: "main" }));
  await world.held("a");
  const other = await world.git("commit-tree", "HEAD^{tree}", "-m", "another history");
  await world.git("update-ref", "refs/heads/main", other);
  world.letGo("a");
  const asking = await world.until(run, (now) => taskOf(now, "a").state === "asking");
  expect(taskOf(asking, "a").asking).toMatchObject({ kind: "conflict", deadline: null });
  expect(await world.git("rev-parse", "main")).toBe(other);
  await world.git("update-ref", "-d", "refs/heads/main");
  await world.command({ type: "tell", run, task: "a", text: "Try again." });
  const again = await world.until(
    run,
    (now) => taskOf(now, "a").asking?.text.includes("branch main") === true,
  );
  expect(taskOf(again, "a").head).toBe(taskOf(asking, "a").head);
});

test.concurrent("a plan that is changed while it runs changes nothing of the run (F38)", async (context) => {
  const world = await opened(context);
  const second = { id: "b", needs: ["a"], prompt: writeAndCommit({ "b.txt": "good\n" }, "Add b") };
  const path = world.plan([held("a"), second], {}, "changing");
  const run = await world.start(path);
  await world.held("a");
  const nonsense = { id: "b", needs: ["a"], prompt: writeAndCommit({ "c.txt": "bad\n" }, "Add c") };
  world.plan([held("a"), nonsense], { defaults: { gate: "false" } }, "changing");
  world.letGo("a");
  await world.until(run, (now) => taskOf(now, "a").state === "landed");
  rmSync(path);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
  expect(await world.git("ls-tree", "--name-only", "main", "b.txt", "c.txt")).toBe("b.txt");
});

const fails = (id: string, status: number, headers: Record<string, string> = {}) => ({
  id,
  prompt: prompt(`Add ${id}.`, [
    write(`${id}.txt`, "good\n"),
    { status, headers, times: 1 },
    commit(`Add ${id}`),
    say("Done."),
  ]),
});

test.concurrent("tasks whose credentials are refused all wait, and one word of a person brings all of them back (F46)", async (context) => {
  const world = await opened(context, { real: true });
  world.model.force({ status: 403, times: 1_000 });
  const tasks = ["a", "b"].map((id) => ({
    id,
    prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
  }));
  const { code, stdout } = await world.muster(["run", "--json", world.plan(tasks)]);
  const { run } = JSON.parse(stdout);
  expect([code, run.state]).toEqual([3, "needs_attention"]);
  for (const { id } of tasks)
    expect(taskOf({ run }, id)).toMatchObject({ state: "parked", reason: "credentials" });
  world.model.reset();
  expect((await world.muster(["resume", run.id])).code).toBe(0);
  expect(statesOf(await world.settled(run.id))).toEqual({ a: "landed", b: "landed" });
});

test.concurrent("an answer of 429 that says when to come back is waited for, and nothing of it is a failure (F18)", async (context) => {
  const world = await opened(context, { real: true });
  const run = await world.start(world.plan([fails("a", 429, { "retry-after": "1" })]));
  expect(taskOf(await world.settled(run), "a")).toMatchObject({ state: "landed", attempts: 1 });
  const events = await world.events(run, ({ type }) => type === "run.settled");
  expect(
    events.filter(({ type }) => type === "attempt.parked" || type === "session.exited").length,
  ).toBeLessThanOrEqual(1);
});

test.concurrent("a session whose transcript lost its content begins anew (F7, F39)", async (context) => {
  const world = await opened(context, { real: true });
  const run = await world.start(world.plan([held("a")]));
  await world.held("a");
  await world.until(run, ({ run: { tasks } }) => tasks[0]?.state === "working");
  const [session] = (await world.api.host()).sessions;
  const att = readdirSync(join(world.state, "attempts"))[0] ?? "";
  const path = join(
    world.state,
    "attempts",
    att,
    "cfg",
    "projects",
    att,
    `${session?.session}.jsonl`,
  );
  expect(existsSync(path)).toBe(true);
  process.kill(session?.pid ?? 0, "SIGKILL");
  truncateSync(path, 20);
  world.letGo("a");
  const seen = await world.events(run, ({ type }) => type === "round.ended");
  expect(seen.at(-1)).toMatchObject({ outcome: "completed", why: null });
});
