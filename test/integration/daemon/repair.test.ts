/** Repairing: what is muster's and left over is found and mended once, with its content in a ref; all else is as it was. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Finding, Repaired } from "../../../src/api/repair.ts";
import { performRepair, repairPlan } from "../../../src/daemon/repair/repair.ts";
import { openGatePlace } from "../../../src/git/gate-place.ts";
import { ownIdentity } from "../../../src/process/shim.ts";
import { isAlive, readIdentity } from "../../../src/process/identity.ts";
import { type House, age, dayMs, openHome } from "./house.ts";

const retentionMs = 30 * dayMs;

async function find(house: House): Promise<readonly Finding[]> {
  return (await repairPlan(house.parts, { retentionMs })).findings;
}

async function mend(house: House): Promise<readonly Repaired[]> {
  const findings = (await find(house)).map(({ id }) => id);
  return performRepair(house.parts, { findings, retentionMs });
}

const said = (findings: readonly Finding[]) =>
  findings.map(({ kind, what, repair }) => [kind, what, repair !== null]);

/** A process that waits, as one of a session would; the end of the test ends it. */
async function start(cwd: string, env: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const argv = ["-c", "trap : TERM; echo begun; while :; do sleep 1; done"];
  const child = spawn("/bin/sh", argv, { cwd, env: { PATH: "/usr/bin:/bin", ...env } });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  });
  await once(child.stdout, "data");
  return child;
}

const isThere = ({ pid = 0 }: ChildProcess): boolean => readIdentity(pid) !== undefined;

test("a home with nothing left over has nothing to repair, and says how much was looked at", async () => {
  const house = await openHome();
  await house.attempts("run_a", ["kept", "retired"]);
  const [att = ""] = await house.attempts("run_b", ["open"]);
  await house.worktree("att_a_1", "run_a");
  await house.worktree(att, "run_b");
  const place = await openGatePlace(
    house.world.repo,
    join(house.folder, "gate-1"),
    await house.world.git(["rev-parse", "HEAD"]),
  );
  await house.world.git(["update-ref", "refs/muster/attempts/att_a_2/1", "HEAD"]);
  await house.world.git(["update-ref", `refs/muster/landing/${att}`, "HEAD"]);
  mkdirSync(join(house.home, "attempts", "att_a_2"));
  mkdirSync(join(house.home, "gates", "gate-att_a_2-1"));
  writeFileSync(join(house.home, "tmp", "muster-git-x"), "");
  const { findings, looked } = await repairPlan(house.parts, { retentionMs });
  expect(findings).toEqual([]);
  expect(looked).toMatchObject({ projects: 1, absent: 0, worktrees: 3, folders: 2, refs: 4 });
  expect(existsSync(place.worktree)).toBe(true);
});

test("orphaned worktrees go behind a rescue ref, and others' worktrees stay", async () => {
  const house = await openHome();
  const { world, folder } = house;
  await house.attempts("run_a", ["retired"]);
  const over = await house.worktree("att_a_1", "run_a");
  const unknown = await house.worktree("att_zz_1", "run_zz");
  writeFileSync(join(over.worktree, "a.txt"), "changed\n");
  writeFileSync(join(unknown.worktree, "new.txt"), "untracked\n");
  for (const path of [join(folder, "mine"), join(world.dir, "elsewhere")])
    await world.git(["worktree", "add", "-q", "--detach", path]);
  const locked = join(folder, "att_a_77");
  await world.git(["worktree", "add", "-q", "--detach", "--lock", "--reason", "mine", locked]);
  const before = house.listing();
  const findings = await find(house);
  const mendable = Object.fromEntries(findings.map(({ what, repair }) => [what, repair !== null]));
  expect(mendable).toEqual({
    [over.worktree]: true,
    [unknown.worktree]: true,
    [locked]: false,
    "refs/heads/muster/run_zz/": false,
  });
  expect(findings.find(({ what }) => what === locked)?.stays).toContain("it is locked (mine)");
  expect(house.listing()).toEqual(before);
  const repaired = await mend(house);
  expect(repaired.map(({ done, ref }) => `${done} ${ref}`).toSorted()).toEqual([
    "true refs/muster/rescue/orphan-att_a_1",
    "true refs/muster/rescue/orphan-att_zz_1",
  ]);
  expect([over.worktree, unknown.worktree].filter((path) => existsSync(path))).toEqual([]);
  expect(await world.git(["show", "refs/muster/rescue/orphan-att_a_1:a.txt"])).toBe("changed");
  expect(await world.git(["show", "refs/muster/rescue/orphan-att_zz_1:new.txt"])).toBe("untracked");
  expect(await world.git(["branch", "--list", "muster/*"])).toContain("muster/run_a/att-a-1");
  for (const path of [join(folder, "mine"), join(world.dir, "elsewhere"), locked])
    expect(await world.git(["status", "--porcelain"], { cwd: path })).toBe("");
  expect((await find(house)).filter(({ repair }) => repair !== null)).toEqual([]);
});

test("an orphaned worktree that somebody uses is left", async () => {
  const house = await openHome();
  await house.attempts("run_a", ["retired"]);
  const { worktree } = await house.worktree("att_a_1", "run_a");
  const child = await start(worktree, {});
  const [finding] = await find(house);
  expect(finding).toMatchObject({
    repair: null,
    stays: `process ${child.pid} uses it; leave it first`,
  });
  expect(await mend(house)).toEqual([]);
  expect(existsSync(worktree)).toBe(true);
});

test("a registration whose folder is gone is let go of alone, and what only it named is held", async () => {
  const house = await openHome();
  const { world } = house;
  await house.attempts("run_a", ["kept", "retired", "retired"]);
  await house.attempts("run_b", ["open"]);
  const plain = await house.worktree("att_a_1", "run_a");
  const rich = await house.worktree("att_a_2", "run_a");
  const open = await house.worktree("att_b_1", "run_b");
  const at = { cwd: rich.worktree };
  writeFileSync(join(rich.worktree, "only.txt"), "only here\n");
  await world.git(["add", "only.txt"], at);
  await world.git(["commit", "-q", "-m", "amended away"], at);
  const lost = await world.git(["rev-parse", "HEAD"], at);
  await world.git(["commit", "-q", "--amend", "-m", "amended"], at);
  writeFileSync(join(rich.worktree, "staged.txt"), "staged\n");
  await world.git(["add", "staged.txt"], at);
  const theirs = join(world.dir, "theirs");
  await world.git(["worktree", "add", "-q", "--detach", "--lock", theirs]);
  for (const path of [plain.worktree, rich.worktree, open.worktree, theirs])
    rmSync(path, { recursive: true });
  const before = house.listing();
  expect(said(await find(house))).toEqual([
    ["registration", plain.worktree, true],
    ["registration", rich.worktree, true],
  ]);
  expect(house.listing()).toEqual(before);
  expect((await mend(house)).map(({ done, ref, why }) => [done, ref, why])).toEqual([
    [true, null, null],
    [true, "refs/muster/rescue/gone-att_a_2", null],
  ]);
  const rescue = "refs/muster/rescue/gone-att_a_2";
  expect(await world.git(["show", `${rescue}:staged.txt`])).toBe("staged");
  expect(await world.git(["rev-list", rescue])).toContain(lost);
  const listed = await world.git(["worktree", "list", "--porcelain"]);
  expect(listed).not.toContain("att_a_");
  expect(listed).toContain(open.worktree);
  expect(listed).toContain(theirs);
  expect(await world.git(["branch", "--list", "muster/*"])).toContain("muster/run_a/att-a-2");
  expect(await find(house)).toEqual([]);
});

test("locks of dead gits go, in open worktrees too; a lock that is in use and a person's stay", async () => {
  const house = await openHome();
  const { world } = house;
  await house.attempts("run_a", ["kept", "kept"]);
  await house.attempts("run_b", ["open"]);
  const dead = await house.worktree("att_b_1", "run_b");
  const alive = await house.worktree("att_a_1", "run_a");
  const fresh = await house.worktree("att_a_2", "run_a");
  const locks = [dead, alive, fresh].map(({ gitDir }) => join(gitDir, "index.lock"));
  const persons = join(world.repo.common, "index.lock");
  for (const lock of [...locks, persons, join(dead.gitDir, "HEAD.lock")]) writeFileSync(lock, "");
  for (const lock of [locks[0], locks[1], persons, join(dead.gitDir, "HEAD.lock")]) age(lock ?? "");
  const holder = await start(alive.gitDir, {});
  const before = house.listing();
  expect(said(await find(house))).toEqual([
    ["lock", locks[0], true],
    ["lock", join(dead.gitDir, "HEAD.lock"), true],
  ]);
  expect(house.listing()).toEqual(before);
  expect((await mend(house)).map(({ done }) => done)).toEqual([true, true]);
  expect(readdirSync(dead.gitDir).filter((name) => /lock/.test(name))).toEqual(["locked"]);
  expect([locks[1], persons].map((lock) => existsSync(lock ?? ""))).toEqual([true, true]);
  expect(isThere(holder)).toBe(true);
});

test("processes of attempts that are over are ended, and nobody else's: not an open one's, not another home's with the same id", async () => {
  const house = await openHome();
  const { home, world } = house;
  await house.attempts("run_a", ["retired"]);
  await house.attempts("run_b", ["open"]);
  const of = (root: string, att: string) => ({
    MUSTER_ATTEMPT: att,
    CLAUDE_CONFIG_DIR: join(root, "attempts", att, "cfg"),
  });
  const leaked = await start("/", of(home, "att_a_1"));
  const unknown = await start("/", of(home, "att_zz_9"));
  const gate = await start("/", { MUSTER_GATE: join(home, "gates", "gate-att_a_1-sha-1", "1") });
  const spared = await Promise.all([
    start("/", of(home, "att_b_1")),
    start("/", of(join(world.dir, "m2"), "att_a_1")),
    start("/", { MUSTER_ATTEMPT: "att_a_1" }),
    start("/", {
      ...of(home, "att_a_1"),
      CLAUDE_CONFIG_DIR: join(home, "attempts", "att_a_1", "../../../else"),
    }),
    start("/", { MUSTER_GATE: join(world.dir, "m2", "gates", "gate-att_a_1-sha-1", "1") }),
    start("/", { MUSTER_GATE: join(home, "gates", "gate-att_b_1-sha-1", "1") }),
    start(join(home, "attempts"), {}),
  ]);
  const wanted = [leaked, unknown, gate];
  const findings = await find(house);
  expect(findings.map(({ kind, attempt }) => `${kind} ${attempt}`).toSorted()).toEqual([
    "process att_a_1",
    "process att_zz_9",
  ]);
  const named = findings.map(({ what }) => what).join(", ");
  for (const { pid } of wanted) expect(named).toContain(`${pid} (sh)`);
  for (const { pid } of spared) expect(named).not.toContain(`${pid} (`);
  expect(wanted.map(isThere)).toEqual([true, true, true]);
  expect((await mend(house)).map(({ done }) => done)).toEqual([true, true]);
  expect(wanted.map(isThere)).toEqual([false, false, false]);
  expect(spared.map(isThere)).toEqual(spared.map(() => true));
  expect(await find(house)).toEqual([]);
});

test("a leaked process in an orphaned worktree is ended first, and both are mended at once", async () => {
  const house = await openHome();
  await house.attempts("run_a", ["retired"]);
  const { worktree } = await house.worktree("att_a_1", "run_a");
  const child = await start(worktree, { MUSTER_ATTEMPT: "att_a_1" });
  expect((await mend(house)).map(({ done, why }) => [done, why])).toEqual([
    [true, null],
    [true, null],
  ]);
  expect([isThere(child), existsSync(worktree)]).toEqual([false, false]);
});

test("the claim of a dead terminal goes, that of a live one stays", async () => {
  const house = await openHome();
  await house.attempts("run_a", ["kept", "kept", "kept"]);
  const claims = [1, 2, 3].map((n) => join(house.home, "attempts", `att_a_${n}`, "attached"));
  for (const claim of claims) mkdirSync(join(claim, ".."), { recursive: true });
  const own = ownIdentity();
  const [dead = "", live = "", torn = ""] = claims;
  writeFileSync(dead, JSON.stringify({ ...own, startedAt: "1" }));
  writeFileSync(live, JSON.stringify(own));
  writeFileSync(torn, '{"pid":');
  expect(said(await find(house))).toEqual([["claim", dead, true]]);
  age(torn);
  expect((await mend(house)).map(({ done }) => done)).toEqual([true, true]);
  expect(claims.map((claim) => existsSync(claim))).toEqual([false, true, false]);
  expect(isAlive(own)).toBe(true);
});

test("folders that no run knows stay until they are as old as the retention; gate logs of old runs go by then", async () => {
  const house = await openHome();
  const { home } = house;
  await house.attempts("run_a", ["retired"]);
  await house.attempts("run_b", ["open"]);
  const folders = ["attempts/att_zz_1", "gates/gate-att_zz_1-x", "gates/gate-att_a_1-x"];
  for (const name of [...folders, "attempts/att_a_1", "attempts/notes", "gates/gate-att_b_1-x"])
    mkdirSync(join(home, name), { recursive: true });
  writeFileSync(join(home, "attempts/att_zz_1/out.jsonl"), "said\n");
  writeFileSync(join(home, "trash/att_x_1-00"), "");
  const young = await find(house);
  expect(said(young)).toEqual([
    ["folder", join(home, "attempts/att_zz_1"), false],
    ["folder", join(home, "gates/gate-att_zz_1-x"), false],
  ]);
  expect(young[0]?.stays).toContain("kept for 30 more days");
  expect(await mend(house)).toEqual([]);
  house.aheadMs = retentionMs + dayMs;
  expect((await mend(house)).map(({ done, why }) => [done, why])).toEqual(
    [...folders, "trash"].map(() => [true, null]),
  );
  expect(folders.filter((name) => existsSync(join(home, name)))).toEqual([]);
  expect(
    ["attempts/att_a_1", "attempts/notes", "gates/gate-att_b_1-x"].filter(
      (name) => !existsSync(join(home, name)),
    ),
  ).toEqual([]);
  expect(readdirSync(join(home, "trash"))).toEqual([]);
  expect(await find(house)).toEqual([]);
});

test("gate places go where no run is open, with the one whose folder is gone", async () => {
  const house = await openHome();
  const { world, folder } = house;
  await house.attempts("run_a", ["retired"]);
  const head = await world.git(["rev-parse", "HEAD"]);
  const [one, two] = [join(folder, "gate-1"), join(folder, "gate-2")];
  for (const path of [one, two]) await openGatePlace(world.repo, path, head);
  rmSync(two, { recursive: true });
  expect(said(await find(house))).toEqual([
    ["gate place", one, true],
    ["gate place", two, true],
  ]);
  expect((await mend(house)).map(({ done, why }) => [done, why])).toEqual([
    [true, null],
    [true, null],
  ]);
  expect(await world.git(["worktree", "list"])).not.toContain("gate-");
  expect(await find(house)).toEqual([]);
});

test("refs of unknown attempts are named and kept; merges of attempts that are over are let go of", async () => {
  const house = await openHome();
  const { world } = house;
  await house.attempts("run_a", ["retired"]);
  await house.attempts("run_b", ["open"]);
  const refs = [
    "attempts/att_zz_1/1",
    "attempts/att_zz_1/2",
    "landing/att_zz_1",
    "landing/att_a_1",
    "landing/att_b_1",
    "rescue/orphan-att_zz_1",
    "rescue/gone-att_a_1",
    "rescue/gone-repo-0a1b2c3d-gate-1",
  ];
  for (const name of refs) await world.git(["update-ref", `refs/muster/${name}`, "HEAD"]);
  const branches = ["muster/run_zz/a", "muster/run_zz/b", "muster-run_zy/a", "muster/run_a/api"];
  for (const name of [...branches, "muster/mine", "muster-mine/run_zx/a"])
    await world.git(["update-ref", `refs/heads/${name}`, "HEAD"]);
  const before = await world.git(["for-each-ref", "refs/heads"]);
  expect(said(await find(house))).toEqual([
    ["ref", "refs/muster/attempts/att_zz_1/", false],
    ["ref", "refs/muster/landing/att_a_1", true],
    ["ref", "refs/muster/landing/att_zz_1", false],
    ["ref", "refs/muster/rescue/orphan-att_zz_1", false],
    ["ref", "refs/heads/muster/run_zz/", false],
    ["ref", "refs/heads/muster-run_zy/", false],
  ]);
  const [branch] = (await find(house)).filter(({ what }) => what.endsWith("run_zz/"));
  const [, command = ""] = branch?.stays?.split(", run git -C ") ?? [];
  const shown = await world.git(command.split(" ").slice(1));
  expect(shown.split("\n").map((line) => line.split("\t")[1])).toEqual([
    "refs/heads/muster/run_zz/a",
    "refs/heads/muster/run_zz/b",
  ]);
  expect((await mend(house)).map(({ done }) => done)).toEqual([true]);
  const left = (await world.git(["for-each-ref", "--format=%(refname)", "refs/muster"])).split(
    "\n",
  );
  expect(left).toEqual(
    refs
      .filter((name) => name !== "landing/att_a_1")
      .map((name) => `refs/muster/${name}`)
      .toSorted(),
  );
  expect(await world.git(["for-each-ref", "refs/heads"])).toBe(before);
});

test("a folder that git does not know, and an attempt without its folder, are told of and left", async () => {
  const house = await openHome();
  const { world, folder } = house;
  await house.attempts("run_a", ["retired"]);
  const bare = join(folder, "att_a_1");
  mkdirSync(bare, { recursive: true });
  writeFileSync(join(bare, "work.txt"), "work\n");
  await house.attempts("run_b", ["started"]);
  const findings = await find(house);
  expect(said(findings)).toEqual([
    ["worktree", bare, false],
    ["attempt", join(house.home, "attempts", "att_b_1"), false],
  ]);
  expect(findings[1]?.stays).toMatch(/run muster retry run_b\/api$/);
  expect(await mend(house)).toEqual([]);
  expect(readFileSync(join(bare, "work.txt"), "utf8")).toBe("work\n");
  expect(await world.git(["status", "--porcelain"])).toBe("");
});

test("a landing's journal goes with the checkout it was about; one that can't be read stays", async () => {
  const house = await openHome();
  await house.attempts("run_a", ["retired"]);
  await house.attempts("run_b", ["open"]);
  const record = {
    worktree: join(house.world.dir, "gone"),
    gitDir: "/gone",
    target: "main",
    old: "0",
    new: "1",
    token: "t",
  };
  const paths = ["att_a_1", "att_b_1", "att_zz_1"].map((att) =>
    join(house.home, "follow", `${att}.json`),
  );
  const [gone = "", open = "", torn = ""] = paths;
  for (const path of [gone, open]) writeFileSync(path, JSON.stringify(record));
  writeFileSync(torn, "{");
  expect(said(await find(house))).toEqual([
    ["journal", gone, true],
    ["journal", torn, false],
  ]);
  expect((await mend(house)).map(({ done }) => done)).toEqual([true]);
  expect(paths.map((path) => existsSync(path))).toEqual([false, true, true]);
});

test("what is in the trash before a ref is known to hold it goes back, and its registration stays", async () => {
  const house = await openHome();
  const { home, world } = house;
  await house.attempts("run_a", ["retired", "retired"]);
  const trash = join(home, "trash");
  const places = [
    await house.worktree("att_a_1", "run_a"),
    await house.worktree("att_a_2", "run_a"),
  ];
  for (const [i, { worktree }] of places.entries()) {
    writeFileSync(join(worktree, "only.txt"), `only ${i}\n`);
    writeFileSync(join(trash, `att_a_${i + 1}-00.from`), i === 0 ? worktree : "");
    renameSync(worktree, join(trash, `att_a_${i + 1}-00.unproved`));
  }
  const [back = "", stays = ""] = [1, 2].map((n) => join(trash, `att_a_${n}-00.unproved`));
  expect((await find(house)).map(({ what }) => what)).toEqual([places[1]?.worktree]);
  house.aheadMs = dayMs;
  const findings = (await find(house)).filter(({ kind }) => kind === "scratch");
  expect(said(findings)).toEqual([
    ["scratch", back, true],
    ["scratch", stays, false],
  ]);
  expect(findings[1]?.stays).toContain(`ls -A ${stays}`);
  const [mended] = await performRepair(house.parts, { findings: [`scratch:${back}`], retentionMs });
  expect(mended?.done).toBe(true);
  const at = places[0]?.worktree ?? "";
  expect(await world.git(["status", "--porcelain"], { cwd: at })).toBe("?? only.txt");
  expect(readdirSync(trash)).toEqual(["att_a_2-00.from", "att_a_2-00.unproved"]);
});

test("locks of the repository that a dead git left go, and stay while a process is at work there", async () => {
  const house = await openHome();
  const { world } = house;
  await house.attempts("run_a", ["kept"]);
  const lockOf = (name: string): string => join(world.repo.common, `${name}.lock`);
  const uuid = "11111111-2222-4333-8444-555555555555";
  const claimed = [join(world.repo.common, `muster-lock-${uuid}`)];
  const beside = [`${lockOf("refs/heads/foo")}.muster-${uuid}`];
  const refs = [...beside, lockOf("refs/heads/main")];
  const locks = [lockOf("packed-refs"), lockOf("config"), ...claimed, ...refs];
  const persons = [lockOf("index"), lockOf("HEAD"), `${lockOf("refs/heads/foo")}.muster-mine`];
  const others = [lockOf("refs/heads/fresh"), ...persons];
  for (const lock of [...locks, ...others]) writeFileSync(lock, "");
  for (const lock of [...locks, ...persons]) age(lock);
  age(lockOf("refs/heads/fresh"), -60_000);
  const holder = await start(world.repo.common, {});
  expect(await find(house)).toEqual([]);
  const ended = once(holder, "exit");
  holder.kill("SIGKILL");
  await ended;
  const before = house.listing();
  // What its shell had started lives for a moment longer.
  const found = async () => said(await find(house));
  await expect.poll(found, { timeout: 10_000 }).toEqual(locks.map((lock) => ["lock", lock, true]));
  expect(house.listing()).toEqual(before);
  expect((await mend(house)).map(({ done }) => done)).toEqual(locks.map(() => true));
  expect([...locks, ...others].filter((lock) => existsSync(lock))).toEqual(others);
});
