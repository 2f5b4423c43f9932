/** Every verb of the command line once, as a person or a script has it: real CLI, real daemon, stand-in sessions. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runObject } from "../../src/api/run-object.ts";
import { run as runCommand } from "../../src/process/run.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { ask, bash, commit, say, write } from "../../src/testing/model/steps.ts";
import {
  type MusterOptions,
  type PlanTask,
  type Result,
  type World,
  bin,
  hold,
  openWorld,
  taskOf,
} from "./harness.ts";
import { patiently } from "./patiently.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** Compiled code: a command takes 0.25 s with it and 0.4 s without. */
const cache = join(import.meta.dirname, "../../node_modules/.cache/muster-cli");

function muster(args: readonly string[], options: MusterOptions = {}): Promise<Result> {
  return world.muster(args, { ...options, env: { NODE_COMPILE_CACHE: cache, ...options.env } });
}

const good = (id: string, more: Readonly<Record<string, unknown>> = {}): PlanTask => ({
  id,
  prompt: writeAndCommit({ [`${id}.txt`]: "good\n" }, `Add ${id}`),
  ...more,
});

/** A task whose session waits in the middle of its round until `letGo(name)`. */
function held(id: string, name: string, later: Parameters<typeof prompt>[2] = []): PlanTask {
  const steps = [bash(hold(name)), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps, later), permissions: { allow: ["Bash"] } };
}

/** A task that runs something that nobody allowed. */
function asking(id: string): PlanTask {
  const steps = [bash("date"), write(`${id}.txt`, "good\n"), commit(`Add ${id}`), say("Done.")];
  return { id, prompt: prompt(`Add ${id}.`, steps) };
}

const failing = (id: string): PlanTask => ({
  id,
  prompt: writeAndCommit({ [`${id}.txt`]: "broken\n" }, `Break ${id}`),
  limits: { fixes: 0 },
});

const isAsking = (run: string, n = 1) =>
  world.until(run, (detail) => detail.tasks.filter(({ asks }) => asks.length > 0).length === n);

/** The fault of a command that was refused, read as a script does. */
async function faultOf(args: readonly string[], options: MusterOptions = {}) {
  const { code, stdout } = await muster([...args, "--json"], options);
  const { error } = JSON.parse(stdout);
  return { exit: code, ...error } as {
    exit: number;
    code: string;
    message: string;
    remedy: string | null;
  };
}

/** Exit code, what is wrong and what helps, as a person reads it. */
async function refusalOf(args: readonly string[], options: MusterOptions = {}) {
  const { code, stderr } = await muster(args, options);
  return [code, ...stderr.trimEnd().split("\n").slice(-2)];
}

const lines = ({ stdout }: Result): readonly string[] => stdout.trimEnd().split("\n");

describe("without a daemon", () => {
  test("`host status` says that none runs and starts none", async () => {
    const { code, stderr } = await muster(["host", "status"]);
    expect([code, stderr]).toEqual([69, "✗ no daemon runs\n↳ To start it, run muster ls\n"]);
    expect(await faultOf(["host", "status"])).toMatchObject({
      exit: 69,
      code: "daemon_unreachable",
    });
    expect(existsSync(join(world.state, "ledger.db"))).toBe(false);
  });

  test("`doctor` looks at everything, starts nothing, and says what helps", async () => {
    const { code, stdout } = await muster(["doctor"]);
    expect(stdout).toMatch(/^✓ node +Node 24/m);
    expect(stdout).toMatch(/^✓ git +git version/m);
    expect(stdout).toMatch(/^✓ login +credential: api-key$/m);
    expect(stdout).toMatch(/^✓ daemon +no daemon runs/m);
    expect(code).toBe(0);
    expect(existsSync(world.state)).toBe(false);
  });

  test("`doctor` ends with 1 where something is missing, and names it", async () => {
    const env = { ANTHROPIC_API_KEY: undefined };
    const { code, stdout } = await muster(["doctor", "--json"], { env });
    const { ok, checks } = JSON.parse(stdout).doctor;
    const bad = checks.filter(({ is }: { is: string }) => is === "bad");
    expect([code, ok]).toEqual([1, false]);
    expect(bad).toMatchObject([{ name: "login" }]);
    expect(bad[0].remedy).toContain("claude");
  });

  test("`config explain` names the place of every value", async () => {
    const dir = join(world.home, ".config", "muster");
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "config.yaml"), "limits:\n  parallel: 2\n  minutes: 9\n");
    const { stdout } = await muster(["config", "explain", "--json"]);
    const { user, project } = JSON.parse(stdout).config;
    expect(user).toContainEqual({
      key: "limits.parallel",
      value: 2,
      from: `${join(dir, "config.yaml")}:2`,
    });
    expect(user).toContainEqual({ key: "auth", value: "auto", from: "default" });
    expect(project).toMatchObject({ root: world.repo, target: "main" });
    expect(project.rows).toContainEqual({
      key: "gate",
      value: ["sh test.sh"],
      from: "muster.yaml:1",
    });
    expect(project.rows).toContainEqual({
      key: "limits.minutes",
      value: 9,
      from: `${join(dir, "config.yaml")}:3`,
    });
    writeFileSync(join(dir, "config.yaml"), "limits: { paralel: 2 }\n");
    expect(await faultOf(["config", "explain"])).toMatchObject({ exit: 2, code: "bad_config" });
    writeFileSync(join(dir, "config.yaml"), "");
  });

  test("`schema` and `completion` need nothing at all", async () => {
    const plan = JSON.parse((await muster(["schema", "plan"])).stdout);
    expect([plan.title, plan.properties.tasks.type]).toEqual(["muster plan", "array"]);
    expect(JSON.parse((await muster(["schema", "run"])).stdout).title).toBe("muster run");
    const { stdout } = await muster(["completion", "bash"]);
    const path = join(world.root, "completion.bash");
    writeFileSync(path, stdout);
    const line = 'COMP_WORDS=(muster wat) COMP_CWORD=1; _muster; echo "${COMPREPLY[*]}"';
    const env = { PATH: "/usr/bin:/bin" };
    const argv = ["bash", "-c", `. "$1"; ${line}`, "bash", path] as const;
    const done = await runCommand({ argv: [...argv], cwd: "/", env, timeoutMs: 10_000 });
    expect(done.stdout.toString()).toBe("watch\n");
    expect(await faultOf(["completion", "tcsh"])).toMatchObject({ exit: 2, code: "usage" });
    expect(existsSync(world.state)).toBe(false);
  });
});

describe("a run", () => {
  let run: string;
  let base: string;

  test("`watch` follows it to its end and exits as `run` would", async () => {
    base = await world.git("rev-parse", "main");
    const bytes = bash("printf 'caf\\351 good\\n' > latin.txt");
    const steps = [bash(hold("w")), bytes, commit("Add latin"), say("Done \u001b[2Jwith it.")];
    const tasks = [
      { id: "latin", prompt: prompt("Add latin.", steps), permissions: { allow: ["Bash"] } },
      failing("broken"),
    ];
    run = await world.start(world.plan(tasks));
    await world.held("w");
    const plain = muster(["watch"]);
    const json = muster(["watch", run.slice(4, 9), "--json"]);
    await world.until(run, (detail) => taskOf(detail, "broken").state === "failed");
    world.letGo("w");
    const watched = await plain;
    expect(watched.code).toBe(1);
    expect(watched.stderr).toContain("✓ latin landed");
    expect(watched.stdout).toContain(`✗ ${run} failed`);
    const streamed = await json;
    expect(streamed.code).toBe(1);
    const objects = lines(streamed).map((line) => runObject.parse(JSON.parse(line)));
    expect(objects.length).toBeGreaterThan(1);
    expect(objects.at(-1)?.run.state).toBe("failed");
  });

  test("`ls` and `show` take prefixes, tasks and the latest run", async () => {
    expect((await muster(["ls"])).stdout).toContain(`✗ ${run}`);
    const { stdout } = await muster(["show", "latin"]);
    expect(stdout).toContain("latin: landed");
    expect(stdout).not.toContain("broken: failed");
    const shown = JSON.parse((await muster(["show", run.slice(4, 10), "--json"])).stdout);
    expect(runObject.parse(shown).run.id).toBe(run);
  });

  test("`logs` says what was said and done, with nothing in it that a terminal would obey", async () => {
    const { stdout } = await muster(["logs", "latin"]);
    expect(stdout).toMatch(/^▷ Add latin\./);
    expect(stdout).toContain("◦ ");
    expect(stdout).toContain("Done with it.");
    expect(stdout).not.toContain("\u001b");
    const json = lines(await muster(["logs", `${run}/latin`, "--json"]));
    expect(JSON.parse(json[0] ?? "")).toMatchObject({ schema: 1, line: { kind: "prompt" } });
    expect((await muster(["logs", "broken", "--gate"])).stdout).toBe("bad broken.txt\n");
  });

  test("`diff` gives the bytes that were committed", async () => {
    const argv = [process.execPath, join(import.meta.dirname, "../../bin/muster.js")] as const;
    const env = { ...world.env };
    const done = await runCommand({
      argv: [...argv, "diff", "latin"],
      cwd: world.repo,
      env,
      timeoutMs: 20_000,
    });
    expect(done.stdout.includes(Buffer.from("+caf\u00e9 good\n", "latin1"))).toBe(true);
    expect((await muster(["diff", "latin", "--stat"])).stdout).toContain("1 file changed");
    const { diff } = JSON.parse((await muster(["diff", "broken", "--json"])).stdout);
    expect(diff).toMatchObject({ task: `${run}/broken` });
    expect(diff.text).toContain("+broken");
  });

  test("`complete` knows the runs and tasks that there are", async () => {
    // It gives up after 200 ms rather than hold a shell up, and a busy machine may need longer.
    const completes = async (kind: string, wanted: string): Promise<void> =>
      patiently(
        async () => lines(await muster(["complete", kind])).includes(wanted),
        60_000,
        `complete ${kind} has ${wanted}`,
      );
    await completes("runs", run);
    await completes("targets", `${run}/latin`);
  });

  test("`clean` shows what would go, spares what is in use, and leaves everything behind a ref", async () => {
    const plan = JSON.parse((await muster(["clean", "--dry-run", "--json"])).stdout);
    const [item] = plan.clean.items;
    expect(plan.clean.items).toMatchObject([{ run, task: "broken", blocked: null }]);
    expect(await faultOf(["uninstall"])).toMatchObject({
      exit: 1,
      code: "refused",
      remedy: "To see what would be removed, run muster clean --dry-run",
    });
    writeFileSync(join(item.worktree, "mine.md"), "left by a person\n");
    await expectSpared(item.worktree);
    const { code, stdout } = await muster(["clean", "broken"]);
    expect([code, stdout]).toEqual([
      0,
      `✓ removed ${item.worktree}\n  its content stays in ${item.ref}\n`,
    ]);
    expect(existsSync(item.worktree)).toBe(false);
    expect(await world.git("show", `${item.ref}:mine.md`)).toBe("left by a person");
    expect(await world.git("worktree", "list")).not.toContain("\n");
    expect((await muster(["show", "broken"])).stdout).not.toContain(item.worktree);
    expect((await muster(["clean", "--dry-run"])).stdout).toBe("nothing to clean\n");
  });

  test("`retry` tries again what failed, from the target as it is now", async () => {
    await muster(["retry", "broken"]);
    const detail = await world.settled(run);
    expect(taskOf(detail, "broken")).toMatchObject({ state: "failed", attempts: 2 });
    expect(await world.git("rev-parse", "main~1")).toBe(base);
  });

  test("`attach` opens a kept worktree on its session and leaves the task as it is", async ({
    skip,
  }) => {
    if (!hasTerminals) skip("there is no program script");
    const { worktree } = taskOf(await world.api.run(run), "broken");
    const { code, shown } = await onTerminal(["attach", "broken"], "leave it to go on", "\u0004");
    expect([code, shown]).toEqual([
      0,
      expect.stringContaining(`◎ claude on ${run}/broken, in ${worktree}; leave it to go on\r\n`),
    ]);
    expect(taskOf(await world.api.run(run), "broken").state).toBe("failed");
    expect(await refusalOf(["attach", "broken"])).toEqual([
      2,
      "✗ attach needs a terminal, and this is none",
      `↳ To see what it did, run muster logs ${run}/broken`,
    ]);
    expect(await refusalOf(["attach", "latin"])).toEqual([
      1,
      `✗ ${run}/latin is landed and has no worktree any more`,
      `↳ To see what it did, run muster logs ${run}/latin`,
    ]);
    await muster(["clean"]);
  });
});

/** A worktree stays while a process works in it, and while a person has locked it. */
async function expectSpared(worktree: string): Promise<void> {
  const child = spawn("sh", ["-c", "echo begun; read line"], { cwd: worktree });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const busy = await muster(["clean"]);
  expect([busy.code, busy.stdout]).toEqual([
    1,
    `✗ kept ${worktree}: process ${child.pid} works in it; leave it first\n`,
  ]);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.end();
  await gone;
  await world.git("worktree", "unlock", worktree);
  await world.git("worktree", "lock", "--reason", "mine", worktree);
  expect((await muster(["clean"])).stdout).toContain("it is locked (mine)");
  await world.git("worktree", "unlock", worktree);
}

describe("a person's word", () => {
  let run: string;

  beforeAll(async () => {
    const louder = {
      match: /rejected: say it louder/,
      steps: [write("r.txt", "good, louder\n"), commit("Louder"), say("Done.")],
    };
    const question = [ask("Which one?", ["first", "second"]), ...addSteps("q"), say("Done.")];
    run = await world.start(
      world.plan(
        [
          asking("p"),
          { id: "q", prompt: prompt("Add q.", question) },
          good("g", { approval: "required" }),
          { id: "r", prompt: prompt("Add r.", [...addSteps("r")], [louder]), approval: "required" },
        ],
        { limits: { parallel: 4 } },
      ),
    );
    await isAsking(run, 4);
  });

  test("is not guessed: with several questions a verb lists them and ends with 2", async () => {
    const { code, stderr } = await muster(["answer", "--allow"]);
    expect(code).toBe(2);
    for (const key of ["p", "q", "g", "r"]) expect(stderr).toContain(`▲ ${run}/${key} asks (`);
    expect(stderr).toContain("✗ 4 questions are open, expected run/task\n↳ ");
    expect((await muster(["approve"])).code).toBe(2);
    expect((await muster(["ls"])).stdout).toContain(`▲ ${run}/p asks (permission)`);
  });

  test("is refused where it does not fit", async () => {
    expect(await refusalOf(["approve", "p"])).toEqual([
      1,
      `✗ ${run}/p has no open approval`,
      `↳ To see what it does, run muster show ${run}/p`,
    ]);
    expect((await refusalOf(["answer", "q", "--allow"])).slice(0, 2)).toEqual([
      2,
      `✗ ${run}/q asks a question, expected its answer in words`,
    ]);
    expect((await refusalOf(["answer", "q"])).slice(0, 2)).toEqual([2, "✗ no answer given"]);
    expect((await refusalOf(["reject", "r"]))[0]).toBe(2);
    expect((await refusalOf(["answer", "p", "--id", "other", "--allow"]))[0]).toBe(1);
  });

  test("reaches what it is for: approve, reject, answer in words, and the only question without an address", async () => {
    expect((await muster(["approve", `${run}/g`])).stdout).toBe(`✓ approved ${run}/g\n`);
    const first = taskOf(await world.api.run(run), "r").head;
    expect((await muster(["reject", "--because", "say it louder"])).code).toBe(0);
    expect((await muster(["answer", "q", "take the second"])).code).toBe(0);
    await world.until(run, (detail) => {
      const { head, asking: open } = taskOf(detail, "r");
      return open !== null && head !== first;
    });
    expect((await muster(["approve"])).stdout).toBe(`✓ approved ${run}/r\n`);
    await world.until(run, (detail) => taskOf(detail, "q").state === "landed");
    // The name of a task that asks nothing is no answer to the question of another one.
    for (const word of ["q", `${run}/q`, `${run.slice(4, 9)}/q`])
      expect((await refusalOf(["answer", word])).slice(0, 2)).toEqual([2, "✗ no answer given"]);
    expect((await muster(["answer", "--allow"])).stdout).toBe(`✓ answered ${run}/p\n`);
    expect((await world.settled(run)).run.state).toBe("succeeded");
    expect(await world.git("show", "main:r.txt")).toBe("good, louder");
    expect((await muster(["logs", "q"])).stdout).toContain("Which one?");
    expect((await refusalOf(["answer", "--allow"])).slice(0, 2)).toEqual([
      2,
      "✗ no question is open",
    ]);
  });
});

const addSteps = (id: string) => [write(`${id}.txt`, "good\n"), commit(`Add ${id}`)];

describe("steering", () => {
  let run: string;
  const goOn = (id: string) => ({
    match: /paused|interrupted/,
    steps: [...addSteps(id), say("Went on.")],
  });
  const told = { match: /and a told\.txt/, steps: [...addSteps("told"), say("Added it.")] };

  beforeAll(async () => {
    const tasks = [held("s", "s", [goOn("s-more")]), held("t", "t", [told]), held("u", "u")];
    run = await world.start(world.plan(tasks));
    for (const name of ["s", "t", "u"]) await world.held(name);
  });

  test("`tell` reaches a session in the middle of its round; `logs -f` follows over a restart of the daemon", async () => {
    expect((await muster(["tell", "t", "and", "a", "told.txt"])).stdout).toBe(`✓ told ${run}/t\n`);
    const following = muster(["logs", "-f", "t"]);
    await world.killDaemon();
    world.letGo("t");
    const { stdout } = await following;
    expect(stdout.match(/^▷ /gm)).toHaveLength(2);
    expect(stdout).toContain("▷ and a told.txt\n");
    expect(stdout).toContain("Added it.");
    expect(await world.git("show", "main:told.txt")).toBe("good");
  });

  test("`pause --now` holds a task until `resume`", async () => {
    expect((await muster(["pause", `${run}/s`, "--now"])).stdout).toBe(`✓ paused ${run}/s\n`);
    await world.until(run, (detail) => taskOf(detail, "s").state === "paused");
    const resumed = await muster(["resume", "s", "--usd", "9"]);
    expect([resumed.stdout, resumed.stderr]).toEqual([
      `✓ resumed ${run}/s\n`,
      `↳ muster watch ${run}\n`,
    ]);
    await world.until(run, (detail) => taskOf(detail, "s").state === "landed");
    expect((await world.api.run(run)).usd).toBe(9);
  });

  test("`stop` cancels, and a settled run can't be steered any more", async () => {
    expect((await muster(["stop", "u"])).stdout).toMatch(
      new RegExp(`^✓ cancel(?:ed|ing) ${run}/u\n$`),
    );
    expect((await world.settled(run)).run.state).toBe("canceled");
    expect((await refusalOf(["pause", run])).slice(0, 2)).toEqual([
      1,
      `✗ ${run} is canceled: there is nothing to hold`,
    ]);
    expect((await refusalOf(["tell", "s", "hello"]))[0]).toBe(1);
  });

  test("`attach` takes a live session over and gives it back", async ({ skip }) => {
    if (!hasTerminals) skip("there is no program script");
    const plan = world.plan([held("v", "v", [goOn("v-more")])]);
    const id = await world.start(plan);
    await world.held("v");
    expect(await refusalOf(["attach", "v"])).toEqual([
      2,
      "✗ attach needs a terminal, and this is none",
      `↳ To say something to the session, run muster tell ${id}/v "TEXT"`,
    ]);
    expect(taskOf(await world.api.run(id), "v").state).toBe("working");
    const { code, shown } = await onTerminal(["attach", "v"], "leave it to go on", "\u0004");
    const notes = shown.split("\r\n").filter((line) => line.includes("◎"));
    expect([code, notes]).toEqual([
      0,
      [
        `◎ ${id}/v is paused, waiting for its session to end`,
        expect.stringMatching(`^◎ claude on ${id}/v, in .*; leave it to go on$`),
        expect.stringContaining(`◎ muster goes on with ${id}/v`),
      ],
    ]);
    const events = await world.events(id, ({ type }) => type === "run.settled");
    const types = events.map(({ type }) => type);
    expect(types.indexOf("task.paused")).toBeLessThan(types.indexOf("session.exited"));
    expect(types.indexOf("session.exited")).toBeLessThan(types.indexOf("task.resumed"));
    expect(taskOf(await world.api.run(id), "v").state).toBe("landed");
  });
});

/** A terminal is made by a program that not every system has. */
const hasTerminals = existsSync("/usr/bin/script");

/** Runs a command line on a terminal of its own and types `typed` once `prompt` is shown. */
async function onTerminal(args: readonly string[], prompted: string, typed: string) {
  const bin = join(import.meta.dirname, "../../bin/muster.js");
  const line = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(" ");
  const env = { ...world.env, NODE_COMPILE_CACHE: cache, TERM: "xterm", SHELL: "/bin/sh" };
  const child = spawn("/usr/bin/script", ["-qec", line, "/dev/null"], { cwd: world.repo, env });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (!shown.includes(prompted) && (shown + text).includes(prompted)) child.stdin.write(typed);
    shown += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  return { code, shown };
}

describe.skipIf(!hasTerminals)("on a terminal (needs the program script)", () => {
  test("`watch` offers the question instead of leaving, and goes on with the answer", async () => {
    const id = await world.start(world.plan([asking("w1")]));
    await isAsking(id);
    const left = await onTerminal(["watch", id], "leaves it open: ", "\r");
    expect(left.code).toBe(3);
    expect(left.shown).toContain("w1 asks (permission):");
    const { code, shown } = await onTerminal(["watch", id], "leaves it open: ", "y\r");
    expect([code, shown.includes("landed")]).toEqual([0, true]);
  });

  test("a diff with escapes in it is shown, not obeyed", async () => {
    const evil = bash("printf 'good \\033]0;title\\007\\033[2Jend\\n' > evil.txt");
    const steps = [evil, commit("Add evil"), say("Done.")];
    const task = { id: "e", prompt: prompt("Add evil.", steps), permissions: { allow: ["Bash"] } };
    const id = await world.start(world.plan([task]));
    await world.settled(id);
    const { shown } = await onTerminal(["diff", `${id}/e`], "never asked", "");
    expect(shown).toContain("+good 0;titleend");
    expect(shown).not.toMatch(new RegExp(String.raw`[\u001b\u0007]`));
  });
});

describe("errors", () => {
  const oneTask = () => world.plan([good("z")]);

  test("of the command line name the word and what it may have been meant for", async () => {
    expect(await refusalOf(["wacth"])).toEqual([
      2,
      "✗ unknown command 'wacth', did you mean watch?",
      "↳ muster --help",
    ]);
    expect(await refusalOf(["run", "plna.yaml"])).toEqual([
      2,
      "✗ no file plna.yaml",
      expect.stringContaining("muster run --prompt plna.yaml"),
    ]);
    expect(await faultOf(["show", "zzzz/a"])).toMatchObject({
      exit: 1,
      code: "not_found",
      message: "no run zzzz",
    });
    expect(await faultOf(["logs", "nothing"])).toMatchObject({ exit: 1, code: "not_found" });
    const [id] = (await world.api.runs(1_000)).map((run) => run.id).slice(-1);
    expect(await faultOf(["logs", `${id}/latim`])).toMatchObject({
      exit: 1,
      message: `no task latim in ${id} (did you mean latin?)`,
      remedy: `To see its tasks, run muster show ${id}`,
    });
  });

  test("of a plan come with file and line", async () => {
    const path = join(world.root, "plans", "bad.yaml");
    writeFileSync(path, "version: 1\ntasks:\n  - id: a\n    prompt: x\n    need: [b]\n");
    const fault = await faultOf(["plan", path]);
    expect(fault).toMatchObject({ exit: 2, code: "bad_plan" });
    expect(fault.message).toContain("bad.yaml:5");
    writeFileSync(path, "version: 1\ntasks:\n  - id: a\n    promt: x\n    need: [b]\n");
    const { stderr } = await muster(["plan", path]);
    expect(stderr.match(/^✗ .*bad.yaml:\d/gm)).toHaveLength(3);
  });

  test("of a full disk say that the answer was lost (needs /dev/full)", async ({ skip }) => {
    skip(!existsSync("/dev/full"), "no /dev/full");
    const full = ["-c", '"$0" "$@" > /dev/full', process.execPath, bin, "schema", "plan"];
    const { code, stderr } = await runCommand({
      argv: ["sh", ...full],
      cwd: world.repo,
      env: world.env,
      timeoutMs: 20_000,
    });
    expect([code, stderr.toString()]).toEqual([69, expect.stringContaining("ENOSPC")]);
  });

  test("of a folder say what is missing in it", async () => {
    const [none, empty] = ["none", "empty"].map((name) => join(world.root, name));
    mkdirSync(none ?? "");
    await world.gitIn(world.root, "init", "-q", empty ?? "");
    const plan = oneTask();
    expect(await faultOf(["plan", plan], { cwd: none ?? "" })).toMatchObject({
      code: "not_a_repository",
      remedy: "git init",
    });
    expect(await faultOf(["plan", plan], { cwd: empty ?? "" })).toMatchObject({
      code: "no_commits",
      remedy: 'git add -A && git commit -m "Start"',
    });
    await world.git("checkout", "-q", "--detach");
    expect(await faultOf(["plan", plan])).toMatchObject({
      code: "detached_head",
      remedy: "muster run --target main …",
    });
    await world.git("checkout", "-q", "main");
  });

  test("of the machine say what to install", async () => {
    const plan = oneTask();
    const dir = join(world.root, "config", "muster");
    mkdirSync(dir, { recursive: true });
    const env = { XDG_CONFIG_HOME: join(world.root, "config") };
    const install = "npm install --global @anthropic-ai/claude-code";
    writeFileSync(join(dir, "config.yaml"), "claude: /nowhere/claude\n");
    expect(await faultOf(["plan", plan], { env })).toMatchObject({
      exit: 69,
      code: "no_claude",
      remedy: install,
    });
    const old = join(world.root, "old-claude");
    writeFileSync(old, "#!/bin/sh\necho '1.0.0 (Claude Code)'\n", { mode: 0o755 });
    writeFileSync(join(dir, "config.yaml"), `claude: ${old}\n`);
    expect(await faultOf(["plan", plan], { env })).toMatchObject({
      code: "no_claude",
      remedy: `${install}@latest`,
    });
    const login = await faultOf(["plan", plan], { env: { ANTHROPIC_API_KEY: undefined } });
    expect(login).toMatchObject({ exit: 69, code: "no_login" });
    expect(login.remedy).toContain("claude setup-token");
    const bin = join(world.root, "old-git");
    mkdirSync(bin);
    writeFileSync(join(bin, "git"), "#!/bin/sh\necho git version 2.30.0\n", { mode: 0o755 });
    const path = `${bin}:${world.env["PATH"]}`;
    expect(await faultOf(["plan", plan], { env: { PATH: path } })).toMatchObject({
      exit: 69,
      code: "git_too_old",
    });
    expect((await muster(["doctor"], { env: { PATH: path } })).stdout).toContain(
      "✗ git        git version 2.30.0, 2.39 or later is needed",
    );
  });

  test("of muster's own folder say how to use another one", async () => {
    const file = join(world.root, "a-file");
    writeFileSync(file, "");
    const below = { MUSTER_HOME: join(file, "m") };
    expect(await faultOf(["ls"], { env: below })).toMatchObject({
      exit: 69,
      code: "unwritable",
      remedy: expect.stringContaining("export MUSTER_HOME="),
    });
    expect((await muster(["doctor"], { env: below })).code).toBe(1);
    const taken = join(world.root, "taken");
    mkdirSync(join(taken, "muster.sock"), { recursive: true });
    expect(await faultOf(["ls"], { env: { MUSTER_HOME: taken } })).toMatchObject({
      exit: 69,
      code: "unwritable",
      message: expect.stringContaining("it is no socket"),
    });
  });
});

describe("leaving", () => {
  test("`uninstall` shows what goes and what stays, and then does just that", async () => {
    await muster(["clean"]);
    const dry = JSON.parse((await muster(["uninstall", "--dry-run", "--json"])).stdout);
    const { home, remove, stays, openRuns, kept } = dry.uninstall;
    expect([home, openRuns, kept]).toEqual([world.state, [], []]);
    const paths = remove.map(({ path }: { path: string }) => path);
    expect(paths).toContain(join(world.state, "ledger.db"));
    expect(stays).toMatchObject([{ project: world.repo }]);
    expect(existsSync(join(world.state, "ledger.db"))).toBe(true);
    const refs = await world.git("for-each-ref", "--format=%(refname)");
    const { code, stdout } = await muster(["uninstall"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`✓ removed ${world.state}\n`);
    expect(existsSync(world.state)).toBe(false);
    expect(await world.git("for-each-ref", "--format=%(refname)")).toBe(refs);
    expect(refs.split("\n").filter((ref) => ref.startsWith("refs/muster/")).length).toBe(
      stays[0].refs,
    );
    expect(await world.git("worktree", "list")).not.toContain("\n");
  });

  test("`host stop` ends the daemon and returns when it is gone", async () => {
    await muster(["ls"]);
    const { host } = JSON.parse((await muster(["host", "status", "--json"])).stdout);
    expect(Object.keys(host).join(" ")).toBe(
      "pid version socket sessions heldBack unrecorded refused",
    );
    expect((await muster(["host", "stop"])).stdout).toBe("✓ the daemon has ended\n");
    expect((await muster(["host", "status"])).code).toBe(69);
    expect((await muster(["host", "stop"])).stderr).toBe("◎ no daemon runs\n");
  });
});
