/**
 * `node test/released/make.ts [COMMIT]`: writes the ledger that muster of that commit (HEAD by default) leaves behind, as
 * `schema-N.sql`. It runs that commit's own daemon on its own stand-in: work that landed, work that failed and was retried, and
 * a question that is still open.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run } from "../../src/process/run.ts";
import { lie, writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { dump } from "./dump.ts";

const root = join(import.meta.dirname, "../..");
/** A run of a few tasks on the stand-in takes seconds, on a busy machine a minute. */
const commandMs = 180_000;

interface World {
  readonly dir: string;
  readonly code: string;
  readonly env: Readonly<Record<string, string>>;
}

async function command(
  world: Pick<World, "env">,
  cwd: string,
  argv: readonly [string, ...string[]],
  codes: readonly number[] = [0],
): Promise<string> {
  const done = await run({ argv, cwd, env: world.env, timeoutMs: commandMs });
  assert.ok(
    codes.includes(done.code ?? -1),
    `${argv.join(" ")}: ${done.code} ${done.stderr.toString()}`,
  );
  return done.stdout.toString().trim();
}

async function openWorld(commit: string, dir: string): Promise<World> {
  const env = { PATH: `${join(dir, "bin")}:/usr/bin:/bin`, HOME: join(dir, "home") };
  const code = join(dir, "code");
  for (const name of ["code", "bin", "home", "repo"]) mkdirSync(join(dir, name));
  const tar = join(dir, "code.tar");
  await command({ env }, root, ["git", "archive", `--output=${tar}`, commit]);
  await command({ env }, code, ["tar", "-xf", tar]);
  symlinkSync(join(root, "node_modules"), join(code, "node_modules"));
  writeFileSync(join(env.HOME, ".gitconfig"), "[user]\n\tname = Pat\n\temail = pat@x\n");
  writeFileSync(join(dir, "repo", "muster.yaml"), "gate: sh test.sh\n");
  writeFileSync(join(dir, "repo", "test.sh"), "! grep -l bad *.txt\n");
  const world = { dir, code, env };
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["add", "-A"],
    ["commit", "-q", "-m", "start"],
  ])
    await command(world, join(dir, "repo"), ["git", ...args]);
  return world;
}

/** What that commit exports; the names have been the same since the first ledger. */
async function load(
  code: string,
  path: string,
): Promise<Record<string, (...args: unknown[]) => unknown>> {
  return (await import(pathToFileURL(join(code, path)).href)) as never;
}

function plan(dir: string, name: string, tasks: readonly unknown[]): string {
  const path = join(dir, `${name}.yaml`);
  writeFileSync(path, JSON.stringify({ version: 1, name, tasks }));
  return path;
}

async function live(world: World): Promise<void> {
  const { dir, code, env } = world;
  const muster = (args: readonly string[], codes?: readonly number[]): Promise<string> =>
    command(
      world,
      join(dir, "repo"),
      [process.execPath, join(code, "bin/muster.js"), ...args],
      codes,
    );
  const { startModel } = await load(code, "src/testing/model/model.ts");
  const { writeAgentProgram } = await load(code, "src/testing/agent/program.ts");
  const model = (await startModel?.()) as { url: string; close(): Promise<void> };
  await writeAgentProgram?.(join(dir, "bin"));
  Object.assign(env, {
    LANG: "C.UTF-8",
    MUSTER_HOME: join(dir, "m"),
    ANTHROPIC_API_KEY: "sk-ant-dummy-key-of-a-test",
    ANTHROPIC_BASE_URL: model.url,
  });
  try {
    const landed = [
      { id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") },
      { id: "b", prompt: writeAndCommit({ "b.txt": "good\n" }, "Add b"), needs: ["a"] },
      { id: "nothing", prompt: lie() },
    ];
    await muster(["run", "--json", plan(dir, "landed", landed)]);
    const bad = [{ id: "c", prompt: writeAndCommit({ "c.txt": "bad\n" }, "Add c") }];
    const failed = JSON.parse(
      await muster(["run", "--json", plan(dir, "failed", bad)], [1, 2, 3, 4]),
    );
    const open = [
      { id: "d", prompt: writeAndCommit({ "d.txt": "good\n" }, "Add d"), approval: "required" },
    ];
    await muster(["run", "--json", plan(dir, "open", open)], [3]);
    await muster(["retry", `${failed.run.id}/c`]);
  } finally {
    await muster(["host", "stop", "--sessions"]);
    await model.close();
  }
}

const [commit = "HEAD"] = process.argv.slice(2);
const dir = realpathSync(mkdtempSync(join(tmpdir(), "mr-")));
try {
  await live(await openWorld(commit, dir));
  const { schema, sql } = dump(join(dir, "m", "ledger.db"), dir);
  const name = `schema-${schema}.sql`;
  writeFileSync(join(import.meta.dirname, name), sql);
  console.log(`${name} has ${sql.split("\n").length - 1} lines`);
} finally {
  rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
