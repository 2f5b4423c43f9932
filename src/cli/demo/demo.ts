/** `muster demo`: the whole way through on a sample project, with real sessions and a scripted model; needs no key and no network. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { RunDetail } from "../../api/service.ts";
import { Fault } from "../../core/fault.ts";
import { run } from "../../process/run.ts";
import { startModel } from "../../testing/model/model.ts";
import { caller } from "../caller.ts";
import { type Connection, connect } from "../connect.ts";
import { makeSample, planText } from "./sample.ts";
import { rules } from "./script.ts";
import { followRun } from "../follow.ts";
import { duration, note, say, sayJson, tint } from "../output.ts";
import { progress } from "../progress.ts";
import { runText } from "../run-text.ts";

/** Runs the demo; the exit code. */
export async function demo(keep: boolean, json: boolean): Promise<number> {
  const startedAt = performance.now();
  // A short path: the daemon's socket is below it, and socket paths end at 108 bytes.
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "muster-demo-"));
  const model = await startModel({ rules });
  const sample = join(folder, "sample");
  const env = demoEnvironment(folder, model.url);
  let ok = false;
  try {
    prepare(folder, env);
    await makeSample(sample, env);
    process.env = { ...env };
    process.chdir(sample);
    const runners = (await hasSdk()) ? ["claude-cli", "claude-sdk"] : ["claude-cli"];
    if (runners.length === 1) note("▲ the Agent SDK is not installed: all tasks run on claude-cli");
    note(
      tint(
        "dim",
        `a sample project in ${sample}, a scripted model on ${model.url}, real Claude Code sessions`,
        process.stderr,
      ),
    );
    const daemon = await connect();
    const detail = await runPlan(daemon, planText(runners));
    ok = detail.run.state === "succeeded";
    if (json) sayJson({ schema: 1, run: detail.run });
    else say(runText(detail));
    const failed = await proofs(sample, env, detail);
    for (const line of failed) note(`✗ ${line}`);
    ok &&= failed.length === 0;
    note(
      `${ok ? tint("good", "✓", process.stderr) : tint("bad", "✗", process.stderr)} ${detail.run.tasks.length} tasks, ${duration(performance.now() - startedAt)} in all`,
    );
    if (!keep || !ok) await daemon.stopHost(true);
  } finally {
    await model.close();
    process.chdir("/");
    if (ok && !keep)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  for (const line of nextCommands(folder, sample, keep || !ok)) note(line);
  return ok ? 0 : 1;
}

/** Nothing of the person's: an empty home, a dummy key, and only what finds programs. */
function demoEnvironment(folder: string, url: string): Record<string, string> {
  const kept = ["TERM", "LANG", "NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS", "TMPDIR"];
  return {
    ...Object.fromEntries(
      kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    ),
    PATH: [dirname(process.execPath), process.env["PATH"] ?? "/usr/bin:/bin"].join(delimiter),
    HOME: join(folder, "home"),
    XDG_CONFIG_HOME: join(folder, "home", ".config"),
    MUSTER_HOME: join(folder, "m"),
    ANTHROPIC_API_KEY: "dummy-key-of-the-demo",
    ANTHROPIC_BASE_URL: url,
    GIT_CONFIG_NOSYSTEM: "1",
  };
}

function prepare(folder: string, env: Readonly<Record<string, string>>): void {
  const config = join(env["XDG_CONFIG_HOME"] ?? folder, "muster");
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, "config.yaml"), "isolation: home\n");
  writeFileSync(
    join(env["HOME"] ?? folder, ".gitconfig"),
    "[user]\n\tname = Demo\n\temail = demo@localhost\n",
  );
  mkdirSync(join(folder, "sample"));
}

async function hasSdk(): Promise<boolean> {
  const { isSdkInstalled } = await import("../../runner/claude-sdk.ts");
  return isSdkInstalled();
}

async function runPlan(daemon: Connection, text: string): Promise<RunDetail> {
  const request = {
    cwd: process.cwd(),
    sources: [{ path: "plan.yaml", text }],
    prompts: [],
    options: {},
    attended: false,
    acceptGates: false,
    ...caller(),
  };
  const id = await daemon.start(request);
  const shown = progress();
  try {
    return await followRun(daemon, id, (detail) => shown.show(detail));
  } finally {
    shown.clear();
  }
}

/** What the demo promises, looked at with plain git; the lines that are not true. */
async function proofs(
  sample: string,
  env: Readonly<Record<string, string>>,
  { run: { tasks } }: RunDetail,
): Promise<string[]> {
  const git = async (...args: string[]): Promise<string> => {
    const done = await run({ argv: ["git", ...args], cwd: sample, env, timeoutMs: 60_000 });
    if (done.code !== 0)
      throw new Fault(
        "git_failed",
        `git ${args.join(" ")} exited ${done.code}: ${done.stderr.toString().split("\n")[0]}`,
      );
    return done.stdout.toString();
  };
  const landings = (await git("log", "--first-parent", "--format=%s", "main"))
    .split("\n")
    .filter((line) => line.startsWith("Land "));
  const worktrees = (await git("worktree", "list")).trim().split("\n");
  await git("fsck", "--no-progress");
  const failed: string[] = [];
  if (landings.length !== tasks.length)
    failed.push(`${landings.length} landings on main, expected ${tasks.length}`);
  if (worktrees.length !== 1) failed.push(`${worktrees.length} worktrees, expected 1`);
  if (!existsSync(join(sample, "docs", "guide.md")))
    failed.push("the checkout did not follow main");
  return failed;
}

function nextCommands(folder: string, sample: string, kept: boolean): string[] {
  if (kept)
    return [
      `↳ To look at what landed, run git -C ${sample} log --graph --oneline main`,
      `↳ To see the run, run MUSTER_HOME=${join(folder, "m")} muster show`,
      `↳ To remove the demo, run MUSTER_HOME=${join(folder, "m")} muster host stop && rm -rf ${folder}`,
    ];
  return [
    '↳ To try it on a project, run muster run "what to do" in its folder',
    "↳ To see what a plan would do, run muster plan plan.yaml",
    "↳ To check this machine, run muster doctor",
  ];
}
