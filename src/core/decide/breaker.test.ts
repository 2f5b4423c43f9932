import { describe, expect, it } from "vitest";
import { type Drive, drive, runId, startOf, taskSpec } from "../../testing/core.ts";
import { type Walk, asked, walk } from "../../testing/walk.ts";
import { due } from "../due.ts";
import type { Event } from "../events.ts";
import type { RunId, TaskKey } from "../ids.ts";
import type { RoundFailure } from "../inputs.ts";
import type { Breaker } from "../state.ts";

const model = "key sonnet";
const everyModel = "key *";
const three = ["a", "b", "c"];

const down: RoundFailure = {
  is: "unavailable",
  reason: "outage",
  status: 529,
  retryAt: null,
  detail: "529 overloaded",
};
const offline: RoundFailure = { ...down, status: null, detail: "no network" };
const limited = (retryAt: number): RoundFailure => ({
  is: "unavailable",
  reason: "rate_limit",
  status: 429,
  retryAt,
  detail: "429 limit",
});
const refused: RoundFailure = { is: "credentials", detail: "401 invalid key" };
const agent: RoundFailure = { is: "agent", detail: "it gave up" };

const resume = (task: TaskKey | null = null, credential?: string, run: RunId = runId) =>
  ({
    type: "resume",
    run,
    task,
    usd: null,
    ...(credential === undefined ? {} : { credential }),
  }) as const;

/** A run of `keys`, each of them in flight. */
function working(keys: readonly TaskKey[] = three): { d: Drive; w: Walk } {
  const d = drive();
  const w = walk(d);
  d.command(startOf(keys.map((key) => taskSpec(key))));
  for (const key of keys) w.work(key);
  return { d, w };
}

/** `a` has met `failure`; `b` and `c` came to their first round behind it. */
function behind(failure: RoundFailure): { d: Drive; w: Walk } {
  const d = drive();
  const w = walk(d);
  d.command(startOf(three.map((key) => taskSpec(key))));
  w.work("a");
  w.endRound("a", failure);
  w.provision("b");
  w.provision("c");
  return { d, w };
}

/** Its time is over and all that waited is kept: one round has gone first. */
function halfOpen(): { d: Drive; w: Walk } {
  const { d, w } = behind(down);
  over(d);
  for (const key of three) w.save(key);
  return { d, w };
}

/** Steps of tasks of another run. */
function walkIn(d: Drive, run: RunId): Walk {
  return walk({
    ...d,
    attempt: (key) => d.attempt(key, run),
    see: (key, seen, effect) => d.see(key, seen, effect, run),
    effect: (key, name) => {
      const { id } = d.attempt(key, run);
      return d.due().find(({ att, do: is }) => att === id && is === name) as never;
    },
  });
}

const breaker = (d: Drive, key = model): Breaker | undefined => d.state.breakers.get(key);
const untilOf = (d: Drive, key = model): number => breaker(d, key)?.until ?? Number.NaN;
const over = (d: Drive, key = model): string[] => d.tick(untilOf(d, key) - d.now);
const count = (d: Drive, type: Event["type"]): number =>
  d.events.filter((event) => event.type === type).length;
const inFlight = (d: Drive): string[] =>
  [...d.state.attempts.values()]
    .filter(({ phase, slot }) => phase.at === "working" && slot)
    .map(({ run, task }) => (run === runId ? task : `${run}/${task}`));

describe("a breaker", () => {
  it("is opened by an outage, for as long as the task that met it is parked (F20)", () => {
    const { d, w } = working(["a"]);
    w.endRound("a", down);
    expect([...d.state.breakers.values()]).toEqual([
      {
        key: model,
        reason: "outage",
        detail: "529 overloaded",
        until: d.attempt("a").park?.until,
        opened: 1,
        probe: null,
      },
    ]);
    expect(untilOf(d) - d.now).toBeGreaterThanOrEqual(2_000);
  });

  it("is opened by a limit, not to be tried earlier than the API says (F18)", () => {
    const { d } = behind(limited(4_600_000));
    expect(breaker(d)?.reason).toBe("rate_limit");
    expect(untilOf(d)).toBeGreaterThanOrEqual(4_600_000);
    d.tick(4_600_000 - 1 - d.now);
    expect(inFlight(d)).toEqual([]);
  });

  it("is spread by half a minute at most where the API says when to come back", () => {
    for (const hours of [1, 5]) {
      const { d } = behind(limited(1_000_000 + hours * 3_600_000));
      const late = untilOf(d) - (1_000_000 + hours * 3_600_000);
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThanOrEqual(30_000);
    }
  });

  it("stays open for longer where another one hears a later time from the API, as the same one", () => {
    const { d, w } = working();
    w.endRound("a", down);
    w.endRound("b", limited(9_000_000));
    expect(breaker(d)).toMatchObject({ reason: "rate_limit", opened: 1 });
    expect(untilOf(d)).toBeGreaterThanOrEqual(9_000_000);
    const until = untilOf(d);
    w.endRound("c", limited(8_000_000));
    expect([untilOf(d), count(d, "breaker.opened")]).toEqual([until, 2]);
  });

  it("is not opened by what is about the task alone", () => {
    for (const failure of ["void", { is: "interrupted" }, agent, { is: "max_turns" }] as const) {
      const { d, w } = working(["a"]);
      w.endRound("a", failure);
      expect(d.state.breakers.size).toBe(0);
    }
  });

  it("of a limit holds up its model only, and one of a refused key every model (F18, F46)", () => {
    for (const failure of [down, refused]) {
      const d = drive();
      const w = walk(d);
      d.command(startOf([taskSpec("a"), taskSpec("b"), taskSpec("c", { model: "opus" })]));
      w.work("a");
      w.endRound("a", failure);
      w.provision("b");
      w.provision("c");
      expect(inFlight(d)).toEqual(failure === down ? ["c"] : []);
    }
  });

  it("holds up what uses the same credential in another run, and nothing with another one", () => {
    for (const failure of [down, refused]) {
      const d = drive();
      const w = walk(d);
      d.command(startOf([taskSpec("a")]));
      d.command(startOf([taskSpec("a")], { run: "run_b" }));
      d.command(startOf([taskSpec("a")], { run: "run_c", credential: "key-2" }));
      w.work("a");
      w.endRound("a", failure);
      walkIn(d, "run_b").provision("a");
      walkIn(d, "run_c").provision("a");
      expect(inFlight(d)).toEqual(["run_c/a"]);
      expect(d.attempt("a", "run_b").park).toMatchObject({
        reason: breaker(d, failure === down ? model : everyModel)?.reason,
        until: breaker(d, failure === down ? model : everyModel)?.until,
      });
    }
  });

  it("keeps what is ready from being admitted, until its time is over", () => {
    const d = drive();
    const w = walk(d);
    d.command(
      startOf([taskSpec("a"), taskSpec("b"), taskSpec("c", { model: "opus" })], { parallel: 1 }),
    );
    w.work("a");
    w.endRound("a", down);
    expect([d.task("b").state.is, d.task("c").state.is]).toEqual(["pending", "active"]);
    w.cancel("c");
    d.command({ type: "stop", run: runId, task: "a" });
    d.tick(untilOf(d) - d.now - 1);
    expect(d.task("b").state.is).toBe("pending");
    over(d);
    expect(d.task("b").state.is).toBe("active");
  });

  it("parks what comes to its round, and gives its slot to another model", () => {
    const d = drive();
    const w = walk(d);
    const others = [taskSpec("c", { model: "opus" }), taskSpec("d", { model: "opus" })];
    d.command(startOf([taskSpec("a"), taskSpec("b"), ...others], { parallel: 2 }));
    w.work("a");
    w.endRound("a", limited(4_600_000));
    w.work("c");
    expect(d.task("d").state.is).toBe("pending");
    w.provision("b");
    expect(d.attempt("b")).toMatchObject({
      slot: false,
      process: { is: "none" },
      park: { reason: "rate_limit", detail: "429 limit", until: untilOf(d) },
    });
    expect(d.task("d").state.is).toBe("active");
    expect(inFlight(d)).toEqual(["c"]);
  });

  it("lets a round in flight go on, also behind a question, and what was proved land", () => {
    const { d, w } = working();
    d.see("b", asked());
    w.commit("c");
    w.endRound("a", down);
    d.command({ type: "answer", run: runId, task: "b", ask: null, answer: { is: "allow" } });
    expect(inFlight(d)).toEqual(["b"]);
    w.gate("c");
    w.exit("c");
    w.merge("c", "c");
    w.land("c");
    w.commit("b");
    w.gate("b");
    expect([d.task("c").state.is, d.attempt("b").phase.at]).toEqual(["landed", "queued"]);
    expect(breaker(d)?.opened).toBe(1);
  });

  it("parks the next message of a session that has worked so far", () => {
    const { d, w } = working(["a", "b"]);
    w.commit("b");
    w.endRound("a", down);
    w.gate("b", false);
    expect(d.attempt("b").park).toMatchObject({ reason: "outage", until: untilOf(d) });
    expect(d.attempt("b").mail.map(({ kind }) => kind)).toEqual(["fix"]);
    expect(d.attempt("b").process.is).toBe("live");
  });

  it("adds no park to a pause", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([taskSpec("a"), taskSpec("b")]));
    w.work("a");
    d.command({ type: "pause", run: runId, task: "b", interrupt: false });
    w.endRound("a", down);
    w.provision("b");
    expect(d.attempt("b").park).toBeNull();
  });

  it("is opened once by all who were in flight (F18, F20)", () => {
    const { d, w } = working();
    for (const key of three) w.endRound(key, down);
    expect(count(d, "breaker.opened")).toBe(1);
    expect(three.map((key) => d.attempt(key).park?.reason)).toEqual(["outage", "outage", "outage"]);
  });

  it("is opened once by all whose key is refused: a person is asked once (F46)", () => {
    const { d, w } = working();
    for (const key of three) w.endRound(key, refused);
    expect(count(d, "breaker.opened")).toBe(1);
    expect(three.map((key) => d.attempt(key).park?.until)).toEqual([null, null, null]);
  });

  it("is opened anew where a round from before meets the same when its time is over", () => {
    const { d, w } = working(["a", "b"]);
    w.endRound("a", down);
    d.now = untilOf(d);
    w.endRound("b", down);
    expect(breaker(d)).toMatchObject({ opened: 2, probe: null });
    expect(untilOf(d) - d.now).toBeGreaterThanOrEqual(4_000);
  });

  it("wakes the host when its time is over, and one without a time does not", () => {
    const { d, w } = working(["a"]);
    w.endRound("a", down);
    const until = untilOf(d);
    d.command({ type: "stop", run: runId, task: "a" });
    expect(due(d.state, d.now).wakeAt).toBe(until);
    expect(due(d.state, until).wakeAt).toBeNull();
    const other = behind(refused);
    expect(due(other.d.state, other.d.now).wakeAt).toBeNull();
  });
});

describe("a breaker whose time is over", () => {
  it("lets one round go first, and the others wait with their slots (F20)", () => {
    const { d, w } = behind(down);
    expect(inFlight(d)).toEqual([]);
    over(d);
    w.save("b");
    expect(breaker(d)?.probe).toBe(d.attempt("b").id);
    w.save("a");
    w.save("c");
    d.tick(60_000);
    expect(inFlight(d)).toEqual(["b"]);
    expect([d.attempt("a").park, d.attempt("c").park]).toEqual([null, null]);
    expect(count(d, "breaker.probed")).toBe(1);
  });

  it("is closed by the first turn of the probe, and all go on", () => {
    const { d, w } = halfOpen();
    w.take("a");
    d.see("a", { saw: "used", turns: 0, usd: 0.1, offset: 5_000 });
    expect(inFlight(d)).toEqual(["a"]);
    d.see("a", { saw: "used", turns: 1, usd: 0.1, offset: 6_000 });
    expect(d.state.breakers.size).toBe(0);
    expect(inFlight(d)).toEqual(three);
  });

  it("is closed by a round of the probe that is completed, and a later failure begins from the start", () => {
    const { d, w } = halfOpen();
    w.take("a");
    w.endRound("a");
    expect(d.state.breakers.size).toBe(0);
    expect(inFlight(d)).toEqual(["b", "c"]);
    w.start("b");
    w.take("b");
    w.endRound("b", down);
    expect(breaker(d)?.opened).toBe(1);
  });

  it("is not closed by a round that is not the probe", () => {
    const { d, w } = working();
    w.endRound("a", down);
    over(d);
    w.save("a");
    d.see("b", { saw: "used", turns: 1, usd: 0.1, offset: 5_000 });
    w.endRound("b");
    expect(breaker(d)?.probe).toBe(d.attempt("a").id);
  });

  it("is opened for longer by the failure of its probe, for a quarter of an hour at most (F20, F21)", () => {
    const { d, w } = behind(down);
    const waits = [untilOf(d) - d.now];
    for (let i = 0; i < 12; i++) {
      over(d);
      for (const key of three) w.save(key);
      const [probe = ""] = inFlight(d);
      if (d.attempt(probe).process.is === "starting") w.start(probe);
      w.take(probe);
      w.endRound(probe, i % 2 === 0 ? offline : down);
      expect(inFlight(d)).toEqual([]);
      for (const key of three) expect(d.attempt(key).park).not.toBeNull();
      waits.push(untilOf(d) - d.now);
    }
    expect(breaker(d)).toMatchObject({ opened: 13, probe: null });
    for (const [i, wait] of waits.entries())
      expect(wait).toBeGreaterThanOrEqual(Math.min(900_000, 2_000 * 2 ** i));
    expect(Math.max(...waits)).toBeLessThanOrEqual(900_000 * 1.25);
  });

  it("is opened for longer also by a task that has just begun, and that one waits as long", () => {
    const { d, w } = working(["a"]);
    w.endRound("a", down);
    d.command({ type: "stop", run: runId, task: "a" });
    for (const [i, run] of (["run_b", "run_c", "run_d"] as const).entries()) {
      d.now = untilOf(d);
      d.command(startOf([taskSpec("a")], { run }));
      const n = walkIn(d, run);
      n.work("a");
      n.endRound("a", down);
      expect(untilOf(d) - d.now).toBeGreaterThanOrEqual(2_000 * 2 ** (i + 1));
      d.tick((d.attempt("a", run).park?.until ?? 0) - d.now);
      n.save("a");
      expect(d.attempt("a", run).park?.until).toBe(untilOf(d));
      d.command({ type: "stop", run, task: null });
    }
  });

  it("is not to be tried earlier than the API says, however short the wait before was", () => {
    const { d, w } = halfOpen();
    w.take("a");
    w.endRound("a", limited(9_000_000));
    expect(breaker(d)).toMatchObject({ reason: "rate_limit", opened: 2 });
    expect(untilOf(d)).toBeGreaterThanOrEqual(9_000_000);
    for (const key of ["b", "c"])
      expect(d.attempt(key).park).toMatchObject({ reason: "rate_limit", until: untilOf(d) });
  });

  it("holds up all models where the key of its probe is refused", () => {
    const { d, w } = halfOpen();
    w.take("a");
    w.endRound("a", refused);
    expect(breaker(d, everyModel)?.until).toBeNull();
    expect(["b", "c"].map((key) => d.attempt(key).park?.reason)).toEqual([
      "credentials",
      "credentials",
    ]);
  });

  it.each<[string, (d: Drive, w: Walk) => void]>([
    ["is stopped", (d) => d.command({ type: "stop", run: runId, task: "a" })],
    ["crashes", (_, w) => w.exit("a", "killed by the kernel")],
    ["gives up", (_, w) => w.endRound("a", agent)],
    ["had its message already", (_, w) => w.endRound("a", "void")],
    ["is interrupted", (_, w) => w.endRound("a", { is: "interrupted" })],
    ["asks", (d) => d.see("a", asked())],
    ["runs out of minutes", (d) => d.tick(24 * 3_600_000)],
  ])("lets another one go first where its probe %s", (_, lose) => {
    const { d, w } = halfOpen();
    w.take("a");
    lose(d, w);
    w.save("a");
    expect(inFlight(d)).toEqual(["b"]);
    expect(breaker(d)).toMatchObject({ opened: 1, probe: d.attempt("b").id });
    expect(count(d, "breaker.probed")).toBe(2);
  });

  it("lets another one go first where the session of its probe does not start", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf(three.map((key) => taskSpec(key))));
    w.work("a");
    w.endRound("a", down);
    d.command({ type: "stop", run: runId, task: "a" });
    w.provision("b");
    w.provision("c");
    over(d);
    w.save("b");
    w.save("c");
    expect(inFlight(d)).toEqual(["b"]);
    d.see("b", { saw: "session_failed_to_start", n: 1, why: "no such file", credentials: false });
    expect(inFlight(d)).toEqual(["c"]);
  });

  it("lets a question of a lost probe be answered beside the next one, whose word counts", () => {
    const { d, w } = halfOpen();
    w.take("a");
    d.see("a", asked());
    d.command({ type: "answer", run: runId, task: "a", ask: null, answer: { is: "allow" } });
    expect(inFlight(d)).toEqual(["a", "b"]);
    d.see("a", { saw: "used", turns: 1, usd: 0.1, offset: 9_000 });
    expect(breaker(d)?.probe).toBe(d.attempt("b").id);
  });

  it("keeps its probe while a round from before fails: what is newer counts", () => {
    const { d, w } = working();
    w.endRound("a", down);
    over(d);
    w.save("a");
    w.endRound("b", down);
    expect(breaker(d)).toMatchObject({ opened: 1, probe: d.attempt("a").id });
    w.take("a");
    w.endRound("a");
    expect(d.state.breakers.size).toBe(0);
  });

  it("makes new worktrees meanwhile, whose rounds wait for the probe", () => {
    const { d, w } = halfOpen();
    const n = walkIn(d, "run_b");
    d.command(startOf([taskSpec("a")], { run: "run_b" }));
    n.provision("a");
    expect(inFlight(d)).toEqual(["a"]);
    expect(d.attempt("a", "run_b").park).toBeNull();
    w.take("a");
    w.endRound("a");
    expect(inFlight(d)).toEqual(["b", "c", "run_b/a"]);
  });

  it("is not probed by what has no slot or no money", () => {
    for (const over_ of [{ parallel: 0 }, { usd: 0.5 }]) {
      const { d, w } = behind(down);
      if ("parallel" in over_) d.capacity = { ...d.capacity, ...over_ };
      else d.see("a", { saw: "used", turns: 1, usd: 20, offset: 9_000 });
      over(d);
      for (const key of three) w.save(key);
      expect(inFlight(d)).toEqual([]);
      expect(breaker(d)?.probe).toBeNull();
    }
  });
});

describe("a breaker that waits for a person", () => {
  const sonnet = (key: TaskKey) => taskSpec(key);

  it("is not ended by time, nor is what waits behind it (F46)", () => {
    const { d } = behind(refused);
    expect(breaker(d, everyModel)).toMatchObject({ reason: "credentials", until: null });
    expect(d.tick(365 * 24 * 3_600_000)).toEqual([]);
    for (const key of three)
      expect(d.attempt(key).park).toMatchObject({ reason: "credentials", until: null });
    expect(d.due().filter((effect) => effect.do === "send")).toEqual([]);
  });

  it.each([
    ["the same key", undefined],
    ["another key", "key-2"],
  ])("ends with one resume with %s, and all go on at once (F46)", (_, credential) => {
    const { d, w } = behind(refused);
    w.exit("a");
    const types = d.command(resume(null, credential));
    expect(types.includes("run.credential_changed")).toBe(credential !== undefined);
    expect(d.run().credential).toBe(credential ?? "key");
    for (const key of three) w.save(key);
    expect(inFlight(d)).toEqual(three);
    expect(count(d, "breaker.probed")).toBe(0);
  });

  it("does not say that the key changed where it is the one from before", () => {
    const { d } = behind(refused);
    const types = d.command(resume(null, "key"));
    expect(types).toContain("breaker.closed");
    expect(types).not.toContain("run.credential_changed");
  });

  it("asks again where the key is still refused", () => {
    const { d, w } = behind(refused);
    w.exit("a");
    d.command(resume());
    for (const key of three) w.save(key);
    for (const key of three) {
      w.start(key);
      w.take(key);
      w.endRound(key, refused);
    }
    expect(count(d, "breaker.opened")).toBe(2);
  });

  it("goes on for the other runs with the key, where one goes on with another", () => {
    const { d } = behind(refused);
    d.command(startOf([sonnet("a")], { run: "run_b", credential: "key-2" }));
    expect(breaker(d, everyModel)).toBeDefined();
    d.command(resume(null, "key-2"));
    expect(breaker(d, everyModel)?.until).toBeNull();
  });

  it("is left alone by a resume whose credential only ends like it or begins like it", () => {
    const d = drive();
    const w = walk(d);
    d.command(startOf([sonnet("a")], { credential: "key-2" }));
    d.command(startOf([sonnet("a")], { run: "run_b", credential: "key" }));
    w.work("a");
    w.endRound("a", refused);
    d.command(resume(null, undefined, "run_b"));
    expect(breaker(d, "key-2 *")?.until).toBeNull();
  });

  it("is tried again by a new run, which does not try a limit again", () => {
    for (const failure of [refused, limited(9_000_000)]) {
      const { d } = behind(failure);
      d.command(startOf([sonnet("a")], { run: "run_b" }));
      expect(d.task("a", "run_b").state.is).toBe(failure === refused ? "active" : "pending");
      expect(d.state.breakers.size).toBe(failure === refused ? 0 : 1);
    }
  });

  it("is tried again by a retry, which does not try a limit again", () => {
    for (const failure of [refused, limited(9_000_000)]) {
      const { d, w } = behind(failure);
      d.command({ type: "stop", run: runId, task: "b" });
      w.snapshot("b");
      d.command({ type: "retry", run: runId, task: "b", settled: null });
      expect(d.state.breakers.size).toBe(failure === refused ? 0 : 1);
      expect(d.task("b").state.is).toBe(failure === refused ? "active" : "pending");
    }
  });

  it("is left behind by a retry with another key", () => {
    const { d, w } = behind(refused);
    d.command({ type: "stop", run: runId, task: "b" });
    w.snapshot("b");
    d.command({ type: "retry", run: runId, task: "b", settled: null, credential: "key-2" });
    expect(d.run().credential).toBe("key-2");
    expect(breaker(d, everyModel)?.until).toBeNull();
    expect(d.task("b").state.is).toBe("active");
  });

  it("is ended for every run with the key, by a person's word on one of them, and for no other", () => {
    const words = [resume(), startOf([taskSpec("a")], { run: "run_d" })] as const;
    for (const word of words) {
      const { d } = behind(refused);
      d.command(startOf([taskSpec("a")], { run: "run_c", credential: "key-2" }));
      const c = walkIn(d, "run_c");
      c.work("a");
      c.endRound("a", refused);
      d.command(startOf([taskSpec("a")], { run: "run_b" }));
      const b = walkIn(d, "run_b");
      b.work("a");
      b.endRound("a", refused);
      d.command(word);
      expect(d.attempt("a", "run_b").park).toBeNull();
      expect(d.attempt("a", "run_c").park?.reason).toBe("credentials");
      expect([...d.state.breakers.keys()]).toEqual(["key-2 *"]);
    }
  });

  it("is ended by no resume that is refused", () => {
    const { d } = behind(refused);
    expect(() => d.command(resume("nobody"))).toThrow("nobody");
    expect(breaker(d, everyModel)?.until).toBeNull();
  });

  it("comes to what proves its work later too, with a process that has the refused key no more", () => {
    const { d, w } = working(["a", "b"]);
    w.commit("b");
    w.endRound("a", refused);
    w.gate("b", false);
    expect(d.attempt("b").park).toMatchObject({ reason: "credentials", until: null });
    expect(d.attempt("b").process.is).toBe("ending");
    w.exit("a");
    w.exit("b");
    d.command(resume(null, "key-2"));
    for (const key of ["a", "b"]) w.save(key);
    expect(d.attempt("b").process).toMatchObject({ is: "starting", n: 2, resume: true });
  });
});

describe("a resume", () => {
  it("with another key is not met by a session that was proving its work with the old one", () => {
    const { d, w } = working(["a", "b"]);
    w.commit("b");
    w.endRound("a", refused);
    w.exit("a");
    d.command(resume(null, "key-2"));
    w.gate("b", false);
    w.save("b");
    expect(d.effect("b", "send")?.message.kind).toBeUndefined();
    w.exit("b");
    expect(d.attempt("b").process).toMatchObject({ is: "starting", n: 2, resume: true });
  });

  it("with another key is not asked about again by a round that still has the old one (F46)", () => {
    const { d, w } = working(["a", "b"]);
    w.endRound("a", refused);
    d.command(resume(null, "key-2"));
    w.endRound("b", refused);
    expect(d.attempt("b").park).toBeNull();
    expect(breaker(d, "key-2 *")).toBeUndefined();
    expect(d.attempt("b").process).toMatchObject({ is: "ending", why: "credentials" });
    w.exit("b");
    expect(d.attempt("b")).toMatchObject({ credential: "key-2", process: { n: 2 } });
    expect(count(d, "breaker.opened")).toBe(1);
  });

  it("with another key lets a round in flight go on with the one that it has", () => {
    const { d } = working(["a", "b"]);
    d.command(resume(null, "key-2"));
    expect(inFlight(d)).toEqual(["a", "b"]);
    expect(d.attempt("a").process.is).toBe("live");
  });

  it("ends the limits of its credential too, and those of no other", () => {
    const { d, w } = behind(limited(9_000_000));
    d.command(startOf([taskSpec("a")], { run: "run_b", credential: "other" }));
    const n = walkIn(d, "run_b");
    n.work("a");
    n.endRound("a", down);
    d.command(resume());
    expect([...d.state.breakers.keys()]).toEqual(["other sonnet"]);
    for (const key of three) w.save(key);
    expect(inFlight(d)).toEqual(three);
  });

  it("of one task lets what is ready go too, and leaves the others parked", () => {
    const { d, w } = behind(limited(9_000_000));
    d.command(resume("b"));
    w.save("b");
    expect(inFlight(d)).toEqual(["b"]);
    expect(d.attempt("c").park?.reason).toBe("rate_limit");
  });
});
