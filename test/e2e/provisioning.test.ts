/** What a project brings to every worktree (setup, copied files, ports, variables) and takes away again, and who is told. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { prompt, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { bash, commit, say } from "../../src/testing/model/steps.ts";
import { type World, gateCommand, openWorld, taskOf } from "./harness.ts";
import { patiently } from "./patiently.ts";

let world: World;
afterEach(() => world.close());

const lines = (path: string): string[] => readFileSync(path, "utf8").trim().split("\n");

test("setup, copied files, variables and a port of its own are there for session and gate, and teardown comes last", async () => {
  const config = [
    `gate: [${gateCommand}, 'echo "gate $COLOR $PORT $(cat .env.local)" >> $HOME/told']`,
    `setup: ['echo "setup $COLOR $PORT" >> $HOME/told']`,
    `teardown: ['echo "teardown $PORT" >> $HOME/told']`,
    "copy: [.env.local, not-ignored.txt]",
    "ports: [PORT]",
    "env: { COLOR: blue }",
  ].join("\n");
  world = await openWorld({ files: { "muster.yaml": config, ".gitignore": ".env.local\n" } });
  writeFileSync(join(world.repo, ".env.local"), "secret-of-the-person\n");
  writeFileSync(join(world.repo, "not-ignored.txt"), "good, but not committed\n");
  const told = join(world.home, "told");
  const steps = [
    bash(
      'echo "session $COLOR $PORT $(cat .env.local)" >> $HOME/told; ls > good.txt; echo good >> good.txt',
    ),
    commit("List"),
    say("Done."),
  ];
  const plan = world.plan([
    { id: "a", prompt: prompt("List what is there.", steps), permissions: { allow: ["Bash"] } },
  ]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const task = taskOf(JSON.parse(stdout), "a");
  expect([code, task.state, task.reason]).toEqual([0, "landed", null]);

  const [setup = "", session = "", ...rest] = lines(told);
  const port = setup.split(" ")[2] ?? "";
  expect(Number(port)).toBeGreaterThan(1_023);
  expect(setup).toBe(`setup blue ${port}`);
  expect(session).toBe(`session blue ${port} secret-of-the-person`);
  expect(rest).toContain(`gate blue ${port} secret-of-the-person`);
  expect(rest.at(-1)).toBe(`teardown ${port}`);
  const landed = await world.git("ls-tree", "-r", "--name-only", "main");
  expect(landed.split("\n")).toContain("good.txt");
  expect(landed).not.toMatch(/env\.local|not-ignored/);
  expect(await world.git("show", "main:good.txt")).not.toContain("not-ignored");
});

test("a setup that fails ends the task with its command and its log, and the worktree stays", async () => {
  world = await openWorld({
    files: { "muster.yaml": `gate: [${gateCommand}]\nsetup: ["echo missing tool >&2; exit 4"]\n` },
  });
  const plan = world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add") }]);
  const { code, stdout } = await world.muster(["run", "--json", plan]);
  const { run } = JSON.parse(stdout) as { run: { id: string } };
  const task = taskOf({ run } as never, "a");
  expect([code, task.state, task.reason]).toEqual([1, "failed", "provision_failed"]);
  const detail = (await world.api.run(run.id)).tasks[0]?.detail ?? "";
  expect(detail).toContain("exited 4");
  const log = /log (\S+)$/.exec(detail)?.[1] ?? "";
  expect(readFileSync(log, "utf8")).toBe("missing tool\n");
  expect(task.worktree !== null && existsSync(task.worktree)).toBe(true);
});

test("the person's notify command hears of a question and of the end, as JSON", async () => {
  world = await openWorld();
  const folder = join(world.home, ".config", "muster");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.yaml"), `notify: [sh, -c, 'cat >> "$HOME/heard"']\n`);
  const plan = world.plan([
    { id: "a", approval: "required", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add") },
  ]);
  const id = await world.start(plan);
  await world.until(id, (now) => taskOf(now, "a").state === "asking");
  await world.command({ type: "approve", run: id, task: "a", gate: false });
  await world.settled(id);
  const heard = join(world.home, "heard");
  await patiently(() => existsSync(heard) && lines(heard).length >= 2, 10_000, "two notifications");
  const told = lines(heard).map(
    (line) => JSON.parse(line) as { kind: string; run: string; task: string | null },
  );
  expect(told.map(({ kind, run, task }) => [kind, run, task])).toEqual([
    ["ask", id, "a"],
    ["finished", id, null],
  ]);
});
