/** The verbs that act, as a script and as a person has them: what they print is what is so afterwards. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runObject } from "../../src/api/run-object.ts";
import type { RunView, TaskView } from "../../src/core/view.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { ask, bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type PlanTask, type World, hold, openWorld, taskOf } from "./harness.ts";

let world: World;
let run: string;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const addSteps = (id: string) => [write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
const good = (id: string): PlanTask => ({
  id,
  prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
});

/** One task for every kind of question, one in the middle of its round, one that waits for that, one that lands at once, one that fails. */
const tasks: readonly PlanTask[] = [
  { id: "p", prompt: prompt("Add p.", [bash("date"), ...addSteps("p")]) },
  { id: "q", prompt: prompt("Add q.", [ask("Which one?", ["first", "second"]), ...addSteps("q")]) },
  { ...good("g"), approval: "required" },
  {
    id: "r",
    approval: "required",
    prompt: prompt("Add r.", addSteps("r"), [{ match: /louder/, steps: [say("No."), say("No.")] }]),
  },
  {
    id: "h",
    prompt: prompt("Add h.", [bash(hold("h")), ...addSteps("h")]),
    permissions: { allow: ["Bash"] },
  },
  { ...good("w"), needs: ["h"] },
  good("l"),
  { id: "f", prompt: writeAndCommit({ "f.txt": "bad\n" }, "Break f"), limits: { fixes: 0 } },
];

/** What a command that succeeds prints under `--json`: one object, and nothing else. */
async function json(...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await world.muster([...args, "--json"]);
  expect([code, stderr], stdout).toEqual([0, ""]);
  return JSON.parse(stdout);
}

/** The run that an action answers with. */
async function acted(...args: readonly string[]): Promise<RunView> {
  const { run: view } = runObject.parse(await json(...args));
  expect(view.id).toBe(run);
  return view;
}

async function actedOn(id: string, ...args: readonly string[]): Promise<TaskView> {
  return taskOf({ run: await acted(...args) }, id);
}

/** Exit code and fault of a command that is refused: one object on stdout too. */
async function refused(...args: readonly string[]): Promise<readonly unknown[]> {
  const { code, stdout } = await world.muster([...args, "--json"]);
  const { schema, error, ...more } = JSON.parse(stdout);
  expect([schema, Object.keys(error), more]).toEqual([
    1,
    ["code", "message", "remedy", "more"],
    {},
  ]);
  return [code, error.code, error.message];
}

/** What a person reads: the answer, then the narration. */
async function words(...args: readonly string[]): Promise<readonly string[]> {
  const { stdout, stderr } = await world.muster(args);
  return `${stdout}${stderr}`.trimEnd().split("\n");
}

test("`run --detach --json` answers with the run as it is", async () => {
  const plan = world.plan(tasks, { limits: { parallel: 8 } });
  const { code, stdout } = await world.muster(["run", "--detach", "--json", plan]);
  const { run: view } = runObject.parse(JSON.parse(stdout));
  expect([code, view.tasks.map(({ id }) => id)]).toEqual([
    0,
    ["p", "q", "g", "r", "h", "w", "l", "f"],
  ]);
  run = view.id;
  await world.held("h");
  await world.until(
    run,
    (detail) =>
      detail.run.tasks.filter(({ asking }) => asking !== null).length === 4 &&
      taskOf(detail, "l").state === "landed" &&
      taskOf(detail, "f").state === "failed",
  );
});

describe("in words", () => {
  test("`pause` says what goes on first, and a paused run is not said to go on", async () => {
    const paused = [
      `✓ paused ${run}`,
      `◎ a round in flight ends first; to interrupt, run muster pause ${run} --now`,
      `↳ muster resume ${run}`,
    ];
    expect(await words("pause", run)).toEqual(paused);
    expect(await words("pause", run)).toEqual(paused);
    expect(await words("resume", "h")).toEqual([
      `✓ resumed ${run}/h`,
      `▲ ${run} is paused`,
      `↳ muster resume ${run}`,
    ]);
    expect(await words("resume", run, "--usd", "0.01")).toEqual([
      `✓ resumed ${run}`,
      expect.stringMatching(/^▲ \$\d\.\d\d is spent already: nothing starts with a budget of/),
    ]);
    expect(await words("resume", run, "--usd", "20")).toEqual([
      `✓ resumed ${run}`,
      `↳ muster watch ${run}`,
    ]);
  });

  test("nothing is said to be done to what is over", async () => {
    const help = `↳ To see what became of it, run muster show ${run}/l`;
    for (const [verb, why] of [
      ["stop", "there is nothing to cancel"],
      ["pause", "there is nothing to hold"],
      ["resume", "there is nothing to go on with"],
    ] as const)
      expect(await words(verb, "l")).toEqual([`✗ ${run}/l is landed: ${why}`, help]);
    expect(await words("tell", "l", "hello")).toEqual([
      `✗ ${run}/l is landed: there is no session to tell`,
      help,
    ]);
    expect(await words("tell", "w", "hello")).toEqual([
      `✗ ${run}/w is waiting and has no session yet`,
      `↳ To see its place in the run, run muster show ${run}/w`,
    ]);
  });

  test("an empty text is no text, and a prefix of the run with its task is an address", async () => {
    for (const args of [
      ["tell", "h", " "],
      ["answer", "q", ""],
      ["answer", "p", "--deny", "--because", ""],
      ["reject", "r", "--because", ""],
    ])
      expect((await words(...args)).at(0)).toBe("✗ the text is empty");
    expect((await words("answer", `${run.slice(4, 9)}/q`)).at(0)).toBe("✗ no answer given");
  });
});

describe("under --json", () => {
  test("every verb answers with the run as it is afterwards", async () => {
    expect(await actedOn("h", "tell", "h", "and quickly")).toMatchObject({ state: "working" });
    expect(await actedOn("w", "pause", "w")).toMatchObject({ state: "paused", attempts: 0 });
    expect(await actedOn("w", "resume", "w")).toMatchObject({ state: "waiting" });
    expect(await actedOn("q", "answer", "q", "take the second")).toMatchObject({ asking: null });
    expect(await actedOn("p", "answer", "--allow", "p")).toMatchObject({ asking: null, asks: 0 });
    expect(await actedOn("r", "reject", "r", "--because", "louder")).toMatchObject({
      asking: null,
    });
    expect(await actedOn("g", "approve", "g")).toMatchObject({ asking: null });
    await world.until(run, (detail) => taskOf(detail, "r").asking !== null);
    expect(await actedOn("r", "approve")).toMatchObject({ asking: null });
  });

  test("`stop` and `retry` do too, and what they are refused is an object with the exit code of its kind", async () => {
    const stopped = await actedOn("h", "stop", "h");
    expect(["working", "canceled"]).toContain(stopped.state);
    await world.until(run, (detail) => taskOf(detail, "h").state === "canceled");
    expect(await refused("stop", "h")).toEqual([
      1,
      "refused",
      `${run}/h is canceled: there is nothing to cancel`,
    ]);
    world.letGo("h");
    const again = await actedOn("h", "retry", "h");
    expect(again).toMatchObject({ attempts: 2, reason: null });
    expect((await world.settled(run)).run.state).toBe("failed");
    expect(await refused("retry", "h")).toEqual([
      1,
      "refused",
      expect.stringContaining("nothing to retry"),
    ]);
    expect(await refused("pause", run)).toEqual([
      1,
      "refused",
      `${run} is failed: there is nothing to hold`,
    ]);
    expect(await refused("approve")).toEqual([2, "usage", "no approval is open"]);
    expect((await refused("stop", "nothing")).slice(0, 2)).toEqual([1, "not_found"]);
    expect((await refused("reject", "r")).slice(0, 2)).toEqual([2, "usage"]);
    expect((await refused("tell", "h")).slice(0, 2)).toEqual([2, "usage"]);
  });

  test("`ls` answers with all that it tells a person", async () => {
    const host = await world.api.host();
    const { schema, runs, disk, ...told } = (await json("ls")) as Record<string, unknown>;
    expect([schema, runs]).toEqual([1, [expect.objectContaining({ id: run })]]);
    expect(Object.keys(disk ?? {})).toContain("worktrees");
    const { refused: credentials, heldBack, unrecorded } = host;
    expect(told).toEqual({ refused: credentials, heldBack, unrecorded });
  });

  test("`attach` has none: a terminal is its answer", async () => {
    expect(await refused("attach", "h")).toEqual([2, "usage", "unknown option '--json'"]);
  });

  test("`clean` shows and removes the same items", async () => {
    const dry = (await json("clean", "--dry-run")) as { clean: { items: readonly object[] } };
    expect(dry.clean.items.length).toBeGreaterThan(0);
    expect(dry).toMatchObject({ schema: 1, clean: { cleaned: null } });
    const real = await json("clean");
    expect(real).toMatchObject({
      schema: 1,
      clean: {
        items: dry.clean.items,
        cleaned: dry.clean.items.map(() => expect.objectContaining({ removed: true })),
      },
    });
  });

  test("`host stop` answers with the daemon that has ended, then with none", async () => {
    const status = await json("host", "status");
    expect(await json("host", "stop")).toEqual(status);
    expect(await json("host", "stop")).toEqual({ schema: 1, host: null });
    expect((await refused("host", "status")).slice(0, 2)).toEqual([69, "daemon_unreachable"]);
  });

  test("`uninstall` shows and removes the same things", async () => {
    const plan = (await json("uninstall", "--dry-run")) as { uninstall: Plan };
    const performed = (await json("uninstall")) as { uninstall: Plan };
    expect(pathsOf(performed)).toEqual(pathsOf(plan));
    expect({ ...performed.uninstall, remove: [] }).toEqual({ ...plan.uninstall, remove: [] });
  });
});

interface Plan {
  readonly remove: readonly { readonly path: string }[];
}

/** What goes, without its sizes: the ledger grows. */
function pathsOf({ uninstall: { remove } }: { readonly uninstall: Plan }): readonly string[] {
  return remove.map(({ path }) => path);
}
