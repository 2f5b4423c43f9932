/** `doctor --repair` with a daemon that works: what was left over is mended once, and what is under way does not notice. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { chmodSync, mkdirSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Finding, Looked, Repaired } from "../../src/api/repair.ts";
import { awaitGone } from "../../src/process/end.ts";
import { isAlive, readIdentity } from "../../src/process/identity.ts";
import { ownIdentity } from "../../src/process/shim.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type World, hold, listing, openWorld, statesOf, taskOf } from "./harness.ts";

let world: World;
let open: string;
let over: string;
/** Worktrees of the failed tasks. */
let kept: string;
let gone: string;

beforeAll(async () => {
  world = await openWorld();
  const fails = (id: string) => ({
    id,
    prompt: prompt(`Break ${id}.`, [write(`${id}.txt`, "bad\n"), commit("Break"), say("Done.")]),
    limits: { fixes: 0 },
  });
  const lands = { id: "lands", prompt: writeAndCommit({ "l.txt": "good\n" }, "Add l") };
  over = await world.start(world.plan([lands, fails("kept"), fails("gone")]));
  const detail = await world.settled(over);
  kept = taskOf(detail, "kept").worktree ?? "";
  gone = taskOf(detail, "gone").worktree ?? "";
  const steps = [bash(hold("open")), write("o.txt", "good\n"), commit("Add o"), say("Done.")];
  open = await world.start(
    world.plan([{ id: "open", prompt: prompt("Add o.", steps), permissions: { allow: ["Bash"] } }]),
  );
  await world.held("open");
});
afterAll(() => world.close());

interface Repair {
  readonly findings: readonly Finding[];
  readonly looked: Looked;
  readonly repaired: readonly Repaired[] | null;
}

async function repair(...args: readonly string[]): Promise<Repair> {
  const { code, stdout, stderr } = await world.muster(["doctor", "--repair", "--json", ...args]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout).repair;
}

/** Names and contents, but for what the daemon writes while it is looked at. */
function everything(): readonly string[] {
  return [world.state, world.repo].flatMap((dir) =>
    listing(dir)
      .map((name) => join(dir, name))
      .filter(
        (path) => !/\/m\/(?:ledger|log|cache|tmp)|muster\.sock|\/\d+\/(?:in|out|err)/.test(path),
      )
      .map((path) => {
        const stat = lstatSync(path, { throwIfNoEntry: false });
        if (stat?.isSymbolicLink() === true) return `${path} ${readlinkSync(path)}`;
        return stat?.isFile() === true ? `${path} ${readFileSync(path, "latin1")}` : path;
      }),
  );
}

/** A git that is killed while it has the lock of a worktree: the lock stays. */
async function killGit(worktree: string): Promise<string> {
  const editor = join(world.root, "bin", "slow-editor");
  writeFileSync(editor, "#!/bin/sh\necho begun >&2\nexec sleep 60\n");
  chmodSync(editor, 0o755);
  writeFileSync(join(worktree, "more.txt"), "more\n");
  await world.gitIn(worktree, "add", "more.txt");
  const args = ["-c", `core.editor=${editor}`, "commit", "-a"];
  const env = { PATH: "/usr/bin:/bin", HOME: world.home };
  const git = spawn("git", args, { cwd: worktree, env, detached: true });
  await once(git.stderr, "data");
  const ended = once(git, "exit");
  process.kill(-(git.pid ?? 0), "SIGKILL");
  await ended;
  const lock = join(await world.gitIn(worktree, "rev-parse", "--absolute-git-dir"), "index.lock");
  const then = Date.now() / 1_000 - 60;
  utimesSync(lock, then, then);
  return lock;
}

/** A process like one that a session left behind. */
function startLeft(root: string, att: string): { readonly pid: number } {
  const own = { MUSTER_ATTEMPT: att, CLAUDE_CONFIG_DIR: join(root, "attempts", att, "cfg") };
  const env = { PATH: "/usr/bin:/bin", ...own };
  const child = spawn("sleep", ["600"], { cwd: "/", env, stdio: "ignore", detached: true });
  return { pid: child.pid ?? 0 };
}

test("a house in order has nothing to repair", async () => {
  const { findings, looked, repaired } = await repair();
  expect([findings, repaired]).toEqual([[], []]);
  expect(looked).toMatchObject({ projects: 1, worktrees: 3 });
  expect(looked.processes).toBeGreaterThan(0);
  const { stdout, stderr } = await world.muster(["doctor", "--repair"]);
  expect(stdout).toBe("✓ nothing to repair\n");
  expect(stderr).toMatch(/^◎ looked at 1 project, 3 worktrees, \d+ folders, \d+ refs, /);
});

test("`--dry-run` alone is refused", async () => {
  const { code, stdout } = await world.muster(["doctor", "--dry-run", "--json"]);
  expect([code, JSON.parse(stdout).error.remedy]).toEqual([2, "muster doctor --repair --dry-run"]);
});

test("everything that was left over is found, shown without a change, mended once, and never anybody else's", async () => {
  const att = `att_${over.slice(4)}_1`;
  const project = dirname(kept);
  const orphan = join(project, "att_zz_1");
  const reason = ["--lock", "--reason", "muster run_zz/x"];
  await world.git("worktree", "add", "-q", ...reason, "-b", "muster/run_zz/x", orphan);
  writeFileSync(join(orphan, "thought.md"), "a thought\n");
  const theirs = join(world.root, "theirs");
  await world.git("worktree", "add", "-q", "--detach", "--lock", theirs);
  const lock = await killGit(kept);
  const persons = join(world.repo, ".git", "index.lock");
  writeFileSync(persons, "");
  utimesSync(persons, 1, 1);
  rmSync(gone, { recursive: true });
  const claim = join(world.state, "attempts", att, "attached");
  writeFileSync(claim, JSON.stringify({ ...ownIdentity(), startedAt: "1" }));
  const stranger = join(world.state, "attempts", "att_zz_2");
  mkdirSync(stranger);
  await world.git("update-ref", "refs/muster/attempts/att_zz_3/1", "HEAD");
  await world.git("update-ref", `refs/muster/landing/${att}`, "HEAD");
  const left = readIdentity(startLeft(world.state, att).pid);
  const others = readIdentity(startLeft(join(world.root, "m2"), att).pid);
  if (left === undefined || others === undefined) throw new Error("it has just been started");
  const [session] = (await world.api.host()).sessions;

  try {
    const before = everything();
    const plan = await repair("--dry-run");
    expect(plan.repaired).toBeNull();
    expect(
      plan.findings.map(({ kind, what, repair: does }) => [kind, what, does !== null]),
    ).toEqual([
      ["process", `${left.pid} (sleep)`, true],
      ["claim", claim, true],
      ["lock", lock, true],
      ["worktree", orphan, true],
      ["registration", gone, true],
      ["folder", stranger, false],
      ["ref", "refs/muster/attempts/att_zz_3/", false],
      ["ref", `refs/muster/landing/${att}`, true],
      ["ref", "refs/heads/muster/run_zz/", false],
    ]);
    expect(everything()).toEqual(before);
    expect(isAlive(left)).toBe(true);

    const real = await repair();
    expect(real.findings).toEqual(plan.findings);
    const wanted = plan.findings.filter((finding) => finding.repair !== null);
    expect(real.repaired?.map(({ id, done }) => [id, done])).toEqual(
      wanted.map(({ id }) => [id, true]),
    );
    expect([claim, lock, orphan].filter((path) => existsSync(path))).toEqual([]);
    expect(await awaitGone(left, 5_000)).toBe(true);
    expect(await world.git("show", "refs/muster/rescue/orphan-att_zz_1:thought.md")).toBe(
      "a thought",
    );
    expect(await world.git("worktree", "list")).not.toContain(gone);
    expect(await world.git("branch", "--list", "muster/*")).toContain(`muster/${over}/gone`);

    const { findings } = await repair();
    expect(findings.map(({ what, repair: does }) => [what, does])).toEqual([
      [stranger, null],
      ["refs/muster/attempts/att_zz_3/", null],
      ["refs/muster/rescue/orphan-att_zz_1", null],
      ["refs/heads/muster/run_zz/", null],
    ]);
    expect(isAlive(others)).toBe(true);
    expect([theirs, persons, stranger, kept].filter((path) => !existsSync(path))).toEqual([]);
    expect((await world.api.host()).sessions).toEqual([session]);
  } finally {
    rmSync(persons, { force: true });
    for (const each of [left, others]) if (isAlive(each)) process.kill(each.pid, "SIGKILL");
  }
  world.letGo("open");
  expect(statesOf(await world.settled(open))).toEqual({ open: "landed" });
});
