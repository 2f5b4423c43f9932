/** The daemon as a service: what is written, and that what is written works, with the service manager's part played by the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, expect, test } from "vitest";
import { isAlive, readIdentity } from "../../src/process/identity.ts";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { patiently } from "./patiently.ts";
import { type World, hold, openWorld, statesOf, taskOf } from "./harness.ts";

async function opened({ onTestFinished }: TestContext): Promise<World> {
  const world = await openWorld();
  onTestFinished(() => world.close());
  return world;
}

const unitOf = ({ home }: World): string => join(home, ".config/systemd/user/muster.service");

/** A `systemctl` that notes what it was told; `is-system-running` answers `running`. */
function withSystemctl(world: World): { readonly calls: () => readonly string[] } {
  const log = join(world.root, "systemctl.log");
  const script = `#!/bin/sh\n[ "$2" = is-system-running ] && { echo running; exit 0; }\necho "$*" >> '${log}'\n`;
  writeFileSync(join(world.root, "bin", "systemctl"), script, { mode: 0o755 });
  return { calls: () => readFileSync(log, "utf8").trimEnd().split("\n") };
}

/** Starts what the unit says with what the unit says, as a service manager of a user does. */
async function startUnit(world: World): Promise<ChildProcess> {
  const text = readFileSync(unitOf(world), "utf8");
  const value = (name: string): string =>
    new RegExp(`^Environment="${name}=(.*)"$`, "m").exec(text)?.[1] ?? "";
  const [, line = ""] = /^ExecStart=(.*)$/m.exec(text) ?? [];
  const [file = "", ...args] = [...line.matchAll(/"([^"]*)"/g)].map(([, word = ""]) => word);
  const env = { HOME: world.home, MUSTER_HOME: value("MUSTER_HOME"), PATH: value("PATH") };
  const unit = spawn(file, args, { cwd: world.home, env, stdio: "ignore" });
  await patiently(
    async () => (await world.api.version()).pid === unit.pid,
    30_000,
    "the daemon is the unit's own process",
  );
  return unit;
}

test("a dry run writes nothing, and what it shows has no secret in it", async (context) => {
  const world = await opened(context);
  const { code, stdout } = await world.muster(["host", "install", "--dry-run"]);
  expect(code).toBe(0);
  expect(stdout).toContain(`would write ${unitOf(world)}\n`);
  expect(stdout).toContain(`MUSTER_HOME=${world.state}`);
  expect(stdout).not.toMatch(/ANTHROPIC|sk-ant/);
  expect(existsSync(join(world.home, ".config"))).toBe(false);
  const json = await world.muster(["host", "install", "--dry-run", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({
    schema: 1,
    service: { kind: "systemd", path: unitOf(world), is: "absent", written: false, told: null },
  });
});

test("without a service manager the file is written once, the command is said, and `uninstall` removes both", async (context) => {
  const world = await opened(context);
  const first = await world.muster(["host", "install"]);
  expect([first.code, first.stdout]).toEqual([0, `✓ wrote ${unitOf(world)}\n`]);
  expect(first.stderr).toContain("▲ not enabled: ");
  expect(first.stderr).toContain(
    "↳ systemctl --user daemon-reload && systemctl --user enable --now muster.service\n",
  );
  const { ino } = lstatSync(unitOf(world));
  const second = await world.muster(["host", "install"]);
  expect(second.stdout).toBe(`✓ nothing to change in ${unitOf(world)}\n`);
  expect(lstatSync(unitOf(world)).ino).toBe(ino);
  const wants = join(dirname(unitOf(world)), "default.target.wants");
  mkdirSync(wants);
  symlinkSync(unitOf(world), join(wants, "muster.service"));
  symlinkSync("/dev/null", join(wants, "other.service"));
  const dry = await world.muster(["host", "uninstall", "--dry-run"]);
  expect(dry.stdout).toBe(`would remove ${unitOf(world)}\n`);
  expect(existsSync(unitOf(world))).toBe(true);
  expect((await world.muster(["host", "uninstall"])).stdout).toBe(`✓ removed ${unitOf(world)}\n`);
  expect(existsSync(unitOf(world))).toBe(false);
  expect(readdirSync(wants)).toEqual(["other.service"]);
  const again = await world.muster(["host", "uninstall"]);
  expect([again.code, again.stderr]).toEqual([0, `◎ there is no ${unitOf(world)}\n`]);
});

test("a service manager that answers is told, at both ends", async (context) => {
  const world = await opened(context);
  const { calls } = withSystemctl(world);
  expect((await world.muster(["host", "install"])).stderr).toContain("◎ enabled with ");
  const { stdout } = await world.muster(["host", "uninstall", "--json"]);
  expect(JSON.parse(stdout).service).toMatchObject({ removed: true, told: { ran: true } });
  expect(calls()).toEqual([
    "--user daemon-reload",
    "--user enable --now muster.service",
    "--user disable muster.service",
    "--user daemon-reload",
  ]);
});

test("a file that is not muster's, a link, or one of another home stays as it is", async (context) => {
  const world = await opened(context);
  mkdirSync(dirname(unitOf(world)), { recursive: true });
  const refused = async (message: string): Promise<void> => {
    const before = readFileSync(unitOf(world), "utf8");
    for (const verb of ["install", "uninstall"]) {
      const { code, stdout } = await world.muster(["host", verb, "--json"]);
      expect([code, JSON.parse(stdout).error]).toMatchObject([1, { code: "refused", message }]);
    }
    expect(readFileSync(unitOf(world), "utf8")).toBe(before);
  };
  writeFileSync(unitOf(world), "[Service]\nExecStart=/bin/true\n");
  await refused(`${unitOf(world)} is not muster's`);
  const env = { MUSTER_HOME: join(world.root, "m2"), XDG_CONFIG_HOME: join(world.root, "c2") };
  await world.muster(["host", "install"], { env });
  const other = readFileSync(join(world.root, "c2/systemd/user/muster.service"), "utf8");
  writeFileSync(unitOf(world), other);
  await refused(`${unitOf(world)} is for the daemon of ${join(world.root, "m2")}`);
  // Muster's own text, but kept elsewhere, as a person keeps their dot files.
  rmSync(unitOf(world));
  symlinkSync(join(world.root, "c2/systemd/user/muster.service"), unitOf(world));
  await refused(`${unitOf(world)} is not muster's`);
  expect(lstatSync(unitOf(world)).isSymbolicLink()).toBe(true);
});

test("what it starts is the daemon itself: it has the lock, ends on TERM, and sessions go on", async (context) => {
  const world = await opened(context);
  await world.muster(["host", "install"]);
  const steps = [bash(hold("a")), write("a.txt", "good\n"), commit("Add a"), say("Done.")];
  const run = await world.start(
    world.plan([
      { id: "a", prompt: prompt("Add a.", steps), permissions: { allow: ["Bash"] } },
      { id: "b", prompt: writeAndCommit({ "b.txt": "good\n" }, "Add b"), needs: ["a"] },
    ]),
  );
  await world.held("a");
  const [session] = (await world.api.host()).sessions;
  const identity = readIdentity(session?.pid ?? 0);
  await world.muster(["host", "stop"]);

  const unit = await startUnit(world);
  const again = await world.muster(["host", "run"]);
  expect([again.code, again.stderr]).toEqual([0, `◎ a daemon runs already (pid ${unit.pid})\n`]);
  expect((await world.api.version()).pid).toBe(unit.pid);
  const ended = once(unit, "exit");
  unit.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  expect(identity !== undefined && isAlive(identity)).toBe(true);

  const next = await startUnit(world);
  world.letGo("a");
  const parked = await world.until(run, (now) => taskOf(now, "b").state === "parked");
  expect(taskOf(parked, "b").reason).toBe("credentials");
  expect(taskOf(parked, "a").attempts).toBe(1);
  await world.muster(["resume", run]);
  expect(statesOf(await world.settled(run))).toEqual({ a: "landed", b: "landed" });
  expect((await world.api.version()).pid).toBe(next.pid);
});

test("`uninstall` removes the service of this home, and says so before", async (context) => {
  const world = await opened(context);
  await world.muster(["host", "install"]);
  const dry = await world.muster(["uninstall", "--dry-run"]);
  expect(dry.stdout).toContain(`  ${unitOf(world)}\n`);
  expect(existsSync(unitOf(world))).toBe(true);
  const { code, stdout } = await world.muster(["uninstall", "--json"]);
  expect([code, JSON.parse(stdout).uninstall.unit]).toEqual([0, unitOf(world)]);
  expect([unitOf(world), world.state].map((path) => existsSync(path))).toEqual([false, false]);
});
