/**
 * The door to git. Every call gets an environment built from nothing and settings that beat any configuration file: no hook,
 * no fsmonitor, no editor, no prompt, no signing, no gc, no replaced or grafted objects, no network (a promisor remote in an
 * agent's hands is a command: GIT_ALLOW_PROTOCOL names none). Filters, textconv and merge drivers can't be switched off that
 * way: what looks at an agent's files goes through a private git directory (`private.ts`).
 */
import { Buffer } from "node:buffer";
import { cpus, tmpdir } from "node:os";
import { realpath } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { run } from "../process/run.ts";
import { readStat } from "./files.ts";
import { shellWord } from "../core/words.ts";

/** A project's repository as seen from the worktree that `openRepository` was called in. */
export interface Repository {
  /** Real path of the common git directory: the project's identity. */
  readonly common: string;
  /** Top level of the worktree we were called in. */
  readonly root: string;
  /** Git directory of that worktree; equal to `common` in the main one. */
  readonly gitDir: string;
  readonly format: "sha1" | "sha256";
  readonly env: Readonly<Record<string, string>>;
  /** Line-ending settings in force when the repository was opened: data, never a command. */
  readonly eol: { readonly autocrlf: string | null; readonly eol: string | null };
  /** Folder for private git directories. */
  readonly scratch: string;
}

export interface GitCall {
  readonly input?: string | Uint8Array;
  /** Added to the scrubbed environment. Default: `GIT_DIR` is the common directory. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Exit codes that are answers. Default: 0 only. */
  readonly okCodes?: readonly number[];
  readonly maxBytes?: number;
}

export interface GitOutput {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** One minute: the slowest short command seen is a `worktree list` of 434 entries at 43 ms; the rest is a loaded machine. */
const shortMs = 60_000;
/** Ten minutes for commands that write or hash a whole worktree: linux (80 k files) takes 6 s on a quiet machine. */
export const longMs = 10 * 60_000;
/** merge-tree --write-tree came in 2.38 and is used with the output of 2.39. */
const oldestGit = [2, 39] as const;
/** checkout.workers: no gain beyond 4 (git.md §0). */
export const checkoutWorkers = Math.max(1, Math.min(4, cpus().length));

const passedOn = ["HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "TZ"] as const;

const guards = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "commit.gpgsign=false",
  "protocol.ext.allow=never",
  "gc.auto=0",
  "maintenance.auto=false",
  "submodule.recurse=false",
  "worktree.useRelativePaths=false",
  "color.ui=false",
].flatMap((setting) => ["-c", setting]);

/** The environment of every git process: what decides the person's configuration, and nothing else of the caller's. */
function scrubbed(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = passedOn.flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(kept),
    // A relative entry would be looked up in the folder we run in, which may be an agent's.
    PATH: (env["PATH"] ?? "/usr/bin:/bin")
      .split(":")
      .filter((dir) => isAbsolute(dir))
      .join(":"),
    LANG: "C",
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_EDITOR: "true",
    GIT_LITERAL_PATHSPECS: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_GRAFT_FILE: "/dev/null",
    GIT_ALLOW_PROTOCOL: "none",
    GIT_NO_LAZY_FETCH: "1",
  };
}

async function start(
  args: readonly string[],
  call: GitCall,
  env: Readonly<Record<string, string>>,
  cwd: string,
) {
  const done = await run({
    argv: ["git", "--no-optional-locks", ...guards, ...args],
    cwd,
    env: { ...env, ...call.env },
    timeoutMs: call.timeoutMs ?? shortMs,
    ...(call.input === undefined ? {} : { input: call.input }),
    ...(call.maxBytes === undefined ? {} : { maxBytes: call.maxBytes }),
  });
  const name = args.find((arg) => /^[a-z][a-z-]*$/.test(arg)) ?? "git";
  if (done.ended === "timed_out") {
    throw new Fault("timed_out", `git ${name} took longer than ${call.timeoutMs ?? shortMs} ms`);
  }
  const cut = done.ended === "too_large" && call.maxBytes !== undefined;
  const stderr = done.stderr.toString("latin1");
  const code = cut ? 0 : (done.code ?? 128);
  if (cut || (call.okCodes ?? [0]).includes(code)) return { code, stdout: done.stdout, stderr };
  throw failure(name, stderr, done.signal);
}

function failure(name: string, stderr: string, signal: string | null): Fault {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const first =
    lines.find((line) => /^(?:fatal|error):/.test(line)) ??
    lines[0] ??
    `ended by ${signal ?? "an unknown cause"}`;
  const said = Buffer.from(first, "latin1")
    .toString("utf8")
    .replace(/\p{Cc}/gu, "?")
    .replace(/\.$/, "");
  return new Fault("git_failed", `git ${name}: ${said}`);
}

/**
 * Runs git to its end against the common git directory, or what `call.env` pins. Output over `maxBytes`, where given, is cut.
 * Throws Fault `git_failed` with git's first error line for an exit code not in `okCodes`, `timed_out` past `timeoutMs`.
 */
export function git(
  repo: Repository,
  args: readonly string[],
  call: GitCall = {},
): Promise<GitOutput> {
  const env =
    call.env?.["GIT_DIR"] === undefined ? { ...repo.env, GIT_DIR: repo.common } : repo.env;
  return start(args, call, env, call.cwd ?? repo.common);
}

/** The first line of an output, without its end. */
export function lineOf(output: GitOutput): string {
  return output.stdout.toString("latin1").split("\n", 1)[0] ?? "";
}

/** The id of nothing, as `update-ref` spells "must not exist". */
export function zeroOf(repo: Repository): Sha {
  return "0".repeat(repo.format === "sha1" ? 40 : 64);
}

/**
 * Opens the repository around a folder. Throws Fault `not_found` (no such folder, no git), `git_too_old` (before 2.39),
 * `not_a_repository`, or `refused` (bare, or inside a git directory).
 */
export async function openRepository(
  dir: string,
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly scratch?: string } = {},
): Promise<Repository> {
  if (!(await readStat(`${dir}/.`))?.isDirectory()) {
    throw new Fault("not_found", `no folder ${shellWord(dir)}`, {
      remedy: `mkdir -p ${shellWord(dir)}`,
    });
  }
  const clean = scrubbed(env);
  const ask = (args: readonly string[], okCodes: readonly number[] = [0]) =>
    start(args, { okCodes }, clean, dir);
  await requireGit(ask);
  const found = await ask(
    [
      "rev-parse",
      "--path-format=absolute",
      "--git-common-dir",
      "--absolute-git-dir",
      "--show-object-format",
      "--is-inside-work-tree",
    ],
    [0, 128],
  );
  if (found.code !== 0) throw notARepository(dir, found.stderr);
  const [common, gitDir, format, inside, ...rest] = utf8(found).split("\n");
  if (common === undefined || gitDir === undefined || rest.join("") !== "") {
    throw new Fault("unsupported", `the path of the repository around ${dir} has a line break`);
  }
  if (inside !== "true") {
    throw new Fault("refused", `${dir} is a bare repository or lies inside a git directory`, {
      remedy: `to call muster from a worktree of it, run git -C ${shellWord(dir)} worktree add ../work`,
    });
  }
  const top = utf8(await ask(["rev-parse", "--path-format=absolute", "--show-toplevel"])).replace(
    /\n$/,
    "",
  );
  const settings = await ask(["config", "-z", "--get-regexp", "^core\\.(autocrlf|eol)$"], [0, 1]);
  return {
    common: await realpath(common),
    root: await realpath(top),
    gitDir: await realpath(gitDir),
    format: format === "sha256" ? "sha256" : "sha1",
    env: clean,
    eol: eolOf(utf8(settings)),
    scratch: options.scratch ?? tmpdir(),
  };
}

async function requireGit(ask: (args: readonly string[]) => Promise<GitOutput>): Promise<void> {
  const said = await ask(["--version"]).catch((cause: unknown) => {
    if (!(cause instanceof Fault) || cause.code !== "not_found") throw cause;
    throw new Fault("not_found", "git is not on PATH", {
      remedy: "install git 2.39 or later, then run muster doctor",
      cause,
    });
  });
  const version = /(\d+)\.(\d+)/.exec(utf8(said));
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  if (major > oldestGit[0] || (major === oldestGit[0] && minor >= oldestGit[1])) return;
  throw new Fault("git_too_old", `git ${major}.${minor} is older than ${oldestGit.join(".")}`, {
    remedy: "install git 2.39 or later, then run muster doctor",
  });
}

function notARepository(dir: string, stderr: string): Fault {
  if (stderr.includes("dubious ownership")) {
    return new Fault(
      "not_a_repository",
      `${dir} belongs to another user and git refuses to open it`,
      {
        remedy: `to trust it, run git config --global --add safe.directory ${shellWord(dir)}`,
      },
    );
  }
  return new Fault("not_a_repository", `${dir} is not in a git repository`, { remedy: "git init" });
}

function eolOf(config: string): Repository["eol"] {
  const entries = config
    .toLowerCase()
    .split("\0")
    .map((entry) => entry.split("\n", 2));
  const one = (key: string, allowed: readonly string[]): string | null => {
    const value = entries.findLast(([name]) => name === key)?.[1];
    return value !== undefined && allowed.includes(value) ? value : null;
  };
  return {
    autocrlf: one("core.autocrlf", ["true", "false", "input"]),
    eol: one("core.eol", ["lf", "crlf", "native"]),
  };
}

function utf8(output: GitOutput): string {
  return output.stdout.toString("utf8");
}
