/** A session that has grown long hands over to a new one of the same attempt, which goes on with what was left. */
import { afterEach, expect, test } from "vitest";
import type { RunDetail } from "../../src/api/service.ts";
import { run as runCommand } from "../../src/process/run.ts";
import { ownIdentity } from "../../src/process/shim.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { script } from "../../src/testing/model/marker.ts";
import type { Steps } from "../../src/testing/model/script.ts";
import { commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, openWorld, statesOf } from "./harness.ts";

let world: World;
afterEach(() => world.close());

/** 150,000 tokens: over 70 % of the room that a session has by default. */
const long = { cache_read_input_tokens: 149_000, input_tokens: 1_000 };

/** Commits what the gate refuses, in a round that leaves little room, and hands over when it is asked to. */
function growsLong(file: string): string {
  const first = [write(file, "bad\n"), commit("First try"), say("Done.", { usage: long })];
  const next: Steps = [write(file, "good\n"), commit("Repair"), say("Repaired.")];
  const handover = `## Done\nThe first try of ${file}.\n## Next step\nRepair it. ${script(next)}`;
  return prompt(`Write ${file}.`, first, [
    { match: /Answer with a hand-over/, steps: [say(handover)] },
  ]);
}

test("a long session hands over to a new one, which knows the task, the hand-over and what git says, on both runners", async () => {
  world = await openWorld({ real: true });
  const plan = world.plan([
    { id: "a", prompt: growsLong("a.txt") },
    { id: "b", prompt: growsLong("b.txt"), runner: "claude-sdk" },
  ]);
  const run = await world.start(plan);
  const detail = await world.settled(run);
  expect(statesOf(detail)).toEqual({ a: "landed", b: "landed" });
  for (const [key, file] of [
    ["a", "a.txt"],
    ["b", "b.txt"],
  ] as const) {
    const attempt = detail.tasks.find((task) => task.key === key)?.attempts.at(-1);
    expect(attempt?.formerSessions).toHaveLength(1);
    const heard = world.model
      .requests()
      .flatMap(({ messages }) => messages.map((message) => JSON.stringify(message)))
      .find((text) => text.includes("Another session worked") && text.includes(`Write ${file}`));
    expect(heard).toContain(`The first try of ${file}.`);
    expect(heard).toContain("Committed for this task (1 commit, newest first");
    expect(heard).toContain("First try");
    expect(heard).toContain("Everything on disk is committed.");
    expect(heard).toContain("The gate is red");
  }
  const shown = await world.muster(["show", `${run}/a`]);
  const [former = ""] = detail.tasks[0]?.attempts.at(-1)?.formerSessions ?? [];
  expect(shown.stdout).toMatch(new RegExp(`before +${former}; .*muster attach ${run}/a --former`));
  expect(shown.stdout).toMatch(/snapshots, to bring one back: muster restore .* --at N\n/);
});

test("the session that handed over can still be asked, as a copy that changes nothing", async () => {
  world = await openWorld({ real: true });
  const plan = world.plan([
    { id: "a", prompt: growsLong("a.txt"), approval: "required" },
    { id: "b", prompt: writeAndCommit({ "b.txt": "good\n" }, "B"), approval: "required" },
  ]);
  const run = await world.start(plan);
  const bothAsk = ({ run: { tasks } }: RunDetail): boolean =>
    tasks.every(({ state }) => state === "asking");
  const detail = await world.until(run, bothAsk);
  const request = { run, task: "a", former: true, holder: ownIdentity(), ...world.caller };
  await expect(world.api.attachment({ ...request, task: "b" })).rejects.toThrow(
    "has no session before its present one",
  );
  const { argv, cwd, env, claim } = await world.api.attachment(request);
  const [former = ""] = detail.tasks[0]?.attempts.at(-1)?.formerSessions ?? [];
  expect(argv).toContain(`--resume=${former}`);
  expect([argv.includes("--fork-session"), claim]).toEqual([true, null]);
  const question = prompt("Why so?", [say("Because.")]);
  const asked = await runCommand({
    argv: [...argv, "-p", question],
    cwd,
    env: { ...world.env, ...env },
    timeoutMs: 60_000,
  });
  expect(asked.stdout.toString()).toBe("Because.\n");
  const all = JSON.stringify(world.model.requests().at(-1)?.messages);
  expect(all).toContain("Answer with a hand-over");
  for (const task of ["a", "b"]) await world.command({ type: "approve", run, task, gate: false });
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
});

test("what a session was told after a kill is what git says (F3)", async () => {
  world = await openWorld({ real: true });
  const plan = world.plan([
    {
      id: "a",
      prompt: prompt(
        "Write.",
        [
          write("a.txt", "good\n"),
          commit("Half of it"),
          write("b c.txt", "good\n"),
          { hang: "stream", times: 1 },
          say("still here"),
        ],
        [{ match: /was interrupted/, steps: [commit("The rest"), say("Done.")] }],
      ),
    },
  ]);
  const run = await world.start(plan);
  await world.model.waitFor(({ answer }) => answer.failure === "hang stream", 60_000);
  const { host } = JSON.parse((await world.muster(["host", "status", "--json"])).stdout);
  process.kill(host.sessions[0].pid, "SIGKILL");
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed" });
  const heard = world.model
    .requests()
    .flatMap(({ messages }) => messages.map((message) => JSON.stringify(message)))
    .find((text) => text.includes("was interrupted"));
  expect(heard).toContain("Half of it");
  expect(heard).toContain("untracked: b c.txt");
});
