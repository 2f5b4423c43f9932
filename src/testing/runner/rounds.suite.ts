/** Rounds: work, questions, interrupts, messages in between, and what they cost. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { asksPermission, prompt, writeAndCommit } from "../model/behaviors.ts";
import { ask, bash, say, write } from "../model/steps.ts";
import type { Case } from "./case.ts";
import { pricedModel, writeScript } from "./place.ts";

const allow = { is: "allow", text: null, answers: null } as const;

/** Rounds that nobody has to be asked for. */
export function describeRounds(test: Case): void {
  test("does the work of a message and tells of it in order", async ({ place }) => {
    const session = await place.start();
    const uuid = await session.say(writeAndCommit({ "a.txt": "a\n" }, "Add a"));
    expect(await session.next("taken")).toMatchObject({ uuid });
    expect(await session.next("ready")).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      model: "claude-opus-5-5",
    });
    expect(await session.next("used_tool")).toMatchObject({ tool: "Write" });
    await session.next("tool_done");
    expect(await session.next("used_tool")).toMatchObject({
      tool: "Bash",
      text: expect.stringContaining("git commit"),
    });
    expect(await session.next("round_ended")).toMatchObject({
      failure: null,
      text: "Wrote a.txt and committed.",
    });
    expect(session.all("turn")).toHaveLength(3);
    expect(session.all("asked")).toEqual([]);
    expect(await place.git("log", "-1", "--format=%s", "--name-only")).toBe("Add a\n\na.txt");
  });

  test("folds a message that comes while it is busy into the round", async ({ place }) => {
    const session = await place.start();
    const steered = { match: "also", steps: [write("also.txt", "x"), say("steered")] };
    await session.say(prompt("Wait.", [bash("curl --version"), say("not steered")], [steered]));
    const asked = await session.next("asked");
    const uuid = await session.say("Do this also.");
    await session.until((event) => event.is === "taken" && event.uuid === uuid);
    await session.live.answer(asked.ask, allow, asked.input);
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "steered" });
    await session.live.stop(2_000);
    expect(session.all("round_ended")).toHaveLength(1);
  });

  test("does a message once, however often it is sent", async ({ place }) => {
    const session = await place.start();
    const text = prompt("Go.", [bash("git commit -q --allow-empty -m once"), say("end")]);
    const uuid = await session.say(text);
    await session.say(text, uuid);
    await session.next("round_ended");
    await session.say(text, uuid);
    await session.say(prompt("More.", [say("more")]));
    expect(await session.next("round_ended")).toMatchObject({ text: "more" });
    expect(await place.git("rev-list", "--count", "HEAD")).toBe("2");
  });

  test("bills what its model calls cost, once, over rounds and starts", async ({ place }) => {
    const usage = { input_tokens: 1_000, output_tokens: 100, cache_read_input_tokens: 500 };
    const round = prompt("Go.", [{ ...write("a.txt", "a"), usage }, say("end", { usage })]);
    const first = await place.start(place.launch({ model: pricedModel }));
    for (let n = 0; n < 2; n++) {
      await first.say(round);
      await first.next("round_ended");
    }
    await first.live.stop(2_000);
    const second = await place.start(place.launch({ n: 2, resume: true, model: pricedModel }));
    await second.say(round);
    await second.next("round_ended");
    const billed = [first, second]
      .flatMap((session) => session.all("round_ended"))
      .map(({ usd }) => usd);
    // List price in US dollars of a million tokens: 5 in, 25 out, 0.5 read from the cache (measured on 2.1.309 and 2.1.330).
    const call = (1_000 * 5 + 100 * 25 + 500 * 0.5) / 1e6;
    expect(billed).toHaveLength(3);
    for (const usd of billed) expect(usd).toBeCloseTo(2 * call, 10);
  });
}

/** Rounds that a person has a say in. */
export function describeQuestions(test: Case): void {
  test("asks for what no rule allows, puts questions, and does as it is answered", async ({
    place,
  }) => {
    const session = await place.start();
    const [yes, no] = ["curl --version > yes.txt", "curl --version > no.txt"];
    const question = ask("Which color?", ["red", "blue"]);
    await session.say(prompt("Go.", [bash(yes), bash(no), question, say("thanks")]));
    const first = await session.next("asked");
    const rule = `Bash(${yes})`;
    expect(first).toMatchObject({
      kind: "permission",
      tool: "Bash",
      input: { command: yes },
      rule,
    });
    await session.live.answer(first.ask, allow, first.input);
    await session.live.answer(first.ask, allow, first.input);
    const second = await session.next("asked");
    expect(second.ask).not.toBe(first.ask);
    await session.live.answer(second.ask, { is: "deny", because: "Not that." }, second.input);
    const third = await session.next("asked");
    expect(third).toMatchObject({
      kind: "question",
      tool: "AskUserQuestion",
      text: "Which color? (red / blue)",
      rule: null,
    });
    const answers = { "Which color?": "blue" };
    await session.live.answer(third.ask, { is: "allow", text: "blue", answers }, third.input);
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "thanks" });
    const written = ["yes.txt", "no.txt"].map((name) => existsSync(join(place.repo, name)));
    expect(written).toEqual([true, false]);
    if (!place.setup.real) return;
    const heard = JSON.stringify(place.model.requests().at(-1)?.messages);
    expect(heard).toContain("Not that.");
    expect(heard).toContain(String.raw`\"Which color?\"=\"blue\"`);
  });

  test("withdraws a question at an interrupt, drops what waits, and stays usable", async ({
    place,
  }) => {
    const session = await place.start();
    await session.say(asksPermission("curl --version"));
    const { ask: id } = await session.next("asked");
    const waiting = await session.say(prompt("And this.", [write("b.txt", "b"), say("no")]));
    await session.until((event) => event.is === "taken" && event.uuid === waiting);
    await session.live.interrupt();
    expect(await session.next("ask_withdrawn")).toMatchObject({ ask: id });
    expect(await session.next("round_ended")).toMatchObject({ failure: { is: "interrupted" } });
    await session.say(prompt("Now this.", [say("yes")]));
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "yes" });
    expect(existsSync(join(place.repo, "b.txt"))).toBe(false);
  });

  test("is interrupted in a tool and in a reply, and stays usable", async ({ place }) => {
    writeScript(place, "wait.sh", "exec tail -f /dev/null");
    const session = await place.start();
    const slow = say("one two three four five six", { deltas: 6, deltaDelayMs: 5_000 });
    await session.say(
      prompt("Go.", [bash("sh wait.sh"), say("after")], [{ match: "Slow", steps: [slow] }]),
    );
    await session.next("used_tool");
    await session.live.interrupt();
    expect(await session.next("round_ended")).toMatchObject({ failure: { is: "interrupted" } });
    await session.say("Slow.");
    await session.next("ready");
    await session.live.interrupt();
    expect(await session.next("round_ended")).toMatchObject({ failure: { is: "interrupted" } });
    await session.say(prompt("Go on.", [say("fine")]));
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "fine" });
    expect(session.all("asked")).toEqual([]);
  });
}
