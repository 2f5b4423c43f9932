/** What a killed session leaves in the way of the one that goes on with its work. */
import { readFileSync, readdirSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readIdentity } from "../../src/process/identity.ts";
import { awaitGone } from "../../src/process/end.ts";
import { prompt } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, statesOf, taskOf } from "../e2e/harness.ts";
import { opened } from "./world.ts";

/** Kills the only session; returns its id once it is gone. */
async function killSession(world: World): Promise<string> {
  const [session] = (await world.api.host()).sessions;
  const identity = readIdentity(session?.pid ?? 0);
  if (session === undefined || identity === undefined) throw new Error("no session is live");
  process.kill(session.pid, "SIGKILL");
  await awaitGone(identity, 5_000);
  return session.session;
}

test.concurrent("a session that goes on after a kill can commit, though git's lock was left (F13)", async (context) => {
  const world = await opened(context);
  const steps = [write("a.txt", "good\n"), bash(hold("a")), commit("Add a"), say("Done.")];
  const task = { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } };
  const run = await world.start(world.plan([task]));
  await world.held("a");
  const working = await world.until(run, (now) => taskOf(now, "a").state === "working");
  const worktree = taskOf(working, "a").worktree ?? "";
  const lock = await world.gitIn(worktree, "rev-parse", "--git-path", "index.lock");
  writeFileSync(lock, "");
  const then = Date.now() / 1_000 - 60;
  utimesSync(lock, then, then);
  await killSession(world);
  world.letGo("a");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  const subjects = (await world.git("log", "--format=%s", "main")).split("\n");
  expect(subjects).toContain("Add a");
  expect(subjects.filter((line) => line.startsWith("Keep what"))).toEqual([]);
});

test.concurrent("a session that begins anew behind its first round is told its task again, with what is asked now (F7, F39)", async (context) => {
  const gate = `${hold("gate")}\n[ -e "$HOME/../flags/green" ]\n`;
  const world = await opened(context, { real: true, files: { "test.sh": gate } });
  const steps = [write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const run = await world.start(world.plan([{ id: "a", prompt: prompt("Add a.", steps) }]));
  await world.held("gate");
  const session = await killSession(world);
  const att = readdirSync(join(world.state, "attempts"))[0] ?? "";
  const transcripts = join(world.state, "attempts", att, "cfg/projects", att);
  truncateSync(join(transcripts, `${session}.jsonl`), 20);
  world.letGo("gate");
  const asked = await world.model.waitFor(
    (request) => JSON.stringify(request).includes("was lost with its transcript"),
    60_000,
  );
  writeFileSync(join(world.root, "flags/green"), "");
  const text = JSON.stringify(asked);
  for (const part of ["The task was:", "Add a.", "The gate is red"]) expect(text).toContain(part);
  await world.settled(run);
  expect(readdirSync(transcripts).filter((name) => name.includes("damaged"))).toHaveLength(1);
  const launch = JSON.parse(
    readFileSync(join(world.state, "attempts", att, "launch.json"), "utf8"),
  );
  expect(launch).toMatchObject({ n: 2, session, resume: false });
});
