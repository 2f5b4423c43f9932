import { describe, expect, it } from "vitest";
import { type Drive, type Start, drive, runId, startOf, taskSpec } from "../../testing/core.ts";
import { type Walk, asked, inspected, walk } from "../../testing/walk.ts";
import type { Command } from "../inputs.ts";
import type { TaskSpec } from "../plan.ts";

function working(over: Partial<TaskSpec> = {}, start: Partial<Start> = {}): { d: Drive; w: Walk } {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a", over)], start));
  w.work("a");
  return { d, w };
}
const answer = (
  given: Extract<Command, { type: "answer" }>["answer"],
  ask: string | null = null,
): Command => ({ type: "answer", run: runId, task: "a", ask, answer: given });
const allow = answer({ is: "allow" });
const pause = (interrupt: boolean): Command => ({
  type: "pause",
  run: runId,
  task: "a",
  interrupt,
});
const resume: Command = { type: "resume", run: runId, task: "a", usd: null };
const withdrawn = (offset = 6_000, ask = "q") => ({ saw: "ask_withdrawn", ask, offset }) as const;
const mail = (d: Drive) => d.attempt("a").mail.map(({ kind }) => kind);

describe("a question of a session", () => {
  it("waits for a person with the run's deadline, and gives its slot back", () => {
    const { d } = working();
    d.see("a", asked());
    expect(d.attempt("a").asks[0]).toMatchObject({ deadlineAt: d.now + 900_000, answer: null });
    expect(d.attempt("a").slot).toBe(false);
  });

  it("has the task's own deadline where the plan says one", () => {
    const permissions = { allow: [], ask: [], deny: [] };
    const forever = working({ permissions: { ...permissions, waitMs: null } });
    forever.d.see("a", asked());
    expect(forever.d.attempt("a").asks[0]).toMatchObject({ deadlineAt: null, answer: null });
    const never = working({ permissions: { ...permissions, waitMs: 0 } });
    never.d.see("a", asked());
    expect(never.d.attempt("a").asks[0]?.answer).toMatchObject({ is: "deny" });
  });

  it("that is no permission has no deadline", () => {
    const { d } = working();
    d.see("a", asked({ kind: "question", tool: "AskUserQuestion" }));
    expect(d.attempt("a").asks[0]?.deadlineAt).toBeNull();
  });

  it("is answered at once where nobody is there", () => {
    const { d } = working({}, { attended: false });
    d.see("a", asked({ kind: "question", tool: "AskUserQuestion" }));
    expect(d.attempt("a").asks[0]?.answer).toEqual({
      is: "deny",
      because: "Nobody is there to answer: decide yourself and write down why.",
    });
    expect(d.attempt("a").slot).toBe(true);
  });

  it("is asked once, however often it is reported", () => {
    const { d } = working();
    d.see("a", asked());
    expect(d.see("a", asked())).toEqual([]);
    expect(d.see("a", asked({ offset: 6_000 }))).toEqual([]);
  });

  it("goes away when the session takes it back, and the round goes on", () => {
    const { d } = working();
    d.see("a", asked());
    expect(d.see("a", { saw: "ask_withdrawn", ask: "q", offset: 6_000 })).toEqual([
      "ask.withdrawn",
      "round.admitted",
    ]);
    expect(d.see("a", { saw: "ask_withdrawn", ask: "q", offset: 6_000 })).toEqual([]);
    expect(d.see("a", { saw: "answer_taken", ask: "q" })).toEqual([]);
  });

  it("goes away with its round", () => {
    const { d, w } = working();
    d.see("a", asked());
    expect(w.endRound("a")).toEqual(["round.ended", "ask.withdrawn"]);
    expect(d.attempt("a").asks).toEqual([]);
  });

  it("is answered for good where the run remembers an answer to its rule", () => {
    const { d } = working();
    d.see("a", asked({ rule: "Bash(make)" }));
    d.command(answer({ is: "deny", because: "too wide" }));
    expect(d.see("a", asked({ ask: "q2", rule: "Bash(make)", offset: 6_000 }))).toEqual([
      "ask.opened",
      "ask.answered",
    ]);
    expect(d.attempt("a").asks.at(-1)?.answer).toMatchObject({
      is: "deny",
      because: expect.stringContaining("the same was denied before in this run"),
    });
    expect(
      d.see("a", asked({ ask: "q3", rule: "Bash(make)", kind: "question", offset: 7_000 })),
    ).toEqual(["ask.opened"]);
  });
});

describe("a question whose process is gone", () => {
  /** A task whose session was killed while its question waited, and whose back-off is over. */
  function orphaned(over: Parameters<typeof asked>[0] = {}): { d: Drive; w: Walk } {
    const { d, w } = working();
    d.see("a", asked(over));
    w.exit("a", "killed by the kernel");
    d.tick(60_000);
    w.save("a");
    return { d, w };
  }

  it("stays, and nothing is resumed before it is answered", () => {
    const { d, w } = working();
    d.see("a", asked());
    expect(w.exit("a", "killed by the kernel")).toEqual([
      "session.exited",
      "ask.detached",
      "attempt.parked",
      "snapshot.taken",
    ]);
    expect(d.tick(60_000)).toEqual(["attempt.unparked"]);
    expect(w.save("a")).toEqual(["snapshot.taken"]);
    expect(d.attempt("a").asks).toMatchObject([{ id: "q", answer: null, detached: true }]);
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: true });
    expect(d.keys()).toEqual([]);
  });

  it("is answered by a message to the resumed session", () => {
    const { d, w } = orphaned();
    expect(d.command(allow)).toEqual([
      "ask.answered",
      "ask.closed",
      "message.queued",
      "session.planned",
      "round.admitted",
    ]);
    w.start("a");
    expect(mail(d)).toEqual(["prompt", "answer"]);
    expect(
      d.due().filter((effect) => effect.do === "send" || effect.do === "answer"),
    ).toMatchObject([
      { do: "send", n: 2, message: { kind: "prompt" } },
      {
        do: "send",
        n: 2,
        message: {
          kind: "answer",
          text: "The session was restarted while its question waited (Bash: run make?). It is allowed: run it again.",
        },
      },
    ]);
  });

  it("is denied by a message at its deadline", () => {
    const { d } = orphaned();
    expect(d.tick(900_000)).toEqual([
      "ask.answered",
      "ask.closed",
      "message.queued",
      "run.unattended",
      "session.planned",
      "round.admitted",
    ]);
    expect(d.attempt("a").mail.at(-1)).toMatchObject({
      kind: "answer",
      text: expect.stringContaining("The answer is no: Bash was not allowed: nobody was there"),
    });
  });

  it("is answered with everyone's who waits with the same rule", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    for (const key of ["a", "b"]) {
      w.work(key);
      d.see(key, asked({ rule: "Bash(make)" }));
    }
    w.exit("b", "killed");
    d.tick(60_000);
    w.save("b");
    d.command(allow);
    expect(d.attempt("b").asks).toEqual([]);
    expect(d.attempt("b").mail.at(-1)?.kind).toBe("answer");
    expect(d.attempt("b").process).toMatchObject({ is: "starting", n: 2 });
  });

  it("is answered one by one where there are several, and the session goes on after the last", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.see("a", asked({ ask: "q2", kind: "question", tool: "AskUserQuestion", offset: 6_000 }));
    w.exit("a", "killed");
    d.tick(60_000);
    w.save("a");
    d.command(answer({ is: "deny", because: "not now" }, "q"));
    expect(mail(d)).toEqual(["prompt", "answer"]);
    expect(d.attempt("a").process.is).toBe("none");
    d.command(answer({ is: "text", text: "the second" }, "q2"));
    expect(mail(d)).toEqual(["prompt", "answer", "answer"]);
    expect(d.attempt("a").mail.at(-1)?.text).toContain("The answer: the second");
    expect(d.attempt("a").process.is).toBe("starting");
  });

  it("stays open beside a person's word, which waits for it", () => {
    const { d } = orphaned();
    d.command({ type: "tell", run: runId, task: "a", text: "mind the docs" });
    expect(mail(d)).toEqual(["prompt", "tell"]);
    expect(d.attempt("a").process.is).toBe("none");
    d.command(allow);
    expect(mail(d)).toEqual(["prompt", "tell", "answer"]);
    expect(d.attempt("a").process.is).toBe("starting");
  });

  it("is not the resumed session's: what that says of it means nothing", () => {
    const { d } = orphaned();
    expect(d.see("a", withdrawn(9_000))).toEqual([]);
    expect(d.attempt("a").asks).toHaveLength(1);
  });

  it("is over with its task", () => {
    const { d, w } = orphaned();
    d.command({ type: "stop", run: runId, task: "a" });
    w.snapshot("a");
    expect(d.attempt("a").asks).toEqual([]);
    expect(d.task("a").state.is).toBe("canceled");
  });

  it("with an answer that it did not take is answered by a message", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.command(allow);
    expect(d.effect("a", "answer")).toBeDefined();
    expect(w.exit("a", "killed").slice(0, 3)).toEqual([
      "session.exited",
      "ask.closed",
      "message.queued",
    ]);
    d.tick(60_000);
    w.start("a");
    expect(mail(d)).toEqual(["prompt", "answer"]);
    expect(d.effect("a", "answer")).toBeUndefined();
  });

  it("leaves out what its process had taken an answer to", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.command(allow);
    d.see("a", { saw: "answer_taken", ask: "q" }, d.effect("a", "answer")?.key);
    d.see("a", asked({ ask: "q2", offset: 6_000 }));
    w.exit("a", "killed");
    expect(mail(d)).toEqual(["prompt"]);
    expect(d.attempt("a").asks).toMatchObject([{ id: "q2", detached: true }]);
  });
});

describe("a question of a session that muster interrupts", () => {
  it("is kept where the session takes it back, and its round waits for the answer", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.command(pause(true));
    expect(d.see("a", withdrawn())).toEqual(["ask.detached"]);
    expect(d.see("a", withdrawn(6_100))).toEqual([]);
    expect(w.endRound("a", { is: "interrupted" })).toEqual(["round.ended", "attempt.returned"]);
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
    expect(w.exit("a", "ended")).toEqual(["session.exited", "snapshot.taken"]);
    d.command(resume);
    w.save("a");
    expect(d.keys()).toEqual([]);
    expect(d.attempt("a").asks).toHaveLength(1);
    d.command(allow);
    w.start("a");
    expect(mail(d)).toEqual(["answer"]);
    expect(d.effect("a", "send")?.message.kind).toBe("answer");
  });

  it("is kept where only its round says that it ended", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.see("a", asked({ ask: "q2", offset: 6_000 }));
    d.command(pause(true));
    expect(w.endRound("a", { is: "interrupted" })).toEqual([
      "round.ended",
      "ask.detached",
      "ask.detached",
      "attempt.returned",
    ]);
    expect(d.attempt("a").mail).toEqual([]);
  });

  it("is kept where the session went silent and asked after all, and nothing of it is proved", () => {
    const { d, w } = working();
    d.see("a", { saw: "stalled", silentMs: 300_000, during: "tool" });
    d.see("a", asked());
    expect(w.endRound("a", { is: "interrupted" })).toEqual([
      "round.ended",
      "ask.detached",
      "attempt.returned",
      "attempt.parked",
    ]);
    expect(d.attempt("a").phase).toEqual({ at: "idle", saved: false });
    w.exit("a", "ended");
    d.tick(60_000);
    w.save("a");
    expect(d.keys()).toEqual([]);
    d.command(allow);
    expect(mail(d)).toEqual(["answer"]);
    expect(d.attempt("a").process.is).toBe("starting");
  });

  it("is kept where its process just goes, and an answer given meanwhile is a message", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.command(pause(true));
    d.command(allow);
    expect(d.effect("a", "answer")).toBeUndefined();
    expect(w.exit("a", "ended").slice(0, 3)).toEqual([
      "session.exited",
      "ask.closed",
      "message.queued",
    ]);
    expect(mail(d)).toEqual(["prompt", "answer"]);
  });

  it("answered while it waits to be ended is a message as soon as its round is over", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.command(pause(true));
    d.command(allow);
    expect(w.endRound("a", { is: "interrupted" })).toEqual([
      "round.ended",
      "ask.closed",
      "message.queued",
    ]);
    expect(mail(d)).toEqual(["answer"]);
    expect(d.attempt("a").phase.at).toBe("idle");
  });

  it("goes away with a round that ended by itself before the interrupt arrived", () => {
    for (const failure of [null, "void", { is: "agent", detail: "it gave up" }] as const) {
      const { d, w } = working();
      d.see("a", asked());
      d.command(pause(true));
      expect(w.endRound("a", failure).slice(0, 2)).toEqual(["round.ended", "ask.withdrawn"]);
      expect(d.attempt("a").asks).toEqual([]);
    }
  });

  it("goes away with such a round also where the session took it back before", () => {
    const { d, w } = working();
    d.see("a", asked());
    d.command(pause(true));
    d.see("a", withdrawn());
    expect(w.endRound("a")).toEqual(["round.ended", "ask.withdrawn"]);
    expect(d.attempt("a").phase).toMatchObject({ at: "settling", step: "snapshot" });
  });

  it("goes away with a round that somebody else interrupted", () => {
    const { d, w } = working();
    d.see("a", asked());
    expect(w.endRound("a", { is: "interrupted" })).toEqual([
      "round.ended",
      "ask.withdrawn",
      "message.queued",
      "snapshot.taken",
      "round.admitted",
    ]);
    expect(mail(d)).toEqual(["continue"]);
  });
});

describe("a question that is asked beside a round", () => {
  it.each<[string, Partial<Start>]>([
    ["open", {}],
    ["denied at once", { attended: false }],
  ])("goes with its process: no answer disturbs a landing (%s)", (_, start) => {
    const { d, w } = working({}, start);
    w.commit("a");
    w.gate("a");
    w.merge("a", "a");
    const key = d.effect("a", "land")?.key ?? "";
    d.see("a", asked());
    expect(w.exit("a", "ended")).toEqual(["session.exited", "ask.withdrawn"]);
    expect(d.tick(900_000)).toEqual([]);
    expect(d.attempt("a").phase).toMatchObject({ at: "queued", step: { is: "landing" } });
    d.see("a", { saw: "landed", commit: "commit-a", followed: null }, key);
    expect(d.task("a").state.is).toBe("landed");
  });
});

describe("a question of muster's own", () => {
  it("has an id of its own: an answer to the first does not answer the second", () => {
    const d = drive();
    d.command(startOf([taskSpec("a", { profile: "project" })]));
    const ids: (string | undefined)[] = [];
    for (const tree of ["tree-1", "tree-2"]) {
      d.see("a", { saw: "untrusted", tree, files: [".mcp.json"] });
      ids.push(d.attempt("a").asks[0]?.id);
      if (tree === "tree-1") d.command(allow);
    }
    expect(ids).toEqual(["trust-1", "trust-2"]);
    expect(() => d.command(answer({ is: "allow" }, "trust-1"))).toThrow(
      "run_a/a has no open question trust-1",
    );
    expect(d.attempt("a").asks).toMatchObject([{ rule: "tree-2" }]);
  });

  it("does not care for a process that goes", () => {
    const { d, w } = working();
    w.endRound("a");
    w.snapshot("a");
    d.see("a", inspected("a", { related: false }));
    expect(d.attempt("a").asks).toMatchObject([{ kind: "conflict", tool: null }]);
    expect(w.exit("a", "killed")).toEqual(["session.exited"]);
    expect(d.attempt("a").asks[0]).not.toHaveProperty("detached");
    expect(mail(d)).toEqual([]);
  });
});
