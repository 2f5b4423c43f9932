import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../../src/process/run.ts";
import type { Finished } from "../../../src/process/run.ts";
import { writeAgentProgram } from "../../../src/testing/agent/program.ts";
import { prompt } from "../../../src/testing/model/behaviors.ts";
import { bash, say } from "../../../src/testing/model/steps.ts";
import { describeEnds, describeFailures } from "./ends.suite.ts";
import { startSession, useHere } from "./harness.ts";
import { isAsked, isResult, ofSubtype, ofType } from "./reading.ts";
import { describeQuestions, describeRounds } from "./rounds.suite.ts";

let folder: string;
let program: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "muster-agent-"));
  program = await writeAgentProgram(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the stand-in", { timeout: 30_000 }, () => {
  const here = useHere(() => program);
  const call = (args: readonly string[], env = here.place.env): Promise<Finished> =>
    run({ argv: [program, ...args], cwd: here.place.repo, env, timeoutMs: 10_000 });
  describeRounds(here);
  describeQuestions(here);
  describeFailures(here);
  describeEnds(here);

  test("says its version and its login", async () => {
    expect((await call(["--version"])).stdout.toString()).toBe("2.1.329 (Claude Code)\n");
    const { ANTHROPIC_API_KEY: key, ...env } = here.place.env;
    const withKey = await call(["auth", "status", "--json"]);
    expect([withKey.code, JSON.parse(withKey.stdout.toString())]).toMatchObject([
      0,
      { loggedIn: true, authMethod: "api_key" },
    ]);
    const without = await call(["auth", "status", "--json"], env);
    expect([without.code, JSON.parse(without.stdout.toString())]).toMatchObject([
      1,
      { loggedIn: false, authMethod: "none" },
    ]);
    expect(key).toBe("dummy");
  });

  test("ends at signals with the codes of the real one", async () => {
    for (const [name, code] of [
      ["SIGTERM", 143],
      ["SIGHUP", 129],
      ["SIGINT", 0],
    ] as const) {
      const session = startSession(here.place);
      session.say(prompt("Go.", [bash("curl --version"), say("end")]));
      await session.next(isAsked);
      for (const child of here.place.children) child.kill(name);
      expect([name, await session.exited()]).toEqual([name, code]);
      expect(session.messages.filter(isResult)).toHaveLength(name === "SIGINT" ? 1 : 0);
    }
  });

  test("forks a session: same past, new id, the first one as it was", async () => {
    const [id, copy] = [crypto.randomUUID(), crypto.randomUUID()];
    const first = startSession(here.place, [`--session-id=${id}`]);
    first.say(prompt("Go.", [say("one")], [{ match: "more", nth: 1, steps: [say("more")] }]));
    await first.next(isResult);
    await first.end();
    const fork = startSession(here.place, [
      `--resume=${id}`,
      "--fork-session",
      `--session-id=${copy}`,
    ]);
    fork.say("more");
    expect(await fork.next(isResult)).toMatchObject({ session_id: copy, result: "more" });
    const again = startSession(here.place, [`--resume=${id}`]);
    again.say("more");
    expect(await again.next(isResult)).toMatchObject({ session_id: id, result: "more" });
  });

  test("tells of the limit of a subscription and does not try again", async () => {
    const headers = {
      "anthropic-ratelimit-unified-status": "rejected",
      "anthropic-ratelimit-unified-reset": "1800000000",
    };
    const session = startSession(here.place);
    session.say(prompt("Go.", [{ status: 429, headers }, say("end")]));
    expect(await session.next(ofType("rate_limit_event"))).toMatchObject({
      rate_limit_info: { status: "rejected", resetsAt: 1_800_000_000 },
    });
    expect(await session.next(isResult)).toMatchObject({ is_error: true, api_error_status: 429 });
    expect(session.messages.filter(ofSubtype("api_retry"))).toEqual([]);
  });

  test("stops at its budget", async () => {
    const session = startSession(here.place, ["--max-budget-usd=0.01"]);
    session.say(prompt("Go.", [bash("git status"), say("end")]));
    expect(await session.next(isResult)).toMatchObject({
      subtype: "error_max_budget_usd",
      is_error: true,
    });
  });

  test("streams its pieces where partial messages are wanted", async () => {
    const session = startSession(here.place, ["--include-partial-messages"]);
    session.say(prompt("Go.", [say("one two three", { deltas: 3 })]));
    await session.next(isResult);
    const deltas = session.messages.filter((message) =>
      JSON.stringify(message).includes("text_delta"),
    );
    expect(deltas.map(({ type }) => type)).toEqual([
      "stream_event",
      "stream_event",
      "stream_event",
    ]);
  });
});
