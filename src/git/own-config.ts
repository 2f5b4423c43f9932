/**
 * A project's own Claude configuration at a commit: `.claude`, `.mcp.json`, `CLAUDE.md`. Its hooks and servers run programs, so a
 * session loads it only from an export of a commit that a person trusts, never from a worktree (design §9).
 */
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { quote, shellWord } from "../core/words.ts";
import { type Repository, longMs } from "./git.ts";
import { sealed } from "./private.ts";

/** What Claude Code reads from a project's root (claude-code.md §7.2). */
const names = [".claude", ".mcp.json", "CLAUDE.md"];
/** More than this is no configuration. */
const maxFiles = 2_000;
const maxBytes = 20 * 1024 * 1024;

export interface OwnConfig {
  /** A hash of every name, mode and content: what a person's trust is recorded under. */
  readonly tree: string;
  readonly files: readonly OwnFile[];
  /** Links and submodules, which are never exported. */
  readonly leftOut: readonly string[];
}

export interface OwnFile {
  readonly path: string;
  readonly blob: Sha;
  readonly bytes: number;
  readonly executable: boolean;
}

/** Reads what there is at `commit`; no files where there is nothing. Throws Fault `refused` where it is too large. */
export async function readOwnConfig(repo: Repository, commit: Sha): Promise<OwnConfig> {
  const list = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit, "--", ...names];
  const listed = (await sealed(repo, list, { timeoutMs: longMs })).stdout.toString("utf8");
  const hash = createHash("sha256");
  const files: OwnFile[] = [];
  const leftOut: string[] = [];
  for (const line of listed.split("\0")) {
    const [, mode = "", blob = "", size = "", path = ""] =
      /^(\d{6}) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line) ?? [];
    if (path === "") continue;
    if (path.split("/").some((part) => part === "" || part === "." || part === ".."))
      throw new Fault(
        "refused",
        `${quote(path)} in ${commit.slice(0, 12)} is no path inside of it`,
        {
          remedy: `git -C ${shellWord(repo.root)} fsck`,
        },
      );
    hash.update(`${mode} ${blob} ${path}\0`);
    if (!mode.startsWith("100")) leftOut.push(path);
    else files.push({ path, blob, bytes: Number(size), executable: mode === "100755" });
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (files.length > maxFiles || bytes > maxBytes)
    throw new Fault(
      "refused",
      `the Claude configuration of ${repo.root} has ${files.length} files and ${bytes} bytes, expected at most ${maxFiles} and ${maxBytes}`,
      { remedy: `git -C ${shellWord(repo.root)} ls-tree -r -l ${commit} -- ${names.join(" ")}` },
    );
  return { tree: hash.digest("hex"), files, leftOut };
}

/** The content of one of its files. */
export async function readOwnFile(repo: Repository, { blob }: OwnFile): Promise<Buffer> {
  return (await sealed(repo, ["cat-file", "blob", blob], { timeoutMs: longMs })).stdout;
}

/** Writes it into `dir`, which then holds it and nothing else. */
export async function exportOwnConfig(
  repo: Repository,
  { files }: OwnConfig,
  dir: string,
): Promise<void> {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const file of files) {
    const to = join(dir, file.path);
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    const bytes = await readOwnFile(repo, file);
    const given = settingsPattern.test(file.path) ? withoutGrants(bytes) : bytes;
    if (given !== undefined) writeFileSync(to, given, { mode: file.executable ? 0o700 : 0o600 });
  }
}

const settingsPattern = /^\.claude\/settings(?:\.local)?\.json$/;

/**
 * Settings as a session gets them: a repository may deny and ask, but allow nothing (design §8). The binary ignores what it
 * allows only as long as nobody has trusted the folder in a terminal (measured). Undefined for what is no JSON object.
 */
function withoutGrants(bytes: Buffer): string | undefined {
  let settings: unknown;
  try {
    settings = JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof settings !== "object" || settings === null || Array.isArray(settings))
    return undefined;
  const { permissions, ...others } = settings as { permissions?: Record<string, unknown> };
  const { ask, deny } = permissions ?? {};
  const kept = Object.fromEntries(Object.entries({ ask, deny }).filter(([, rules]) => rules));
  return JSON.stringify({ ...others, permissions: kept }, null, 2);
}
