/** What the API and the limits do to a round, and how it is told. */
import { expect } from "vitest";
import type { RoundFailure } from "../../core/inputs.ts";
import type { SessionEnvironment } from "../../core/runner.ts";
import type { Case } from "./case.ts";
import { prompt } from "../model/behaviors.ts";
import type { FailureStep } from "../model/script.ts";
import { bash, say, write } from "../model/steps.ts";
import { pricedModel } from "./place.ts";

interface ApiCase {
  readonly what: string;
  readonly step: FailureStep;
  readonly failure: Partial<RoundFailure>;
  /** Whether the binary tries again before it gives up. */
  readonly retries: boolean;
}

const outage = { is: "unavailable", reason: "outage", retryAt: null } as const;
const limited = { is: "unavailable", reason: "rate_limit", status: 429, retryAt: null } as const;
const refused = { is: "credentials" } as const;
const poor = "Your credit balance is too low to access the Anthropic API.";

const own = "You have reached your specified API usage limits. You will regain access next month.";
/** With their words, since older binaries pass neither type nor code on. */
const spendCap = {
  status: 429,
  errorCode: "enforced_spend_limit_reached",
  message: "You have reached your API usage limits: the monthly threshold was crossed.",
};
const bill = {
  status: 429,
  errorType: "billing_error",
  headers: { "retry-after": "3600" },
  message: "spend limit reached",
};

/** In two sessions, since each wait for the binary's own retries takes 9 s. */
const apiCases: readonly { readonly where: string; readonly cases: readonly ApiCase[] }[] = [
  {
    where: "at the door",
    cases: [
      { what: "403", step: { status: 403 }, failure: refused, retries: false },
      { what: "401", step: { status: 401 }, failure: refused, retries: true },
      { what: "429", step: { status: 429 }, failure: limited, retries: true },
      { what: "no money", step: { status: 400, message: poor }, failure: refused, retries: false },
      {
        what: "an own limit",
        step: { status: 400, message: own },
        failure: refused,
        retries: false,
      },
      { what: "a spend cap", step: spendCap, failure: refused, retries: true },
      { what: "a bill", step: bill, failure: refused, retries: false },
    ],
  },
  {
    where: "inside",
    cases: [
      { what: "529", step: { status: 529 }, failure: { ...outage, status: 529 }, retries: true },
      { what: "500", step: { status: 500 }, failure: { ...outage, status: 500 }, retries: true },
      {
        what: "a broken connection",
        step: { drop: "mid-stream" },
        failure: { ...outage, status: null },
        retries: true,
      },
    ],
  },
];

/** Failures of the API. */
export function describeApiFailures(test: Case): void {
  test.for(apiCases)(
    "tells of all that goes wrong with the API $where, and lives on (F22)",
    async ({ cases }, { place }) => {
      const session = await place.start();
      for (const { what, step, failure, retries } of cases) {
        const before = session.all("retrying").length;
        await session.say(prompt(what, [step, say("never")]));
        const ended = await session.next("round_ended", 40_000);
        expect([what, ended]).toMatchObject([what, { failure }]);
        expect([what, session.all("retrying").length > before]).toEqual([what, retries]);
      }
      // One that breaks once is recovered from, and nothing is done twice.
      const once = bash("git commit -q --allow-empty -m once");
      await session.say(prompt("Go.", [{ drop: "mid-stream", times: 1 }, once, say("end")]));
      expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "end" });
      expect(await place.git("rev-list", "--count", "HEAD")).toBe("2");
    },
  );

  test("knows from a subscription's limit when to come back (F19)", async ({ place }) => {
    const at = 4_000_000_000;
    const headers = {
      "anthropic-ratelimit-unified-status": "rejected",
      "anthropic-ratelimit-unified-reset": String(at),
      "anthropic-ratelimit-unified-representative-claim": "five_hour",
    };
    const given: SessionEnvironment = {
      env: { ...place.given.env, CLAUDE_CODE_OAUTH_TOKEN: "sk-ant-oat01-dummy" },
      apiKey: null,
      configDir: null,
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

  test("stops soon while the API says nothing at all (F23)", async ({ place }) => {
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
    const session = await place.start(place.launch(), {
      env: place.given.env,
      apiKey: null,
      configDir: null,
    });
    await session.say(prompt("Go.", [say("never")]));
    expect(await session.next("round_ended")).toMatchObject({
      failure: { is: "credentials", detail: expect.stringContaining("Not logged in") },
    });
  });
}

/** The limits that the binary holds as a second line. */
export function describeLimits(test: Case): void {
  test("ends a round at its last turn or dollar, and goes on in a new start", async ({ place }) => {
    const usage = { input_tokens: 100_000, output_tokens: 10 };
    const steps = [write("a.txt", "a"), { ...write("b.txt", "b"), usage }, say("end")];
    const first = await place.start(place.launch({ turns: 1 }));
    await first.say(prompt("Go.", steps));
    expect(await first.next("round_ended")).toMatchObject({ failure: { is: "max_turns" } });
    await first.live.stop(2_000);
    const second = await place.start(
      place.launch({ n: 2, resume: true, usd: 0.1, model: pricedModel }),
    );
    await second.say("Go on.");
    const ended = await second.next("round_ended");
    expect(ended).toMatchObject({ failure: { is: "max_budget" } });
    expect(ended.usd).toBeCloseTo(0.50025, 10);
    await second.live.stop(2_000);
    const third = await place.start(place.launch({ n: 3, resume: true }));
    await third.say("Go on.");
    expect(await third.next("round_ended")).toMatchObject({ failure: null, text: "end" });
  });
}
