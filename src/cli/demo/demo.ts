/** `muster demo`: the whole way through on a sample project, with real sessions and a scripted model; needs no key and no network. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { RunDetail } from "../../api/service.ts";
import { Fault } from "../../core/fault.ts";
import { run } from "../../process/run.ts";
import { startModel } from "../../testing/model/model.ts";
import { caller } from "../caller.ts";
import { type Connection, connect, endDaemon, findDaemon } from "../connect.ts";
import { makeSample, planText } from "./sample.ts";
import { rules } from "./script.ts";
import { followRun } from "../follow.ts";
import { duration, note, say, sayJson, tint } from "../output.ts";
import { progress } from "../progress.ts";
import { runText } from "../run-text.ts";
import { shellWord } from "../../core/words.ts";

const interruptedCode = 130;

/** Runs the demo; the exit code. Whatever ends it, Ctrl-C too, its daemon and sessions end with it. */
export async function demo(keep: boolean, json: boolean): Promise<number> {
  // A short path: the daemon's socket is below it, and socket paths end at 108 bytes.
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "muster-demo-"));
  const sample = join(folder, "sample");
  const model = await startModel({ rules });
  const env = demoEnvironment(folder, model.url);
  const interrupted = Promise.withResolvers<"interrupted">();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => interrupted.resolve("interrupted"));
  const own: OwnDaemon = { isOver: false, connecting: undefined };
  let end: "succeeded" | "failed" | "interrupted" | "broken" = "broken";
  try {
    end = await Promise.race([play(folder, sample, env, json, own), interrupted.promise]);
  } finally {
    const stays = end === "failed" || (end === "succeeded" && keep);
    if (end !== "succeeded" || !keep) await endOwnDaemon(own);
    await model.close();
    process.chdir("/");
    if (!stays) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  if (end === "interrupted") {
    note("\n◎ interrupted: its sessions, its daemon and the sample are gone");
    return interruptedCode;
  }
  for (const line of nextCommands(folder, sample, keep || end === "failed")) note(line);
  return end === "succeeded" ? 0 : 1;
}

interface OwnDaemon {
  /** From then on none is started any more. */
  isOver: boolean;
  /** Its start, under way or over; undefined before. */
  connecting: Promise<Connection> | undefined;
}

/** From the empty folder to the last proof. */
async function play(
  folder: string,
  sample: string,
  env: Readonly<Record<string, string>>,
  json: boolean,
  own: OwnDaemon,
): Promise<"succeeded" | "failed"> {
  const startedAt = performance.now();
  prepare(folder, env);
  await makeSample(sample, env);
  process.env = { ...env };
  process.chdir(sample);
  const runners = (await hasSdk()) ? ["claude-cli", "claude-sdk"] : ["claude-cli"];
  if (runners.length === 1) note("▲ the Agent SDK is not installed: all tasks run on claude-cli");
  const where = `a sample project in ${sample}, a scripted model on loopback, real Claude Code sessions`;
  note(tint("dim", where, process.stderr));
  if (own.isOver) return "failed";
  own.connecting = connect();
  const detail = await runPlan(await own.connecting, planText(runners));
  if (json) sayJson({ schema: 1, run: detail.run });
  else say(runText(detail));
  const failed = await proofs(sample, env, detail);
  for (const line of failed) note(`✗ ${line}`);
  const ok = detail.run.state === "succeeded" && failed.length === 0;
  const mark = ok ? tint("good", "✓", process.stderr) : tint("bad", "✗", process.stderr);
  note(
    `${mark} ${detail.run.tasks.length} tasks, ${duration(performance.now() - startedAt)} in all`,
  );
  return ok ? "succeeded" : "failed";
}

/** The demo's own daemon, sessions and all, where it was started; one that is on its way up is waited for, so that it does not stay. */
async function endOwnDaemon(own: OwnDaemon): Promise<void> {
  own.isOver = true;
  if (own.connecting === undefined) return;
  const daemon = await own.connecting.catch(() => findDaemon());
  if (daemon !== undefined) await endDaemon(daemon, () => daemon.stopHost(true));
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
      `↳ To look at what landed, run git -C ${shellWord(sample)} log --graph --oneline main`,
      `↳ To see the run, run MUSTER_HOME=${shellWord(join(folder, "m"))} muster show`,
      `↳ To remove the demo, run MUSTER_HOME=${shellWord(join(folder, "m"))} muster host stop && rm -rf ${shellWord(folder)}`,
    ];
  return [
    '↳ To try it on a project, run muster run "what to do" in its folder',
    "↳ To see what a plan would do, run muster plan plan.yaml",
    "↳ To check this machine, run muster doctor",
  ];
}
