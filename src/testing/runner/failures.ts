/** What the API and the limits do to a round, and how it is told. */
import { expect } from "vitest";
import type { RoundFailure } from "../../core/inputs.ts";
import type { SessionEnvironment } from "../../core/runner.ts";
import type { Case } from "./case.ts";
import { prompt } from "../model/behaviors.ts";
import type { FailureStep } from "../model/script.ts";
import { bash, say, write } from "../model/steps.ts";

interface ApiCase {
  readonly what: string;
  readonly step: FailureStep;
  readonly failure: Partial<RoundFailure>;
  readonly retries: boolean;
}

const unavailable = { is: "unavailable", retryAt: null } as const;

const apiCases: readonly ApiCase[] = [
  { what: "401", step: { status: 401 }, failure: { is: "credentials" }, retries: true },
  { what: "403", step: { status: 403 }, failure: { is: "credentials" }, retries: false },
  {
    what: "429",
    step: { status: 429 },
    failure: { ...unavailable, reason: "rate_limit", status: 429 },
    retries: true,
  },
  {
    what: "500",
    step: { status: 500 },
    failure: { ...unavailable, reason: "outage", status: 500 },
    retries: true,
  },
  {
    what: "529",
    step: { status: 529 },
    failure: { ...unavailable, reason: "outage", status: 529 },
    retries: true,
  },
  {
    what: "a connection that always breaks",
    step: { drop: "mid-stream" },
    failure: { ...unavailable, reason: "outage", status: null },
    retries: true,
  },
];

/** Failures of the API. They wait for the binary's retries (9 s), most of it idle. */
export function describeApiFailures(test: Case): void {
  test.for(apiCases)("tells of $what for what it is, and lives on", async (given, { place }) => {
    const session = await place.start();
    await session.say(prompt("Go.", [given.step, say("never")]));
    expect(await session.next("round_ended", 40_000)).toMatchObject({ failure: given.failure });
    expect(session.all("retrying").length > 0).toBe(given.retries);
    await session.say(prompt("Again.", [say("better")]));
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "better" });
  });

  test("knows from a subscription's limit when to come back", async ({ place }) => {
    const at = 4_000_000_000;
    const headers = {
      "anthropic-ratelimit-unified-status": "rejected",
      "anthropic-ratelimit-unified-reset": String(at),
      "anthropic-ratelimit-unified-representative-claim": "five_hour",
    };
    const given: SessionEnvironment = {
      env: { ...place.given.env, CLAUDE_CODE_OAUTH_TOKEN: "sk-ant-oat01-dummy" },
      apiKey: null,
    };
    const session = await place.start(place.launch(), given);
    await session.say(prompt("Go.", [{ status: 429, headers }, say("never")]));
    expect(await session.next("limited")).toMatchObject({
      status: "rejected",
      resetsAt: at * 1000,
      window: "five_hour",
    });
    expect(await session.next("round_ended")).toMatchObject({
      failure: { is: "unavailable", reason: "rate_limit", status: 429, retryAt: at * 1000 },
    });
  });

  test("recovers from a connection that breaks once, and does nothing twice", async ({ place }) => {
    const session = await place.start();
    const once = bash("git commit -q --allow-empty -m once");
    await session.say(prompt("Go.", [{ drop: "mid-stream", times: 1 }, once, say("end")]));
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "end" });
    expect(await place.git("rev-list", "--count", "HEAD")).toBe("2");
  });

  test("stops soon while the API says nothing at all", async ({ place }) => {
    const session = await place.start();
    await session.say(prompt("Go.", [{ hang: "headers" }, say("never")]));
    await session.next("ready");
    if (place.setup.real) await place.model.waitFor(() => true, 20_000);
    const began = performance.now();
    await session.live.stop(5_000);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(session.all("round_ended")).not.toContainEqual(
      expect.objectContaining({ failure: null }),
    );
  });

  test("says without a login that it needs one", async ({ place }) => {
    const session = await place.start(place.launch(), { env: place.given.env, apiKey: null });
    await session.say(prompt("Go.", [say("never")]));
    expect(await session.next("round_ended")).toMatchObject({
      failure: { is: "credentials", detail: expect.stringContaining("Not logged in") },
    });
  });
}

/** The limits that the binary holds as a second line. */
export function describeLimits(test: Case): void {
  test("ends a round at its last turn, and goes on in a new start", async ({ place }) => {
    const first = await place.start(place.launch({ turns: 1 }));
    await first.say(prompt("Go.", [write("a.txt", "a"), say("end")]));
    expect(await first.next("round_ended")).toMatchObject({ failure: { is: "max_turns" } });
    await first.live.stop(2_000);
    const second = await place.start(place.launch({ n: 2, resume: true }));
    await second.say("Go on.");
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "end" });
  });

  test("ends a round at its budget, and goes on in a new start", async ({ place }) => {
    const usage = { input_tokens: 100_000, output_tokens: 10 };
    const first = await place.start(place.launch({ usd: 0.1 }));
    await first.say(prompt("Go.", [{ ...write("a.txt", "a"), usage }, say("end")]));
    const ended = await first.next("round_ended");
    expect(ended).toMatchObject({ failure: { is: "max_budget" } });
    expect(ended.usd).toBeGreaterThan(0.4);
    await first.live.stop(2_000);
    const second = await place.start(place.launch({ n: 2, resume: true }));
    await second.say("Go on.");
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "end" });
  });
}
