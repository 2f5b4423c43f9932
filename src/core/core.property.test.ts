/** Any order of inputs, sensible or not, keeps the invariants; only commands are refused, and only with a Fault. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startOf, taskSpec } from "../testing/core.ts";
import { checkBounds, checkEvent, checkKeys } from "../testing/simulation/check.ts";
import { difference } from "../testing/simulation/equal.ts";
import { asked, evidence, head, inspected, worktree } from "../testing/walk.ts";
import { decide, stamp } from "./decide/decide.ts";
import { due } from "./due.ts";
import type { Effect } from "./effects.ts";
import type { Event } from "./events.ts";
import { evolve, fold } from "./evolve/evolve.ts";
import { Fault } from "./fault.ts";
import type { AttemptId } from "./ids.ts";
import type { Capacity, Command, Input, Observation, Observed } from "./inputs.ts";
import type { TaskSpec } from "./plan.ts";
import { gateOf, openAsks } from "./queries.ts";
import { fromText, toText } from "./serial.ts";
import type { Attempt } from "./attempt.ts";
import { type State, emptyState } from "./state.ts";
import { runView } from "./view.ts";

const capacity: Capacity = { parallel: 3, resident: 3, gates: 2 };
const seed = "00000000-0000-4000-a000-000000000000";
const keys = ["a", "b", "c", "d"] as const;
const attempts = [1, 2, 3, 4, 5, 6].map((n) => `att_a_${n}` as AttemptId);

const name = fc.constantFrom("one", "two", "three", "base");
const offset = fc.integer({ min: 0, max: 2_000 });
const n = fc.integer({ min: 1, max: 3 });
const ask = fc.constantFrom("q1", "q2");
const why = fc.constant("because");
const usage = { turns: fc.integer({ min: 0, max: 9 }), usd: fc.constantFrom(0, 0.25, 1), offset };
const saw = <S extends Observed["saw"]>(is: S, rest: object = {}) =>
  fc.record({ saw: fc.constant(is), ...rest }) as fc.Arbitrary<Extract<Observed, { saw: S }>>;

const observed: fc.Arbitrary<Observed> = fc.oneof(
  name.map((base): Observed => ({
    saw: "provisioned",
    worktree: worktree("x", { baseTree: `tree-${base}` }),
  })),
  saw("provision_failed", { why, retry: fc.boolean() }),
  saw("untrusted", {
    tree: fc.constantFrom("tree-1", "tree-2"),
    files: fc.constantFrom([".mcp.json"], ["a", "b", "c", "d"]),
  }),
  saw("provision_conflicts", { paths: fc.constant(["a.ts"]) }),
  saw("session_started", { n, pid: fc.constant(9), version: fc.constant(null) }),
  saw("session_failed_to_start", { n, why, credentials: fc.boolean() }),
  saw("session_failed_to_start", {
    n,
    why,
    credentials: fc.constant(false),
    held: fc.constant(true),
  }),
  saw("message_taken", { uuid: fc.constantFrom("u", `${seed.slice(0, -4)}0000`), offset }),
  saw("asked", {
    ask,
    kind: fc.constantFrom("permission", "question"),
    tool: fc.constant("Bash"),
    text: fc.string(),
    input: fc.jsonValue(),
    rule: fc.constantFrom(null, "Bash(make)"),
    offset,
  }),
  saw("ask_withdrawn", { ask, offset }),
  saw("answer_taken", { ask }),
  saw("used", usage),
  saw("round_ended", {
    failure: fc.constantFrom<Extract<Observed, { saw: "round_ended" }>["failure"]>(
      null,
      "void",
      { is: "interrupted" },
      { is: "max_turns" },
      { is: "credentials", detail: "401" },
      { is: "agent", detail: "gave up" },
      { is: "unavailable", reason: "outage", status: null, retryAt: null, detail: "down" },
    ),
    text: fc.constant(""),
    ...usage,
  }),
  saw("stalled", {
    silentMs: fc.constant(300_000),
    during: fc.constantFrom("model", "tool", "start"),
  }),
  saw("session_exited", { n, code: fc.constant(0), signal: fc.constant(null), why }),
  saw("snapshot", { ref: fc.constant("refs/x"), commit: fc.constant("s"), left: fc.constant(0) }),
  saw("snapshot_failed", { why }),
  fc
    .record({
      name,
      dirty: fc.boolean(),
      related: fc.boolean(),
      onTarget: fc.boolean(),
      bad: fc.boolean(),
    })
    .map(({ name: of, bad, ...rest }): Observed =>
      inspected(of, { ...rest, outside: bad ? ["x"] : [], missing: bad ? ["y"] : [] }),
    ),
  saw("inspect_failed", { why }),
  name.map((of): Observed => ({ saw: "committed", head: head(of) })),
  fc
    .record({ name, exit: fc.constantFrom(0, 1, null), some: fc.boolean() })
    .map(({ name: of, exit, some }): Observed => ({
      saw: "gated",
      head: head(of),
      evidence: some ? [evidence(head(of), { exit })] : [],
      passed: exit === 0,
    })),
  saw("gate_broken", { commit: name.map((of) => `commit-${of}`), why }),
  name.map((of): Observed => ({ saw: "merged", merge: { target: "t", ...head(of) } })),
  saw("merge_conflicts", { target: fc.constant("t"), paths: fc.constant(["a.ts"]) }),
  saw("target_missing", { why }),
  saw("signing_failed", { why }),
  saw("landed", { commit: fc.constant("m"), followed: fc.constant(null) }),
  saw("target_moved", { expected: fc.constant("t"), now: fc.constant(null) }),
  saw("checkout_in_the_way", { detail: why }),
  saw("needs_credentials", { why }),
  saw("retired", { ref: fc.constant(null) }),
  saw("kept", { why }),
);

const run = fc.constantFrom("run_a" as const, "run_a" as const, "run_z" as const);
const task = fc.constantFrom(...keys, "zz");
const anyTask = fc.oneof(task, fc.constant(null));
const is = (type: Command["type"], rest: object) =>
  fc.record({ type: fc.constant(type), run, ...rest }) as unknown as fc.Arbitrary<Command>;
const given = fc.constantFrom<Extract<Command, { type: "answer" }>["answer"]>(
  { is: "allow" },
  { is: "deny", because: "no" },
  { is: "text", text: "so" },
);
const command: fc.Arbitrary<Command> = fc.oneof(
  is("stop", { task: anyTask }),
  is("pause", { task: anyTask, interrupt: fc.boolean() }),
  is("resume", { task: anyTask, usd: fc.constantFrom(null, null, 20) }),
  is("retry", { task: anyTask, settled: fc.constant(null) }),
  is("tell", { task, text: fc.constant("hm") }),
  is("answer", {
    task,
    ask: fc.oneof(fc.constant(null), ask),
    answer: given,
  }),
  is("approve", { task, gate: fc.boolean() }),
  is("reject", { task, because: fc.constant("no") }),
  is("attend", {}),
  fc.record({
    type: fc.constant("trust" as const),
    project: fc.constantFrom("/project/.git", "/other/.git"),
    tree: fc.constantFrom("tree-1", "tree-2"),
  }),
);

type Action =
  | { readonly do: "command"; readonly command: Command }
  /** A person's answer to the oldest question of whoever asks first. */
  | { readonly do: "reply"; readonly given: Extract<Command, { type: "answer" }>["answer"] }
  /** The answer that a good world gives to one of the due effects. */
  | { readonly do: "perform"; readonly which: number; readonly name: string }
  /** The answer that a bad world gives to one of the due effects: what may go wrong right there. */
  | { readonly do: "fail"; readonly which: number; readonly how: number }
  /** Any observation, under a due key of the attempt or under none. */
  | {
      readonly do: "observe";
      readonly att: AttemptId;
      readonly key: number;
      readonly seen: Observed;
    }
  | { readonly do: "wait"; readonly ms: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("command" as const), command }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("reply" as const), given }) },
  {
    weight: 20,
    arbitrary: fc.record({ do: fc.constant("perform" as const), which: fc.nat(20), name }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("fail" as const), which: fc.nat(20), how: fc.nat(20) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("observe" as const),
      att: fc.constantFrom(...attempts),
      key: fc.integer({ min: -1, max: 3 }),
      seen: observed,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(0, 5_000, 3_600_000, -60_000),
    }),
  },
);

const tasks: readonly TaskSpec[] = [
  taskSpec("a", { profile: "project" }),
  taskSpec("b", { needs: [{ key: "a", when: "verified", merge: true }], approval: true }),
  taskSpec("c", { gate: ["test"], gateFrom: "proposed", paths: ["src/**"] }),
  taskSpec("d", { needs: [{ key: "c", when: "landed", merge: true }], land: "none" }),
];

/** What a good world says next to an effect; undefined where it waits itself. */
function goodAnswer(effect: Effect, of: string): Observed | undefined {
  const next = effect.attempt.offset + 100;
  switch (effect.do) {
    case "provision":
      if (effect.spec.profile === "project" && !effect.trusted.includes("tree-1") && of === "one")
        return { saw: "untrusted", tree: "tree-1", files: [".mcp.json"] };
      return { saw: "provisioned", worktree: worktree(effect.attempt.task) };
    case "session": {
      if (effect.attempt.process.is === "starting")
        return { saw: "session_started", n: effect.n, pid: 7, version: null };
      if (effect.attempt.process.is === "ending" || effect.attempt.phase.at !== "working")
        return { saw: "session_exited", n: effect.n, code: 0, signal: null, why: "ended" };
      if (openAsks(effect.attempt).length > 0) return undefined;
      return { saw: "round_ended", failure: null, text: "", turns: 1, usd: 0.125, offset: next };
    }
    case "send":
      return { saw: "message_taken", uuid: effect.message.uuid, offset: next };
    case "answer":
      return { saw: "answer_taken", ask: effect.ask };
    case "end_session":
      return { saw: "session_exited", n: effect.n, code: 143, signal: null, why: "ended" };
    case "snapshot":
      return { saw: "snapshot", ref: effect.ref, commit: "s", left: 0 };
    case "inspect":
      return inspected(of);
    case "commit":
      return { saw: "committed", head: head(of) };
    case "gate": {
      const ran = effect.commands.map((one) =>
        evidence(effect.head, { command: one, on: effect.on }),
      );
      return { saw: "gated", head: effect.head, evidence: ran, passed: true };
    }
    case "merge":
      if (of === "three" && !effect.unsigned)
        return { saw: "signing_failed", why: "the key is locked" };
      return { saw: "merged", merge: { target: "t", ...head(`${of}-merged`) } };
    case "land":
      return { saw: "landed", commit: effect.merge.commit, followed: null };
    case "retire":
      return { saw: "retired", ref: null };
  }
}

/** What may go wrong with an effect, or come of it unasked. */
function badAnswers(effect: Effect): readonly Observed[] {
  const why = "because";
  switch (effect.do) {
    case "provision":
      return [
        { saw: "untrusted", tree: "tree-1", files: [".mcp.json"] },
        { saw: "provision_failed", why, retry: true },
        { saw: "provision_conflicts", paths: ["a.ts"] },
        { saw: "needs_credentials", why },
      ];
    case "session":
      return effect.attempt.process.is === "starting"
        ? [
            { saw: "session_failed_to_start", n: effect.n, why, credentials: false },
            { saw: "session_failed_to_start", n: effect.n, why, credentials: false, held: true },
          ]
        : unasked(effect);
    case "snapshot":
      return [
        { saw: "snapshot_failed", why },
        { saw: "snapshot_failed", why, disk: true },
        { saw: "inspect_failed", why },
      ];
    case "inspect":
      return [
        { saw: "inspect_failed", why },
        inspected("two", { dirty: true }),
        inspected("two", { related: false }),
      ];
    case "gate": {
      const { head: of, on } = effect;
      const red = evidence(of, { exit: 1, on });
      return [
        { saw: "gate_broken", commit: of.commit, why },
        { saw: "gated", head: of, evidence: [red], passed: false },
      ];
    }
    case "merge":
      return [
        { saw: "signing_failed", why },
        { saw: "merge_conflicts", target: "t", paths: ["a.ts"] },
        { saw: "target_missing", why },
      ];
    case "land":
      return [
        { saw: "target_moved", expected: "t", now: null },
        { saw: "checkout_in_the_way", detail: why },
      ];
    case "retire":
      return [{ saw: "kept", why }];
    case "send":
    case "answer":
    case "end_session":
    case "commit":
      return [];
  }
}

/** What a live session does by itself, and how it ends. */
function unasked({ attempt, n }: Effect & { do: "session" }): readonly Observed[] {
  const at = attempt.offset + 100;
  const over = { saw: "round_ended", text: "", turns: 1, usd: 0.125, offset: at } as const;
  const killed = {
    saw: "session_exited",
    n,
    code: null,
    signal: "SIGKILL",
    why: "killed",
  } as const;
  const interrupted = { ...over, failure: { is: "interrupted" } } as const;
  const ask = asked({ ask: `q${at}`, rule: "Bash(make)", offset: at });
  const [open] = openAsks(attempt);
  if (open !== undefined)
    return [killed, interrupted, { saw: "ask_withdrawn", ask: open.id, offset: at }, ask];
  return [
    ask,
    ask,
    { ...ask, kind: "question", tool: "AskUserQuestion" },
    killed,
    interrupted,
    { saw: "stalled", silentMs: 300_000, during: "model" },
    { ...over, failure: { is: "agent", detail: "gave up" } },
    { ...over, failure: "void" },
  ];
}

interface Played {
  readonly state: State;
  readonly events: readonly Event[];
  readonly refused: number;
}

function play(actions: readonly Action[]): Played {
  let state: State = emptyState;
  let now = 1_000_000;
  let refused = 0;
  let known: ReturnType<typeof checkKeys> = new Map();
  const events: Event[] = [];
  const approved = new Map<string, boolean>();
  const unsigned = new Set<string>();

  const take = (input: Input): number => {
    const bodies = decide(state, input, now);
    for (const event of stamp(bodies, state.seq, Math.max(now, state.now))) {
      const before = state;
      state = evolve(state, event);
      events.push(event);
      checkEvent(before, state, event);
      if ("att" in event) {
        const was = before.attempts.get(event.att);
        if (event.type === "round.admitted") checkKept(was);
        checkLanding(was, state.attempts.get(event.att));
      }
      if (event.type === "attempt.approved" && input.is === "command")
        approved.set(`${event.att} ${event.commit}`, event.gateless);
      if (event.type === "attempt.approved" && event.unsigned === true && input.is === "command")
        unsigned.add(`${event.att} ${event.commit}`);
      if (event.type === "task.landed") checkProof(before, event);
    }
    return bodies.length;
  };
  /** What lands was approved where it must be, and its very tree is proved by evidence. */
  const checkProof = (before: State, event: Event & { type: "task.landed" }): void => {
    const attempt = before.attempts.get(event.att);
    const spec = before.runs.get(event.run)?.tasks.get(event.task)?.spec;
    if (attempt === undefined || spec === undefined) throw new Error("landed from nowhere");
    const gateless = approved.get(`${event.att} ${event.head}`);
    if (spec.approval) expect(gateless).toBeDefined();
    if (gateless === true) return;
    const proved = attempt.gates.filter(
      ({ commit, exit }) => exit === 0 && commit === landing.get(event.att),
    );
    for (const one of gateOf(before, spec) ?? ["a gate"])
      expect(proved.map(({ command: ran }) => ran)).toContain(one);
  };
  /** A round that begins has its worktree in a snapshot, and no question open that a person has to answer first. */
  const checkKept = (attempt: Attempt | undefined): void => {
    if (attempt?.phase.at !== "idle") return;
    expect(attempt.phase.saved).toBe(true);
    expect(openAsks(attempt)).toEqual([]);
  };
  /** A landing may have happened: only what comes of it or an end takes it out of the queue. */
  const checkLanding = (was: Attempt | undefined, is: Attempt | undefined): void => {
    if (was?.phase.at !== "queued" || was.phase.step.is !== "landing" || is === undefined) return;
    expect(["queued", "ending", "ended"]).toContain(is.phase.at);
  };
  const landing = new Map<AttemptId, string>();
  const feed = (input: Input): void => {
    take(input);
    for (let i = 0; take({ is: "tick", capacity, seed }) > 0; i++)
      if (i > 200) throw new Error("the tick never rests");
    const at = Math.max(now, state.now);
    const next = due(state, at);
    expect(next.wakeAt === null || next.wakeAt > at).toBe(true);
    checkBounds(state, capacity, next);
    known = checkKeys(known, state, next);
    for (const effect of next.effects) {
      if (effect.do === "land") landing.set(effect.att, effect.merge.commit);
      if (effect.do === "merge" && effect.unsigned)
        expect(unsigned).toContain(`${effect.att} ${effect.head.commit}`);
      if (effect.do === "provision") expect(openAsks(effect.attempt)).toEqual([]);
      if (effect.do === "snapshot" && effect.attempt.phase.at === "idle")
        expect(["none", "live"]).toContain(effect.attempt.process.is);
    }
    for (const one of state.runs.values()) runView(state, one, at);
  };
  const observe = (att: AttemptId, key: string, seen: Observed): void =>
    feed({ is: "observation", observation: { att, key, ...seen } as Observation, seed });

  const say = (of: Command): void => {
    try {
      feed({ is: "command", command: of, seed });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      refused++;
    }
  };

  feed({ is: "command", command: startOf(tasks, { parallel: 2, usd: 4 }), seed });
  for (const one of actions) {
    const { effects } = due(state, Math.max(now, state.now));
    if (one.do === "wait") {
      now += one.ms;
      feed({ is: "tick", capacity, seed });
    } else if (one.do === "command") say(one.command);
    else if (one.do === "reply") {
      const asking = [...state.attempts.values()].find((attempt) => openAsks(attempt).length > 0);
      if (asking !== undefined)
        say({
          type: "answer",
          run: asking.run,
          task: asking.task,
          ask: null,
          answer: one.given,
        });
    } else if (one.do === "perform") {
      const effect = effects[one.which % Math.max(1, effects.length)];
      const seen = effect === undefined ? undefined : goodAnswer(effect, one.name);
      if (effect !== undefined && seen !== undefined) observe(effect.att, effect.key, seen);
    } else if (one.do === "fail") {
      const effect = effects[one.which % Math.max(1, effects.length)];
      const bad = effect === undefined ? [] : badAnswers(effect);
      const seen = bad[one.how % Math.max(1, bad.length)];
      if (effect !== undefined && seen !== undefined) observe(effect.att, effect.key, seen);
    } else {
      const own = effects.filter(({ att }) => att === one.att);
      observe(one.att, own[one.key]?.key ?? `session:${one.att}:1`, one.seen);
    }
  }
  return { state, events, refused };
}

describe("any order of inputs", () => {
  it("keeps the invariants, and gets somewhere", { timeout: 60_000 }, () => {
    const seen = new Set<string>();
    let refused = 0;
    fc.assert(
      fc.property(fc.array(action, { minLength: 50, maxLength: 400, size: "max" }), (actions) => {
        const played = play(actions);
        for (const { type } of played.events) seen.add(type);
        refused += played.refused;
        expect(difference(fold(emptyState, played.events), played.state)).toBeNull();
        expect(difference(fromText(toText(played.state)), played.state)).toBeNull();
      }),
      { numRuns: 300 },
    );
    process.stdout.write(`${seen.size} types of events seen, ${refused} commands refused\n`);
    expect([...seen]).toEqual(
      expect.arrayContaining([
        "task.landed",
        "task.failed",
        "run.settled",
        "ask.detached",
        "config.trusted",
        "merge.unsigned",
      ]),
    );
    expect(refused).toBeGreaterThan(0);
  });

  it("decides the same for the same state, input and time", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60, size: "max" }), (actions) => {
        const one = play(actions);
        expect(play(actions).events).toEqual(one.events);
        expect(fold(emptyState, JSON.parse(JSON.stringify(one.events)) as Event[])).toEqual(
          one.state,
        );
      }),
      { numRuns: 50 },
    );
  });
});
