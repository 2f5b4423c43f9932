import { describe, expect, it } from "vitest";
import { drive, runId, startOf, taskSpec } from "../../testing/core.ts";
import { head, walk } from "../../testing/walk.ts";
import type { AttemptEvent, EventBody } from "../events.ts";
import type { Ask, MessageKind } from "../attempt.ts";
import { type State, emptyState } from "../state.ts";
import { edit } from "./edit.ts";
import { evolve, fold } from "./evolve.ts";

const at = 2_000_000;
const of = { run: runId, task: "a", att: "att_a_1" } as const;

function after(state: State, ...bodies: EventBody[]): State {
  return bodies.reduce((s, body) => evolve(s, { ...body, seq: s.seq + 1, at, v: 1 }), state);
}
/** A state with attempt `att_a_1` of task `a`, walked as far as `how` says. */
function stateAt(how: "provisioning" | "working" | "verifying" | "verified"): State {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a", { approval: true })]));
  if (how !== "provisioning") w.work("a");
  if (how === "verifying" || how === "verified") w.commit("a");
  if (how === "verified") w.gate("a");
  return d.state;
}
const attempt = (state: State) => state.attempts.get("att_a_1");

describe("the fold", () => {
  it("of all events is the state, in one go or one by one", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.prove("a");
    w.exit("a");
    w.merge("a", "a");
    w.land("a");
    w.retire("a");
    expect(fold(emptyState, d.events)).toEqual(d.state);
    expect(d.events.reduce(evolve, emptyState)).toEqual(d.state);
    expect(d.events.map(({ seq }) => seq)).toEqual(d.events.map((_, i) => i + 1));
  });

  it("never writes to the state it came from", () => {
    const d = drive();
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    const before = d.state;
    const tasks = [...d.run().tasks];
    walk(d).finish("a");
    expect(before.runs.get(runId)?.tasks).toEqual(new Map(tasks));
    expect(before.attempts.get("att_a_1")?.phase.at).toBe("provisioning");
    expect(before.runs.get(runId)?.past.size).toBe(0);
  });

  it("keeps the latest time it has seen", () => {
    const late = after(emptyState, {
      type: "gate.accepted",
      project: "/p",
      commands: ["test"],
    });
    const early = evolve(late, {
      type: "gate.accepted",
      project: "/p",
      commands: [],
      seq: 2,
      at: 1,
      v: 1,
    });
    expect(early.now).toBe(at);
    expect(early.projects.get("/p")).toEqual({ gate: [], trusted: [] });
  });

  it("fails loudly where an event names what is not there", () => {
    expect(() => after(emptyState, { type: "run.paused", run: "run_x" })).toThrow(
      "run run_x is open",
    );
    expect(() => after(emptyState, { type: "attempt.unparked", ...of })).toThrow(
      "attempt att_a_1 is open",
    );
    expect(() => after(stateAt("working"), { type: "task.paused", run: runId, task: "z" })).toThrow(
      "task run_a/z exists",
    );
    expect(() => after(stateAt("working"), { type: "run.new" } as unknown as EventBody)).toThrow();
  });

  it.each(["run.", "task.", "gate."])("knows its event types (%s…)", (prefix) => {
    const unknown = { ...of, type: `${prefix}unheard` } as unknown as EventBody;
    expect(() => after(stateAt("working"), unknown)).toThrow("unreachable");
  });
});

describe("an event that comes to a phase it does not belong to", () => {
  const merge = { target: "t", ...head("m") };
  const bodies: [string, Extract<AttemptEvent, { type: EventBody["type"] }>][] = [
    [
      "attempt.provisioned",
      {
        ...of,
        type: "attempt.provisioned",
        worktree: {
          path: "/w",
          gitDir: "/g",
          branch: "b",
          base: "x",
          baseTree: "y",
          config: "z",
          basis: {},
        },
      },
    ],
    ["attempt.provision_failed", { ...of, type: "attempt.provision_failed", why: "x" }],
    ["attempt.approved", { ...of, type: "attempt.approved", commit: "x", gateless: false }],
    ["gate.admitted", { ...of, type: "gate.admitted", commit: "x", on: "merge" }],
    ["merge.made", { ...of, type: "merge.made", merge }],
    ["merge.unsigned", { ...of, type: "merge.unsigned", why: "no key" }],
    ["target.moved", { ...of, type: "target.moved", expected: "x", now: null }],
    ["snapshot.taken", { ...of, type: "snapshot.taken", ref: "r", commit: "c", left: 0 }],
    ["ask.detached", { ...of, type: "ask.detached", ask: "nobody's" }],
  ];
  it.each(bodies)("leaves the phase as it is: %s", (_, body) => {
    const before = stateAt("working");
    expect(attempt(after(before, body))?.phase).toEqual(attempt(before)?.phase);
  });

  it("leaves a process that is not live alone", () => {
    const before = stateAt("provisioning");
    const end = { ...of, type: "session.end_requested", n: 1, why: "x", interrupt: false } as const;
    expect(attempt(after(before, end))?.process).toEqual({ is: "none" });
  });

  it("says so where nothing could follow from it", () => {
    expect(() => after(stateAt("provisioning"), { ...of, type: "attempt.reverify" })).toThrow(
      "a head was read before it is verified",
    );
    expect(() => after(stateAt("working"), { ...of, type: "merge.verified" })).toThrow(
      "a verified merge was made before",
    );
  });
});

describe("a second end request", () => {
  it("may make a polite end an interrupt", () => {
    const polite = {
      ...of,
      type: "session.end_requested",
      n: 1,
      why: "verified",
      interrupt: false,
    } as const;
    const state = after(stateAt("working"), polite, {
      ...polite,
      why: "canceled",
      interrupt: true,
    });
    expect(attempt(state)?.process).toMatchObject({
      is: "ending",
      why: "canceled",
      interrupt: true,
    });
  });
});

describe("a round that is over", () => {
  const over = {
    ...of,
    type: "round.ended",
    outcome: "completed",
    why: null,
    text: "",
    turns: 1,
    usd: 0,
    offset: 900,
  } as const;

  it("late, beside a message that was not taken, makes what was kept old", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    d.command({ type: "tell", run: runId, task: "a", text: "one more thing" });
    d.command({ type: "pause", run: runId, task: "a", interrupt: false });
    w.endRound("a");
    w.snapshot("a");
    expect(attempt(d.state)?.phase).toEqual({ at: "idle", saved: true });
    expect(attempt(after(d.state, over))?.phase).toEqual({ at: "idle", saved: false });
  });

  it("late, while its commit is proved, leaves the proof as it is", () => {
    const before = stateAt("verifying");
    expect(attempt(after(before, over))?.phase).toEqual(attempt(before)?.phase);
    expect(attempt(after(before, over))?.rounds).toBe(2);
  });
});

describe("what waits to go on", () => {
  const message = (kind: MessageKind) =>
    ({ ...of, type: "message.queued", uuid: "u", kind, text: "x" }) as const;
  const returned = { ...of, type: "attempt.returned", why: "x" } as const;
  const ended = (d: ReturnType<typeof drive>): ReturnType<typeof walk> => {
    const w = walk(d);
    d.command(startOf([taskSpec("a")]));
    w.work("a");
    w.endRound("a");
    return w;
  };

  it("is kept where a snapshot was just taken, and not where one is still due", () => {
    const d = drive();
    const w = ended(d);
    expect(attempt(after(d.state, message("fix")))?.phase).toEqual({ at: "idle", saved: false });
    expect(attempt(after(d.state, returned))?.phase).toEqual({ at: "idle", saved: false });
    w.snapshot("a");
    expect(attempt(after(d.state, message("fix")))?.phase).toEqual({ at: "idle", saved: true });
    expect(attempt(after(d.state, returned))?.phase).toEqual({ at: "idle", saved: true });
  });

  it("stays what it is while it waits: another message writes no file", () => {
    const unsaved = after(stateAt("verified"), message("tell"));
    expect(attempt(unsaved)?.phase).toEqual({ at: "idle", saved: false });
    expect(attempt(after(unsaved, message("tell")))?.phase).toEqual({ at: "idle", saved: false });
    const taken = { ...of, type: "snapshot.taken", ref: "r", commit: "c", left: 0 } as const;
    const saved = after(unsaved, taken);
    expect(attempt(saved)?.phase).toEqual({ at: "idle", saved: true });
    expect(attempt(after(saved, message("tell"), returned))?.phase).toEqual({
      at: "idle",
      saved: true,
    });
    expect(attempt(after(unsaved, { ...taken, late: true }))).toMatchObject({
      phase: { at: "idle", saved: false },
      snapshots: 2,
    });
  });
});

describe("what a person said of a commit", () => {
  const approved = { ...of, type: "attempt.approved", commit: "x", gateless: false } as const;

  it("is forgotten with the next one that is proved", () => {
    const unsigned = after(stateAt("verified"), { ...approved, unsigned: true });
    expect(attempt(unsigned)).toMatchObject({ unsigned: true, phase: { approved: true } });
    const next = after(unsigned, { ...of, type: "attempt.verified", head: head("b") });
    expect(attempt(next)).toMatchObject({ unsigned: false, phase: { approved: false } });
    expect(attempt(after(unsigned, approved))?.unsigned).toBe(false);
  });

  it("holds while a merge that can't be signed waits", () => {
    const queued = after(
      stateAt("verified"),
      approved,
      { ...of, type: "queue.entered", head: head("a") },
      { ...of, type: "landing.started" },
      { ...of, type: "merge.unsigned", why: "no key" },
    );
    expect(attempt(queued)?.phase).toEqual({ at: "verified", head: head("a"), approved: true });
  });
});

describe("what a person said of a project", () => {
  it("is added up", () => {
    const trusted = (tree: string) => ({ type: "config.trusted", project: "/p", tree }) as const;
    const state = after(
      emptyState,
      trusted("tree-1"),
      { type: "gate.accepted", project: "/p", commands: ["test"] },
      trusted("tree-2"),
    );
    expect(state.projects.get("/p")).toEqual({ gate: ["test"], trusted: ["tree-1", "tree-2"] });
  });
});

describe("a breaker", () => {
  const key = "key sonnet";
  const of529 = { key, reason: "outage", detail: "529", until: 9, opened: 1 } as const;
  const opened = { type: "breaker.opened", ...of529 } as const;
  const probed = { type: "breaker.probed", key, att: "att_a_1" } as const;
  const closed = { type: "breaker.closed", key } as const;
  const breakers = (...bodies: EventBody[]) => [...after(emptyState, ...bodies).breakers.values()];

  it("is what it was opened with last, without the probe that failed", () => {
    expect(breakers(opened)).toEqual([{ ...of529, probe: null }]);
    expect(breakers(opened, probed)).toEqual([{ ...of529, probe: "att_a_1" }]);
    const limit = { reason: "rate_limit", detail: "429", until: 70, opened: 2 } as const;
    expect(breakers(opened, probed, { ...opened, ...limit })).toEqual([
      { key, ...limit, probe: null },
    ]);
  });

  it("is gone once it is closed, and not there for a late probe", () => {
    expect(breakers(opened, closed)).toEqual([]);
    expect(breakers(opened, closed, probed, closed)).toEqual([]);
  });

  it("is one of several, and each is its own", () => {
    const other = { ...opened, key: "key *", until: null } as const;
    expect(breakers(opened, other, probed, closed)).toMatchObject([{ key: "key *", probe: null }]);
  });
});

describe("a run's credential", () => {
  it("is the one it was started with, until it goes on with another", () => {
    const state = stateAt("working");
    expect(state.runs.get(runId)?.credential).toBe("key");
    const changed = after(state, { type: "run.credential_changed", run: runId, credential: "new" });
    expect(changed.runs.get(runId)?.credential).toBe("new");
  });
});

describe("a question that is opened", () => {
  const ask: Ask = {
    id: "trust-1",
    kind: "trust",
    text: "?",
    tool: null,
    input: null,
    rule: "tree-1",
    commit: null,
    openedAt: at,
    deadlineAt: null,
    answer: null,
  };
  const opened = { ...of, type: "ask.opened", ask, offset: null } as const;

  it("ends a provisioning, whose next try has another key", () => {
    const state = after(stateAt("provisioning"), opened);
    expect(attempt(state)).toMatchObject({ phase: { at: "provisioning", try: 2 }, slot: false });
  });

  it("is the only one that a detachment marks", () => {
    const two = after(stateAt("working"), opened, { ...opened, ask: { ...ask, id: "q" } });
    const state = after(two, { ...of, type: "ask.detached", ask: "q" });
    expect(attempt(state)?.asks).toEqual([ask, { ...ask, id: "q", detached: true }]);
  });
});

describe("a proof begun anew", () => {
  it("counts its tries, so that its key is a new one", () => {
    const again = after(stateAt("verifying"), { ...of, type: "attempt.reverify" });
    expect(attempt(again)?.phase).toMatchObject({ at: "verifying", try: 2, admitted: false });
    const fresh = after(stateAt("verified"), { ...of, type: "attempt.reverify" });
    expect(attempt(fresh)?.phase).toMatchObject({ at: "verifying", try: 1 });
  });
});

describe("parked while it is queued", () => {
  const park = {
    ...of,
    type: "attempt.parked",
    park: { reason: "backoff", detail: "x", until: 9 },
  } as const;
  const queued = after(
    stateAt("verified"),
    { ...of, type: "queue.entered", head: head("a") },
    { ...of, type: "landing.started" },
  );

  it("a merge is made anew", () => {
    expect(attempt(after(queued, park))?.phase).toMatchObject({ step: { is: "waiting" }, try: 2 });
  });

  it("a landing stays one, for it may have happened", () => {
    const merge = { target: "t", ...head("m") };
    const landing = after(
      queued,
      { ...of, type: "merge.made", merge },
      { ...of, type: "merge.verified" },
    );
    expect(attempt(after(landing, park))?.phase).toMatchObject({
      step: { is: "landing", merge },
      try: 2,
    });
    expect(attempt(after(landing, park))?.recoveries).toBe(1);
    const outage = { ...park, park: { ...park.park, reason: "outage" as const } };
    expect(attempt(after(landing, outage))).toMatchObject({ recoveries: 0, outages: 1 });
  });
});

describe("an edit", () => {
  it("copies a map once, however much is written to it", () => {
    const state = stateAt("working");
    const draft = edit(state);
    const first = draft.attempt("att_a_1");
    draft.setAttempt({ ...first, fixes: 1 });
    const { attempts } = draft.state;
    draft.setAttempt({ ...first, fixes: 2 });
    expect(draft.state.attempts).toBe(attempts);
    expect(attempts).not.toBe(state.attempts);
    draft.setTask(runId, "a", { ...draft.task(runId, "a"), paused: true });
    const { tasks } = draft.run(runId);
    draft.setTask(runId, "a", { ...draft.task(runId, "a"), paused: false });
    expect(draft.run(runId).tasks).toBe(tasks);
    draft.setProject("/p", { gate: ["a"], trusted: [] });
    const { projects } = draft.state;
    draft.setProject("/q", { gate: ["b"], trusted: [] });
    expect(draft.state.projects).toBe(projects);
  });

  it("moves a closed attempt to its run's past", () => {
    const draft = edit(stateAt("working"));
    draft.setAttempt({ ...draft.attempt("att_a_1"), id: "att_a_2" });
    draft.closeAttempt("att_a_1");
    draft.closeAttempt("att_a_2");
    expect([...draft.run(runId).past.keys()]).toEqual(["att_a_1", "att_a_2"]);
    expect(draft.state.attempts.size).toBe(0);
  });
});
