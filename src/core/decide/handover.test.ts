import { describe, expect, it } from "vitest";
import { type Drive, drive, runId, startOf, taskSpec } from "../../testing/core.ts";
import { type Walk, walk } from "../../testing/walk.ts";
import type { RoundFailure } from "../inputs.ts";
import type { TaskSpec } from "../plan.ts";

/** A round in flight whose last turn had a context of `tokens`. */
function grown(tokens: number, over: Partial<TaskSpec> = {}): { d: Drive; w: Walk } {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a", over)]));
  w.work("a");
  const { offset } = d.attempt("a");
  d.see("a", { saw: "used", turns: 1, usd: 0, context: tokens, offset: offset + 100 });
  return { d, w };
}

/** Its gate is red, so there is something more to say. */
function red(w: Walk): void {
  w.commit("a");
  w.gate("a", false);
}

function endsWith(d: Drive, text: string, failure: RoundFailure | null = null): string[] {
  const { offset } = d.attempt("a");
  const end = { saw: "round_ended", failure, text, turns: 1, usd: 0.1 } as const;
  return d.see("a", { ...end, offset: offset + 100 });
}

/** Asked to hand over, in the middle of the round for it. */
function asked(): { d: Drive; w: Walk } {
  const both = grown(140_000);
  red(both.w);
  both.w.take("a");
  return both;
}

/** Told something that was sent as its round ended, so that it has it and begins another round with it. */
function overheard(): { d: Drive; w: Walk } {
  const both = grown(140_000);
  both.d.command({ type: "tell", run: runId, task: "a", text: "and the docs" });
  both.w.snapshot("a");
  endsWith(both.d, "done");
  return both;
}

const toldTo = (d: Drive): string =>
  d.attempt("a").mail.find(({ kind }) => kind === "tell")?.uuid ?? "";
const kinds = (d: Drive): string[] => d.attempt("a").mail.map(({ kind }) => kind);

describe("a session that has grown long", () => {
  it.each([
    [139_999, {}, ["fix"]],
    [140_000, {}, ["fix", "handover"]],
    [140_000, { context: 300_000 }, ["fix"]],
    [210_000, { context: 300_000 }, ["fix", "handover"]],
  ])("of %i tokens with %j hears %j", (tokens, limit, wanted) => {
    const limits = { turns: 60, minutes: 45, usd: 2, fixes: 2, ...limit };
    const { d, w } = grown(tokens, { limits });
    red(w);
    expect(kinds(d)).toEqual(wanted);
  });

  it("is asked for nothing where its work is good", () => {
    const { d, w } = grown(190_000);
    w.commit("a");
    w.gate("a");
    expect(kinds(d)).toEqual([]);
    expect(d.attempt("a").phase.at).toBe("queued");
  });

  it("hears only the request, whatever else waits", () => {
    const { d, w } = grown(140_000);
    red(w);
    d.command({ type: "tell", run: runId, task: "a", text: "and the docs" });
    w.snapshot("a");
    const sent = d.due().flatMap((effect) => (effect.do === "send" ? [effect.message.kind] : []));
    expect(sent).toEqual(["handover"]);
    expect(kinds(d)).toEqual(["fix", "handover", "tell"]);
  });

  it("is ended with its answer, and a new one goes on with what waited, from the second start on", () => {
    const { d, w } = asked();
    const { session } = d.attempt("a");
    endsWith(d, "## Done\nhalf of it");
    expect(d.attempt("a")).toMatchObject({
      session,
      handover: { from: session, text: "## Done\nhalf of it" },
      process: { is: "ending", why: "handed over" },
    });
    w.exit("a");
    const next = d.attempt("a");
    expect(next.formerSessions).toEqual([session]);
    expect(next.session).not.toBe(session);
    expect(next).toMatchObject({
      starts: 2,
      context: 0,
      process: { is: "starting", resume: false },
    });
    w.start("a");
    expect(d.effect("a", "send")?.message.kind).toBe("fix");
    w.take("a");
    w.commit("a", "b");
    w.gate("a");
    expect(d.attempt("a").phase.at).toBe("queued");
  });

  it("hands over again once the next one has grown long too, and keeps both to be asked", () => {
    const { d, w } = asked();
    const first = d.attempt("a").session;
    endsWith(d, "one");
    w.exit("a");
    w.start("a");
    w.take("a");
    const second = d.attempt("a").session;
    const { offset } = d.attempt("a");
    d.see("a", { saw: "used", turns: 1, usd: 0, context: 180_000, offset: offset + 100 });
    red(w);
    w.take("a");
    endsWith(d, "two");
    w.exit("a");
    expect(d.attempt("a").formerSessions).toEqual([first, second]);
    expect(d.attempt("a").handover).toEqual({ from: second, text: "two" });
  });

  it("is gone on with where it has nothing to say, or its round fails, and is not asked at once again", () => {
    for (const failure of [null, { is: "agent", detail: "too long" }] as const) {
      const { d, w } = asked();
      const { session, starts } = d.attempt("a");
      endsWith(d, failure === null ? " \n" : "half a text", failure);
      d.tick(60_000);
      w.snapshot("a");
      expect(d.attempt("a")).toMatchObject({ session, starts, handover: null, context: 0 });
      expect(d.effect("a", "send")?.message.kind).toBe("fix");
    }
  });

  it("that dies while it is asked is resumed and asked again", () => {
    const { d, w } = asked();
    const { session } = d.attempt("a");
    w.exit("a", "killed");
    d.tick(60_000);
    w.save("a");
    d.tick(60_000);
    w.start("a");
    expect(d.attempt("a")).toMatchObject({ session, starts: 2 });
    expect(d.effect("a", "send")?.message.kind).toBe("handover");
  });

  it("that ends by itself right after its answer is replaced all the same", () => {
    const { d, w } = asked();
    const { session } = d.attempt("a");
    w.exit("a", "gone");
    d.tick(60_000);
    w.save("a");
    w.start("a");
    w.take("a");
    endsWith(d, "said");
    w.exit("a");
    expect(d.attempt("a").formerSessions).toEqual([session]);
  });

  it("works on a word that came as its round ended, and is asked for nothing meanwhile", () => {
    const { d, w } = overheard();
    d.see("a", { saw: "message_taken", uuid: toldTo(d), offset: d.attempt("a").offset + 100 });
    w.snapshot("a");
    expect(kinds(d)).toEqual(["tell"]);
    expect(d.attempt("a").phase.at).toBe("working");
  });

  it("that is asked in the middle of its work on a word leaves that word to the next one", () => {
    const { d, w } = overheard();
    w.snapshot("a");
    d.see("a", { saw: "message_taken", uuid: toldTo(d), offset: d.attempt("a").offset + 100 });
    w.take("a");
    endsWith(d, "## Open\nthe docs");
    expect(d.attempt("a")).toMatchObject({ phase: { at: "idle" }, process: { is: "ending" } });
    w.exit("a");
    w.start("a");
    expect(d.attempt("a").formerSessions).toHaveLength(1);
    expect(d.effect("a", "send")?.message).toMatchObject({ kind: "tell", text: "and the docs" });
  });

  it("is stopped like any other", () => {
    const { d, w } = asked();
    d.command({ type: "stop", run: runId, task: "a" });
    w.exit("a");
    w.snapshot("a");
    expect(d.task("a").state).toEqual({ is: "canceled" });
  });
});
